VENV := .venv
PYTHON := $(VENV)/bin/python
PEERS := .venv-peers
DATA ?=

.PHONY: demo test lint peers clean

$(VENV)/.installed: pyproject.toml constraints.txt
	python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check torch==2.13.0 -c constraints.txt
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -e ".[dev]" -c constraints.txt
	touch $@

demo: $(VENV)/.installed
	$(PYTHON) examples/demo.py $(if $(DATA),--data $(DATA))

test: $(VENV)/.installed
	$(PYTHON) -m pytest

lint: $(VENV)/.installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

# Other R-peak detectors for benchmarks/rpeaks.py; apart, because neurokit2 holds pandas below 3.
peers: $(PEERS)/.installed

$(PEERS)/.installed: benchmarks/peers.txt
	python3 -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/peers.txt
	touch $@

clean:
	rm -rf $(VENV) $(PEERS) demo_output
