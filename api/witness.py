"""`cairn witness`: a process of its own, with a key of its own, that cosigns checkpoints of ledgers it has watched from the beginning.

Source: C2SP tlog-witness and tlog-cosignature (https://c2sp.org/tlog-witness, https://c2sp.org/tlog-cosignature). It stands apart from
Cairn: it needs no database, only its folder, and its word is worth what its being run by somebody else is worth.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ..errors import BadInput, Unavailable
from ..graph.data_dir import write_private
from ..graph.merkle import EMPTY_ROOT, verify_consistency
from ..graph.signing import Checkpoint, Signer, VerifierKey, open_signed, read_checkpoint, read_key, split_note

_MOST_BYTES = 262_144
_MOST_PROOF = 63
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")
STATE = "witness.json"


@dataclass(frozen=True, slots=True)
class Seen:
    """What was cosigned last of a ledger: how many entries, the root over them, and the note with the cosignature."""

    size: int = 0
    root: bytes = EMPTY_ROOT
    note: str | None = None


class _Refused(Exception):
    """A request that is answered with a status and one line."""

    def __init__(self, status: int, message: str, media_type: str = "text/plain") -> None:
        super().__init__(message)
        self.response = PlainTextResponse(f"{message}\n", status, media_type=media_type)


class Witness:
    """The record of what was cosigned, and the rules by which more is.

    Guarantee: a cosignature leaves only after the record of it is on the disk, and never for a history that does not extend the last.
    Raises BadInput when a key in `logs` is none, Unavailable when the record can't be read.
    """

    def __init__(self, folder: Path, name: str, signer: Signer, logs: Sequence[str]) -> None:
        self._file = folder / STATE
        self._name = name
        self._signer = signer
        self._keys: dict[str, list[VerifierKey]] = {}
        for text in logs:
            key = read_key(text)
            if key.is_witness:
                raise BadInput(f"the key of {key.name} is a witness's, not a ledger's; `ledger {{ verifierKey }}` tells a ledger's")
            self._keys.setdefault(key.name, []).append(key)
        self._seen = _read(self._file)
        self._lock = asyncio.Lock()

    async def add_checkpoint(self, body: str) -> str:
        """The signature line for what was posted. Raises _Refused."""
        old, proof, note = _parse(body)
        checkpoint = self._open(note)
        if old > checkpoint.size:
            raise _Refused(400, "the old size is larger than the checkpoint's")
        async with self._lock:
            seen = self._seen.get(checkpoint.origin, Seen())
            if old != seen.size:
                raise _Refused(409, str(seen.size), "text/x.tlog.size")
            _check(seen, checkpoint, proof)
            text, _ = split_note(note)
            line = self._signer.cosign(self._name, text, int(time.time()))
            kept = open_signed(note, self._keys[checkpoint.origin])[0] + "\n" + "".join((*_own(note, self._keys[checkpoint.origin]), line))
            after = {**self._seen, checkpoint.origin: Seen(checkpoint.size, checkpoint.root, kept)}
            await asyncio.to_thread(_write, self._file, after)
            self._seen = after
        return line

    def latest(self, origin_hash: str) -> str | None:
        """The cosigned note of the ledger whose origin has that SHA-256, in hex."""
        return next((seen.note for origin, seen in self._seen.items() if sha256(origin.encode("utf-8")).hexdigest() == origin_hash), None)

    def _open(self, note: str) -> Checkpoint:
        try:
            checkpoint = read_checkpoint(split_note(note)[0])
        except BadInput as error:
            raise _Refused(400, error.message) from None
        keys = self._keys.get(checkpoint.origin)
        if keys is None:
            raise _Refused(404, "this witness does not know that ledger")
        try:
            open_signed(note, keys)
        except BadInput as error:
            raise _Refused(403, error.message) from None
        return checkpoint


def _own(note: str, keys: Sequence[VerifierKey]) -> list[str]:
    """The lines of a note that these keys signed."""
    lines = note.rpartition("\n\n")[2].splitlines(keepends=True)
    mine = {(key.name, key.id) for key in keys}
    return [line for line, (name, raw) in zip(lines, split_note(note)[1], strict=True) if (name, raw[:4]) in mine]


def _check(seen: Seen, checkpoint: Checkpoint, proof: Sequence[bytes]) -> None:
    if checkpoint.size == 0 and checkpoint.root != EMPTY_ROOT:
        raise _Refused(422, "the root of an empty tree is another")
    if seen.size == 0:
        if proof:
            raise _Refused(422, "nothing is to be proved about an empty tree")
    elif not verify_consistency(seen.size, seen.root, checkpoint.size, checkpoint.root, proof):
        raise _Refused(422, "the proof does not show that the checkpoint extends the last one")


def _parse(body: str) -> tuple[int, list[bytes], str]:
    head, blank, note = body.partition("\n\n")
    first, *lines = head.split("\n")
    old = _OLD.fullmatch(first)
    if not blank or old is None or len(lines) > _MOST_PROOF:
        raise _Refused(400, "the body must be: old SIZE, at most 63 lines of proof, an empty line, a checkpoint")
    try:
        proof = [base64.b64decode(line, validate=True) for line in lines]
    except (ValueError, binascii.Error):
        raise _Refused(400, "a line of the proof is no base64") from None
    return int(old[1]), proof, note


def _read(file: Path) -> dict[str, Seen]:
    try:
        stored = json.loads(file.read_text("utf-8"))
        return {origin: Seen(int(size), bytes.fromhex(root), note) for origin, (size, root, note) in stored.items()}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise Unavailable(f"{file} can't be read: {error.strerror}") from error
    except (ValueError, TypeError, AttributeError):
        raise Unavailable(
            f"{file} does not hold what was cosigned; restore it from a copy, for without it this witness is worth nothing"
        ) from None


def _write(file: Path, seen: dict[str, Seen]) -> None:
    write_private(file, json.dumps({origin: [one.size, one.root.hex(), one.note] for origin, one in seen.items()}, ensure_ascii=False))


def create_witness(witness: Witness) -> Starlette:
    """The app of a witness: `POST /add-checkpoint`, and `GET /<SHA-256 of the origin>/checkpoint` for monitors."""

    async def add(request: Request) -> Response:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MOST_BYTES:
                return PlainTextResponse("the body is too long\n", 413)
        try:
            return PlainTextResponse(await witness.add_checkpoint(body.decode("utf-8")))
        except UnicodeDecodeError:
            return PlainTextResponse("the body is no UTF-8\n", 400)
        except _Refused as refused:
            return refused.response
        except OSError:
            return PlainTextResponse("the record can't be written, so nothing is cosigned\n", 503)

    async def checkpoint(request: Request) -> Response:
        note = witness.latest(request.path_params["origin"])
        return PlainTextResponse("nothing was cosigned for that ledger\n", 404) if note is None else PlainTextResponse(note)

    return Starlette(routes=[Route("/add-checkpoint", add, methods=["POST"]), Route("/{origin}/checkpoint", checkpoint)])
