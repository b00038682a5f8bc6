"""Nothing that was remembered stands anywhere in plain: not in Neo4j's files and logs, Redis or a backup, least of all once erased."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from redis import Redis

from cairn.api.app import create_app
from cairn.api.backing_up import back_up_to
from cairn.api.client import Client
from cairn.api.presence import operator_key
from cairn.api.services import Cairn, open_services
from cairn.graph.progress import silent
from cairn.graph.servers import servers as start_servers
from cairn.graph.verification import verify
from cairn.settings import Settings

pytestmark = pytest.mark.anyio
WORD, NAME = "xylophagous", "Quuxenstein"
TEXT = f"Yesterday Mr. {NAME} showed me {WORD} beetles. {NAME} keeps them in Zwzwzwheim."
MARKS = (WORD, NAME, "Zwzwzwheim")


@asynccontextmanager
async def living(folder: Path, tenant: str) -> AsyncGenerator[tuple[Cairn, Client, Settings]]:
    """A Cairn whose servers' every file may be looked into. Neo4j brings all into its store when it stops."""
    async with start_servers(Settings(data_dir=folder / "servers", neo4j_heap="512m", neo4j_page_cache="64m")) as running:
        settings = Settings(
            data_dir=folder / "data",
            tenant=tenant,
            neo4j_uri=running.neo4j_uri,
            neo4j_user=running.neo4j_user,
            neo4j_password=SecretStr(running.neo4j_password) if running.neo4j_password is not None else None,
            redis_url=running.redis_url,
            consolidation_interval=0,
        )
        async with open_services(settings) as cairn:
            transport = httpx.ASGITransport(create_app(cairn))
            async with httpx.AsyncClient(transport=transport, base_url="http://cairn.test", timeout=None) as http:
                yield cairn, Client(http, "http://cairn.test/graphql", operator_key(settings.data_dir)), settings


async def do(client: Client, document: str, **variables: Any) -> Any:
    return await client.demand(document, variables)


def found(folder: Path) -> list[str]:
    """Which marks stand in which files, in any of the encodings that Neo4j and Redis use."""
    places: list[str] = []
    forms = {mark: [text.encode(code) for text in {mark, mark.lower()} for code in ("utf-8", "utf-16-le", "utf-16-be")] for mark in MARKS}
    for file in folder.rglob("*"):
        if file.is_file() and not file.is_symlink():
            content = file.read_bytes()
            places += [f"{mark} in {file.relative_to(folder)}" for mark, raws in forms.items() if any(raw in content for raw in raws)]
    return places


def cached(settings: Settings) -> list[str]:
    """Which marks Redis holds, and which of its keys; and that it holds answers."""
    assert settings.redis_url is not None
    with Redis.from_url(settings.redis_url) as redis:  # pyright: ignore[reportUnknownMemberType]
        dumped: list[bytes] = [redis.dump(key) or b"" for key in redis.scan_iter()]  # pyright: ignore
    assert dumped
    return [mark for mark in MARKS if any(mark.encode() in one for one in dumped)]


REMEMBER = "mutation($i: RememberInput!) { remember(input: $i) { id mentions { text entity { iri label } } } }"
RECALL = (
    'query { recall(input: { agent: "tern", query: "which beetles did Quuxenstein show" }) { id hits { memory { id text speaker } } } }'
)


async def test_nothing_stands_anywhere_in_plain(tmp_path: Path, tenant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CAIRN_NEO4J_URI", "CAIRN_REDIS_URL", "CAIRN_NEO4J_PASSWORD", "CAIRN_NEO4J_USER"):
        monkeypatch.delenv(name, raising=False)
    async with living(tmp_path, tenant) as (cairn, client, settings):
        await remembered(client)
        assert cached(settings) == []
        assert found(tmp_path) == []
        assert (await verify(cairn.services.database, tenant)).problem is None
        await erased(client)
        assert (await verify(cairn.services.database, tenant)).problem is None
        assert cached(settings) == []
        await back_up_to(settings, tmp_path / "backup", silent)
        assert found(tmp_path) == []
    assert found(tmp_path) == [], "now that Neo4j has written its store"


async def remembered(client: Client) -> None:
    """Content of every sort, and that all of it is found."""
    await do(client, 'mutation { registerAgent(input: { id: "tern", name: "Tern", goals: ["find xylophagous things"] }) { id } }')
    given = {"agent": "tern", "text": TEXT, "speaker": NAME, "externalId": WORD, "metadata": {"note": WORD}, "session": "s"}
    kept = (await do(client, REMEMBER, i=given))["remember"]
    assert {mention["text"] for mention in kept["mentions"]} >= {NAME}
    assert all(mention["entity"]["label"] in TEXT for mention in kept["mentions"])
    assert await named(client) == [NAME]
    state = f'mutation {{ setState(input: {{ agent: "tern", key: "k", value: "{WORD}", idempotencyKey: "x" }}) {{ version }} }}'
    await do(client, state)
    for _ in range(2):
        recalled = (await do(client, RECALL))["recall"]
        assert recalled["hits"][0]["memory"]["text"] == TEXT
    await do(client, "mutation($r: ID!, $u: [ID!]!) { feedback(recall: $r, useful: $u) }", r=recalled["id"], u=[kept["id"]])


async def erased(client: Client) -> None:
    """All of it erased, and that nothing of it is found."""
    counts = await do(client, 'mutation { eraseSubject(agent: "tern") { memories states feedback } }')
    assert counts["eraseSubject"] == {"memories": 1, "states": 1, "feedback": 1}
    assert (await do(client, RECALL))["recall"]["hits"] == []
    assert await named(client) == []
    lines = await do(client, "query { ledger { entries(first: 100) { nodes { operation actor target } } } }")
    operations = {line["operation"] for line in lines["ledger"]["entries"]["nodes"]}
    assert {"subject.erase", "memory.erase", "state.erase", "feedback.erase", "entity.erase"} <= operations


async def named(client: Client) -> list[str]:
    """The entities that are found by the name."""
    answer = await do(client, 'query { entities(search: "quuxenstein") { nodes { iri label } } }')
    return [one["label"] for one in answer["entities"]["nodes"]]


def test_a_look_finds_what_is_plain(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text(f"here is {WORD}", "utf-8")
    assert found(tmp_path) == [f"{WORD} in plain"]
