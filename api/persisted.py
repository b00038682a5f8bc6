"""Automatic persisted queries: a document is sent once with its SHA-256, and afterwards by its SHA-256 alone.

The protocol is Apollo's (`extensions.persistedQuery`, version 1): who names a document that is not kept is told
PERSISTED_QUERY_NOT_FOUND and sends it again with its text. So every process may keep its own, and forget.
"""

from __future__ import annotations

from ..errors import BadInput, PersistedQueryNotFound
from .s3fifo import S3FIFO
from .trusted import digest

_BYTES = 4 * 1024 * 1024
_OVERHEAD = 300


class PersistedQueries:
    """Documents by the SHA-256 of their UTF-8 text, in lower-case hex: of at most `most` bytes, those that are asked for often."""

    def __init__(self, most: int = _BYTES) -> None:
        self._texts: S3FIFO[str, str] = S3FIFO(most)

    def find(self, hash: str) -> str:
        """The document with this hash. Raises PersistedQueryNotFound."""
        text = self._texts.get(hash)
        if text is None:
            raise PersistedQueryNotFound("PersistedQueryNotFound")
        return text

    def check(self, hash: str, text: str) -> None:
        """Raises BadInput when `hash` is not the text's."""
        if digest(text) != hash:
            raise BadInput("extensions.persistedQuery.sha256Hash is not the SHA-256 of the query that came with it, in hex")

    def keep(self, text: str) -> None:
        """Keep a document. Only what could be read as GraphQL is worth it."""
        self._texts.put(digest(text), text, len(text) + _OVERHEAD)
