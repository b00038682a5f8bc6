"""Closing: the last statement of a batch, which holds its keys and appends to the ledgers, in one round trip as a rule.

What a process left in a ledger is what it finds there, unless another replica wrote for the same tenant meanwhile. So entries are made
from where the ledgers stood when this process committed last, and the statement that locks the heads appends them if they stand there
still. Where one doesn't, entries are made anew from where it stands, in the same transaction and under the same locks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime

from neo4j import AsyncManagedTransaction

from .changes import Change, Entry
from .database import Row, run
from .ledger import append
from .statements import load
from .waves import Caller, Refused
from .wrapping import erased

_CYPHER = load("closing")
_TENANTS = 10_000


class Heads:
    """Where the ledgers of tenants stood when this process wrote to them last: a guess, which is right or is found out to be wrong."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Row] = OrderedDict()

    def guess(self, tenant: str) -> Row:
        """Tenant, size, frontier and root. The root is None where nothing is known, and then no head has it."""
        return self._known.get(tenant) or {"tenant": tenant, "size": 0, "frontier": [], "root": None}

    def keep(self, moved: Sequence[Row]) -> None:
        """Told, after the commit, where ledgers stand."""
        for head in moved:
            self._known[head["tenant"]] = head
            self._known.move_to_end(head["tenant"])
        while len(self._known) > _TENANTS:
            self._known.popitem(last=False)


async def close_batch(
    transaction: AsyncManagedTransaction, callers: Sequence[Caller], heads: Heads, writer: str, batch: str
) -> Sequence[Row]:
    """Do what remains before the commit: the writer's mark, keys, ledgers. Returns where the ledgers stand then.

    Locks are taken in the order of keys, then of tenants, so that replicas wait for each other and never deadlock. Raises Refused for the
    callers whose values are sealed with a key that was destroyed.
    """
    done = [caller for caller in callers if caller.settled is not None and caller.error is None]
    lines = [(caller.change, entry) for caller in done if caller.settled is not None for entry in caller.settled.entries]
    keys = sorted(frozenset[str]().union(*(caller.change.held for caller in done)))
    guesses = [heads.guess(tenant) for tenant in sorted({change.tenant for change, _ in lines})]
    at = datetime.now(UTC)
    entries, moved = append(guesses, lines, at)
    expected = [
        {**head, "since": guess["size"], "sinceRoot": guess["root"]} for head, guess in zip(moved, guesses, strict=True)
    ]  # in the order of the tenants
    mark: Row = {"writer": writer, "batch": batch, "at": at}
    (closed,) = await run(transaction, _CYPHER["batch_close"], {**mark, "keys": keys, "heads": expected, "entries": entries})
    _check_keys(done, frozenset(keys).difference(closed["held"]))
    return moved if closed["fits"] else await _append(transaction, closed["heads"], lines)


async def _append(transaction: AsyncManagedTransaction, heads: Sequence[Row], lines: Sequence[tuple[Change, Entry]]) -> list[Row]:
    """Append to the ledgers from where they stand; they are locked."""
    at = datetime.now(UTC)
    entries, moved = append(heads, lines, at)
    await run(transaction, _CYPHER["ledger_append"], {"entries": entries, "heads": moved, "at": at})
    return moved


def _check_keys(callers: Sequence[Caller], destroyed: frozenset[str]) -> None:
    refused = [caller for caller in callers if not destroyed.isdisjoint(caller.change.held)]
    for caller in refused:
        caller.error = erased()
    if refused:
        raise Refused(refused)
