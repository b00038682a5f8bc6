"""How errors leave Cairn: each with `extensions.code`, readable, and with nothing in it that is no business of the caller's."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from graphql import GraphQLError

from ..errors import BadInput, CairnError, Internal, MalformedRDF, RateLimited, TooCostly

log = logging.getLogger("cairn.api")

STATUS = {
    "BAD_INPUT": 400,
    "TOO_COSTLY": 400,
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "PERSISTED_QUERY_NOT_FOUND": 200,
    "CONFLICT": 409,
    "RATE_LIMITED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
}
"""The HTTP status of a request that was refused with this code before anything was executed; Apollo's clients expect 200 for their own."""

_TOO_MUCH = ("tokens. Parsing aborted", "nested too deeply", "Validation aborted", "introspection depth exceeded")


class Refused(Exception):
    """A request that was not executed, with everything that is wrong with it (at least one error)."""

    def __init__(self, *errors: GraphQLError | CairnError) -> None:
        super().__init__(*errors)
        self.errors = tuple(error if isinstance(error, GraphQLError) else wrap(error) for error in errors)


def wrap(error: CairnError) -> GraphQLError:
    """`error` in the form in which GraphQL's own errors come."""
    return GraphQLError(error.message, original_error=error)


def present(error: GraphQLError, request: str) -> GraphQLError:
    """`error` as the caller may see it: its message, place and code. What is unexpected is logged and only its request id told."""
    cause = _cause(error)
    if isinstance(cause, CairnError) and not isinstance(cause, Internal):
        message = error.message if error.path is None and error.nodes else cause.message
        return _error(error, message, {"code": cause.code, **_details(cause)})
    if error.path is None and isinstance(cause, GraphQLError):
        return _error(error, error.message, {"code": _verdict(error.message)})
    log.error("request %s failed at %s", request, error.path, exc_info=cause)
    message = f"something went wrong inside Cairn; its log says what, under the request id {request}"
    return _error(error, message, {"code": Internal.code, "requestId": request})


def present_all(errors: Iterable[GraphQLError], request: str) -> list[GraphQLError]:
    """Each of `errors` as the caller may see it."""
    return [present(error, request) for error in errors]


def unexpected(error: Exception) -> GraphQLError:
    """Anything that was raised outside a resolver, for `present`."""
    return wrap(error) if isinstance(error, CairnError) else GraphQLError("unexpected", path=[], original_error=error)


def _verdict(message: str) -> str:
    return TooCostly.code if any(words in message for words in _TOO_MUCH) else BadInput.code


def _cause(error: GraphQLError) -> Exception:
    cause: Exception = error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    return cause


def _details(error: CairnError) -> dict[str, Any]:
    if isinstance(error, RateLimited):
        return {"retryAfter": error.retry_after}
    if isinstance(error, MalformedRDF):
        return {"line": error.line, "column": error.column}
    return {}


def _error(error: GraphQLError, message: str, extensions: dict[str, Any]) -> GraphQLError:
    return GraphQLError(message, error.nodes, error.source, error.positions, error.path or None, extensions=extensions)
