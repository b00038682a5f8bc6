"""Automatic persisted queries: a document goes by its SHA-256 once it was sent, and no hash ever stands for another text."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest

from cairn.api.persisted import PersistedQueries
from cairn.errors import BadInput, PersistedQueryNotFound

pytestmark = pytest.mark.anyio
ME = "query Me { me { id } }"
HASH = sha256(ME.encode()).hexdigest()


def named(hash: Any, version: Any = 1, **more: Any) -> dict[str, Any]:
    return {"extensions": {"persistedQuery": {"version": version, "sha256Hash": hash}}, **more}


@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json"])
async def test_a_document_is_sent_once_and_then_named(toy: Any, accept: str) -> None:
    headers = {"accept": accept}
    unknown = await toy.client.post("/graphql", json=named(HASH), headers=headers)
    assert unknown.status_code == 200
    error = unknown.json()["errors"][0]
    assert (error["message"], error["extensions"]["code"]) == ("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND")
    sent = await toy.client.post("/graphql", json=named(HASH, query=ME), headers=headers)
    assert sent.json()["data"] == {"me": {"id": "ada"}}
    known = await toy.client.post("/graphql", json=named(HASH.upper()), headers=headers)
    assert known.json()["data"] == {"me": {"id": "ada"}}
    url = {"extensions": json.dumps(named(HASH)["extensions"]), "operationName": "Me"}
    for _ in range(2):
        assert (await toy.client.get("/graphql", params=url, headers=headers)).json()["data"] == {"me": {"id": "ada"}}


async def test_variables_and_answers_go_with_the_document(toy: Any) -> None:
    query = "query Note($id: ID!) { note(id: $id) { text } me { id } }"
    hash = sha256(query.encode()).hexdigest()
    toy.notes.texts |= {"1": "one", "2": "two"}
    await toy.client.post("/graphql", json=named(hash, query=query, variables={"id": "1"}))
    for id, text in (("1", "one"), ("2", "two")):
        answer = await toy.client.post("/graphql", json=named(hash, variables={"id": id}))
        assert answer.json()["data"]["note"]["text"] == text


async def test_a_hash_that_is_not_the_texts_is_refused_and_keeps_nothing(toy: Any) -> None:
    other = "{ me { id name } }"
    await toy.client.post("/graphql", json=named(HASH, query=ME))
    for query in (other, ME + " "):
        answer = await toy.client.post("/graphql", json=named(HASH, query=query))
        assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_INPUT"
        assert "SHA-256" in answer.json()["errors"][0]["message"]
    assert (await toy.client.post("/graphql", json=named(HASH))).json()["data"] == {"me": {"id": "ada"}}
    missing = await toy.client.post("/graphql", json=named(sha256(other.encode()).hexdigest()))
    assert missing.json()["errors"][0]["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"


@pytest.mark.parametrize(
    "extensions",
    [
        {"persistedQuery": 7},
        {"persistedQuery": {}},
        {"persistedQuery": {"version": 2, "sha256Hash": HASH}},
        {"persistedQuery": {"version": 1, "sha256Hash": 7}},
        {"persistedQuery": {"version": 1, "sha256Hash": ""}},
        {"persistedQuery": {"version": 1, "sha256Hash": HASH[1:]}},
        {"persistedQuery": {"version": 1, "sha256Hash": "../../etc/passwd"}},
    ],
)
async def test_what_is_no_hash_is_refused_clearly(toy: Any, extensions: dict[str, Any]) -> None:
    for more in ({}, {"query": ME}):
        answer = await toy.client.post("/graphql", json={"extensions": extensions, **more})
        error = answer.json()["errors"][0]
        assert error["extensions"]["code"] == "BAD_INPUT"
        assert "persistedQuery" in error["message"]


async def test_what_is_no_graphql_is_not_kept(toy: Any) -> None:
    text = "{ me {"
    hash = sha256(text.encode()).hexdigest()
    assert "errors" in (await toy.client.post("/graphql", json=named(hash, query=text))).json()
    answer = await toy.client.post("/graphql", json=named(hash))
    assert answer.json()["errors"][0]["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"


def test_a_flood_of_documents_is_bounded_and_what_is_asked_for_often_stays() -> None:
    kept = PersistedQueries(most=100_000)
    kept.keep(ME)
    for number in range(20_000):
        text = f"{{ memory(id: {number}) {{ id }} }}"
        kept.keep(text)
        if number % 50 == 0:
            assert kept.find(HASH) == ME
    with pytest.raises(PersistedQueryNotFound):
        kept.find(sha256(b"{ memory(id: 0) { id } }").hexdigest())
    with pytest.raises(BadInput):
        kept.check(HASH, "{ me { id } }")
