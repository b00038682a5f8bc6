"""What texts show on their surface."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.graph.traits import ASKS, NAME, NUMBER, TIME, heading, traits


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Merrow Bay: A wide bay on the north coast, known for its seals.", "Merrow Bay"),
        ("Decade (album): A compilation of songs that a singer wrote over ten years.", "Decade"),
        ("# Field notes\nThe tide was low and the seagrass lay bare all morning long.", "Field notes"),
        ("Salt marsh\nA marsh that the sea floods now and then, with plants that bear it.", "Salt marsh"),
        ("梅罗湾：北岸的一个宽阔海湾，以海豹闻名，夏天有很多人来看它们。", "梅罗湾"),
        ("We met at noon. Then: nothing.", None),
        ("Note: yes", None),
        ("I went to the bay yesterday and saw nine seals on the rocks.", None),
        ("", None),
        (":", None),
    ],
)
def test_headings(text: str, expected: str | None) -> None:
    assert heading(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Did you see the seals?", [ASKS]),
        ("你看到海豹了吗？", [ASKS]),
        ("Did you see the seals? [shows a picture of a bay]", [ASKS]),
        ("it was quiet (was it?)", []),
        ("(quiet?)", [ASKS]),
        ("We counted nine seals yesterday.", [TIME, NUMBER]),
        ("I walked to Merrow with the dog.", [NAME]),
        ("it was quiet", []),
        ("Am Montag, letzte Woche", [TIME, NAME]),
    ],
)
def test_traits(text: str, expected: list[str]) -> None:
    assert traits(text) == expected


@given(st.text(max_size=300))
def test_any_text_has_a_heading_that_it_begins_with_or_none(text: str) -> None:
    found = heading(text)
    assert found is None or found in text or "(" in text
    assert set(traits(text)) <= {ASKS, TIME, NUMBER, NAME}
