"""Every error Cairn raises on purpose, in one tree.

CairnError
├── BadInput          BAD_INPUT        the caller sent something that can't be understood or isn't allowed in this place
│   └── MalformedRDF  BAD_INPUT        an RDF document is malformed; carries line and column
├── Unauthenticated   UNAUTHENTICATED  no credential, or one that is wrong, expired or revoked
├── Forbidden         FORBIDDEN        the principal may not do this
├── NotFound          NOT_FOUND        nothing by that name that the caller may read
├── Conflict          CONFLICT         somebody else changed it first, or the idempotency key was used with another input
├── RateLimited       RATE_LIMITED     too many requests; carries the seconds to wait
├── TooCostly         TOO_COSTLY       the request is too deep, too wide, too large or took too long
├── Unavailable       UNAVAILABLE      a server Cairn needs does not answer; the outcome of a write may be unknown
└── Internal          INTERNAL         a defect in Cairn; the details are in the log, under the request id

The message says what is wrong, where, and what to do. It never holds a stack trace, a server's address or Cypher.
"""

from __future__ import annotations

from typing import ClassVar


class CairnError(Exception):
    """The root of the tree. `code` is what GraphQL clients see in `extensions.code`."""

    code: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class BadInput(CairnError):
    """The caller sent something that can't be understood or isn't allowed in this place."""

    code = "BAD_INPUT"


class MalformedRDF(BadInput):
    """An RDF document is malformed. `line` and `column` count from 1; None where the parser could not tell."""

    def __init__(self, message: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


class Unauthenticated(CairnError):
    """No credential, or one that is wrong, expired or revoked."""

    code = "UNAUTHENTICATED"


class Forbidden(CairnError):
    """The principal may not do this."""

    code = "FORBIDDEN"


class NotFound(CairnError):
    """Nothing by that name that the caller may read."""

    code = "NOT_FOUND"


class PersistedQueryNotFound(CairnError):
    """A document was named by a hash under which none is kept; its text has to come with it once more."""

    code = "PERSISTED_QUERY_NOT_FOUND"


class Conflict(CairnError):
    """Somebody else changed it first, or the idempotency key was used with another input."""

    code = "CONFLICT"


class RateLimited(CairnError):
    """Too many requests. `retry_after` is in seconds."""

    code = "RATE_LIMITED"

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TooCostly(CairnError):
    """The request is too deep, too wide, too large or took too long."""

    code = "TOO_COSTLY"


class Unavailable(CairnError):
    """A server Cairn needs does not answer. After a write its outcome may be unknown: repeat it with the same idempotency key."""

    code = "UNAVAILABLE"


class Internal(CairnError):
    """A defect in Cairn. The details are in the log, under the request id."""
