"""The data home, and verified downloads from PhysioNet into it."""

import logging
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.resources import files
from os import PathLike
from pathlib import Path

PHYSIONET_URL = "https://physionet.org/files/"
RETRIES = 3
DATA_HOME_VARIABLE = "SKLEARN_ECG_DATA"
_WORKERS = 4
_NAMED = 50
SUMS = "SHA256SUMS.txt"


def get_data_home(data_home: str | PathLike | None = None) -> Path:
    """Folder of the databases, one sub-folder each.

    Parameters
    ----------
    data_home : path-like, default=None
        The folder; None stands for the environment variable ``SKLEARN_ECG_DATA``, else ``~/sklearn_ecg_data``.

    Returns
    -------
    data_home : pathlib.Path
        It need not exist.
    """
    if data_home is None:
        data_home = os.environ.get(DATA_HOME_VARIABLE) or Path.home() / "sklearn_ecg_data"
    return Path(data_home).expanduser()


def record_names(records, sets, known, database):
    """Names of the records that ``records`` asks for: the name of one of ``sets``, or a list of records.

    Raises
    ------
    ValueError
        If it is neither, or a record is not among ``known``.
    """
    try:
        names = sets.get(records, ()) if isinstance(records, str) else tuple(str(name) for name in records)
    except TypeError:  # not iterable
        names = ()
    if not names:
        choices = ", ".join(map(repr, sets))
        raise ValueError(f"records must be {choices} or a list of at least one record of {database}, got {records!r}.")
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"records must be of {database}, {known[0]} to {known[-1]}; unknown: {unknown}.")
    return names


def provide_files(folder, database, names, *, download_if_missing=True):
    """Have the files ``names`` of a database in ``folder``, downloading what is missing.

    Raises
    ------
    OSError
        If a download fails, or a file is missing and nothing may be downloaded.
    """
    missing = [name for name in names if not (folder / name).is_file()]
    if missing and download_if_missing:
        download(folder, database, missing)
    elif missing:
        raise FileNotFoundError(
            f"{folder} holds no {', '.join(missing)}, which every record needs. {_remedy(folder, database)}"
        )


def provide_records(folder, database, records, files_of, *, shared=(), unlisted=(), download_if_missing=True):
    """Names of the records that are complete in ``folder``, after downloading what is missing.

    Parameters
    ----------
    folder : pathlib.Path
        Folder of the database.
    database : str
        Path of the database under :data:`PHYSIONET_URL`, such as "mitdb/1.0.0".
    records : sequence of str
        Records wanted.
    files_of : callable
        Record → its files, relative to ``folder``.
    shared : sequence of str
        Files that every record needs.
    unlisted : collection of str
        Files that may have no published sum.
    download_if_missing : bool
        False reads the disk only: records that are not there are named in a warning.

    Raises
    ------
    OSError
        If a download fails, or nothing is there and nothing may be downloaded.
    """

    def missing_of(record):
        return [name for name in (*shared, *files_of(record)) if not (folder / name).is_file()]

    missing = list(dict.fromkeys(name for record in records for name in missing_of(record)))
    if missing and download_if_missing:
        download(folder, database, missing, unlisted=unlisted)
    complete = [record for record in records if not missing_of(record)]
    absent = [name for name in shared if not (folder / name).is_file()]
    if absent and folder.is_dir():
        raise FileNotFoundError(
            f"{folder} holds no {', '.join(absent)}, which every record needs. {_remedy(folder, database)}"
        )
    if not complete:
        raise OSError(
            f"None of the {len(records)} record(s) wanted of {database} is in {folder}; missing: "
            f"{_named(records, files_of, missing_of)}. {_remedy(folder, database)}"
        )
    if len(complete) < len(records):
        found = set(complete)
        absent = [record for record in records if record not in found]
        warnings.warn(
            f"{folder} holds {len(complete)} of the {len(records)} records wanted; missing: "
            f"{_named(absent, files_of, missing_of)}.",
            UserWarning,
            stacklevel=4,  # the caller of fetch_*,
        )
    return complete


