"""`cairn consolidate`: the jobs that keep memories in order, with their progress."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anyio
from rich.console import Console

from .client import Client
from .operations import operation

_POLL_SECONDS = 0.5


async def consolidate_tenant(client: Client, jobs: Sequence[str] | None, dry_run: bool, console: Console) -> bool:
    """Run jobs to their end, show what each came to, and say whether all went well."""
    reports: list[dict[str, Any]] = (await client.demand(operation("consolidate"), {"jobs": jobs, "dryRun": dry_run}))["consolidate"]
    wanted = {report["job"] for report in reports}
    with console.status("") as status:
        while any(report["state"] == "RUNNING" for report in reports):
            status.update(", ".join(_progress(report) for report in reports if report["state"] == "RUNNING"))
            await anyio.sleep(_POLL_SECONDS)
            everything = (await client.demand(operation("consolidation")))["consolidation"]
            reports = [report for report in everything if report["job"] in wanted]
    for report in reports:
        for line in _lines(report):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
    return all(report["state"] == "DONE" for report in reports)


def _progress(report: dict[str, Any]) -> str:
    return f"{report['job'].lower()} {report['examined']} of {report['total']}" if report["examined"] else report["job"].lower()


def _lines(report: dict[str, Any]) -> list[str]:
    if report["error"]:
        return [f"{report['job'].lower():<13} {report['error']}"]
    verb = "would change" if report["dryRun"] else "changed"
    count = report["found"] if report["dryRun"] else report["changed"]
    first = f"{report['job'].lower():<13} {verb} {count}, {report['examined']} examined"
    return [first, *(f"  {one['memory']} {one['other'] or ''} {one['reason']}".replace("  ", " ", 1) for one in report["examples"])]
