"""Which form a response takes, by the request's Accept header (RFC 9110, 12.5.1)."""

from __future__ import annotations

from enum import Enum
from functools import lru_cache


class Form(Enum):
    """The forms of a response to a GraphQL request, with their media types."""

    GRAPHQL = "application/graphql-response+json"
    JSON = "application/json"
    EVENTS = "text/event-stream"
    PAGE = "text/html"

    @property
    def content_type(self) -> bytes:
        """The value of Content-Type."""
        return f"{self.value}; charset=utf-8".encode("ascii")


_OFFERED = (Form.GRAPHQL, Form.JSON, Form.EVENTS, Form.PAGE)
_BY_WILDCARD = (Form.JSON, Form.GRAPHQL)


@lru_cache(maxsize=256)
def choose(accept: str | None, *, page: bool) -> Form | None:
    """The form the client likes best; None when it accepts none. `page`: whether the HTML page is on offer.

    Without an Accept header, and where a wildcard decides, it is `application/json`, as the GraphQL-over-HTTP specification asks;
    events and the page must be named. Between forms liked equally, `application/graphql-response+json` goes first.
    """
    ranges = _ranges(accept or "")
    if not ranges:
        return Form.JSON
    named = [(ranges[form.value], form) for form in _OFFERED if ranges.get(form.value, 0) > 0 and (page or form is not Form.PAGE)]
    wild = max(ranges.get("application/*", 0.0), ranges.get("*/*", 0.0))
    if wild > 0:
        named += [(wild, form) for form in _BY_WILDCARD if form.value not in ranges]
    return max(named, key=lambda liked: liked[0])[1] if named else None


def names(accept: str | None, form: Form) -> bool:
    """Whether the client accepts `form` by name."""
    return _ranges(accept or "").get(form.value, 0.0) > 0


def _ranges(accept: str) -> dict[str, float]:
    return dict(_range(part) for part in accept.split(",") if part.strip())


def _range(part: str) -> tuple[str, float]:
    media_type, *parameters = (piece.strip() for piece in part.split(";"))
    quality = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                quality = float(value)
            except ValueError:
                quality = 0.0
    return media_type.lower(), quality


@lru_cache(maxsize=256)
def is_json(content_type: str | None) -> bool:
    """Whether a body of this Content-Type is JSON in UTF-8."""
    media_type, *parameters = (piece.strip().lower() for piece in (content_type or "").split(";"))
    charsets = [parameter.partition("=")[2].strip('"') for parameter in parameters if parameter.startswith("charset=")]
    return media_type == Form.JSON.value and all(charset in ("utf-8", "utf8") for charset in charsets)
