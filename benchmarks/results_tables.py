"""Tables of results in the README and in docs/results.md, made from the results files.

``python -m benchmarks.results_tables`` fills the space between ``<!-- results:NAME:start -->`` and
``<!-- results:NAME:end -->`` from ``benchmarks/results/NAME.json``; with ``--check`` it changes nothing and exits
with 1 where a page differs.
"""

import argparse
import json
import re
from pathlib import Path

from benchmarks._results import RESULTS

_ROOT = Path(__file__).parents[1]
PAGES = (_ROOT / "README.md", _ROOT / "docs" / "results.md")

_MARKER = re.compile(r"<!-- results:(?P<name>[\w.-]+):(?P<side>start|end) -->")
_NUMBER = re.compile(r"–|[-+−]?[.\d][\d.,e+-]*(\s*[%\[±(].*)?")  # 1,234 or .53 [.41, .60] or 97 %


def fill_tables(text, results_dir=RESULTS):
    """``text`` with every table between its markers made anew.

    Raises
    ------
    ValueError
        If a marker lacks its partner or a results file lacks a table.
    FileNotFoundError
        If a results file is missing.
    """
    markers = list(_MARKER.finditer(text))
    parts, position = [], 0
    for start, end in zip(markers[::2], markers[1::2] + [None] * (len(markers) % 2), strict=True):
        if (start["side"], end and end["side"], end and end["name"]) != ("start", "end", start["name"]):
            raise ValueError(f"The marker {start[0]} does not stand in a pair of start and end.")
        parts += [text[position : start.end()], "\n", render(_read(start["name"], results_dir)), "\n"]
        position = end.start()
    return "".join([*parts, text[position:]])


def render(results):
    """Markdown of one results file: caption, table, and the command that made it."""
    columns, rows = results["table"]["columns"], results["table"]["rows"]
    rules = ["---:" if _is_numeric(column) else "---" for column in zip(*rows, strict=True)] or ["---"] * len(columns)
    lines = [_line(columns), _line(rules), *(_line(map(_cell, row)) for row in rows)]
    caption = [results["caption"], ""] if results.get("caption") else []
    source = f"Made by `{results['command']}` on {results['date']}."
    return "\n".join([*caption, *lines, "", source])


def main(argv=None, *, pages=PAGES, results_dir=RESULTS):
    """Rewrite the tables of the pages, or check them; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.results_tables", description="Tables of results.")
    parser.add_argument("--check", action="store_true", help="change nothing, exit with 1 if a page differs")
    check, status = parser.parse_args(argv).check, 0
    for page in pages:
        text = page.read_text(encoding="utf-8")
        filled = fill_tables(text, results_dir)
        if filled == text:
            continue
        if check:
            print(f"{page.name} differs from the results: run python -m benchmarks.results_tables")
            status = 1
        else:
            page.write_text(filled, encoding="utf-8")
    return status


def _read(name, results_dir):
    results = json.loads((Path(results_dir) / f"{name}.json").read_text(encoding="utf-8"))
    if "table" not in results:
        raise ValueError(f"{name}.json has no table for the README.")
    return results


def _line(cells):
    return f"| {' | '.join(cells)} |"


def _cell(value):
    if value is None:
        return "–"
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|")


def _is_numeric(cells):
    return all(_NUMBER.fullmatch(_cell(cell)) for cell in cells)


if __name__ == "__main__":
    raise SystemExit(main())
