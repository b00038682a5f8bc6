"""Making and ending keys: who may, for whom, and what stays secret."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cairn.errors import BadInput, Forbidden, NotFound
from cairn.graph.access import Access, Bound, Identity
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
    assert await Authenticator(database, writer).authenticate(made.token) == Identity(admin.tenant, "ada")
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


async def test_a_key_with_scopes_does_less_than_its_principal(
    database: Database, writer: Writer, accesses: Accesses, administration: Administration, admin: Access
) -> None:
    await administration.add_rule(admin, "ada", "memory:team/*", "*", "allow")
    await administration.add_rule(admin, "ada", "key", "admin", "allow")
    scopes = [("memory:team/reef/*", "read"), ("key", "*")]
    made = await create_key(writer, accesses, admin, "ada", scopes=scopes)
    assert made.token is not None
    identity = await Authenticator(database, writer).authenticate(made.token)
    assert identity == Identity(admin.tenant, "ada", bounds=(Bound("memory:team/reef/*", "read"), Bound("key", "*")))
    narrow = await accesses.access_of(identity)
    assert narrow.may("memory:team/reef/notes", "read")
    assert not narrow.may("memory:team/reef/notes", "write")
    assert not narrow.may("memory:team/other", "read")
    assert narrow.identity == identity
    with pytest.raises(Forbidden, match="scopes"):
        narrow.require("memory:team/other", "read")
    with pytest.raises(Forbidden, match="scopes"):
        await create_key(writer, accesses, narrow, "bob")
    (found,) = (await list_keys(database, admin, 10)).items
    assert found.scopes == made.key.scopes
    again = await create_key(writer, accesses, admin, "ada", scopes=scopes, idempotency_key="once")
    assert (await create_key(writer, accesses, admin, "ada", scopes=scopes, idempotency_key="once")).key.scopes == again.key.scopes


async def test_a_key_with_scopes_neither_sees_nor_ends_its_principals_other_keys(
    database: Database, writer: Writer, accesses: Accesses, admin: Access
) -> None:
    other = await create_key(writer, accesses, admin, "ada")
    narrow = await accesses.access_of(Identity(admin.tenant, "ada", bounds=(Bound("memory:*", "*"),)))
    assert (await list_keys(database, narrow, 10)).items == ()
    with pytest.raises(NotFound):
        await end_key(writer, accesses, narrow, other.key.id)


@pytest.mark.parametrize(
    "scopes",
    [[], [("memory:te*am", "read")], [("memory:*", "fly")], [("field:Memory.text", "read")], [("memory:*", "")], [("*", "*")] * 51],
)
async def test_scopes_that_cant_be_are_refused(writer: Writer, accesses: Accesses, admin: Access, scopes: list[tuple[str, str]]) -> None:
    with pytest.raises(BadInput):
        await create_key(writer, accesses, admin, "ada", scopes=scopes)


async def test_no_key_stands_for_whom_a_provider_vouches(
    writer: Writer, accesses: Accesses, administration: Administration, admin: Access
) -> None:
    with pytest.raises(BadInput, match="identity providers"):
        await create_key(writer, accesses, admin, "oidc:corp:ada")
    await administration.add_rule(admin, "oidc:corp:ada", "graph:*", "read", "allow")
    with pytest.raises(BadInput, match="identity providers"):
        await administration.assign_role(admin, "bob", "oidc:corp:ada")
