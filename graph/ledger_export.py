"""A ledger as a file that can be verified anywhere, with nothing but its owner's public key."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import orjson

from ..errors import BadInput
from .database import Database, Row
from .ledger import CHUNK, origin, read_head, sign_checkpoint
from .replay import Broken, Replay, Verdict
from .signing import Checkpoint, Signer, open_note, read_checkpoint
from .statements import load

_CYPHER = load("ledger")


async def export_ledger(database: Database, tenant: str, signer: Signer) -> AsyncGenerator[bytes]:
    """The ledger as JSON lines: first a signed checkpoint, then the exact bytes of each entry. Asks nobody's permission."""
    head = await read_head(database, tenant)
    yield orjson.dumps({"checkpoint": sign_checkpoint(signer, tenant, head)}) + b"\n"
    parameters: Row = {"tenant": tenant, "start": 0, "stop": head.size, "chunk": CHUNK}
    async with aclosing(database.stream(_CYPHER["ledger_entries"], parameters)) as rows:
        async for row in rows:
            yield b"".join(str(body).encode("utf-8") + b"\n" for _, body, *_ in row["entries"])


def verify_export(file: Path, verifier_key: str) -> Verdict:
    """Verify what `export_ledger` wrote, with nothing but the public key: the signature, every entry, the chain and the root.

    Raises OSError when the file can't be read.
    """
    replay = Replay("")
    try:
        with file.open("rb") as lines:
            checkpoint = _signed(lines.readline(), verifier_key)
            replay = Replay(checkpoint.origin.removeprefix(origin("")), checkpoint)
            for line in lines:
                if replay.size == checkpoint.size:
                    raise Broken(f"entry {replay.size}", "the signed checkpoint does not cover it")
                replay.take(line.removesuffix(b"\n"))
        if replay.size < checkpoint.size:
            raise Broken(f"entry {replay.size}", f"it is missing; {checkpoint.size} entries were signed")
        if replay.frontier.root() != checkpoint.root:
            raise Broken("checkpoint", "the root over no entries is not the one that was signed")
    except Broken as broken:
        return replay.verdict(0, broken.problem)
    return replay.verdict(0, None)


def _signed(line: bytes, verifier_key: str) -> Checkpoint:
    try:
        return read_checkpoint(open_note(orjson.loads(line)["checkpoint"], verifier_key))
    except BadInput as error:
        raise Broken("checkpoint", error.message) from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise Broken("checkpoint", "the first line holds no checkpoint") from None
