"""Summaries: sentences as they stand, the telling ones, each once, and the same for the same texts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cairn.learning.embedding import WordLlamaEmbedder
from cairn.learning.summary import Sentence, sentences, summary

pytestmark = pytest.mark.anyio
EMBEDDER = WordLlamaEmbedder()
TALK = [
    "The pump in the north tank failed last night. Hello there!",
    "Yes, the north tank's pump is broken again. I had soup for lunch.",
    "We must repair the pump of the north tank before the fish suffer.",
    "My sister likes jazz.",
    "The pump in the north tank failed last night.",
]


class First:
    """Takes so many sentences."""

    def __init__(self, count: int) -> None:
        self.left = count

    def __call__(self, sentence: Sentence) -> bool:
        self.left -= 1
        return self.left >= 0


@settings(deadline=None)
@given(st.text(max_size=400))
def test_sentences_lose_nothing_but_white_space(text: str) -> None:
    found = sentences(text)
    assert "".join("".join(found).split()) == "".join(text.split())
    assert all(one == " ".join(one.split()) and one for one in found)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("One is here. Two are there!  Three?", ["One is here.", "Two are there!", "Three?"]),
        ("赤潮来了。船回来了！好", ["赤潮来了。", "船回来了！", "好"]),
        ("", []),
    ],
)
def test_sentences_end_where_they_end(text: str, found: list[str]) -> None:
    assert sentences(text) == found


async def test_what_is_said_most_is_chosen_once_and_in_order() -> None:
    chosen = await summary(EMBEDDER, TALK, First(2))
    assert all("pump" in one.text for one in chosen)
    assert len({one.text for one in chosen}) == 2
    assert chosen == sorted(chosen, key=lambda one: (one.source, one.number))
    everything = await summary(EMBEDDER, TALK, First(100))
    assert [one.text for one in everything].count("The pump in the north tank failed last night.") == 1


async def test_a_question_draws_sentences_near_to_it() -> None:
    chosen = await summary(EMBEDDER, TALK, First(1), "What music does your sister like?")
    assert [one.text for one in chosen] == ["My sister likes jazz."]


async def test_equal_texts_give_equal_summaries() -> None:
    assert await summary(EMBEDDER, TALK, First(3)) == await summary(WordLlamaEmbedder(), TALK, First(3))


@pytest.mark.parametrize("texts", [[], [""], ["\x00 \n"], ["!!! ??? ..."], ["🌊🌊🌊"], ["a"], ["same words here now. " * 2_000]])
async def test_odd_texts_have_summaries_too(texts: list[str]) -> None:
    assert len(await summary(EMBEDDER, texts, First(5))) <= 1
