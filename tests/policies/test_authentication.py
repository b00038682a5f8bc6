"""Who holds a key: what is told to whom, how soon revoking holds, and that uses are noted."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta

import anyio
import pytest

from cairn.errors import Unauthenticated
from cairn.graph.access import Access, Identity
from cairn.graph.database import Database
from cairn.graph.instants import now
from cairn.graph.keys import ApiKey, NewKey, find_key, make_key, revoke_key, store_key
from cairn.graph.statements import Statement
from cairn.graph.writer import Writer
from cairn.policies.authentication import Authenticator

pytestmark = pytest.mark.anyio


async def _new(writer: Writer, tenant: str, principal: str = "ada") -> tuple[ApiKey, str]:
    made = await store_key(writer, Access(tenant, "admin"), make_key(tenant, principal, "test"))
    assert made.token is not None
    return made.key, made.token


async def test_a_token_tells_tenant_and_principal(database: Database, writer: Writer, tenant: str) -> None:
    _, token = await _new(writer, tenant)
    assert await Authenticator(database, writer).authenticate(token) == Identity(tenant, "ada")


async def test_unknown_wrong_malformed_and_revoked_keys_get_the_same_answer(database: Database, writer: Writer, tenant: str) -> None:
    key, token = await _new(writer, tenant)
    revoked, ended = await _new(writer, tenant)
    await revoke_key(writer, Access(tenant, "admin"), revoked.id)
    other = make_key(tenant, "ada", "test")
    assert other.token is not None
    authenticator = Authenticator(database, writer)
    wrong = f"cairn_{key.id}_{other.token[-43:]}"
    bad = [
        other.token,
        wrong,
        ended,
        token[:-1],
        f"{token}x",
        f"{token}\n",
        token.upper(),
        "cairn__",
        "x",
        "cairn_é_ü",
        "\ud800",
        "Bearer " + token,
    ]
    messages = set[str]()
    for attempt in bad:
        with pytest.raises(Unauthenticated) as caught:
            await authenticator.authenticate(attempt)
        messages.add(caught.value.message)
    assert len(messages) == 1
    assert key.id not in messages.pop()
    for nothing in (None, ""):
        with pytest.raises(Unauthenticated, match="API key is needed"):
            await authenticator.authenticate(nothing)


async def test_an_expired_key_is_told_so_only_to_who_knows_its_secret(database: Database, writer: Writer, tenant: str) -> None:
    made = make_key(tenant, "ada", "test", now() + timedelta(days=1))
    past = replace(made, key=replace(made.key, expires_at=now() - timedelta(seconds=1)))
    await store_key(writer, Access(tenant, "admin"), past)
    assert made.token is not None
    authenticator = Authenticator(database, writer)
    with pytest.raises(Unauthenticated, match="expired"):
        await authenticator.authenticate(made.token)
    wrong = made.token[:-1] + ("A" if made.token[-1] != "A" else "B")
    with pytest.raises(Unauthenticated, match="not valid"):
        await authenticator.authenticate(wrong)


async def test_a_verified_key_is_not_looked_up_again_within_the_bound_and_a_revoked_one_ends_with_it(
    database: Database, writer: Writer, tenant: str
) -> None:
    key, token = await _new(writer, tenant)
    patient, strict = Authenticator(database, writer, 0.3), Authenticator(database, writer, 0.0)
    loop = asyncio.get_running_loop()
    for authenticator in (patient, strict):
        await authenticator.authenticate(token)
        await authenticator.close()
    await revoke_key(writer, Access(tenant, "admin"), key.id)
    revoked = loop.time()
    with pytest.raises(Unauthenticated):
        await strict.authenticate(token)
    try:
        while True:
            asked = loop.time()
            await patient.authenticate(token)
            assert asked <= revoked + 0.3, "a revoked key worked after the bound"
            await anyio.sleep(0.01)
    except Unauthenticated:
        pass


async def test_many_requests_with_one_key_cost_one_look(database: Database, writer: Writer, tenant: str) -> None:
    _, token = await _new(writer, tenant)
    authenticator = Authenticator(database, writer, 1.0)
    before = database.round_trips
    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(authenticator.authenticate, token)
    await authenticator.close()
    assert database.round_trips - before == 1


async def test_a_use_is_noted_once_a_minute_and_not_in_the_ledger(database: Database, writer: Writer, tenant: str) -> None:
    key, token = await _new(writer, tenant)
    entries = Statement("entries", "how many entries", "CYPHER 25 MATCH (e:LedgerEntry {tenant: $tenant}) RETURN count(*) AS n")
    before = await database.read(entries, {"tenant": tenant})
    for authenticator in (Authenticator(database, writer), Authenticator(database, writer)):
        for _ in range(3):
            await authenticator.authenticate(token)
        await authenticator.close()
        noted = await find_key(database, key.id)
        assert noted is not None
        assert noted.last_used_at is not None
    first = noted.last_used_at
    again = Authenticator(database, writer)
    await again.authenticate(token)
    await again.close()
    unchanged = await find_key(database, key.id)
    assert unchanged is not None
    assert unchanged.last_used_at == first
    assert await database.read(entries, {"tenant": tenant}) == before


async def test_no_secret_reaches_a_log_or_a_repr(database: Database, writer: Writer, tenant: str, caplog: pytest.LogCaptureFixture) -> None:
    made: NewKey = make_key(tenant, "ada", "test")
    assert made.token is not None
    with caplog.at_level(logging.DEBUG):
        await store_key(writer, Access(tenant, "admin"), made)
        await Authenticator(database, writer).authenticate(made.token)
    secret = made.token.rpartition(f"{made.key.id}_")[2]
    assert secret not in repr(made)
    assert made.key.hash not in repr(made)
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("cairn")]
    assert not any(secret in message for message in ours)
