"""IRIs: what may name a subject, a predicate or a graph."""

from __future__ import annotations

import re

from ..errors import BadInput

MAX_IRI = 3_000
"""In bytes of UTF-8: an index entry of Neo4j holds 8 KB, and two of them stand in one."""
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\x00-\x20\x7f-\x9f<>\"{}|^`\\\ud800-\udfff]+")


def check_iri(what: str, value: str) -> str:
    """`value` when it is an absolute IRI as N-Triples writes one (RFC 3987, without its rules for each scheme).

    Raises BadInput for a relative one, and for one with white space, control characters, or any of the characters that the
    message lists.
    """
    size = len(value.encode("utf-8", "replace"))
    if size > MAX_IRI:
        raise BadInput(f"{what} has {size} bytes; an IRI may have at most {MAX_IRI}")
    if not _IRI.fullmatch(value):
        raise BadInput(f'{what} must be an absolute IRI such as https://example.org/ada, without spaces or any of <>"{{}}|^`\\')
    return value
