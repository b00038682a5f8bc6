"""What a GraphQL request asks for, from a JSON body or a URL, as the GraphQL-over-HTTP specification has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import parse_qsl

from ..errors import BadInput
from .encoding import decode
from .trusted import document_id, persisted_hash

_MOST_PARAMETERS = 20


@dataclass(frozen=True, slots=True)
class Parameters:
    """One request: a document, the operation in it that is meant, and its variables.

    `id`: the document's, where it is a registered one and `query` empty. `hash`: what a persisted query is named by, `query` empty, or is
    to be named by from now on. `rate`: whether the caller wants to know what is left of it.
    """

    query: str
    operation: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict[str, Any])
    id: str | None = None
    hash: str | None = None
    rate: bool = False


def from_body(body: bytes, max_depth: int) -> Parameters:
    """The parameters in a JSON body. Raises BadInput that names the one that is wrong."""
    if not body:
        raise BadInput('the body is empty; send a JSON object such as {"query": "{ me { id } }"}')
    value = decode(body, max_depth)
    if isinstance(value, list):
        raise BadInput("the body is a JSON array; batches are not supported, send one request at a time")
    if not isinstance(value, dict):
        raise BadInput("the body is JSON but no object; send an object with a query")
    return from_object(cast("dict[str, Any]", value))


def from_url(query_string: bytes, max_depth: int) -> Parameters:
    """The parameters in a URL's query string; variables and extensions are JSON in it. Raises BadInput."""
    try:
        pairs = parse_qsl(query_string.decode("ascii"), True, True, "utf-8", "strict", _MOST_PARAMETERS)
    except ValueError as error:
        raise BadInput("the URL's query string is malformed; percent-encode its UTF-8") from error
    value: dict[str, Any] = dict(pairs)
    if len(value) < len(pairs):
        raise BadInput("a parameter stands twice in the URL")
    for name in ("variables", "extensions"):
        if name in value:
            value[name] = decode(value[name].encode("utf-8"), max_depth) if value[name] else None
    return from_object(value)


def from_object(value: Mapping[str, Any]) -> Parameters:
    """The parameters in an object with `query` (or `id`), `operationName`, `variables` and `extensions`. Raises BadInput."""
    query = value.get("query")
    extensions = _object(value, "extensions")
    id = document_id(value) if query is None else None
    hash = persisted_hash(extensions)
    if id is not None or (query is None and hash is not None):
        query = ""
    if not isinstance(query, str):
        raise BadInput("query must be a string with a GraphQL document" if "query" in value else "the request has no query")
    operation = value.get("operationName")
    if not isinstance(operation, str | None):
        raise BadInput("operationName must be a string or null")
    return Parameters(query, operation or None, _object(value, "variables"), id, hash, extensions.get("rate") is True)


def _object(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise BadInput(f"{name} must be an object or null")
    return cast("dict[str, Any]", found)
