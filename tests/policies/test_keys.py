"""Making and ending keys: who may, for whom, and what stays secret."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cairn.errors import BadInput, Forbidden, NotFound
from cairn.graph.access import Access
from cairn.graph.database import Database
from cairn.graph.instants import now
from cairn.graph.keys import list_keys
from cairn.graph.writer import Writer
from cairn.policies.accesses import Accesses
from cairn.policies.administration import Administration
from cairn.policies.authentication import Authenticator
from cairn.policies.keys import create_key, end_key

pytestmark = pytest.mark.anyio


async def test_a_key_is_made_with_its_role(database: Database, writer: Writer, accesses: Accesses, admin: Access) -> None:
    made = await create_key(writer, accesses, admin, "ada", role="curator", expires_at=now() + timedelta(days=1))
    assert made.token is not None
    assert await Authenticator(database, writer).authenticate(made.token) == (admin.tenant, "ada")
    assert (await accesses.get(admin.tenant, "ada")).roles == ("agent", "curator", "reader")
    (found,) = (await list_keys(database, admin, 10)).items
    assert (found.id, found.principal, found.created_by, found.expires_at) == (made.key.id, "ada", "admin", made.key.expires_at)


async def test_a_repeat_gives_the_same_key_and_its_token_never_again(
    database: Database, writer: Writer, accesses: Accesses, admin: Access
) -> None:
    first = await create_key(writer, accesses, admin, "ada", idempotency_key="once")
    again = await create_key(writer, accesses, admin, "ada", idempotency_key="once")
    assert first.token is not None
    assert again.token is None
    assert again.key.id == first.key.id
    assert len((await list_keys(database, admin, 10)).items) == 1


@pytest.mark.parametrize("principal", ["", "a/b", "*", "{principal}", "a b", "a\x00", "x" * 201, "reader", "agent", "everyone"])
async def test_a_principal_that_would_be_somebody_else_is_refused(
    writer: Writer, accesses: Accesses, admin: Access, principal: str
) -> None:
    with pytest.raises(BadInput):
        await create_key(writer, accesses, admin, principal)


async def test_the_end_of_a_key_must_lie_ahead(writer: Writer, accesses: Accesses, admin: Access) -> None:
    for instant in (now(), datetime(2020, 1, 1, tzinfo=UTC), datetime(2200, 1, 1)):  # noqa: DTZ001
        with pytest.raises(BadInput):
            await create_key(writer, accesses, admin, "ada", expires_at=instant)


async def test_a_key_that_cant_be_made_assigns_no_role(writer: Writer, accesses: Accesses, admin: Access) -> None:
    with pytest.raises(BadInput):
        await create_key(writer, accesses, admin, "ada", role="wizard")
    with pytest.raises(BadInput):
        await create_key(writer, accesses, admin, "ada", role="reader", expires_at=datetime(2020, 1, 1, tzinfo=UTC))
    assert (await accesses.get(admin.tenant, "ada")).roles == ()


async def test_who_may_make_keys_cant_make_themselves_administrator(
    writer: Writer, accesses: Accesses, administration: Administration, admin: Access
) -> None:
    await administration.add_rule(admin, "clerk", "key", "admin", "allow")
    clerk = await accesses.get(admin.tenant, "clerk")
    made = await create_key(writer, accesses, clerk, "ada")
    assert made.key.created_by == "clerk"
    with pytest.raises(Forbidden):
        await create_key(writer, accesses, clerk, "admin")
    with pytest.raises(Forbidden):
        await create_key(writer, accesses, clerk, "bob", role="reader")
    with pytest.raises(Forbidden):
        await create_key(writer, accesses, await accesses.get(admin.tenant, "ada"), "eve")


async def test_one_may_see_and_end_ones_own_keys_and_no_others(
    database: Database, writer: Writer, accesses: Accesses, admin: Access
) -> None:
    own = await create_key(writer, accesses, admin, "ada")
    other = await create_key(writer, accesses, admin, "bob")
    ada = await accesses.get(admin.tenant, "ada")
    assert [key.id for key in (await list_keys(database, ada, 10, principal="ada")).items] == [own.key.id]
    assert [key.id for key in (await list_keys(database, ada, 10)).items] == [own.key.id]
    assert (await list_keys(database, ada, 10, principal="bob")).items == ()
    assert len((await list_keys(database, admin, 10)).items) == 2
    for id in (other.key.id, "0" * 32, ""):
        with pytest.raises(NotFound):
            await end_key(writer, accesses, ada, id)
    for _ in range(2):
        assert await end_key(writer, accesses, ada, own.key.id, "once")
    assert not await end_key(writer, accesses, ada, own.key.id)
    assert await end_key(writer, accesses, admin, other.key.id)


async def test_a_key_of_another_tenant_can_be_neither_seen_nor_ended(
    database: Database, writer: Writer, accesses: Accesses, admin: Access
) -> None:
    own = await create_key(writer, accesses, admin, "ada")
    stranger = Access(f"{admin.tenant}-2", "admin", decide=admin.decide)
    assert (await list_keys(database, stranger, 10)).items == ()
    with pytest.raises(NotFound):
        await end_key(writer, accesses, stranger, own.key.id)
