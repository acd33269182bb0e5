"""Read records of PhysioNet's WFDB format from disk, refusing what is damaged."""

import math
import re
import struct
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..signals._annotations import lead_index

ANNOTATION_DTYPE = [("sample", np.int64), ("symbol", "U1"), ("note", "U32")]

# place = annotation code, blanks are unused; https://physionet.org/physiotools/wag/annot-5.htm
_SYMBOLS = ' NLRaVFJASEj/Q~ | sT*D"=pB^t+u?![]en@xf()r'
_SKIP, _NOTE, _LAST_SYMBOL = 59, 63, len(_SYMBOLS) - 1
_BYTES_PER_SAMPLE = {"8": 1, "16": 2, "24": 3, "32": 4, "61": 2, "80": 1, "160": 2, "212": 1.5}
_SCALE = re.compile(r"(?P<gain>[-+.\deE]+)(\((?P<baseline>-?\d+)\))?(/(?P<units>\S+))?")
_PLAIN_FORMAT = re.compile(r"16(\+(?P<offset>\d+))?")
_DEFAULT_GAIN, _INVALID_SAMPLE = 200.0, -(2**15)


@contextmanager
def quiet_wfdb():
    """The package wfdb (an import of pandas), without pandas 3 warning of what wfdb will stumble over in pandas 4."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import wfdb

        yield wfdb


def read_signal(folder, name):
    """Signal of a record.

    Parameters
    ----------
    folder : path-like
        Folder of the ``.hea`` and ``.dat`` files.
    name : str
        Record name.

    Returns
    -------
    signal : ndarray of float32 of shape (n_leads, n_timepoints)
        In the header's physical units.
    header : wfdb.Record
        The header: ``sig_name``, ``fs``, ``units``, ``comments``.

    Raises
    ------
    OSError
        If a file is missing, shorter than its header promises, or not readable.
    """
    path = Path(folder) / name
    _need(path.with_name(f"{name}.hea"), name)
    try:
        with quiet_wfdb() as wfdb:
            header = wfdb.rdheader(str(path))
    except Exception as error:  # wfdb raises whatever its parser stumbles over
        raise OSError(f"Record {name}: the header {path}.hea cannot be read ({error}).") from error
    _check_sizes(header, name, path.parent)
    try:
        with quiet_wfdb() as wfdb:
            record = wfdb.rdrecord(str(path), return_res=32)
    except Exception as error:
        raise OSError(f"Record {name}: the signal beside {path}.hea cannot be read ({error}).") from error
    return np.ascontiguousarray(record.p_signal.T), header


def order_of_leads(names, leads, name):
    """Places in ``names`` of the leads ``leads``, whatever the case; OSError where record ``name`` lacks one."""
    places = [lead_index(names, lead) for lead in leads]
    absent = [lead for lead, place in zip(leads, places, strict=True) if place < 0]
    if absent:
        raise OSError(f"Record {name}: the header has the leads {list(names)}, not {', '.join(absent)}.")
    return places


@dataclass(frozen=True)
class PlainHeader:
    """What a header of a record in one 16-bit signal file says; arrays and tuples have an entry for each lead.

    ``offset`` bytes of the file come before the samples (24 in the MATLAB files that format 16+24 stands for), and
    lines such as "#Age: 63" are ``comments`` by name.
    """

    file_name: str
    fs: float
    sig_len: int
    sig_name: tuple[str, ...]
    units: tuple[str, ...]
    gain: np.ndarray
    baseline: np.ndarray
    offset: int
    comments: dict


def read_plain_signal(folder, name):
    """Signal of a record whose one file holds 16-bit samples, and its :class:`PlainHeader`.

    :func:`read_signal` gives the same, but wfdb's headers cost it 20 ms a record: for the 21,799 records of PTB-XL
    that is seven minutes against some seconds here.

    Returns
    -------
    signal : ndarray of float32 of shape (n_leads, n_timepoints)
        In the header's physical units; NaN where a sample is marked invalid.
    header : PlainHeader

    Raises
    ------
    OSError
        If a file is missing, shorter than its header promises or of another format.
    """
    path = _need(Path(folder) / f"{name}.hea", name)
    try:
        header = _parse_plain_header(path.read_text(encoding="latin-1"))
    except (ValueError, IndexError) as error:
        raise OSError(f"Record {name}: the header {path} cannot be read ({error}).") from error
    path = _need(path.with_name(header.file_name), name)
    raw = np.fromfile(path, dtype="<i2", count=header.sig_len * len(header.sig_name), offset=header.offset)
    if raw.size < header.sig_len * len(header.sig_name):
        wanted = 2 * header.sig_len * len(header.sig_name)
        raise OSError(f"Record {name}: the signal file {path} is cut short: {2 * raw.size} of {wanted} bytes.")
    raw = raw.reshape(header.sig_len, -1).T
    signal = (raw - header.baseline.astype(np.float32)[:, None]) / header.gain.astype(np.float32)[:, None]
    signal[raw == _INVALID_SAMPLE] = np.nan
    return signal, header


def _parse_plain_header(text):
    """Header from its text; https://physionet.org/physiotools/wag/header-5.htm says what stands where."""
    comments = [line[1:].partition(":") for line in text.splitlines() if line.startswith("#")]
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    _, n_leads, fs, sig_len = lines[0].split()[:4]
    fields = [line.split(maxsplit=8) for line in lines[1 : int(n_leads) + 1]]
    file_names, formats, scales, _, zeros, *_, names = zip(*fields, strict=True)
    plain = _PLAIN_FORMAT.fullmatch(formats[0])
    if not plain or len(set(formats)) > 1 or len(set(file_names)) > 1 or len(names) < int(n_leads):
        raise ValueError(f"{n_leads} leads of format 16 in one file are wanted, got {formats} in {file_names}")
    if not all(_SCALE.fullmatch(scale) for scale in scales):
        raise ValueError(f"scales such as 1000(0)/mV are wanted, got {scales}")
    scales = [_SCALE.fullmatch(scale) for scale in scales]
    return PlainHeader(
        file_name=file_names[0],
        fs=float(fs),
        sig_len=int(sig_len),
        sig_name=tuple(name.strip() for name in names),
        units=tuple(scale["units"] or "mV" for scale in scales),
        gain=np.array([float(scale["gain"]) or _DEFAULT_GAIN for scale in scales]),
        baseline=np.array([int(scale["baseline"] or zero) for scale, zero in zip(scales, zeros, strict=True)]),
        offset=int(plain["offset"] or 0),
        comments={name.strip(): value.strip() for name, _, value in comments},
    )


