"""An id for every request: in its log lines, in its answer's X-Request-Id header, and in what callers are told of a defect."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable

from starlette.types import Scope

_KEY = "cairn.request_id"
_SANE = re.compile(rb"[A-Za-z0-9._-]{8,64}")


def give_id(scope: Scope) -> str:
    """Give the request the id that its X-Request-Id header asks for, if that is sane, else a new one."""
    headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
    asked = next((value for name, value in headers if name == b"x-request-id"), b"")
    scope[_KEY] = asked.decode("ascii") if _SANE.fullmatch(asked) else secrets.token_hex(8)
    return scope[_KEY]


def request_id(scope: Scope) -> str:
    """The request's id."""
    return scope.get(_KEY) or give_id(scope)
