"""Whatever bytes come, from a caller with a key or without, the answer is a plain one and the process lives on."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from cairn.api.app import create_app
from cairn.api.operations import operations
from cairn.api.presence import operator_key
from cairn.api.services import open_services
from cairn.settings import Settings

MANY = hypothesis_settings(
    max_examples=200, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
)
HIDDEN = ("Traceback", 'File "', "bolt:", "redis:", "127.0.0.1", "MATCH (", "neo4j.exceptions")
Send = Callable[..., httpx.Response]

STRANGE = (
    "", "\0", "\ud800", "a" * 10_000, "2026-13-45T00:00:00Z", "-1", "null", "agent:*", "../../etc/passwd", "urn:x", "ada",
    "'}) DETACH DELETE n //",
)  # fmt: skip
ARGUMENTS = (
    "input", "id", "agent", "key", "query", "first", "after", "person", "enabled", "source", "graph", "jti", "provider", "dryRun", "iri",
)  # fmt: skip
FIELDS = (
    "agent", "text", "id", "name", "key", "value", "metadata", "goals", "role", "principal", "scopes", "expiresAt", "session",
    "occurredAt", "scope", "subject", "predicate", "object", "effect", "action", "memories", "importance", "idempotencyKey",
    "expectedVersion",
)  # fmt: skip
CONTENT = ("application/json", "application/json; charset=utf-8", "text/plain", "application/json; charset=utf-16", "", "a/b/c")
texts = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            "",
            "\0",
            "\ud800",
            "a" * 10_000,
            "2026-13-45T00:00:00Z",
            "-1",
            "null",
            "agent:*",
            "../../etc/passwd",
            "urn:x",
            "ada",
            "'}) DETACH DELETE n //",
        ]
    ),
)
numbers = st.one_of(st.integers(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)
names, fields = st.sampled_from(ARGUMENTS), st.sampled_from(FIELDS)
inputs = st.one_of(values, st.dictionaries(fields, values, max_size=8))
variables = st.one_of(values, st.dictionaries(names, inputs, max_size=6))
documents = st.one_of(
    st.sampled_from(operations()),
    st.text(alphabet="{}()[]!$@:=|&\"'#.,\\ \nabcqueryfragmenton01éࠀ\ud800", max_size=60),
    texts,
)
requests = st.fixed_dictionaries(
    {},
    optional={
        "query": st.one_of(documents, values),
        "variables": variables,
        **dict.fromkeys(("operationName", "extensions", "id", "documentId"), values),
    },
)
bodies = st.one_of(
    st.binary(max_size=200),
    requests.map(lambda request: json.dumps(request).encode()),
    values.map(lambda value: json.dumps(value).encode()),
    st.integers(1, 20_000).map(lambda depth: b"[" * depth),
    st.integers(1, 3_000).map(lambda depth: b'{"query": "' + b"{a" * depth + b'"}'),
    st.tuples(requests, st.integers(0, 300)).map(lambda cut: json.dumps(cut[0]).encode()[: cut[1]]),
)
headers = st.fixed_dictionaries(
    {},
    optional={
        "content-type": st.sampled_from(CONTENT),
        "accept": st.sampled_from(["*/*", "application/graphql-response+json", "text/html", "", "q=;;,", "application/json;q=0"]),
        "x-request-id": st.text(alphabet="abc0.-_ \t!", max_size=80),
        "x-cairn-session": st.text(alphabet="abc é", max_size=120),
        "x-cairn-epoch": st.text(alphabet="0123456789abc:-", max_size=40),
        "if-none-match": st.text(alphabet='"*W/abc, ', max_size=30),
        "accept-encoding": st.text(alphabet="gzip;q=0.1, *", max_size=30),
    },
)


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Send]:
    async with open_services(settings) as cairn:
        transport = httpx.ASGITransport(create_app(cairn))
        async with httpx.AsyncClient(transport=transport, base_url="http://cairn.test", timeout=None) as http:
            yield http.request


@pytest.fixture
def send(settings: Settings) -> Iterator[Send]:
    """Sends one request to a whole Cairn, without rates, and waits for the answer."""
    unlimited = settings.model_copy(update={"rate_limit": 0.0, "tenant_rate_limit": 0.0, "refusal_limit": 0.0})
    with start_blocking_portal("asyncio") as portal, portal.wrap_async_context_manager(serving(unlimited)) as request:

        def send(*arguments: Any, headers: dict[str, str], **more: Any) -> httpx.Response:
            sent = {name: value.encode("latin-1") for name, value in headers.items()}
            return portal.call(lambda: request(*arguments, headers=sent, **more))

        yield send


def check(response: httpx.Response) -> None:
    assert response.status_code < 500, response.text
    assert not any(hidden in response.text for hidden in HIDDEN), response.text
    if response.content and "json" in response.headers.get("content-type", ""):
        answer: dict[str, Any] = response.json()
        assert answer.keys() <= {"data", "errors", "extensions"}
        for error in answer.get("errors", ()):
            assert error["message"]
            assert error["extensions"]["code"] != "INTERNAL", response.text


def test_no_request_breaks_anything(send: Send, settings: Settings) -> None:
    key = operator_key(settings.data_dir)

    @MANY
    @given(bodies, headers, st.sampled_from([f"Bearer {key}"] * 4 + ["Bearer", "Bearer x", "Basic eDp5", ""]))
    def fuzz(body: bytes, more: dict[str, str], authorization: str) -> None:
        check(send("POST", "/graphql", content=body, headers={"content-type": "application/json", "authorization": authorization, **more}))

    @MANY
    @given(requests, st.binary(max_size=40), headers, st.sampled_from(["GET", "HEAD", "PUT", "OPTIONS", "DELETE"]))
    def fuzz_urls(request: dict[str, Any], raw: bytes, more: dict[str, str], method: str) -> None:
        parameters = {name: value if isinstance(value, str) else json.dumps(value) for name, value in request.items()}
        named = {name: value.encode("utf-8", "replace").decode() for name, value in parameters.items()}
        for url in (httpx.URL("/graphql", params=named), httpx.URL("/graphql?" + raw.hex("%", 1))):
            check(send(method, url, headers={"authorization": f"Bearer {key}", **more}))

    fuzz()
    fuzz_urls()
    alive = send("POST", "/graphql", json={"query": "{ me { id } }"}, headers={"authorization": f"Bearer {key}"})
    assert alive.json()["data"] == {"me": {"id": "operator"}}
