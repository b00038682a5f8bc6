"""JSON in and out of the API: fast, with the nesting checked before anything is parsed, and no number changed on the way."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

import orjson

from ..errors import BadInput

_BRACKETS_AND_STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{}]', re.DOTALL)
_HALF_A_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")
_LONG_NUMBER = re.compile(rb"\d{19}")
_OPENING = (b"[", b"{")
_PARAMETERS = (b'"query"', b'"variables"', b'"operationName"', b'"extensions"')


def decode(data: bytes, max_depth: int) -> Any:
    """The JSON value in `data`.

    Raises BadInput when it isn't UTF-8 or JSON, nests deeper than `max_depth`, or repeats a name or holds half of a surrogate pair
    (RFC 8259 leaves open what these would mean). Integers keep all their digits.
    """
    check_depth(data, max_depth)
    try:
        if _LONG_NUMBER.search(data) or any(data.count(name) > 1 for name in _PARAMETERS):
            value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
            if _HALF_A_PAIR.search(data):
                json.dumps(value, ensure_ascii=False).encode("utf-8")
            return value
        return orjson.loads(data)
    except UnicodeDecodeError as error:
        raise BadInput(f"the JSON is not UTF-8 at byte {error.start}") from error
    except UnicodeEncodeError as error:
        raise BadInput("a string in the JSON holds half of a surrogate pair, which is no character") from error
    except ValueError as error:
        raise BadInput(f"this is not JSON: {error}") from error


def encode(value: Any) -> bytes:
    """`value` as UTF-8 JSON on one line."""
    try:
        return orjson.dumps(value)
    except TypeError:  # an integer of more than 64 bits, or half a surrogate pair
        return json.dumps(value, separators=(",", ":")).encode("ascii")


def check_depth(data: bytes, most: int) -> None:
    """Raise BadInput when the JSON in `data` nests deeper than `most`. Takes time linear in its length and no stack."""
    if data.count(b"[") + data.count(b"{") <= most:
        return
    depth = 0
    for match in _BRACKETS_AND_STRINGS.finditer(data):
        token = match[0]
        if token in _OPENING:
            depth += 1
            if depth > most:
                raise BadInput(f"the JSON nests deeper than {most} levels at byte {match.start()}")
        elif token[:1] != b'"':
            depth -= 1


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"an object has {repeated!r} twice")
    return result


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
