"""Whom tokens let in: only those that a provider vouches for, under names that are nobody else's, until they are revoked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.errors import BadInput, Forbidden, Unauthenticated
from cairn.graph.access import Access, Bound, Identity
from cairn.graph.database import Database
from cairn.graph.instants import now
from cairn.graph.names import check_id
from cairn.graph.verification import verify
from cairn.graph.writer import Writer, open_writer
from cairn.policies.accesses import Accesses
from cairn.policies.revocations import end_tokens
from cairn.policies.vouching import Vouching, principal_of

from .provider import RSA, FakeProvider, sign

pytestmark = pytest.mark.anyio


@pytest.fixture
async def provider(serve: Callable[..., Any]) -> AsyncIterator[FakeProvider]:
    fake = FakeProvider()
    async with serve(fake.app()) as url:
        fake.issuer = url
        yield fake


@pytest.fixture
def vouching(provider: FakeProvider, database: Database, writer: Writer, seeded: str) -> Vouching:
    """A replica that takes its tokens, and looks again each time."""
    return Vouching([provider.settings()], seeded, database, writer, 0.0)


async def test_a_token_lets_in_with_the_roles_that_are_mapped(
    provider: FakeProvider, vouching: Vouching, accesses: Accesses, seeded: str
) -> None:
    token = sign(provider.claims(roles=["cairn-readers", "ghosts", "strangers", "all", "admin", 7]))
    identity = await vouching.authenticate(token)
    assert identity == Identity(seeded, "oidc:corp:ada", ("ghost", "reader"))
    access = await accesses.access_of(identity)
    assert access.roles == ("reader",)  # the rules know no ghost
    assert access.may("memory:public", "read")
    assert not access.may("policy", "admin")
    assert access.identity == identity
    assert not (await accesses.get(seeded, "oidc:corp:ada")).may("memory:public", "read")


async def test_lent_roles_go_with_the_token_that_lends_them(provider: FakeProvider, vouching: Vouching, accesses: Accesses) -> None:
    admin = await accesses.access_of(await vouching.authenticate(sign(provider.claims(roles="cairn-admins offline"))))
    nobody = await accesses.access_of(await vouching.authenticate(sign(provider.claims(roles=None))))
    assert (admin.roles, nobody.roles) == (("admin",), ())
    assert admin.may("policy", "admin")
    assert not nobody.may("policy", "admin")
    assert admin.fingerprint != nobody.fingerprint


async def test_roles_and_tenants_may_stand_deeper(provider: FakeProvider, database: Database, writer: Writer, seeded: str) -> None:
    settings = provider.settings(roles_claim="realm_access.roles", tenant_claim="https://cairn/org", tenants={"acme": seeded, "other": "x"})
    vouching = Vouching([settings], "default", database, writer, 0.0)
    claims = provider.claims(realm_access={"roles": ["cairn-readers"]}, **{"https://cairn/org": "acme"})
    assert await vouching.authenticate(sign(claims)) == Identity(seeded, "oidc:corp:ada", ("reader",))
    for org in (None, "nowhere", ["acme", "other"], {"acme": 1}, "acme other"):
        with pytest.raises(Unauthenticated):
            await vouching.authenticate(sign({**claims, "https://cairn/org": org}))


async def test_wrong_tokens_get_one_answer(provider: FakeProvider, vouching: Vouching) -> None:
    told: set[str] = set()
    for token in (
        "a.b.c",
        "..",
        sign(provider.claims(aud="other")),
        sign(provider.claims(iss="https://elsewhere.example.org")),
        sign(provider.claims(iss=f"{provider.issuer}/")),
        sign(provider.claims(exp=1)),
        sign(provider.claims(), kid="unknown"),
        sign(provider.claims(), alg="RS512"),
        sign(provider.claims())[:-4] + "AAAA",
    ):
        with pytest.raises(Unauthenticated) as refusal:
            await vouching.authenticate(token)
        told.add(refusal.value.message)
    assert len(told) == 1


async def test_a_token_ends_when_it_expires_however_lately_it_was_looked_at(
    provider: FakeProvider, database: Database, writer: Writer, seeded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vouching = Vouching([provider.settings()], seeded, database, writer, 1_000.0)
    token = sign(provider.claims())
    await vouching.authenticate(token)
    monkeypatch.setattr("cairn.policies.vouching.now", lambda: now() + timedelta(days=2))
    with pytest.raises(Unauthenticated, match="expired"):
        await vouching.authenticate(token)


async def test_a_revoked_token_is_refused_at_once_here_and_at_the_next_look_elsewhere(
    provider: FakeProvider, database: Database, writer: Writer, admin: Access, seeded: str
) -> None:
    settings = [provider.settings()]
    patient, first, second = (
        Vouching(settings, seeded, database, writer, 1_000.0),
        sign(provider.claims()),
        sign(provider.claims(jti="two")),
    )
    async with open_writer(database) as elsewhere:
        other = Vouching(settings, seeded, database, elsewhere, 0.0)
        for replica in (patient, other):
            await replica.authenticate(first)
            await replica.authenticate(second)
        assert await end_tokens(writer, settings, admin, "corp", jti="one")
        assert not await end_tokens(writer, settings, admin, "corp", jti="one")
        for replica in (patient, other):
            with pytest.raises(Unauthenticated):
                await replica.authenticate(first)
            await replica.authenticate(second)
    assert (await verify(database, seeded)).problem is None


async def test_a_subjects_tokens_end_up_to_an_instant(
    provider: FakeProvider, database: Database, writer: Writer, vouching: Vouching, admin: Access, seeded: str
) -> None:
    settings = [provider.settings()]
    at = now()
    ages = {"old": at - timedelta(hours=2), "young": at - timedelta(minutes=1)}
    tokens = {name: sign(provider.claims(iat=int(instant.timestamp()), jti=name)) for name, instant in ages.items()}
    undated, bob = sign(provider.claims(iat=None)), sign(provider.claims(sub="bob", iat=int(ages["old"].timestamp())))
    assert await end_tokens(writer, settings, admin, "corp", subject="ada", issued_before=at - timedelta(hours=1))
    await vouching.authenticate(tokens["young"])
    await vouching.authenticate(bob)
    for token in (tokens["old"], undated):
        with pytest.raises(Unauthenticated):
            await vouching.authenticate(token)
    assert not await end_tokens(writer, settings, admin, "corp", subject="ada", issued_before=at - timedelta(hours=1))
    assert await end_tokens(writer, settings, admin, "corp", subject="ada")
    with pytest.raises(Unauthenticated):
        await vouching.authenticate(tokens["young"])
    assert (await verify(database, seeded)).problem is None


async def test_who_may_revoke(provider: FakeProvider, writer: Writer, accesses: Accesses, admin: Access, seeded: str) -> None:
    settings = [provider.settings()]
    ada = await accesses.access_of(Identity(seeded, "oidc:corp:ada"))
    assert await end_tokens(writer, settings, ada, "corp", subject="ada")
    for wish in ({"subject": "bob"}, {"jti": "one"}):
        with pytest.raises(Forbidden):
            await end_tokens(writer, settings, ada, "corp", **wish)
    narrow = await accesses.access_of(Identity(seeded, "oidc:corp:ada", bounds=(Bound("memory:*", "*"),)))
    with pytest.raises(Forbidden):
        await end_tokens(writer, settings, narrow, "corp", subject="ada")
    for wrong in (
        {"provider": "other", "jti": "one"},
        {"provider": "corp"},
        {"provider": "corp", "jti": "one", "subject": "ada"},
        {"provider": "corp", "jti": "one", "issued_before": now()},
        {"provider": "corp", "subject": "ada", "issued_before": now() + timedelta(hours=1)},
        {"provider": "corp", "subject": ""},
    ):
        with pytest.raises(BadInput):
            await end_tokens(writer, settings, admin, **wrong)


async def test_one_tenants_revocation_is_not_anothers(
    provider: FakeProvider, database: Database, writer: Writer, vouching: Vouching, admin: Access
) -> None:
    await end_tokens(writer, [provider.settings()], replace(admin, tenant=f"{admin.tenant}-2"), "corp", subject="ada")
    await vouching.authenticate(sign(provider.claims()))


async def test_a_withdrawn_key_lets_nobody_in(provider: FakeProvider, database: Database, writer: Writer, seeded: str) -> None:
    vouching = Vouching([provider.settings()], seeded, database, writer, 0.0, pause=0.0)
    token = sign(provider.claims())
    await vouching.authenticate(token)
    provider.keys.remove(RSA)
    with pytest.raises(Unauthenticated):
        await vouching.authenticate(sign(provider.claims(), kid="new"))  # makes it look
    with pytest.raises(Unauthenticated):
        await vouching.authenticate(token)


@given(st.text(min_size=1, max_size=150), st.text(min_size=1, max_size=150))
def test_names_of_principals_are_ids_and_nobody_elses(one: str, other: str) -> None:
    name = principal_of("corp", one)
    assert check_id("principal", name) == name
    assert name.startswith("oidc:corp:")
    assert (name == principal_of("corp", other)) == (one == other)
    assert name != principal_of("corp-2", one)
