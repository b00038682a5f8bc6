"""What makes encrypted memories findable: words as keyed hashes, vectors turned by a secret rotation, both by a key of the tenant's own.

Guarantee: two words have the same token exactly when they are the same word (but for the collisions that 50 bits have), so that BM25
ranks as over the words; rotation keeps every length and cosine (to rounding). What each gives away is told in
docs/security/encryption.md.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray
from pyoxigraph import Literal, NamedNode

TOKEN = 10
"""Characters of a token, five bits each: among 100,000 different words of a tenant any two collide with a chance of 1 in 225,000."""
SEALED_NAME = "urn:cairn:sealed"
"""The datatype of a literal that hides a name."""
_SEALED_END = f"^^<{SEALED_NAME}>"
_NONCE = 12
_REMEMBERED = 50_000
_ROTATIONS = 4


class Index:
    """A tenant's secret for searching. Made by `keyed`, or `PLAIN`, which leaves everything as it is."""

    keyed = False

    def token(self, word: str) -> str:
        """What stands for a word."""
        return word

    def tokens(self, words: Iterable[str]) -> list[str]:
        """What stands for words, in their order."""
        return list(words)

    def digest(self, purpose: str, text: str) -> str:  # noqa: ARG002
        """What stands for a text (often a hash already) where two are compared for equality; `purpose` keeps apart what may not be."""
        return text

    def lookup(self, name: str, value: str | None) -> str | None:  # noqa: ARG002
        """What a sealed value of the property `name` is found by; None where values are found by themselves."""
        return None

    def rotate(self, vectors: Sequence[Sequence[float]]) -> list[list[float]]:
        """Vectors of one length, as they are stored and searched."""
        return [list(vector) for vector in vectors]

    def seal_sketch(self, sketch: bytes) -> bytes:
        """A sketch of a vector (`vectors.sketch`) as it is stored."""
        return sketch

    def near(self, kept: Sequence[bytes | Sequence[float]]) -> Sequence[bytes | Sequence[float]]:
        """Sketches and whole vectors as they are stored, opened and turned back."""
        return kept

    def name(self, resource: str, text: str) -> Literal:  # noqa: ARG002
        """A name that a scope's memories give the resource with that key, as it is stored."""
        return Literal(text)

    def shown(self, resource: str, stored: str) -> str:  # noqa: ARG002
        """A literal of a resource, as it is stored (`rdf.Subject.literals`), with the name in it that `name` hid."""
        return stored


class KeyedIndex(Index):
    """An index under a secret of 32 bytes."""

    keyed = True

    def __init__(self, secret: bytes) -> None:
        self._words = derive(secret, "words")
        self._digests = derive(secret, "digests")
        self._turning = derive(secret, "rotation")
        self._names = AESGCM(derive(secret, "names"))
        self._sketches = AESGCM(derive(secret, "sketches"))
        self._known: dict[str, str] = {}
        self._rotations: OrderedDict[int, NDArray[np.float64]] = OrderedDict()

    def token(self, word: str) -> str:
        known = self._known.get(word)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            raw = hmac.digest(self._words, word.encode("utf-8", "surrogatepass"), "sha256")
            known = self._known[word] = base64.b32encode(raw[:7])[:TOKEN].decode("ascii").lower()
        return known

    def tokens(self, words: Iterable[str]) -> list[str]:
        return [self.token(word) for word in words]

    def digest(self, purpose: str, text: str) -> str:
        named = purpose.encode("ascii") + b"\0" + text.encode("utf-8", "surrogatepass")
        return hmac.digest(self._digests, named, "sha256").hex()

    def lookup(self, name: str, value: str | None) -> str | None:
        return None if value is None else self.digest(name, value)[:32]

    def rotate(self, vectors: Sequence[Sequence[float]]) -> list[list[float]]:
        if not vectors:
            return []
        matrix = np.asarray(vectors, dtype=np.float64)
        turned: Any = (matrix @ self._rotation(matrix.shape[1])).tolist()
        return turned

    def seal_sketch(self, sketch: bytes) -> bytes:
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._sketches.encrypt(nonce, sketch, None)

    def near(self, kept: Sequence[bytes | Sequence[float]]) -> Sequence[bytes | Sequence[float]]:
        return [self._sketch(one) if isinstance(one, bytes) else self._back(one) for one in kept]

    def _sketch(self, kept: bytes) -> bytes:
        try:
            return self._sketches.decrypt(kept[:_NONCE], kept[_NONCE:], None)
        except (InvalidTag, ValueError):
            return b""  # altered: as near as nothing

    def _back(self, vector: Sequence[float]) -> Sequence[float]:
        if not vector:
            return vector
        turned: list[float] = (self._rotation(len(vector)) @ np.asarray(vector, dtype=np.float64)).tolist()
        return turned

    def name(self, resource: str, text: str) -> Literal:
        nonce = secrets.token_bytes(_NONCE)
        raw = nonce + self._names.encrypt(nonce, text.encode("utf-8", "surrogatepass"), resource.encode("ascii"))
        return Literal(base64.b64encode(raw).decode("ascii"), datatype=NamedNode(SEALED_NAME))

    def shown(self, resource: str, stored: str) -> str:
        if not stored.endswith(_SEALED_END):
            return stored
        predicate, _, term = stored.removesuffix(_SEALED_END).partition(" ")
        try:
            raw = base64.b64decode(term.strip('"'), validate=True)
            text = self._names.decrypt(raw[:_NONCE], raw[_NONCE:], resource.encode("ascii"))
        except (InvalidTag, ValueError):
            return stored  # imported so, or moved from elsewhere: it is shown as it is
        return f"{predicate} {Literal(text.decode('utf-8', 'surrogatepass'))}"

    def _rotation(self, dimensions: int) -> NDArray[np.float64]:
        known = self._rotations.get(dimensions)
        if known is None:
            known = self._rotations[dimensions] = rotation(self._turning, dimensions)
            while len(self._rotations) > _ROTATIONS:
                self._rotations.popitem(last=False)
        return known


class LookupIndex(Index):
    """The index of a tenant that seals its values while its words and vectors are plain: it began without encryption."""

    def __init__(self, secret: KeyedIndex) -> None:
        self._secret = secret

    def lookup(self, name: str, value: str | None) -> str | None:
        return self._secret.lookup(name, value)


PLAIN = Index()


def derive(secret: bytes, purpose: str) -> bytes:
    """A key of 32 bytes for one purpose, out of another (HKDF with SHA-256, RFC 5869)."""
    return HKDF(SHA256(), 32, None, f"cairn {purpose}".encode()).derive(secret)


def rotation(key: bytes, dimensions: int) -> NDArray[np.float64]:
    """An orthogonal matrix drawn evenly from all, the same on every machine to rounding.

    The Q of a Gaussian matrix, the signs of R's diagonal taken into it (Mezzadri 2007, arXiv math-ph/0609050); the Gaussian by
    Box-Muller from the key stream of AES-256-CTR, so that it hangs on no library's generator.
    """
    count = dimensions * dimensions
    pairs = (count + 1) // 2
    stream = Cipher(algorithms.AES(key), modes.CTR(dimensions.to_bytes(16))).encryptor().update(bytes(16 * pairs))
    even = (np.frombuffer(stream, dtype="<u8").reshape(2, pairs).astype(np.float64) + 0.5) / 2.0**64
    even = np.clip(even, 2.0**-64, 1.0)
    radius, angle = np.sqrt(-2.0 * np.log(even[0])), 2.0 * np.pi * even[1]
    normal = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count].reshape(dimensions, dimensions)
    q, r = np.linalg.qr(normal)
    return q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
