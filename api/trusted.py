"""Trusted documents: the operations that an administrator registered, each known by its SHA-256; where there are any, no other runs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from ..errors import BadInput, Forbidden, Unavailable
from .operations import operations

_PREFIX = "sha256:"
_HASH = re.compile("[0-9a-f]{64}")


class TrustedDocuments:
    """Registered documents by the hex SHA-256 of their UTF-8 text. The command line's own are always among them."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = {**{digest(text): text for text in operations()}, **texts}

    @classmethod
    def load(cls, place: Path) -> TrustedDocuments:
        """Read a folder's `*.graphql` files, or a JSON manifest: `{"<sha256>": "<document>"}`, also with `sha256:` before the hash.

        Raises Unavailable, naming the file, for one that can't be read or whose hash is another.
        """
        try:
            if place.is_dir():
                found = [(None, file.read_text("utf-8")) for file in sorted(place.rglob("*.graphql"))]
            else:
                found = [(_bare(id), text) for id, text in _entries(json.loads(place.read_text("utf-8")))]
        except (OSError, ValueError) as error:
            raise Unavailable(f"CAIRN_TRUSTED_DOCUMENTS: {place} can't be read: {error}") from None
        for id, text in found:
            if id is not None and id != digest(text):
                raise Unavailable(f"CAIRN_TRUSTED_DOCUMENTS: {place} says {id} of a document whose SHA-256 is {digest(text)}")
        return cls({digest(text): text for _, text in found})

    def find(self, id: str) -> str:
        """The document with this id, a SHA-256 in hex. Raises Forbidden when none is registered."""
        text = self._texts.get(_bare(id))
        if text is None:
            raise Forbidden("no registered operation has this id; ask an administrator to register it (CAIRN_TRUSTED_DOCUMENTS)")
        return text

    def check(self, text: str) -> str:
        """`text`, when it is a registered document. Raises Forbidden otherwise."""
        if digest(text) not in self._texts:
            raise Forbidden("this Cairn runs registered operations only; send the id of one, or ask an administrator to register yours")
        return text


def document_id(message: Mapping[str, Any]) -> str | None:
    """The id of a registered document in a request, by `documentId` or `id`. Raises BadInput."""
    return next((_checked(message[name], name) for name in ("documentId", "id") if name in message), None)


def persisted_hash(extensions: Mapping[str, Any]) -> str | None:
    """The hash that a request names its document by, in `persistedQuery.sha256Hash` of its extensions. Raises BadInput."""
    persisted = extensions.get("persistedQuery")
    if persisted is None:
        return None
    found = cast("dict[str, Any]", persisted) if isinstance(persisted, dict) else {}
    if found.get("version", 1) != 1:
        raise BadInput("extensions.persistedQuery.version must be 1")
    hash = _bare(_checked(found.get("sha256Hash"), "extensions.persistedQuery.sha256Hash"))
    if not _HASH.fullmatch(hash):
        raise BadInput("extensions.persistedQuery.sha256Hash must be 64 hexadecimal digits, the SHA-256 of a GraphQL document")
    return hash


def digest(text: str) -> str:
    """The SHA-256 of a document's UTF-8 text, in hex."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _checked(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise BadInput(f"{name} must be the SHA-256 of a GraphQL document, in hex")
    return value


def _bare(id: str) -> str:
    return id.lower().removeprefix(_PREFIX)


def _entries(value: Any) -> list[tuple[str, str]]:
    if not isinstance(value, dict):
        raise ValueError("it must be an object of hashes and documents")
    entries = list(cast("dict[str, Any]", value).items())
    if not all(isinstance(text, str) for _, text in entries):
        raise ValueError("each document must be a string")
    return cast("list[tuple[str, str]]", entries)
