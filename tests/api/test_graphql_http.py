"""The endpoint: forms of requests and answers, statuses, headers, and everything that can be wrong with a request."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.anyio

GRAPHQL = "application/graphql-response+json"
JSON = "application/json"


def code(response: httpx.Response) -> str:
    return response.json()["errors"][0]["extensions"]["code"]


async def post(toy: Any, content: bytes, **headers: str) -> httpx.Response:
    return await toy.client.post("/graphql", content=content, headers={"content-type": JSON, **headers})


async def test_answers_a_query_with_its_cost_and_safe_headers(toy: Any) -> None:
    toy.notes.texts["1"] = "hello"
    response = await toy.ask('{ note(id: "1") { text } }')
    assert response.status_code == 200
    assert response.json() == {"data": {"note": {"text": "hello"}}, "extensions": {"cost": 1}}
    assert response.headers["cache-control"] == "private, no-store"
    assert response.headers["vary"] == "Authorization, Accept, Accept-Encoding"
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, JSON),
        ("*/*", JSON),
        (JSON, JSON),
        (GRAPHQL, GRAPHQL),
        (f"{JSON}, {GRAPHQL}", GRAPHQL),
        (f"{GRAPHQL};q=0.5, {JSON}", JSON),
        ("application/*", JSON),
        ("text/html, */*;q=0.1", JSON),
    ],
)
async def test_answers_in_the_form_the_client_likes_best(toy: Any, accept: str | None, expected: str) -> None:
    headers = {"accept": accept} if accept else {}
    request = toy.client.build_request("POST", "/graphql", json={"query": "{ __typename }"}, headers=headers)
    if accept is None:
        del request.headers["accept"]
    response = await toy.client.send(request)
    assert response.status_code == 200
    assert response.headers["content-type"] == f"{expected}; charset=utf-8"


async def test_refuses_forms_it_does_not_have(toy: Any) -> None:
    response = await post(toy, b'{"query": "{ __typename }"}', accept="image/png")
    assert (response.status_code, code(response)) == (406, "BAD_INPUT")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_refuses_other_methods(toy: Any, method: str) -> None:
    response = await toy.client.request(method, "/graphql")
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, POST"


async def test_get_runs_queries_but_no_mutations(toy: Any) -> None:
    toy.notes.texts["1"] = "hello"
    query = "query N($id: ID!) { note(id: $id) { text } }"
    response = await toy.client.get("/graphql", params={"query": query, "variables": '{"id": "1"}', "operationName": "N"})
    assert response.json()["data"] == {"note": {"text": "hello"}}
    response = await toy.client.get("/graphql", params={"query": 'mutation { write(id: "1", text: "x") { id } }'})
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert toy.notes.texts == {"1": "hello"}


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", ""])
async def test_refuses_bodies_that_are_not_json(toy: Any, content_type: str) -> None:
    response = await toy.client.post("/graphql", content=b'{"query": "{ __typename }"}', headers={"content-type": content_type})
    assert (response.status_code, code(response)) == (415, "BAD_INPUT")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "empty"),
        (b"{", "not JSON"),
        (b"[]", "batches"),
        (b'"query"', "no object"),
        (b"null", "no object"),
        (b"{}", "no query"),
        (b'{"query": null}', "query must be a string"),
        (b'{"query": 1}', "query must be a string"),
        (b'{"query": "{ me { id } }", "variables": []}', "variables must be an object"),
        (b'{"query": "{ me { id } }", "variables": "x"}', "variables must be an object"),
        (b'{"query": "{ me { id } }", "extensions": 7}', "extensions must be an object"),
        (b'{"query": "{ me { id } }", "operationName": {}}', "operationName must be a string"),
        (b'{"query": "{ me { id } }", "query": "{ broken }"}', "'query' twice"),
        (b'{"query": "{ me { id } }", "variables": {"a": NaN}}', "not JSON"),
        (b'{"query": "{ me { id } }", "variables": {"a": "\\ud800"}}', "not JSON"),
        (b'{"query": "\xff\xfe"}', "not JSON"),
        (b'\xff\xfe{\x00"\x00', "not JSON"),
        (b"[" * 100_000 + b"]" * 100_000, "nests deeper"),
        (b'{"query": "{ me { id } }", "variables": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001, "nests deeper"),
        (b"[" * 100_000, "nests deeper"),
        (b'{"a": "' + b"[" * 100_000, "not JSON"),
    ],
)
async def test_malformed_bodies_get_a_clear_400(toy: Any, body: bytes, says: str) -> None:
    response = await post(toy, body, accept=GRAPHQL)
    assert (response.status_code, code(response)) == (400, "BAD_INPUT")
    assert says in response.json()["errors"][0]["message"]
    assert "data" not in response.json()


async def test_brackets_inside_strings_are_no_nesting(toy: Any) -> None:
    text = '[{"' * 1_000 + "\\"
    response = await toy.ask("query ($v: JSON!) { echo(value: $v) }", {"v": text})
    assert response.json()["data"] == {"echo": text}


async def test_large_integers_keep_their_digits(toy: Any) -> None:
    number = 123456789012345678901234567890
    response = await toy.ask("query ($v: JSON!) { echo(value: $v) }", {"v": [number]})
    assert json.loads(response.text)["data"] == {"echo": [number]}


async def test_a_body_over_the_limit_is_413(toy: Any) -> None:
    body = json.dumps({"query": "{ me { id } }", "variables": {"x": "a" * 20_000_000}}).encode()
    response = await post(toy, body)
    assert (response.status_code, code(response)) == (413, "TOO_COSTLY")


async def test_a_20_mb_body_over_a_real_connection_gets_its_answer(toy: Any, serve: Any) -> None:
    async with serve(toy.app) as url, httpx.AsyncClient(base_url=url, headers={"authorization": "Bearer ada"}, timeout=30) as client:
        response = await client.post("/graphql", content=b" " * 20_000_000, headers={"content-type": JSON})
        assert (response.status_code, code(response)) == (413, "TOO_COSTLY")
        again = await client.post("/graphql", json={"query": "{ me { id } }"})
        assert again.json()["data"] == {"me": {"id": "ada"}}


@pytest.mark.parametrize(
    "authorization", [None, "", "Basic YWRh", "Bearer", "Bearer wrong", "Bearer " + "x" * 5_000, "Bearer schl\u00fcssel"]
)
async def test_nobody_executes_anything_without_a_key(toy: Any, authorization: str | None) -> None:
    request = toy.client.build_request("POST", "/graphql", json={"query": "{ __schema { queryType { name } } }"})
    del request.headers["authorization"]
    if authorization is not None:
        request.headers.raw.append((b"authorization", authorization.encode("latin-1")))
    response = await toy.client.send(request)
    assert (response.status_code, code(response)) == (401, "UNAUTHENTICATED")
    assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("", "Unexpected <EOF>"),
        ("{", "Expected Name"),
        ("{ nothing }", "Cannot query field 'nothing'"),
        ("fragment F on Query { me { id } }", "no operation"),
        ("query A { me { id } } query B { me { id } }", "several operations"),
        ("query ($id: ID!) { note(id: $id) { text } }", "non-null type 'ID!' to be provided"),
        ("{ note(id: $id) { text } }", "not defined"),
        ("{ ...F } fragment F on Query { ...F }", "Cannot spread fragment"),
    ],
)
async def test_malformed_documents_are_refused(toy: Any, query: str, says: str) -> None:
    strict = await post(toy, json.dumps({"query": query}).encode(), accept=GRAPHQL)
    assert (strict.status_code, code(strict)) == (400, "BAD_INPUT")
    assert says in strict.json()["errors"][0]["message"]
    assert "data" not in strict.json()
    lenient = await post(toy, json.dumps({"query": query}).encode(), accept=JSON)
    assert (lenient.status_code, code(lenient)) == (200, "BAD_INPUT")


async def test_runs_the_named_operation(toy: Any) -> None:
    document = "query A { me { id } } query B { cheap(number: 4) }"
    assert (await toy.ask(document, operationName="B")).json()["data"] == {"cheap": 4}
    assert code(await toy.ask(document, operationName="C")) == "BAD_INPUT"


@pytest.mark.parametrize("name", ["NOT_FOUND", "FORBIDDEN", "CONFLICT", "UNAVAILABLE", "RATE_LIMITED"])
async def test_errors_of_resolvers_keep_message_code_and_path(toy: Any, name: str) -> None:
    response = await toy.ask("query Q($c: String!) { fail(code: $c) ok: cheap(number: 3) }", {"c": name})
    assert response.status_code == 200
    assert response.json()["data"] == {"fail": None, "ok": 3}
    error = response.json()["errors"][0]
    assert error["extensions"]["code"] == name
    assert error["path"] == ["fail"]
    assert error["extensions"].get("retryAfter") == (7.0 if name == "RATE_LIMITED" else None)


async def test_a_defect_tells_a_request_id_and_nothing_else(toy: Any, caplog: pytest.LogCaptureFixture) -> None:
    response = await toy.ask("{ broken }")
    assert "secret" not in response.text
    assert "MATCH" not in response.text
    error = response.json()["errors"][0]
    assert error["extensions"] == {"code": "INTERNAL", "requestId": response.headers["x-request-id"]}
    logged = next(record for record in caplog.records if record.name == "cairn.api")
    assert response.headers["x-request-id"] in logged.getMessage()
    assert logged.exc_info is not None


async def test_request_ids_are_taken_over_when_sane(toy: Any) -> None:
    ids = [
        (await toy.client.get("/healthz", headers={"x-request-id": asked})).headers["x-request-id"]
        for asked in ("trace-12345", "a b\tc<d>")
    ]
    assert ids[0] == "trace-12345"
    assert "<" not in ids[1]


async def test_a_query_past_its_time_is_stopped(make_toy: Any) -> None:
    toy = await make_toy(request_timeout=0.2)
    response = await toy.ask("{ slow }")
    assert code(response) == "TOO_COSTLY"
    assert toy.notes.cancelled == 1


async def test_a_mutation_past_its_time_says_that_its_outcome_is_unknown(make_toy: Any) -> None:
    toy = await make_toy(request_timeout=0.2)
    response = await toy.ask("mutation { dawdle }")
    assert (response.status_code, code(response)) == (503, "UNAVAILABLE")
    assert "idempotencyKey" in response.json()["errors"][0]["message"]


async def test_subscriptions_need_a_stream(toy: Any) -> None:
    response = await toy.ask("subscription { noteAdded { id } }")
    assert (response.status_code, code(response)) == (406, "BAD_INPUT")


async def test_urls_are_checked_too(toy: Any) -> None:
    for url in ("/graphql?query=%ff", "/graphql?query={me{id}}&query={me{id}}", "/graphql?query={me{id}}&variables=[", "/graphql?x=1"):
        response = await toy.client.get(url, headers={"accept": GRAPHQL})
        assert (response.status_code, code(response)) == (400, "BAD_INPUT"), url


async def test_browsers_get_graphiql_from_own_files_only(toy: Any) -> None:
    page = await toy.client.get("/graphql", headers={"accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "://" not in page.text
    for path in ("/static/graphiql/graphiql.js", "/static/graphiql/graphiql.css", "/static/graphiql/editor.worker.js", "/"):
        assert (await toy.client.get(path)).status_code == 200, path
    assert (await toy.client.get("/static/../app.py")).status_code == 404


async def test_no_other_origin_is_invited(toy: Any) -> None:
    response = await toy.client.post("/graphql", json={"query": "{ me { id } }"}, headers={"origin": "https://evil.example"})
    assert not [name for name in response.headers if name.startswith("access-control")]


async def test_health_readiness_and_metrics(toy: Any) -> None:
    assert (await toy.client.get("/healthz")).text == "ok\n"
    assert (await toy.client.get("/readyz")).json() == {"status": "ready", "checks": {"redis": "ok"}}
    await toy.ask('{ note(id: "1") { text } }')
    text = (await toy.client.get("/metrics")).text
    assert 'cairn_queries_total{cache="miss"} 1.0' in text


async def test_ready_but_degraded_without_redis(make_toy: Any) -> None:
    toy = await make_toy(url="redis://127.0.0.1:1/0", patience=0.05)
    response = await toy.client.get("/readyz")
    assert response.status_code == 200
    assert response.json()["status"] == "degraded"
