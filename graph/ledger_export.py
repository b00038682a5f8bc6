"""A ledger as a file that can be verified anywhere, with nothing but its owner's public key.

The file is JSON lines: a checkpoint over all of it, then the exact bytes of each entry, and behind the entry that it covers last every
checkpoint that was signed meanwhile, with the cosignatures of witnesses.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import orjson

from .checkpoints import full_note, stored_checkpoints
from .database import Database, Row
from .evidence import Evidence, Trust, of_ledger
from .ledger import origin, read_head
from .notary import Notary
from .replay import Broken, Mark, Replay, Verdict
from .signing import Checkpoint
from .statements import load
from .tiles import CHUNK

_CYPHER = load("ledger")
_CHECKPOINT = b'{"checkpoint"'


async def export_ledger(database: Database, tenant: str, notary: Notary) -> AsyncGenerator[bytes]:
    """The ledger as JSON lines. Asks nobody's permission. Raises Conflict when the ledger can't be signed as it stands."""
    head = await read_head(database, tenant)
    yield _line(await notary.sign(tenant, head))
    checkpoints = {row["size"]: full_note(row) async for row in stored_checkpoints(database, tenant)}
    parameters: Row = {"tenant": tenant, "start": 0, "stop": head.size, "chunk": CHUNK}
    async with aclosing(database.stream(_CYPHER["ledger_entries"], parameters)) as rows:
        async for row in rows:
            lines: list[bytes] = []
            for seq, body, *_ in row["entries"]:
                lines.append(str(body).encode("utf-8") + b"\n")
                if seq + 1 in checkpoints:
                    lines.append(_line(checkpoints[seq + 1]))
            yield b"".join(lines)


def _line(note: str) -> bytes:
    return orjson.dumps({"checkpoint": note}) + b"\n"


def verify_export(file: Path, evidence: Evidence) -> Verdict:
    """Verify what `export_ledger` wrote, with nothing but public keys: every signature, every entry, the chain, every root.

    With `witnesses` in `evidence`, a ledger that has entries must have one checkpoint at least that `quorum` of them cosigned. `anchored`
    may hold notes of other ledgers, which are passed over. Raises OSError when the file can't be read, BadInput for a key that is none.
    """
    replay, trust = Replay(""), Trust(evidence)
    try:
        with file.open("rb") as lines:
            signed = _signed(lines.readline(), trust)
            replay = Replay(signed.origin.removeprefix(origin("")), histories=False)
            replay.expect(Mark(signed.size, signed.root, "checkpoint"))
            trust.expect_notes(replay, signed.origin, of_ledger(evidence.anchored, signed.origin), "anchored checkpoint")
            for line in lines:
                if line.startswith(_CHECKPOINT):
                    _hold(replay, _signed(line, trust), signed)
                elif replay.size == signed.size:
                    raise Broken(f"entry {replay.size}", "the signed checkpoint does not cover it")
                else:
                    replay.take(line.removesuffix(b"\n"))
        if replay.size < signed.size:
            raise Broken(f"entry {replay.size}", f"it is missing; {signed.size} entries were signed")
        replay.finish()
        if evidence.quorum and replay.size and not trust.witnessed:
            raise Broken("witnesses", f"no checkpoint has the cosignatures of {evidence.quorum} of the witnesses")
    except Broken as broken:
        return replay.verdict(0, broken.problem, trust.checkpoints, trust.witnessed)
    return replay.verdict(0, None, trust.checkpoints, trust.witnessed)


def _hold(replay: Replay, checkpoint: Checkpoint, signed: Checkpoint) -> None:
    source = f"checkpoint of {checkpoint.size} entries"
    if checkpoint.origin != signed.origin:
        raise Broken(source, f"it is of {checkpoint.origin}, another ledger")
    replay.expect(Mark(checkpoint.size, checkpoint.root, source))


def _signed(line: bytes, trust: Trust) -> Checkpoint:
    try:
        note = orjson.loads(line)["checkpoint"]
        if not isinstance(note, str):
            raise TypeError
    except (ValueError, TypeError, KeyError):
        raise Broken("checkpoint", "the line holds no checkpoint") from None
    return trust.open(note, "checkpoint")
