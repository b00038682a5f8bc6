"""Keys as they are stored: hashes only, pages in order, revoked once, each change in the ledger."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

import pytest

from cairn.errors import BadInput, NotFound
from cairn.graph.access import Access, Decision
from cairn.graph.database import Database
from cairn.graph.instants import now
from cairn.graph.keys import find_key, list_keys, make_key, principals_with_keys, revoke_key, split_token, store_key
from cairn.graph.statements import Statement
from cairn.graph.writer import Writer

pytestmark = pytest.mark.anyio

_NODE = Statement("node", "every property of a key", "CYPHER 25 MATCH (k:ApiKey {id: $id}) RETURN properties(k) AS properties")
_LEDGER = Statement(
    "ledger",
    "entries of a key",
    "CYPHER 25 MATCH (e:LedgerEntry {tenant: $tenant}) RETURN e.operation AS operation, e.target AS target, e.body AS body ORDER BY e.seq",
)


@pytest.fixture
def admin(tenant: str) -> Access:
    """Somebody who may do everything."""
    return Access(tenant, "admin", decide=lambda _object, _action: Decision(allowed=True))


async def test_only_the_hash_of_the_secret_is_stored(database: Database, writer: Writer, admin: Access) -> None:
    made = await store_key(writer, admin, make_key(admin.tenant, "ada", "admin", now() + timedelta(days=1)))
    assert made.token is not None
    parts = split_token(made.token)
    assert parts is not None
    assert parts[0] == made.key.id
    assert made.key.hash == sha256(parts[1].encode()).hexdigest()
    (row,) = await database.read(_NODE, {"id": made.key.id})
    assert row["properties"]["hash"] == made.key.hash
    assert parts[1] not in repr(row)
    assert await find_key(database, made.key.id) == made.key


async def test_tokens_are_all_different_and_of_the_documented_form() -> None:
    tokens = {make_key("acme", "ada", "admin").token or "" for _ in range(200)}
    assert len(tokens) == 200
    for token in tokens:
        parts = split_token(token)
        assert parts is not None
        assert token == f"cairn_{parts[0]}_{parts[1]}"
        assert len(parts[1]) == 43


async def test_a_key_is_revoked_once_and_each_change_is_in_the_ledger(database: Database, writer: Writer, admin: Access) -> None:
    made = await store_key(writer, admin, make_key(admin.tenant, "ada", "admin"))
    assert await principals_with_keys(database, admin.tenant) == {"ada"}
    assert await revoke_key(writer, admin, made.key.id) is True
    ended = await find_key(database, made.key.id)
    assert ended is not None
    assert ended.revoked_at is not None
    assert await revoke_key(writer, admin, made.key.id) is False
    assert await find_key(database, made.key.id) == ended
    assert await principals_with_keys(database, admin.tenant) == frozenset()
    rows = await database.read(_LEDGER, {"tenant": admin.tenant})
    assert [(row["operation"], row["target"]) for row in rows] == [("key.create", f"key:{ended.id}"), ("key.revoke", f"key:{ended.id}")]
    assert f'"after":"{made.key.digest()}"' in rows[0]["body"]
    assert f'"before":"{made.key.digest()}"' in rows[1]["body"]
    assert f'"after":"{ended.digest()}"' in rows[1]["body"]
    with pytest.raises(NotFound):
        await revoke_key(writer, admin, "0" * 32)


async def test_keys_come_in_pages_that_hold_while_the_list_grows(database: Database, writer: Writer, admin: Access) -> None:
    ids = [(await store_key(writer, admin, make_key(admin.tenant, f"p{n}", "admin"))).key.id for n in range(5)]
    first = await list_keys(database, admin, 2)
    assert [key.id for key in first.items] == ids[:2]
    assert first.more
    ids.append((await store_key(writer, admin, make_key(admin.tenant, "late", "admin"))).key.id)
    rest = await list_keys(database, admin, 10, first.cursors[-1])
    assert [key.id for key in rest.items] == ids[2:]
    assert not rest.more
    with pytest.raises(BadInput):
        await list_keys(database, admin, 2, "nonsense")
    with pytest.raises(BadInput):
        await list_keys(database, admin, 0)
