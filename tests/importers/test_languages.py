"""The guess at a text's language."""

from __future__ import annotations

import pytest

from cairn.importers.languages import guess, is_ordinary


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
