"""Credentials on every way in, with a whole Cairn behind: tokens until they end, keys as far as their scopes reach."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from cairn.api.app import create_app
from cairn.api.events import Events
from cairn.api.presence import operator_key
from cairn.api.services import open_services
from cairn.graph.instants import now
from cairn.settings import Settings

from ..policies.provider import FakeProvider, sign

pytestmark = pytest.mark.anyio
PATIENCE = 20
REMEMBER = "mutation($i: RememberInput!) { remember(input: $i) { id } }"
REGISTER = "mutation($i: RegisterAgentInput!) { registerAgent(input: $i) { id } }"
REGISTER = "mutation($i: RegisterAgentInput!) { registerAgent(input: $i) { id } }"
ADDED = "subscription { memoryAdded { text } }"


@dataclass
class House:
    """A served Cairn that takes the tokens of a provider."""

    url: str
    http: httpx.AsyncClient
    provider: FakeProvider
    operator: str
    events: Events

    async def ask(self, query: str, variables: dict[str, Any] | None = None, token: str | None = None) -> Any:
        """The answer to one operation, as the operator unless a token is given."""
        headers = {"authorization": f"Bearer {token or self.operator}", "accept": "application/json"}
        return (await self.http.post("/graphql", json={"query": query, "variables": variables}, headers=headers)).json()

    async def must(self, query: str, variables: dict[str, Any] | None = None, token: str | None = None) -> Any:
        """Its data, which must have no errors."""
        answer = await self.ask(query, variables, token)
        assert "errors" not in answer, answer
        return answer["data"]

    async def remember(self, text: str, scope: str) -> None:
        """Remember something as the operator."""
        await self.must(REMEMBER, {"i": {"agent": "operator", "text": text, "scope": scope}})

    async def key(self, principal: str, *scopes: tuple[str, str]) -> str:
        """A new key of a principal with the role agent."""
        wanted = {"principal": principal, "scopes": [{"object": object, "action": action} for object, action in scopes] or None}
        made = await self.must("mutation($i: CreateApiKeyInput!) { createApiKey(input: $i) { secret } }", {"i": wanted})
        return made["createApiKey"]["secret"]


@pytest.fixture
async def house(settings: Settings, serve: Callable[..., Any]) -> AsyncIterator[House]:
    fake = FakeProvider()
    async with serve(fake.app()) as issuer:
        fake.issuer = issuer
        async with (
            open_services(settings.model_copy(update={"oidc": (fake.settings(),)})) as cairn,
            serve(create_app(cairn)) as url,
            httpx.AsyncClient(base_url=url, timeout=PATIENCE) as http,
        ):
            house = House(url, http, fake, operator_key(settings.data_dir) or "", cairn.services.events)
            for agent in ("operator", "ada"):
                await house.must(REGISTER, {"i": {"id": agent, "name": agent}})
            yield house


@asynccontextmanager
async def socket(house: House, token: str) -> AsyncIterator[ClientConnection]:
    address = house.url.replace("http", "ws") + "/graphql"
    async with connect(address, subprotocols=[Subprotocol("graphql-transport-ws")]) as opened:
        await opened.send(json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}))
        yield opened


async def hear(opened: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE):
        return json.loads(await opened.recv(decode=True))


async def closing(opened: ClientConnection) -> int | None:
    async with asyncio.timeout(PATIENCE):
        with suppress(ConnectionClosed):
            async for _ in opened:
                pass
    return opened.close_code


async def test_a_token_is_taken_on_every_way_in_and_a_wrong_one_on_none(house: House) -> None:
    good = sign(house.provider.claims(roles=["cairn-admins"]))
    assert (await house.must("{ me { id roles } }", token=good))["me"] == {"id": "oidc:corp:ada", "roles": ["admin"]}
    async with socket(house, good) as opened:
        assert await hear(opened) == {"type": "connection_ack"}
    assert (await house.http.get("/ledger/export", headers={"authorization": f"Bearer {good}"})).status_code == 200
    for wrong in (sign(house.provider.claims(aud="other")), good[:-8] + "AAAAAAAA", "eyJhbGciOiJub25lIn0.e30.AA"):
        answer = await house.http.post("/graphql", json={"query": "{ me { id } }"}, headers={"authorization": f"Bearer {wrong}"})
        assert answer.status_code == 401
        assert wrong not in answer.text
        async with socket(house, wrong) as opened:
            assert await closing(opened) == 4403
        assert (await house.http.get("/ledger/export", headers={"authorization": f"Bearer {wrong}"})).status_code == 401


@pytest.mark.parametrize("way", ["it expires", "it is revoked", "its subject is revoked"])
async def test_live_connections_end_with_their_token(
    house: House, way: str, monkeypatch: pytest.MonkeyPatch, until: Callable[..., Any]
) -> None:
    token = sign(house.provider.claims(roles=["cairn-readers"]))
    headers = {"authorization": f"Bearer {token}", "accept": "text/event-stream"}
    async with (
        socket(house, token) as opened,
        house.http.stream("POST", "/graphql", json={"query": ADDED}, headers=headers) as stream,
    ):
        assert await hear(opened) == {"type": "connection_ack"}
        await opened.send(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": ADDED}}))
        await until(lambda: house.events.subscribers == 2)
        await house.remember("The tide turns at noon.", "public")
        assert (await hear(opened))["payload"]["data"] == {"memoryAdded": {"text": "The tide turns at noon."}}
        if way == "it expires":
            monkeypatch.setattr("cairn.policies.vouching.now", lambda: now() + timedelta(days=2))
        else:
            which = {"jti": "one"} if way == "it is revoked" else {"subject": "ada"}
            wanted = {"i": {"provider": "corp", **which}}
            assert (await house.must("mutation($i: RevokeTokenInput!) { revokeToken(input: $i) }", wanted)) == {"revokeToken": True}
            assert (await house.ask("{ me { id } }", token=token))["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        assert await closing(opened) == 4403
        async with asyncio.timeout(PATIENCE):
            told = (await stream.aread()).decode()
    assert "UNAUTHENTICATED" in told
    assert "The tide turns at noon." in told


async def test_a_keys_scopes_hold_for_answers_searches_counts_and_events(house: House, until: Callable[..., Any]) -> None:
    for pattern in ("memory:team/*", "graph:*"):
        for action in ("read", "write"):
            rule = {"i": {"subject": "ada", "object": pattern, "action": action}}
            await house.must("mutation($i: RuleInput!) { addRule(input: $i) { changed } }", rule)
    whole, narrow = await house.key("ada"), await house.key("ada", ("memory:team/reef/*", "read"))
    await house.remember("Corals bleach in warm water.", "team/reef")
    await house.remember("Corals are also a colour of paint.", "team/paint")
    listing = """{
        memories(first: 10) { nodes { text } }
        recall(input: {agent: "ada", query: "corals"}) { hits { memory { text } } }
    }"""
    for _ in range(2):  # the second time from the cache
        texts: dict[str, tuple[set[str], set[str]]] = {}
        for name, key in (("whole", whole), ("narrow", narrow)):
            found = await house.must(listing, token=key)
            texts[name] = (
                {one["text"] for one in found["memories"]["nodes"]},
                {one["memory"]["text"] for one in found["recall"]["hits"]},
            )
        assert [len(part) for part in texts["whole"]] == [2, 2]
        assert texts["narrow"] == ({"Corals bleach in warm water."}, {"Corals bleach in warm water."})
    wanted = {"i": {"agent": "ada", "text": "Anemones sting.", "scope": "team/reef"}}
    assert (await house.ask(REMEMBER, wanted, token=narrow))["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    await house.must(REMEMBER, wanted, token=whole)
    async with socket(house, narrow) as opened:
        assert await hear(opened) == {"type": "connection_ack"}
        await opened.send(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": ADDED}}))
        await until(lambda: house.events.subscribers == 1)
        await house.remember("Ochre is a colour too.", "team/paint")
        await house.remember("Groupers change their sex.", "team/reef")
        assert (await hear(opened))["payload"]["data"] == {"memoryAdded": {"text": "Groupers change their sex."}}


async def test_nothing_of_the_schema_is_told_to_who_is_not_let_in(house: House) -> None:
    for query in ("{ __schema { types { name } } }", "{ __typename }", "{ memoriez }"):
        for answer in (
            await house.http.post("/graphql", json={"query": query}),
            await house.http.get("/graphql", params={"query": query}),
            await house.http.post("/graphql", json={"query": query}, headers={"authorization": "Bearer cairn_x"}),
        ):
            assert answer.status_code == 401
            assert "memories" not in answer.text
            assert "__schema" not in answer.text


@pytest.mark.parametrize(("changes", "shown"), [({}, True), ({"graphiql": False}, False), ({"env": "production"}, False)])
async def test_graphiql_is_not_shown_in_production(
    settings: Settings, serve: Callable[..., Any], changes: dict[str, Any], shown: bool
) -> None:
    async with open_services(settings.model_copy(update=changes)) as cairn, serve(create_app(cairn)) as url, httpx.AsyncClient() as http:
        answer = await http.get(f"{url}/graphql", headers={"accept": "text/html,*/*;q=0.5"})
        assert ("graphiql" in answer.text.lower()) is shown
        assert answer.status_code == (200 if shown else 401)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "strict-transport-security" not in answer.headers


async def test_behind_a_proxy_that_ends_tls_browsers_are_told_to_stay_with_it(settings: Settings, serve: Callable[..., Any]) -> None:
    async with (
        open_services(settings.model_copy(update={"behind_proxy": True})) as cairn,
        serve(create_app(cairn)) as url,
        httpx.AsyncClient() as http,
    ):
        assert (await http.get(f"{url}/healthz")).headers["strict-transport-security"] == "max-age=31536000"
