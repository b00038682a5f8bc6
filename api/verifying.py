"""`cairn verify`: online against the running Cairn, or offline from an export with nothing but the public key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..errors import BadInput
from ..graph.ledger_export import verify_export as verify_file
from ..graph.progress import Report
from ..settings import Settings
from .client import open_client


async def verify_running(settings: Settings, report: Report) -> bool:
    """Verify ledger and graph of the tenant, print what was found, and say whether everything held."""
    async with open_client(settings, report) as client:
        return _told(await client.fetch("/ledger/verification"))


def verify_exported(file: Path, verifier_key: str | None) -> bool:
    """Verify an export of a ledger, print what was found, and say whether everything held. Raises BadInput without a key or file."""
    if verifier_key is None:
        raise BadInput("give the public key that the checkpoint must be signed with: --key, as `ledger { verifierKey }` tells it")
    try:
        verdict = verify_file(file, verifier_key)
    except OSError as error:
        raise BadInput(f"{file} can't be read: {error.strerror}") from error
    problem = verdict.problem
    return _told(
        {"size": verdict.size, "root": verdict.root, "objects": 0, "problem": problem and {"where": problem.where, "what": problem.what}}
    )


def _told(verdict: dict[str, Any]) -> bool:
    problem = verdict["problem"]
    if problem is not None:
        click.echo(f"does not hold: {problem['where']}: {problem['what']}", err=True)
        return False
    click.echo(f"holds: {verdict['size']} entries, {verdict['objects']} objects, root {verdict['root']}")
    return True
