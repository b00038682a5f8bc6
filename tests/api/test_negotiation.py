"""Accept and Content-Type."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.api.negotiation import Form, choose, is_json, names


@given(st.text() | st.from_regex(r"[a-z*/]+(;q=[0-9.x]*)?(, ?[a-z*/]+(; ?q=[0-9.]*)?)*", fullmatch=True))
def test_any_header_is_answered(accept: str) -> None:
    assert choose(accept, page=True) in (None, *Form)
    assert isinstance(is_json(accept), bool)


@pytest.mark.parametrize(
    ("accept", "page", "form"),
    [
        ("text/html", True, Form.PAGE),
        ("text/html", False, None),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8", True, Form.PAGE),
        ("application/json;q=0, */*", False, Form.GRAPHQL),
        ("text/event-stream", False, Form.EVENTS),
        ("application/json, text/event-stream", False, Form.JSON),
        ("APPLICATION/JSON", False, Form.JSON),
        ("application/json;q=x", False, None),
        (" , ", False, Form.JSON),
    ],
)
def test_chooses(accept: str, page: bool, form: Form | None) -> None:
    assert choose(accept, page=page) is form


def test_names_only_what_is_named() -> None:
    assert names("application/json, text/event-stream", Form.EVENTS)
    assert not names("*/*", Form.EVENTS)
    assert not names(None, Form.EVENTS)
