"""Witnesses, seen from Cairn: each new checkpoint is shown to them, and what they cosign is kept with it.

Source: C2SP tlog-witness (https://c2sp.org/tlog-witness). A witness that is slow, dead or lying holds up nothing but its own cosignature.
"""

from __future__ import annotations

import asyncio
import base64
import logging

import httpx

from ..errors import BadInput, CairnError
from .checkpoints import add_cosignature
from .database import Database
from .ledger import Head, read_head
from .signing import open_signed, read_key
from .tiles import prove_consistency
from .writer import Writer

log = logging.getLogger("cairn.ledger")
_SECONDS = 5.0
_PAUSE_SECONDS = 2.0
_LONGEST_PAUSE_SECONDS = 60.0
_MOST_BYTES = 65_536
_TRIES = 3


class _NotNow(Exception):
    """It did not answer as it should; try again later."""


class _Disagrees(Exception):
    """It knows another history, or not this ledger; asking again does not help."""


class Witness:
    """One witness. Run `work` as a task. Raises BadInput when `key` is no witness's verifier key."""

    def __init__(self, database: Database, writer: Writer, url: str, key: str) -> None:
        self._key = read_key(key)
        if not self._key.is_witness:
            raise BadInput(f"the key of {self._key.name} is no witness's; `cairn witness` prints the right one")
        self._database = database
        self._writer = writer
        self._url = f"{url.rstrip('/')}/add-checkpoint"
        self._waiting: dict[str, tuple[Head, str]] = {}
        self._due = asyncio.Event()
        self._sizes: dict[str, int] = {}
        self._problems: dict[str, str] = {}

    def hear(self, tenant: str, stands: Head, note: str) -> None:
        """A new checkpoint; it takes the place of one that still waits, since whoever vouches for the later vouches for both."""
        self._waiting[tenant] = (stands, note)
        self._due.set()

    async def work(self) -> None:
        """Ask for cosignatures until cancelled."""
        pause = _PAUSE_SECONDS
        async with httpx.AsyncClient(timeout=_SECONDS, follow_redirects=False) as http:
            while True:
                await self._due.wait()
                self._due.clear()
                try:
                    while self._waiting:
                        await self._show(http, next(iter(self._waiting)))
                    pause = _PAUSE_SECONDS
                except _NotNow:
                    self._due.set()
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def _show(self, http: httpx.AsyncClient, tenant: str) -> None:
        """Get the waiting checkpoint of a tenant cosigned. Raises _NotNow when it must wait longer."""
        stands, note = self._waiting.pop(tenant)
        try:
            async with asyncio.timeout(_TRIES * _SECONDS):
                await self._cosign(http, tenant, stands, note)
        except _Disagrees as error:
            self._complain(tenant, str(error), logging.ERROR)
        except BadInput as error:
            self._complain(tenant, error.message, logging.ERROR)
        except (_NotNow, httpx.HTTPError, TimeoutError, CairnError) as error:
            self._waiting.setdefault(tenant, (stands, note))
            reason = error.message if isinstance(error, CairnError) else str(error) or type(error).__name__
            self._complain(tenant, f"it does not cosign now: {reason}", logging.WARNING)
            raise _NotNow from None
        else:
            self._problems.pop(tenant, None)

    async def _cosign(self, http: httpx.AsyncClient, tenant: str, stands: Head, note: str) -> None:
        for _ in range(_TRIES):
            known = self._sizes.get(tenant, 0)
            proof = await prove_consistency(self._database, tenant, known, stands.size) if 0 < known < stands.size else []
            lines = "".join(f"{base64.b64encode(hash).decode('ascii')}\n" for hash in proof)
            status, body = await _post(http, self._url, f"old {known}\n{lines}\n{note}")
            if status == 200:
                self._sizes[tenant] = stands.size
                await add_cosignature(self._writer, tenant, stands.size, self._line(note, body))
                return
            if status == 422:
                raise _Disagrees(f"it says that the {stands.size} entries do not extend the {known} it cosigned: history was rewritten")
            if status != 409:
                problem = f"it answered {status}: {body.strip()[:200]!r}"
                raise _Disagrees(problem) if 400 <= status < 500 else _NotNow(problem)
            self._sizes[tenant] = await self._told(tenant, stands, body)
            if self._sizes[tenant] > stands.size:
                return
        raise _NotNow("its record moved each time")

    async def _told(self, tenant: str, stands: Head, body: str) -> int:
        """The size that the witness cosigned last. Raises _Disagrees when the ledger does not reach there."""
        if not body.strip().isdecimal() or len(body) > 20:
            raise _NotNow("it answered 409 without a size")
        size = int(body)
        if size > stands.size and size > (entries := (await read_head(self._database, tenant)).size):
            raise _Disagrees(f"it cosigned {size} entries, but there are {entries}: the ledger was rolled back")
        return size

    def _line(self, note: str, answer: str) -> str:
        """This witness's own signature line in its answer. Raises BadInput when it does not hold."""
        for line in answer.splitlines(keepends=True):
            if line.split(" ")[1:2] == [self._key.name]:
                cosigned = note + line
                try:
                    open_signed(cosigned, [self._key])
                except BadInput:
                    continue
                return line
        raise BadInput("its answer holds no cosignature of its key; is the key in CAIRN_WITNESSES the right one?")

    def _complain(self, tenant: str, problem: str, level: int) -> None:
        """Log a problem once, until it is another or over."""
        if self._problems.get(tenant) != problem:
            log.log(level, "witness %s, tenant %s: %s", self._key.name, tenant, problem)
        self._problems[tenant] = problem


async def _post(http: httpx.AsyncClient, url: str, body: str) -> tuple[int, str]:
    """Status and text of the answer, of which no more is read than a witness has to say."""
    async with http.stream("POST", url, content=body.encode("utf-8"), headers={"content-type": "text/plain; charset=utf-8"}) as response:
        content = b""
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) > _MOST_BYTES:
                raise _NotNow("its answer is too long")
    try:
        return response.status_code, content.decode("utf-8")
    except UnicodeDecodeError:
        raise _NotNow("its answer is no text") from None
