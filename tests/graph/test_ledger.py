"""Reading the ledger: entries, proofs that verify, checkpoints that others can check."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cairn.errors import BadInput, Forbidden
from cairn.graph import tiles
from cairn.graph.access import Access
from cairn.graph.database import Database
from cairn.graph.ledger import LedgerEntry, consistency_proof, head, inclusion_proof, list_entries
from cairn.graph.merkle import EMPTY_ROOT, verify_consistency, verify_inclusion
from cairn.graph.states import set_state
from cairn.graph.writer import Writer

pytestmark = pytest.mark.anyio


async def entries_of(database: Database, access: Access) -> list[LedgerEntry]:
    found: list[LedgerEntry] = []
    after: str | None = None
    while True:
        page = await list_entries(database, access, first=100, after=after)
        found += page.items
        if not page.more:
            return found
        after = page.cursors[-1]


async def test_an_empty_ledger_has_the_empty_root(database: Database, root: Access) -> None:
    stands = await head(database, root)
    assert (stands.size, stands.root) == (0, EMPTY_ROOT)
    assert (await list_entries(database, root, first=1)).items == ()
    for ask in (inclusion_proof(database, root, 0), consistency_proof(database, root, 0, 0)):
        with pytest.raises(BadInput):
            await ask


@pytest.mark.usefixtures("home")
async def test_entries_tell_what_happened_in_order(database: Database, writer: Writer, root: Access) -> None:
    start = (await head(database, root)).size
    calm, curious = [await set_state(writer, root, "ada", "mood", value) for value in ("calm", "curious")]
    *_, first, second = entries = await entries_of(database, root)
    assert [entry.seq for entry in entries] == list(range(start + 2))
    assert (first.operation, first.target, first.actor) == ("state.set", "state:agent/ada/mood", "root")
    assert (first.before, first.after) == (None, calm.hash)
    assert (second.before, second.after) == (calm.hash, curious.hash)


@pytest.mark.usefixtures("home")
async def test_every_proof_of_a_growing_ledger_verifies(
    database: Database, writer: Writer, root: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiles, "CHUNK", 3)
    roots = {}
    for number in range(11):
        await set_state(writer, root, "ada", "step", number)
        stands = await head(database, root)
        roots[stands.size] = stands.root
    newest = max(roots)
    for entry in await entries_of(database, root):
        for size in (*roots, None):
            if entry.seq < (size or newest):
                proof = [bytes.fromhex(part) for part in await inclusion_proof(database, root, entry.seq, size)]
                assert verify_inclusion(bytes.fromhex(entry.leaf), entry.seq, size or newest, proof, roots[size or newest])
    for older in roots:
        for newer in roots:
            if older <= newer:
                proof = [bytes.fromhex(part) for part in await consistency_proof(database, root, older, newer)]
                assert verify_consistency(older, roots[older], newer, roots[newer], proof)


@pytest.mark.usefixtures("home")
async def test_proofs_of_what_is_not_there_are_refused(database: Database, root: Access) -> None:
    size = (await head(database, root)).size
    for seq, of in ((-1, None), (size, None), (0, size + 1), (2, 2), (0, 0)):
        with pytest.raises(BadInput, match="no entry"):
            await inclusion_proof(database, root, seq, of)
    for older, newer in ((0, 1), (2, 1), (1, size + 1), (-1, 1)):
        with pytest.raises(BadInput, match="from and to"):
            await consistency_proof(database, root, older, newer)


async def test_only_those_who_may_read_the_ledger_do(database: Database, acting: Callable[..., Access]) -> None:
    stranger = acting("eve", allowed=lambda obj, action: obj != "ledger")
    for ask in (
        head(database, stranger),
        list_entries(database, stranger, 1),
        inclusion_proof(database, stranger, 0),
        consistency_proof(database, stranger, 1, 1),
    ):
        with pytest.raises(Forbidden, match="ledger"):
            await ask


@pytest.mark.usefixtures("home")
async def test_another_tenants_ledger_is_not_seen(database: Database, root: Access) -> None:
    stranger = Access("nobody-" + root.tenant, "root", decide=root.decide)
    assert (await head(database, stranger)).size == 0
    assert (await list_entries(database, stranger, 10)).items == ()
