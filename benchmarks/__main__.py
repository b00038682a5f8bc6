"""Runs every figure's script, one after the other, and sums up: python -m benchmarks [NAME ...].

A script prints what it measured and, in parentheses after a figure, what was wanted: `ratio 5.3 (5 wanted)`, `3 ms (at most 4 wanted)`.
It ends with 1 when something is not as wanted. Those that need the sample data in ../shared/data beside the repository are skipped
where it is absent.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

FOLDER = Path(__file__).parent
SHARED = FOLDER.parents[1] / "shared" / "data"
NEEDED = {"import_rdf": "rdf", "recall": "recall", "recall_ablation": "recall", "encryption": "recall", "prefetch": "traces"}
"""The folder of sample data that a script reads."""
GIVEN = {"prefetch"}
"""Scripts that are told their files; the others know where to look."""
_FIGURE = re.compile(r"(?P<figure>[^()]*?)[,;]?\s*\((?P<goal>[^()]*\bwanted\b[^()]*)\)")
_GOAL = re.compile(r"(?P<way>at most|under|at least)?\s*(?P<number>[\d.,]+)\s*(?:%|times|ms)?\s*wanted")
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with what it was measured beside, what was wanted of it, and whether that was met (None: only its script knows)."""

    script: str
    text: str
    goal: str
    met: bool | None


def figures_in(script: str, output: str) -> Iterator[Figure]:
    """The figures that a script printed."""
    for line in output.splitlines():
        for found in _FIGURE.finditer(line):
            text, goal = found["figure"].strip(" .,;:"), found["goal"]
            yield Figure(script, text, goal, _met(text, goal))


def _met(text: str, goal: str) -> bool | None:
    wanted, numbers = _GOAL.match(goal), _NUMBER.findall(text.rpartition(":")[2])
    if wanted is None or len(numbers) != 1:
        return None
    value, limit = (float(number.strip(",.").replace(",", "")) for number in (numbers[0], wanted["number"]))
    if wanted["way"] in ("at most", "under"):
        return value <= limit
    return value >= limit if limit else value == 0


def run(name: str) -> tuple[int, str]:
    """Run one script, its output shown as it comes; how it ended and what it printed."""
    files = sorted(map(str, (SHARED / NEEDED[name]).iterdir())) if name in GIVEN else []
    with subprocess.Popen([sys.executable, "-m", f"benchmarks.{name}", *files], stdout=subprocess.PIPE, text=True) as process:
        lines: list[str] = []
        for line in process.stdout or ():
            print(line, end="", flush=True)
            lines.append(line)
    return process.returncode, "".join(lines)


def main(names: list[str]) -> int:
    """Run the named scripts, or all of them. 1 when one failed."""
    table = Table("script", "figure, beside what it was measured with", "goal", "met")
    failed = False
    for name in names or sorted(path.stem for path in FOLDER.glob("[!_]*.py")):
        print(f"== {name}", flush=True)
        if name in NEEDED and not (SHARED / NEEDED[name]).is_dir():
            print(f"skipped: it needs the sample data in {Path('..', 'shared', 'data', NEEDED[name])} beside the repository")
            table.add_row(name, "skipped, without its sample data", "", "")
            continue
        code, output = run(name)
        failed = failed or code != 0
        figures = list(figures_in(name, output))
        for one in figures:
            met = one.met if one.met is not None else code == 0
            table.add_row(name, one.text, one.goal, "yes" if met else "no")
        if not figures:
            table.add_row(name, output.strip().rpartition("\n")[2], "", "ended well" if code == 0 else f"ended with {code}")
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
