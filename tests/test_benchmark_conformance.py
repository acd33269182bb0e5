"""The conformance benchmark: every public estimator is in it, and it goes on where it stopped."""

import json

import pytest

import sklearn_ecg
from benchmarks import _results, conformance


@pytest.mark.parametrize("name", sklearn_ecg.__all__)
def test_every_public_estimator_is_constructed_with_its_defaults(name):
    estimator = conformance.default(name)
    changed = {"fs", "random_state", *conformance.SETTINGS.get(name, {})}
    fresh = type(estimator)(**{key: getattr(estimator, key) for key in changed if hasattr(estimator, key)})
    assert repr(fresh) == repr(estimator)
    assert getattr(estimator, "random_state", 0) == 0


def test_a_stopped_run_goes_on_where_it_was(tmp_path, monkeypatch):
    asked, names = [], ["ECGFilter", "ECGScaler", "PeriodicVAE"]

    def checked(name):
        asked.append(name)
        if name == "PeriodicVAE" and len(asked) < 4:
            raise KeyboardInterrupt
        return [name, 1, 0, 0, "–", 0.0], {}

    monkeypatch.setattr(sklearn_ecg, "__all__", names)
    monkeypatch.setattr(_results, "RESULTS", tmp_path)
    monkeypatch.setattr(conformance, "checked", checked)
    monkeypatch.setattr("sys.argv", ["conformance", "--missing"])
    with pytest.raises(KeyboardInterrupt):
        conformance.main()
    conformance.main()
    assert asked == [*names, "PeriodicVAE"]
    path = tmp_path / "conformance.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    assert [row[0] for row in record["table"]["rows"]] == names == list(record["metrics"]["failures"])
    record["environment"]["packages"]["torch"] = "0"
    path.write_text(json.dumps(record), encoding="utf-8")
    assert conformance.done_before(path) == {}
