"""Pledges: what a ledger's signer signed last, kept outside Neo4j, so that a history which was rolled back or rewritten is noticed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from ..errors import Unavailable
from .data_dir import write_private
from .ledger import Head

PLEDGES = "ledger.pledges"
"""The file in the data directory."""
_PATIENCE_SECONDS = 10.0


class Move(NamedTuple):
    """From what a tenant's pledge is believed to be to what it shall be."""

    before: Head | None
    after: Head


class Pledges:
    """The last signed size and root of each tenant's ledger, in one file; safe for several processes of one data directory.

    Guarantee: what `move` returned is on the disk, whole, also after a crash.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def read(self) -> dict[str, Head]:
        """Every pledge, by tenant. Raises Unavailable when the file can't be read or holds none."""
        try:
            stored = json.loads(self._file.read_text("utf-8"))
            return {tenant: Head(int(size), bytes.fromhex(root)) for tenant, (size, root) in stored.items()}
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise Unavailable(f"{self._file} can't be read: {error.strerror}; without it no checkpoint is signed") from error
        except (ValueError, TypeError, AttributeError):
            raise Unavailable(
                f"{self._file} does not hold what was signed last, so no checkpoint is signed; restore it from a copy, or remove it if "
                "the ledgers are known to be whole, which `cairn verify` with the witnesses' or anchors' checkpoints shows"
            ) from None

    def move(self, moves: Mapping[str, Move]) -> set[str]:
        """Move pledges on; which were moved: a pledge that is not what its `before` says stays as it is.

        Raises Unavailable when the file can't be read or written.
        """
        try:
            with FileLock(self._file.with_name(f"{self._file.name}.lock"), timeout=_PATIENCE_SECONDS, mode=0o600):
                pledges = self.read()
                moved = {tenant for tenant, move in moves.items() if pledges.get(tenant) == move.before}
                pledges.update({tenant: moves[tenant].after for tenant in moved})
                if moved:
                    write_private(self._file, json.dumps({tenant: [head.size, head.root.hex()] for tenant, head in pledges.items()}))
                return moved
        except (OSError, Timeout) as error:
            raise Unavailable(f"{self._file} can't be written, so no checkpoint is signed; make room there or mend its rights") from error