def _named(absent, files_of, missing_of):
    """Names of absent records, with the files that those lack of which there is a part."""
    names = []
    for record in absent[:_NAMED]:
        lacking = missing_of(record)
        whole = set(files_of(record)) <= set(lacking)
        names.append(record if whole else f"{record} (no {', '.join(lacking)})")
    return ", ".join(names) + (" and others" if len(absent) > _NAMED else "")


def _remedy(folder, database):
    return f"Pass download_if_missing=True to download from {PHYSIONET_URL}{database}/, or {other_home(folder.name)}."


def other_home(name):
    """What to do where the data of the folder ``name`` are elsewhere."""
    return (
        f"set data_home=, or the environment variable {DATA_HOME_VARIABLE}, to the folder around {name}/ where that is "
        "another one"
    )


def download(folder, database, names, *, unlisted=()):
    """Download files of a PhysioNet database, each under a temporary name until its SHA-256 sum is right.

    The sum is the one in our registry, else the one in the database's own ``SHA256SUMS.txt``, fetched first: that
    guards against broken transfers, not against a changed source. A file of ``unlisted`` that neither names is
    taken as it comes.

    Raises
    ------
    OSError
        If a file is not on the server, the server cannot be reached, or the sum stays wrong after :data:`RETRIES`
        further trials. Files already complete are kept, so that a second call goes on from there.
    """
    import pooch

    url = f"{PHYSIONET_URL}{database}/"
    try:
        for parent in {(folder / name).parent for name in names}:
            parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"The data folder {folder} cannot be made ({error}): {other_home(folder.name)}.") from error
    registry = _known_sums(folder.name)
    with _quiet_pooch(pooch):
        if not set(names) <= set(registry):
            registry = dict.fromkeys(unlisted) | _published_sums(pooch, folder, url) | registry
        unknown = sorted(set(names) - set(registry))
        if unknown:
            raise OSError(f"{url} does not list {', '.join(unknown)} in its {SUMS}.")
        _fetch_all(_fetcher(pooch, folder, url, registry), names, folder.name)


def _known_sums(database):
    """Sums that we verified ourselves, shipped with the package: file → SHA-256."""
    registry = files(__package__) / "registry" / f"{database}.txt"
    return parse_sums(registry.read_text()) if registry.is_file() else {}


def _published_sums(pooch, folder, url):
    """Sums published with the database, downloaded anew."""
    (folder / SUMS).unlink(missing_ok=True)
    _fetcher(pooch, folder, url, {SUMS: None})(SUMS)
    return parse_sums((folder / SUMS).read_text())


def parse_sums(text):
    pairs = (line.split(maxsplit=1) for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return {name.strip().lstrip("*").removeprefix("./"): digest for digest, name in pairs}


def _fetcher(pooch, folder, url, registry):
    """Function that brings one file, verified, to its place."""
    store = pooch.create(path=folder, base_url=url, registry=registry, retry_if_failed=RETRIES)

    def fetch(name):
        try:
            return store.fetch(name, downloader=_get)
        except FileNotFoundError:
            raise
        except ValueError as error:
            raise OSError(f"{url}{name} came damaged {RETRIES + 1} times: {error}") from error
        except OSError as error:  # those of requests are OSErrors too
            raise OSError(
                f"{url}{name} cannot be downloaded ({error}). What is already in {folder} can be read with "
                f"download_if_missing=False; or {other_home(folder.name)}."
            ) from error

    return fetch


def _get(url, output_file, pooch_object, check_only=False):
    """pooch's HTTP download, except that a file the server does not have is not asked for again."""
    import pooch

    try:
        return pooch.HTTPDownloader(timeout=60)(url, output_file, pooch_object, check_only)
    except OSError as error:
        if getattr(getattr(error, "response", None), "status_code", None) in (403, 404, 410):
            raise FileNotFoundError(f"{url} is not on the server ({error}).") from error
        raise


def _fetch_all(fetch, names, title):
    """A few files at a time, with a progress bar on a terminal; the first error stops the rest."""
    from tqdm.auto import tqdm

    with ThreadPoolExecutor(_WORKERS) as pool:
        try:
            list(tqdm(pool.map(fetch, names), total=len(names), desc=title, unit="file", disable=None))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


@contextmanager
def _quiet_pooch(pooch):
    """pooch logs a line for every file; the progress bar says it better."""
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
