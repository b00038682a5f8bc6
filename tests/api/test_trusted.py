"""Trusted documents: only registered operations run, in each of the ways to name one."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from cairn.api.operations import operation
from cairn.api.trusted import TrustedDocuments
from cairn.errors import Forbidden, Unavailable

pytestmark = pytest.mark.anyio

ME = "query Me { me { id } }"
HASH = sha256(ME.encode()).hexdigest()


@pytest.fixture(params=["folder", "manifest"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "folder":
        (tmp_path / "me.graphql").write_text(ME)
        return tmp_path
    (tmp_path / "manifest.json").write_text(json.dumps({f"sha256:{HASH}": ME}))
    return tmp_path / "manifest.json"


@pytest.mark.parametrize(
    "body",
    [
        {"query": ME},
        {"id": HASH},
        {"documentId": f"sha256:{HASH}"},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": HASH}}},
    ],
)
async def test_a_registered_operation_runs(make_toy: Any, place: Path, body: dict[str, Any]) -> None:
    toy = await make_toy(trusted_documents=place)
    response = await toy.client.post("/graphql", json=body)
    assert response.json()["data"] == {"me": {"id": "ada"}}
    get = await toy.client.get("/graphql", params={name: v if isinstance(v, str) else json.dumps(v) for name, v in body.items()})
    assert get.json()["data"] == {"me": {"id": "ada"}}


@pytest.mark.parametrize(
    "body", [{"query": "{ me { id } }"}, {"query": ME + " "}, {"id": "0" * 64}, {"query": "{ __schema { queryType { name } } }"}]
)
async def test_nothing_else_does(make_toy: Any, place: Path, body: dict[str, Any]) -> None:
    toy = await make_toy(trusted_documents=place)
    response = await toy.client.post("/graphql", json=body)
    assert (response.status_code, response.json()["errors"][0]["extensions"]["code"]) == (403, "FORBIDDEN")


async def test_ids_without_registered_documents_are_refused_clearly(toy: Any) -> None:
    response = await toy.client.post("/graphql", json={"id": HASH})
    assert response.status_code == 403
    assert "CAIRN_TRUSTED_DOCUMENTS" in response.text
    response = await toy.client.post("/graphql", json={"id": 7})
    assert response.status_code == 400


def test_the_command_lines_own_operations_are_always_registered(place: Path) -> None:
    text = operation("recall")
    assert TrustedDocuments.load(place).check(text) == text
    with pytest.raises(Forbidden):
        TrustedDocuments.load(place).check("{ me { id } }")


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}', '{"abc": "{ me { id } }"}'])
def test_a_manifest_that_is_wrong_says_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(Unavailable, match=r"m\.json"):
        TrustedDocuments.load(tmp_path / "m.json")
