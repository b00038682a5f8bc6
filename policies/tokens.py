"""Signed tokens as they come from outside: JSON Web Tokens in compact form (RFC 7515, RFC 7519), read strictly.

What RFC 8725 warns of is refused before a key is looked for: other algorithms than the provider's, extensions that must be understood,
encodings that are not the one canonical form, JSON whose members appear twice. Keys that a token brings or points to (`jwk`, `jku`,
`x5c`, `x5u`) are not looked at.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, cast

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry, deserialize_compact

LONGEST = 8_192
"""Characters of the longest token that is looked at."""
LEEWAY = 30.0
"""Seconds by which a provider's clock may be ahead."""
_SEGMENT = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_LONGEST_TEXT = 1_000
_TYPES = frozenset({"jwt", "at+jwt", "application/jwt", "application/at+jwt"})
Key = RSAKey | ECKey | OKPKey


class NotAccepted(Exception):
    """A token that opens nothing. The message is for the log, not for its bearer."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token that was read, not verified yet: nothing in it can be believed."""

    text: str
    algorithm: str
    key_id: str | None
    claims: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says. `issued`: when, where it tells."""

    subject: str
    expires: datetime
    issued: datetime | None
    jti: str | None
    others: Mapping[str, Any]


class _Registry(JWSRegistry):
    """Headers were read before; providers may put more into them than the standard knows."""

    max_header_length = LONGEST
    max_payload_length = LONGEST


@cache
def _registry(algorithms: tuple[str, ...]) -> JWSRegistry:
    return _Registry(algorithms=algorithms, strict_check_header=False)


def read_token(text: str) -> Token:
    """The token in `text`. Raises NotAccepted."""
    if len(text) > LONGEST:
        raise NotAccepted("it is too long")
    segments = text.split(".")
    if len(segments) != 3:
        raise NotAccepted("it does not consist of three parts")
    header, claims = (_members(_decoded(segment)) for segment in segments[:2])
    _decoded(segments[2])
    if "crit" in header:
        raise NotAccepted("it has extensions that must be understood")
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise NotAccepted("it is no access or id token by its type")
    algorithm, key_id = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or not isinstance(key_id, str | None):
        raise NotAccepted("its header names no algorithm, or a key by something else than text")
    return Token(text, algorithm, key_id, claims)


def issuer_of(token: Token) -> str:
    """Who is said to have issued it. Raises NotAccepted when nobody is."""
    issuer = token.claims.get("iss")
    if not isinstance(issuer, str):
        raise NotAccepted("it names no issuer")
    return issuer


def verify(token: Token, key: Key, algorithms: Sequence[str]) -> None:
    """Raises NotAccepted unless the token was signed with `key` by one of `algorithms`."""
    try:
        deserialize_compact(token.text, key, registry=_registry(tuple(algorithms)))  # whose algorithms count, not an argument's
    except (JoseError, ValueError, TypeError) as error:
        raise NotAccepted(f"its signature does not hold ({type(error).__name__})") from None


def claims_of(token: Token, audience: str, now: float) -> Claims:
    """What a verified token claims, if it is for `audience` and valid at `now` (seconds since 1970). Raises NotAccepted."""
    claims = token.claims
    meant = claims.get("aud")
    if meant != audience and not (isinstance(meant, list) and audience in cast("list[object]", meant)):
        raise NotAccepted("it is for another audience")
    expires, begins, issued = (_instant(claims, name) for name in ("exp", "nbf", "iat"))
    if expires is None:
        raise NotAccepted("it never expires")
    if expires.timestamp() <= now:
        raise NotAccepted("it has expired")
    if any(instant is not None and instant.timestamp() > now + LEEWAY for instant in (begins, issued)):
        raise NotAccepted("it is not valid yet")
    subject, jti = _text(claims, "sub"), _text(claims, "jti")
    if subject is None:
        raise NotAccepted("it names no subject")
    return Claims(subject, expires, issued, jti, claims)


def strict_json(content: bytes) -> Any:
    """`content` as JSON. Raises ValueError for what is malformed, members that appear twice, and numbers that are none."""
    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def decode_segment(segment: str) -> bytes:
    """Base64url without padding (RFC 7515), in its one canonical form. Raises ValueError for any other."""
    if not _SEGMENT.fullmatch(segment):
        raise ValueError("no base64url")
    try:
        content = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except binascii.Error as error:
        raise ValueError("no base64url") from error
    if base64.urlsafe_b64encode(content).rstrip(b"=") != segment.encode("ascii"):
        raise ValueError("not the canonical form")
    return content


def _decoded(segment: str) -> bytes:
    try:
        return decode_segment(segment)
    except ValueError as error:
        raise NotAccepted(f"a part of it is malformed: {error}") from None


def _members(content: bytes) -> Mapping[str, Any]:
    try:
        found = strict_json(content)
    except ValueError:
        raise NotAccepted("a part of it is malformed JSON") from None
    if not isinstance(found, dict):
        raise NotAccepted("a part of it is no JSON object")
    return cast("dict[str, Any]", found)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member appears twice")
    return found


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    if value is None and name not in claims:
        return None
    if not isinstance(value, str) or not 1 <= len(value) <= _LONGEST_TEXT or _SURROGATE.search(value):
        raise NotAccepted(f"its {name} is no text of 1 to {_LONGEST_TEXT} characters")
    return value


def _instant(claims: Mapping[str, Any], name: str) -> datetime | None:
    value = claims.get(name)
    if value is None and name not in claims:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotAccepted(f"its {name} is no number")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        raise NotAccepted(f"its {name} is no instant") from None
