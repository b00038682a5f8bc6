"""Nothing that was remembered stands anywhere in plain: not in Neo4j's files and logs, Redis or a backup, least of all once erased."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from anyio.from_thread import start_blocking_portal
from pydantic import SecretStr
from redis import Redis

from cairn.api.app import create_app
from cairn.api.backing_up import back_up_to
from cairn.api.client import Client
from cairn.api.presence import operator_key
from cairn.api.services import Cairn, open_services
from cairn.graph.progress import silent
from cairn.graph.servers import Servers
from cairn.graph.servers import servers as start_servers
from cairn.graph.statements import parse
from cairn.graph.verification import verify
from cairn.settings import Settings

pytestmark = pytest.mark.anyio
WORD, NAME = "xylophagous", "Quuxenstein"
TEXT = f"Yesterday Mr. {NAME} showed me {WORD} beetles. {NAME} keeps them in Zwzwzwheim."
MARKS = (WORD, NAME, "Zwzwzwheim")
CHECKPOINT = parse("// checkpoint: writes all that is in memory to the store, and rotates the logs\nCALL db.checkpoint();")["checkpoint"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("erasure")


@pytest.fixture(scope="module")
def alone(folder: Path) -> Iterator[Servers]:
    """Servers whose every file may be looked into."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("CAIRN_NEO4J_URI", "CAIRN_REDIS_URL", "CAIRN_NEO4J_PASSWORD", "CAIRN_NEO4J_USER"):
            patch.delenv(name, raising=False)
        settings = Settings(data_dir=folder / "servers", neo4j_heap="512m", neo4j_page_cache="64m")
        with start_blocking_portal("asyncio") as portal, portal.wrap_async_context_manager(start_servers(settings)) as running:
            yield running


@pytest.fixture
def settings(alone: Servers, folder: Path, tenant: str) -> Settings:
    return Settings(
        data_dir=folder / "data",
        tenant=tenant,
        neo4j_uri=alone.neo4j_uri,
        neo4j_user=alone.neo4j_user,
        neo4j_password=SecretStr(alone.neo4j_password) if alone.neo4j_password is not None else None,
        redis_url=alone.redis_url,
        consolidation_interval=0,
    )


@pytest.fixture
async def cairn(settings: Settings) -> AsyncIterator[Cairn]:
    async with open_services(settings) as opened:
        yield opened


@pytest.fixture
async def client(cairn: Cairn, settings: Settings) -> AsyncIterator[Client]:
    transport = httpx.ASGITransport(create_app(cairn))
    async with httpx.AsyncClient(transport=transport, base_url="http://cairn.test", timeout=None) as http:
        yield Client(http, "http://cairn.test/graphql", operator_key(settings.data_dir))


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


async def settle(cairn: Cairn, settings: Settings) -> None:
    """Have both servers write everything to their files."""
    await cairn.services.database.read_stored(CHECKPOINT)
    assert settings.redis_url is not None
    with Redis.from_url(settings.redis_url) as redis:  # pyright: ignore[reportUnknownMemberType]
        redis.save()  # pyright: ignore[reportUnknownMemberType]
        for key in redis.scan_iter():  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            dumped = redis.dump(key)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType, reportUnknownVariableType]
            assert not any(mark.encode() in (dumped or b"") for mark in MARKS)  # pyright: ignore[reportUnknownArgumentType, reportOperatorIssue]


REMEMBER = "mutation($i: RememberInput!) { remember(input: $i) { id mentions { text entity { iri label } } } }"
RECALL = (
    'query { recall(input: { agent: "tern", query: "which beetles did Quuxenstein show" }) { id hits { memory { id text speaker } } } }'
)


async def test_nothing_stands_anywhere_in_plain(client: Client, cairn: Cairn, settings: Settings, folder: Path) -> None:
    await do(client, 'mutation { registerAgent(input: { id: "tern", name: "Tern", goals: ["find xylophagous things"] }) { id } }')
    given = {"agent": "tern", "text": TEXT, "speaker": NAME, "externalId": WORD, "metadata": {"note": WORD}, "session": "s"}
    kept = (await do(client, REMEMBER, i=given))["remember"]
    assert {mention["text"] for mention in kept["mentions"]} >= {NAME}
    assert all(mention["entity"]["label"] in TEXT for mention in kept["mentions"])
    entities = await do(client, 'query { entities(search: "quuxenstein") { nodes { iri label } } }')
    assert [one["label"] for one in entities["entities"]["nodes"]] == [NAME]
    state = f'mutation {{ setState(input: {{ agent: "tern", key: "k", value: "{WORD}", idempotencyKey: "x" }}) {{ version }} }}'
    await do(client, state)
    for _ in range(2):
        recalled = (await do(client, RECALL))["recall"]
        assert recalled["hits"][0]["memory"]["text"] == TEXT
    await do(client, "mutation($r: ID!, $u: [ID!]!) { feedback(recall: $r, useful: $u) }", r=recalled["id"], u=[kept["id"]])
    await settle(cairn, settings)
    assert found(folder) == []
    assert (await verify(cairn.services.database, settings.tenant)).problem is None

    erased = await do(client, 'mutation { eraseSubject(agent: "tern") { memories states feedback } }')
    assert erased["eraseSubject"] == {"memories": 1, "states": 1, "feedback": 1}
    assert (await do(client, RECALL))["recall"]["hits"] == []
    gone = await do(client, 'query { entities(search: "quuxenstein") { nodes { iri label } } }')
    assert gone["entities"]["nodes"] == []
    assert (await verify(cairn.services.database, settings.tenant)).problem is None
    lines = await do(client, "query { ledger { entries(first: 100) { nodes { operation actor target } } } }")
    operations = {line["operation"] for line in lines["ledger"]["entries"]["nodes"]}
    assert {"subject.erase", "memory.erase", "state.erase", "feedback.erase", "entity.erase"} <= operations
    await settle(cairn, settings)
    await back_up_to(settings, folder / "backup", None, silent)
    assert found(folder) == []


async def test_a_look_finds_what_is_plain(folder: Path) -> None:
    await anyio.Path(folder / "plain").write_text(f"here is {WORD}")
    assert found(folder) == [f"{WORD} in plain"]
