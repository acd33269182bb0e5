"""Tables of results in the README, made from the results files.

``python -m benchmarks.readme_table`` fills the space between ``<!-- results:NAME:start -->`` and
``<!-- results:NAME:end -->`` from ``benchmarks/results/NAME.json``; with ``--check`` it changes nothing and exits
with 1 where the README differs.
"""

import argparse
import json
import re
from pathlib import Path

from benchmarks._results import RESULTS

README = Path(__file__).parents[1] / "README.md"

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


def main(argv=None, *, readme=README, results_dir=RESULTS):
    """Rewrite the README's tables, or check them; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.readme_table", description="Tables of the README.")
    parser.add_argument("--check", action="store_true", help="change nothing, exit with 1 if the README differs")
    check = parser.parse_args(argv).check
    text = readme.read_text(encoding="utf-8")
    filled = fill_tables(text, results_dir)
    if check and filled != text:
        print(f"{readme.name} differs from the results: run python -m benchmarks.readme_table")
        return 1
    if filled != text:
        readme.write_text(filled, encoding="utf-8")
    return 0


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
