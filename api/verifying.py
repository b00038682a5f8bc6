"""`cairn verify`: online against the running Cairn, or offline from an export with nothing but public keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from ..errors import BadInput
from ..graph.anchors import read_anchor
from ..graph.evidence import Evidence
from ..graph.ledger import origin
from ..graph.ledger_export import verify_export
from ..graph.progress import Report
from ..graph.replay import Verdict
from ..graph.signing import Checkpoint
from ..graph.verification import verify
from ..schema.context import Services
from ..settings import Settings
from .client import open_client


async def verify_tenant(services: Services, tenant: str) -> Verdict:
    """Verify ledger and graph of a tenant with all that this Cairn has to hold them against. Raises Unavailable when some can't be had."""
    settings, name = services.settings, origin(tenant)
    pledge = (await services.notary.pledged()).get(tenant)
    anchored = [note for anchor in services.anchors.values() for note in await anchor.check(name)]
    evidence = Evidence(
        keys=(services.notary.verifier_key(tenant), *settings.ledger_keys),
        witnesses=tuple(witness.key for witness in settings.witnesses),
        quorum=settings.witness_quorum if settings.witnesses else 0,
        pledged=None if pledge is None else Checkpoint(name, pledge.size, pledge.root),
        anchored=tuple(anchored),
    )
    return await verify(services.database, tenant, evidence=evidence)


async def verify_running(settings: Settings, report: Report) -> bool:
    """Verify ledger and graph of the tenant, print what was found, and say whether everything held."""
    async with open_client(settings, report) as client:
        return _told(await client.fetch("/ledger/verification"), bool(settings.witnesses))


def verify_exported(file: Path, keys: Sequence[str], witnesses: Sequence[str], quorum: int | None, anchor: Path | None) -> bool:
    """Verify an export of a ledger, print what was found, and say whether everything held. Raises BadInput without a key or file."""
    if not keys:
        raise BadInput("give the public key that the checkpoint must be signed with: --key, as `ledger { verifierKey }` tells it")
    try:
        anchored = read_anchor(anchor) if anchor is not None else []
        wanted = len(witnesses) if quorum is None else quorum
        verdict = verify_export(file, Evidence(tuple(keys), tuple(witnesses), wanted, anchored=tuple(anchored)))
    except OSError as error:
        raise BadInput(f"{error.filename or file} can't be read: {error.strerror}") from error
    return _told(asdict(verdict), bool(witnesses))


def _told(verdict: dict[str, Any], witnesses: bool) -> bool:
    problem = verdict["problem"]
    if problem is not None:
        click.echo(f"does not hold: {problem['where']}: {problem['what']}", err=True)
        return False
    seen = f", witnessed up to {verdict['witnessed']}" if witnesses else ""
    counts = f"{verdict['size']} entries, {verdict['checkpoints']} checkpoints{seen}, {verdict['objects']} objects"
    click.echo(f"holds: {counts}, root {verdict['root']}")
    return True
