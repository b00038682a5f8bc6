"""The first start: one tenant, one administrator, one key, however many replicas start."""

from __future__ import annotations

import anyio
import pytest

from cairn.errors import BadInput
from cairn.graph.access import Access, Bound, Identity
from cairn.graph.database import Database
from cairn.graph.keys import make_key, principals_with_keys, revoke_key, split_token, store_key
from cairn.graph.writer import Writer, open_writer
from cairn.policies.accesses import Accesses
from cairn.policies.administration import Administration
from cairn.policies.authentication import Authenticator
from cairn.policies.bootstrap import bootstrap

pytestmark = pytest.mark.anyio


async def test_the_first_key_is_an_administrators_and_made_once(database: Database, writer: Writer, tenant: str) -> None:
    token = await bootstrap(writer, tenant)
    assert token is not None
    assert await Authenticator(database, writer).authenticate(token) == Identity(tenant, "admin")
    access = await Accesses(database).get(tenant, "admin")
    assert access.may("policy", "admin")
    assert access.roles == ("admin",)
    assert await bootstrap(writer, tenant) is None


async def test_of_replicas_that_start_at_once_one_gets_the_key(database: Database, tenant: str) -> None:
    tokens: list[str | None] = []

    async def start() -> None:
        async with open_writer(database) as own:
            tokens.append(await bootstrap(own, tenant))

    async with anyio.create_task_group() as group:
        for _ in range(6):
            group.start_soon(start)
    assert len(tokens) == 6
    assert sum(token is not None for token in tokens) == 1


async def test_a_revoked_administrators_key_is_replaced_at_the_next_start(database: Database, writer: Writer, tenant: str) -> None:
    token = await bootstrap(writer, tenant)
    parts = split_token(token or "")
    assert parts is not None
    await revoke_key(writer, Access(tenant, "admin"), parts[0])
    assert await principals_with_keys(database, tenant) == frozenset()
    again = await bootstrap(writer, tenant)
    assert again is not None
    assert again != token


async def test_an_administrators_narrowed_key_is_not_enough(database: Database, writer: Writer, tenant: str) -> None:
    token = await bootstrap(writer, tenant)
    parts = split_token(token or "")
    assert parts is not None
    admin = Access(tenant, "admin")
    await store_key(writer, admin, make_key(tenant, "admin", "admin", scopes=(Bound("*", "read"),)))
    await revoke_key(writer, admin, parts[0])
    assert await principals_with_keys(database, tenant) == frozenset()
    assert await bootstrap(writer, tenant) is not None


async def test_another_administrators_key_is_enough(database: Database, writer: Writer, tenant: str) -> None:
    token = await bootstrap(writer, tenant)
    parts = split_token(token or "")
    assert parts is not None
    accesses = Accesses(database, 0.0)
    admin = await accesses.get(tenant, "admin")
    await Administration(writer, accesses).assign_role(admin, "ada", "admin")
    await store_key(writer, admin, make_key(tenant, "ada", "admin"))
    await revoke_key(writer, admin, parts[0])
    assert await bootstrap(writer, tenant) is None


async def test_a_tenant_whose_name_is_none_is_refused(writer: Writer) -> None:
    for name in ("", "a/b", "a\nb", "*"):
        with pytest.raises(BadInput):
            await bootstrap(writer, name)
