from __future__ import annotations

from io import StringIO

from rich.console import Console

from cairn.graph.progress import Progress, shown


def test_without_a_terminal_each_step_is_a_line_and_its_end_another() -> None:
    out = StringIO()
    with shown(Console(file=out, width=100)) as report:
        for done in range(101):
            report(Progress("Fetching [stones]", done * 1_000_000, 100_000_000))
        report(Progress("Starting"))
    lines = out.getvalue().splitlines()
    assert lines[0] == "Fetching [stones]: 0 of 100 MB"
    assert lines[-2:] == ["Fetching [stones]: 100 of 100 MB", "Starting"]
    assert len(lines) < 100


def test_at_a_terminal_one_line_is_kept_up_to_date() -> None:
    out = StringIO()
    with shown(Console(file=out, force_terminal=True, width=100)) as report:
        report(Progress("Fetching [stones]", 1_000_000, 2_000_000))
    assert "Fetching [stones]: 1 of 2 MB" in out.getvalue()
