"""The guess at a text's language."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.graph.analysis import terms
from cairn.graph.languages import guess, is_ordinary, search_terms


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("I went there with my sister", "en"),
        ("je suis allé à la plage avec ma sœur", "fr"),
        ("ich bin nach Hause gegangen und habe geschlafen", "de"),
        ("я был в Москве и видел их", "ru"),
        ("我 昨天 去 北京", "zh"),
        ("きのう 東京 へ 行きました", "ja"),
        ("어제 서울에 갔다", "ko"),
        ("Ada Lovelace", None),
        ("", None),
    ],
)
def test_guesses(text: str, language: str | None) -> None:
    assert guess(text.lower().split()) == language


def test_ordinary_words_depend_on_the_language() -> None:
    assert is_ordinary("will", None)
    assert is_ordinary("und", "de-AT")
    assert not is_ordinary("und", "en")
    assert not is_ordinary("harbour", "en")


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("Wir haben gestern die Seehunde auf den Felsen gezählt.", "Wo haben wir den Seehund gezählt?"),
        ("Nous avons compté les phoques sur les rochers de la baie.", "Où est-ce que nous comptons le phoque ?"),
        ("Contamos las focas en las rocas de la bahía ayer.", "¿Cuándo contamos la foca de la roca?"),
        ("我们昨天在梅罗湾数了海豹。", "海豹在哪里？"),
        ("We counted the seals on the rocks.", "seal counting"),
        ("Nous avons compté les phoques sur les rochers de la baie.", "phoques"),
    ],
)
def test_text_and_question_meet_in_their_language(text: str, question: str) -> None:
    assert set(search_terms(text)) & set(search_terms(question))


def test_function_words_of_the_language_are_left_out() -> None:
    found = search_terms("Nous avons compté les phoques sur les rochers de la baie.")
    assert not {"les", "nous", "sur", "de", "la"} & set(found)


@given(st.text(max_size=200))
def test_any_text_has_terms_when_it_has_words(text: str) -> None:
    assert bool(search_terms(text)) == bool(terms(text))
