"""Embeddings over HTTP: unit vectors in order, patience with failures, clear errors, and nothing that gives the key away."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.responses import Response

from cairn.errors import BadInput, Unavailable
from cairn.learning.embedding import WrongVectors, embed
from cairn.learning.http_embedder import HTTPEmbedder, make_http
from cairn.settings import Settings

from .toy_endpoint import ToyEndpoint, meaning, status

pytestmark = pytest.mark.anyio
KEY = "sk-very-secret"


def made(url: str, **more: Any) -> HTTPEmbedder:
    usual = {"embedder_url": url, "embedder_model": "toy", "embedder_dimensions": 8, "embedder_key": SecretStr(KEY)}
    return make_http(Settings(**{**usual, "embedder_timeout": 5.0, "embedder_patience": 5.0, **more}))


async def test_vectors_come_in_the_order_of_the_texts_and_have_length_one(toy: ToyEndpoint, url: str) -> None:
    embedder = made(url, embedder_batch=3)
    texts = [f"stone number {number}" for number in range(10)]
    vectors = await embed(embedder, texts)
    for text, vector in zip(texts, vectors, strict=True):
        assert math.isclose(math.hypot(*vector), 1.0)
        expected = meaning(text, 8)
        assert vector == pytest.approx([value / math.hypot(*expected) for value in expected])
    assert sorted(len(body["input"]) for body in toy.asked) == [1, 3, 3, 3]
    assert {body["model"] for body in toy.asked} == {"toy"}
    assert set(toy.keys) == {f"Bearer {KEY}"}
    await embedder.close()


async def test_a_text_without_words_is_not_sent(toy: ToyEndpoint, url: str) -> None:
    embedder = made(url)
    assert await embed(embedder, ["", " \n"]) == [[1.0, *[0.0] * 7]] * 2
    assert toy.asked == []
    assert len(await embed(embedder, ["", "tide"])) == 2
    assert toy.texts == ["tide"]
    await embedder.close()


async def test_a_thread_may_embed_too(toy: ToyEndpoint, url: str) -> None:
    embedder = made(url)
    assert await asyncio.to_thread(embedder.embed, ["tide"]) == await embed(embedder, ["tide"])
    await embedder.close()


@pytest.mark.parametrize("code", [429, 500, 503])
async def test_what_passes_is_tried_again(toy: ToyEndpoint, url: str, code: int) -> None:
    toy.answers = [status(code, **{"retry-after": "0"}), status(code)]
    embedder = made(url)
    assert len(await embed(embedder, ["tide"])) == 1
    assert len(toy.asked) == 3
    await embedder.close()


async def test_patience_ends(toy: ToyEndpoint, url: str) -> None:
    toy.answers = [status(503) for _ in range(50)]
    embedder = made(url, embedder_patience=0.2)
    with pytest.raises(Unavailable, match="status 503"):
        await embed(embedder, ["tide"])
    assert len(toy.asked) < 5
    await embedder.close()


@pytest.mark.parametrize("code", [400, 413, 422])
async def test_a_refused_text_is_bad_input_and_not_sent_again(toy: ToyEndpoint, url: str, code: int) -> None:
    toy.answers = [status(code)]
    embedder = made(url)
    with pytest.raises(BadInput, match="too long"):
        await embed(embedder, ["tide"])
    assert len(toy.asked) == 1
    await embedder.close()


@pytest.mark.parametrize("code", [301, 401, 403, 404])
async def test_what_does_not_pass_is_told_at_once(toy: ToyEndpoint, url: str, code: int) -> None:
    toy.answers = [status(code, location="http://elsewhere.invalid/")]
    embedder = made(url)
    with pytest.raises(Unavailable, match=f"status {code}.*CAIRN_EMBEDDER_KEY"):
        await embed(embedder, ["tide"])
    assert len(toy.asked) == 1
    await embedder.close()


async def test_nobody_there(unused_tcp_port_url: str) -> None:
    embedder = made(unused_tcp_port_url, embedder_patience=0.2)
    with pytest.raises(Unavailable, match="connection failed") as caught:
        await embed(embedder, ["tide"])
    assert "127.0.0.1" not in caught.value.message
    await embedder.close()


@pytest.fixture
def unused_tcp_port_url() -> str:
    """An address where nobody answers."""
    return "http://127.0.0.1:9/v1"


async def test_an_endpoint_that_hangs_ends_in_an_error_and_holds_nothing_up(toy: ToyEndpoint, url: str) -> None:
    toy.hold = asyncio.Event()
    hanging = made(url, embedder_timeout=0.3, embedder_patience=0.5)
    waiting = [asyncio.create_task(embed(hanging, ["tide"])) for _ in range(40)]
    assert await asyncio.to_thread(lambda: "threads are free") == "threads are free"
    for task in waiting:
        with pytest.raises(Unavailable, match=r"no answer within 0\.3 seconds"):
            await task
    toy.hold.set()
    await hanging.close()


def answers(content: str) -> Response:
    return Response(content, media_type="application/json")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"data": [{"index": 0, "embedding": [1, 2]}]}', "2 numbers where 8 are expected"),
        ('{"data": []}', "0 vectors for 1 texts"),
        ('{"data": [{"embedding": [1,1,1,1,1,1,1,1]}, {"embedding": [1,1,1,1,1,1,1,1]}]}', "2 vectors for 1 texts"),
        ('{"data": [{"index": 0, "embedding": [NaN,0,0,0,0,0,0,0]}]}', "NaN"),
        ('{"data": [{"index": 0, "embedding": [1e999,0,0,0,0,0,0,0]}]}', "infinity"),
        ('{"data": [{"index": 0, "embedding": [1e300,0,0,0,0,0,0,0]}]}', "infinity or the like"),
        ('{"data": [{"index": 0, "embedding": "AAAA"}]}', "did not answer with embeddings"),
        ('{"data": [{"index": 5, "embedding": [1,1,1,1,1,1,1,1]}]}', "did not answer with embeddings"),
        ('{"data": {"a": 1}}', "did not answer with embeddings"),
        ('{"object": "list"}', "did not answer with embeddings"),
        ("[]", "did not answer with embeddings"),
        ("<html>", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("", "not JSON"),
    ],
)
async def test_nonsense_is_a_clear_error(toy: ToyEndpoint, url: str, content: str, says: str) -> None:
    toy.answers = [answers(content)]
    embedder = made(url)
    with pytest.raises(Unavailable, match=says):
        await embed(embedder, ["tide"])
    await embedder.close()


async def test_a_zero_vector_becomes_the_first_unit_vector(toy: ToyEndpoint, url: str) -> None:
    toy.answers = [answers('{"data": [{"embedding": [0,0,0,0,0,0,0,0]}]}')]
    embedder = made(url)
    assert await embed(embedder, ["tide"]) == [[1.0, *[0.0] * 7]]
    await embedder.close()


async def test_the_key_is_neither_logged_nor_shown(toy: ToyEndpoint, url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    toy.answers = [status(500), status(401)]
    embedder = made(url)
    with pytest.raises(Unavailable) as caught:
        await embed(embedder, ["a private text"])
    assert caplog.records
    assert KEY not in caplog.text + repr(caught.value) + repr(embedder.__dict__)
    assert "a private text" not in caplog.text
    await embedder.close()


@pytest.mark.parametrize("missing", ["embedder_url", "embedder_model", "embedder_dimensions"])
async def test_settings_that_say_too_little(missing: str) -> None:
    with pytest.raises(BadInput, match=f"CAIRN_{missing.upper()}"):
        made("http://127.0.0.1:9", **{missing: None})


@pytest.mark.parametrize("url", ["llm.example.org", "ftp://llm.example.org", "http://[", ""])
async def test_a_url_that_is_none(url: str) -> None:
    embedder = made(url, embedder_patience=0.2)
    with pytest.raises(Unavailable, match="CAIRN_EMBEDDER_URL"):
        await embed(embedder, ["tide"])
    await embedder.close()


async def test_a_key_that_can_be_none() -> None:
    embedder = made("http://127.0.0.1:9", embedder_key=SecretStr("sk-é\n"))
    with pytest.raises(BadInput, match="CAIRN_EMBEDDER_KEY"):
        await embed(embedder, ["tide"])


class Broken:
    """A plugin's embedder that answers with what it is told to."""

    name, dimensions, ready = "broken/1", 2, True

    def __init__(self, vectors: list[list[float]]) -> None:
        self._vectors = vectors

    def embed(self, texts: Any) -> list[list[float]]:
        return self._vectors


@pytest.mark.parametrize("vectors", [[], [[1.0]], [[1.0, 0.0]] * 2, [[math.nan, 0.0]], [[math.inf, 0.0]]])
async def test_every_embedder_is_checked(vectors: list[list[float]]) -> None:
    with pytest.raises(WrongVectors, match="broken/1"):
        await embed(Broken(vectors), ["tide"])


async def test_an_embedder_in_a_thread_that_hangs(monkeypatch: pytest.MonkeyPatch, until: Callable[..., Any]) -> None:
    import threading

    from cairn.learning import embedding

    done = threading.Event()

    class Hanging(Broken):
        ready = False

        def embed(self, texts: Any) -> list[list[float]]:
            done.wait()
            return super().embed(texts)

    monkeypatch.setattr(embedding, "_PATIENCE_SECONDS", 0.05)
    with pytest.raises(Unavailable, match="does not answer"):
        await embed(Hanging([[1.0, 0.0]]), ["tide"])
    done.set()
