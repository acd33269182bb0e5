"""Fixtures shared by the tests: real data where there is some, a local server, small records on disk."""

import os

os.environ["SCIPY_ARRAY_API"] = "1"  # without it scikit-learn skips checks; scipy reads it when first imported
os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests that start two processes must not ask for four cores

import hashlib
import signal
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from sklearn_ecg.datasets._wfdb import quiet_wfdb


@pytest.fixture(scope="session")
def data_home():
    """Folder of real recordings; tests that need it are skipped without."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    chosen = os.environ.get("SKLEARN_ECG_DATA") or (beside if beside.is_dir() else None)
    if chosen is None or not Path(chosen).expanduser().is_dir():
        pytest.skip("no real recordings: set SKLEARN_ECG_DATA")
    return Path(chosen).expanduser()


@pytest.fixture(params=[signal.default_int_handler, signal.SIG_IGN], ids=["heard", "ignored"])
def interrupts(request):
    """SIGINT raises KeyboardInterrupt, even where it was ignored: jobs in the background inherit that."""
    outside = signal.signal(signal.SIGINT, request.param)
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, inherited)
    signal.signal(signal.SIGINT, outside)


class _Handler(SimpleHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        codes = self.server.failures.get(self.path.rsplit("/", 1)[-1], [])
        if codes:
            self.send_error(codes.pop(0))
        else:
            super().do_GET()

    def log_message(self, *args):
        pass


@pytest.fixture
def file_server(tmp_path, monkeypatch):
    """Loopback HTTP server: ``folder`` is served at ``url``, ``asked`` lists the requests, and ``failures`` maps a
    file name to the status codes with which its first requests fail."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
    server.asked, server.failures = [], {}
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/"
    yield SimpleNamespace(folder=folder, url=url, asked=server.asked, failures=server.failures)
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def write_record():
    """Function that writes a small WFDB record with annotations."""

    def write(folder, name, *, n_timepoints=1000, fs=360, lead_names=("MLII", "V5"), fmt="212", marks=((100, "N"),)):
        folder.mkdir(parents=True, exist_ok=True)
        time = np.arange(n_timepoints) / fs
        signal = np.column_stack([np.sin(2 * np.pi * (lead + 1) * time) for lead in range(len(lead_names))])
        n_leads = len(lead_names)
        with quiet_wfdb() as wfdb:
            wfdb.wrsamp(
                name,
                fs=fs,
                units=["mV"] * n_leads,
                sig_name=list(lead_names),
                p_signal=signal,
                fmt=[fmt] * n_leads,
                adc_gain=[200.0] * n_leads,
                baseline=[0] * n_leads,
                write_dir=str(folder),
            )
        write_marks(folder, name, "atr", marks)
        return signal.T

    return write


@pytest.fixture
def write_annotations():
    """Function that writes an annotation file: ``(folder, name, extension, [(sample, symbol[, note]), …])``."""
    return write_marks


def write_marks(folder, name, extension, marks):
    samples, symbols, notes = zip(*((*mark, "")[:3] for mark in marks), strict=True)
    with quiet_wfdb() as wfdb:
        wfdb.wrann(name, "written", np.array(samples), list(symbols), aux_note=list(notes), write_dir=str(folder))
    (folder / f"{name}.written").rename(folder / f"{name}.{extension}")  # wfdb refuses digits in it


@pytest.fixture
def write_sums():
    """Function that writes PhysioNet's list of SHA-256 sums for the files of a folder."""

    def write(folder):
        files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "SHA256SUMS.txt")
        lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.relative_to(folder)}" for path in files]
        (folder / "SHA256SUMS.txt").write_text("\n".join(lines) + "\n")

    return write
