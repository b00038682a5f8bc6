"""Names of things: ids that sort by time, keys that are unique over tenants, scopes, and what a name may look like."""

from __future__ import annotations

import re
import secrets
import threading
import time

from ..errors import BadInput

_SCOPE = re.compile(r"[a-z0-9][\w.@:-]*(/\w[\w.@:-]*)*", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]")
_SEPARATOR = "\x1f"

_lock = threading.Lock()
_last = 0


def new_id() -> str:
    """A UUIDv7 (RFC 9562) as 32 hex digits: ids made later in this process sort later, also within a millisecond."""
    global _last
    with _lock:
        now = (time.time_ns() // 1_000_000) << 12
        _last = max(_last + 1, now)
        stamp = _last
    value = (stamp >> 12) << 80 | 0x7 << 76 | (stamp & 0xFFF) << 64 | 0b10 << 62 | secrets.randbits(62)
    return f"{value:032x}"


def key(tenant: str, *parts: str) -> str:
    """A key that is unique over tenants: the parts joined by a control character that no name may hold."""
    return _SEPARATOR.join((tenant, *parts))


def parts(key: str) -> tuple[str, ...]:
    """The parts that `key` joined, the tenant first."""
    return tuple(key.split(_SEPARATOR))


def check_name(what: str, value: str, longest: int = 200) -> str:
    """`value` when it can name a `what` (an agent, a session, a state's key). Raises BadInput otherwise."""
    if not value or len(value) > longest or _CONTROL.search(value) or value != value.strip():
        raise BadInput(f"{what} must have 1 to {longest} characters, none of them a control character or white space at an end")
    return value


def check_characters(what: str, value: str) -> str:
    """`value` when all of it are characters. Raises BadInput for half of a surrogate pair."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise BadInput(f"{what} holds half of a surrogate pair, which is no character") from None
    return value


def check_id(what: str, value: str) -> str:
    """`value` when it can stand as a segment of a scope and of a permission's object. Raises BadInput otherwise."""
    check_name(what, value)
    if "/" in value or not _SCOPE.fullmatch(value):
        raise BadInput(f"{what} {value!r} must begin with a letter or digit and may hold letters, digits, and . _ - : @ only")
    return value


def check_scope(value: str) -> str:
    """`value` when it is a scope: segments joined by `/`, such as `agent/ada`, `team/research`, `public`. Raises BadInput otherwise."""
    check_name("scope", value)
    if not _SCOPE.fullmatch(value):
        raise BadInput(f"scope {value!r} must be segments of letters, digits and . _ - : @ joined by /, such as team/research")
    return value


def agent_scope(agent: str) -> str:
    """The scope that belongs to an agent alone."""
    return f"agent/{agent}"