def read_annotations(folder, name, extension):
    """Annotations of a record, as a structured array with the fields "sample", "symbol" and "note".

    ``wfdb.rdann`` reads the same, but parses the header for every file: over LUDB's 1,920 files this takes 20 s of CPU
    time against half a second here.

    Raises
    ------
    OSError
        If the file is missing, cut short or not an annotation file.
    """
    path = Path(folder) / f"{name}.{extension}"
    raw = _need(path, name).read_bytes()
    if len(raw) % 2 or raw[-2:] != b"\0\0":
        raise OSError(f"Record {name}: the annotation file {path} is damaged: {len(raw)} bytes, no end mark.")
    try:
        return np.array(_decode(raw), dtype=ANNOTATION_DTYPE)
    except (struct.error, ValueError) as error:
        raise OSError(f"Record {name}: the annotation file {path} is damaged ({error}).") from error


def _decode(raw):
    """List of (sample, symbol, note) from the bytes of an annotation file of the MIT format."""
    found, at, sample = [], 0, 0
    while True:
        (word,) = struct.unpack_from("<H", raw, at)
        code, value = word >> 10, word & 0x3FF
        at += 2
        if word == 0:
            return found
        if code == _SKIP:
            high, low = struct.unpack_from("<hH", raw, at)
            sample += (high << 16) + low
            at += 4
        elif code == _NOTE:
            note = raw[at : at + value].decode("latin-1").rstrip("\0")
            found[-1] = (*found[-1][:2], note)
            at += value + value % 2
        elif code <= _LAST_SYMBOL:
            sample += value
            found.append((sample, _SYMBOLS[code], ""))
        elif code < 60:
            raise ValueError(f"unknown annotation code {code}")


def _need(path, name):
    if not path.is_file():
        raise FileNotFoundError(f"Record {name}: the file {path} is missing.")
    return path


def _check_sizes(header, name, folder):
    """wfdb reads a short file without a word: compare the sizes with what the header promises."""
    for file_name in dict.fromkeys(header.file_name):
        path = _need(folder / file_name, name)
        mine = [i for i, other in enumerate(header.file_name) if other == file_name]
        width = _BYTES_PER_SAMPLE.get(header.fmt[mine[0]])
        if width is None or header.sig_len is None:
            continue
        per_frame = sum(header.samps_per_frame[i] for i in mine)
        wanted = math.ceil(header.sig_len * per_frame * width) + (header.byte_offset[mine[0]] or 0)
        seen = path.stat().st_size
        if seen < wanted:
            raise OSError(f"Record {name}: the signal file {path} is cut short: {seen} of {wanted} bytes.")
