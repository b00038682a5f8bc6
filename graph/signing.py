"""Signed notes: text signed with Ed25519, the ledger's checkpoints as such notes, and the cosignatures of witnesses on them.

Source: C2SP signed-note, tlog-checkpoint and tlog-cosignature (https://c2sp.org/signed-note, /tlog-checkpoint, /tlog-cosignature).
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ..errors import BadInput, Unavailable
from .data_dir import create_private

_ED25519, _COSIGNATURE = b"\x01", b"\x04"
_KEY_BYTES = 32
ID_BYTES = 4
_STAMP_BYTES = 8
_DASH = "\u2014"
_MAX_NOTE = 1_000_000
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a ledger's owner signed: whose ledger (`origin`), how many entries, and the root over them (32 bytes)."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The note's text."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode('ascii')}\n"


class Signer:
    """Signs notes with one Ed25519 key, under any name: a name and a key make a key id."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self._public = key.public_key().public_bytes_raw()

    def sign(self, name: str, text: str) -> str:
        """`text`, which ends with a newline, as a note signed by `name`."""
        return f"{text}\n{_line(name, _key_id(name, _ED25519, self._public) + self._key.sign(text.encode('utf-8')))}"

    def cosign(self, name: str, text: str, at: int) -> str:
        """The signature line by which witness `name` vouches for a checkpoint's text at `at`, in seconds since 1970."""
        signature = self._key.sign(_cosigned(text, at))
        return _line(name, _key_id(name, _COSIGNATURE, self._public) + at.to_bytes(_STAMP_BYTES, "big") + signature)

    def verifier_key(self, name: str) -> str:
        """What others need to verify notes signed by `name`: `name+hash+key`."""
        return self._verifier_key(name, _ED25519)

    def witness_key(self, name: str) -> str:
        """What others need to verify cosignatures of witness `name`: `name+hash+key`."""
        return self._verifier_key(name, _COSIGNATURE)

    def _verifier_key(self, name: str, kind: bytes) -> str:
        return f"{name}+{_key_id(name, kind, self._public).hex()}+{base64.b64encode(kind + self._public).decode('ascii')}"


def open_signer(file: Path) -> Signer:
    """The signer whose key is in `file`, which is made with mode 0600 at first use; safe when two processes do so at once.

    Raises Unavailable when the file can't be read or made, or others can read it, or it holds no key.
    """
    try:
        if not file.exists():
            seed = Ed25519PrivateKey.generate().private_bytes_raw()
            create_private(file, base64.b64encode(seed).decode("ascii") + "\n")
        if os.name == "posix" and file.stat().st_mode & 0o007:
            raise Unavailable(f"{file} can be read by every user of this machine; take that away with chmod 600")
        seed = base64.b64decode(file.read_text("ascii").strip(), validate=True)
        return Signer(Ed25519PrivateKey.from_private_bytes(seed))
    except OSError as error:
        raise Unavailable(f"the ledger's key {file} can't be used: {error.strerror}") from error
    except ValueError:
        raise Unavailable(f"{file} does not hold an Ed25519 key; restore it from a backup") from None


def _line(name: str, signature: bytes) -> str:
    return f"{_DASH} {name} {base64.b64encode(signature).decode('ascii')}\n"


def _cosigned(text: str, at: int) -> bytes:
    return f"cosignature/v1\ntime {at}\n{text}".encode()


def _key_id(name: str, kind: bytes, public: bytes) -> bytes:
    return sha256(name.encode("utf-8") + b"\n" + kind + public).digest()[:4]


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """Whose signatures to look for: of a note (`kind` 1) or a witness's cosignatures (`kind` 4)."""

    name: str
    id: bytes
    kind: bytes
    public: Ed25519PublicKey

    @property
    def is_witness(self) -> bool:
        """Whether it verifies cosignatures."""
        return self.kind == _COSIGNATURE

    def verify(self, signature: bytes, text: str) -> int:
        """When the text was cosigned, in seconds since 1970; 0 for a note's own signature. Raises BadInput when it does not hold."""
        at = 0
        message = text.encode("utf-8")
        if self.is_witness:
            at, signature = int.from_bytes(signature[:_STAMP_BYTES], "big"), signature[_STAMP_BYTES:]
            message = _cosigned(text, at)
        try:
            if at >> 63:
                raise InvalidSignature
            self.public.verify(signature, message)
        except InvalidSignature:
            raise BadInput(f"the signature of {self.name} does not hold") from None
        return at


def read_key(verifier_key: str) -> VerifierKey:
    """A verifier key as it is written. Raises BadInput when it is none."""
    malformed = BadInput("the verifier key must be name+hash+key, as `cairn` prints it")
    name, _, rest = verifier_key.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    try:
        raw, id = base64.b64decode(encoded, validate=True), bytes.fromhex(key_id)
    except (ValueError, binascii.Error):
        raise malformed from None
    kind, public = raw[:1], raw[1:]
    if not _is_name(name) or kind not in (_ED25519, _COSIGNATURE) or len(public) != _KEY_BYTES or id != _key_id(name, kind, public):
        raise malformed
    return VerifierKey(name, id, kind, Ed25519PublicKey.from_public_bytes(public))


def _is_name(name: str) -> bool:
    return name != "" and "+" not in name and not any(character.isspace() for character in name)


def split_note(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """A note's text, and for each signature the name and the bytes: key id and signature. Raises BadInput when it is no signed note."""
    text, blank, lines = note.rpartition("\n\n")
    if not blank or len(note) > _MAX_NOTE or not lines.endswith("\n") or _CONTROL.search(note):
        raise BadInput("this is no signed note")
    return f"{text}\n", [_signature(line) for line in lines[:-1].split("\n")]


def _signature(line: str) -> tuple[str, bytes]:
    try:
        dash, signer, encoded = line.split(" ")
        raw = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error):
        raise BadInput("a signature line of the note is malformed") from None
    if dash != _DASH or not _is_name(signer) or len(raw) < ID_BYTES + 1:
        raise BadInput("a signature line of the note is malformed")
    return signer, raw


def open_note(note: str, verifier_key: str) -> str:
    """The text of a note that the verifier key's owner signed; signatures of others are passed over.

    Raises BadInput when the note or the key is malformed, when there is no such signature, or when one does not hold.
    """
    key = read_key(verifier_key)
    text, _ = open_signed(note, [key])
    return text


def open_signed(note: str, keys: Sequence[VerifierKey]) -> tuple[str, list[tuple[VerifierKey, int]]]:
    """A note's text, and which of `keys` signed it when; signatures of others are passed over.

    Raises BadInput when it is malformed, when a signature of one of `keys` does not hold, or when none of them signed it.
    """
    text, signatures = split_note(note)
    found = signers(text, signatures, keys)
    if not found:
        raise BadInput(f"the note is not signed by {' or '.join(sorted({key.name for key in keys})) or 'anyone known'}")
    return text, found


def signers(text: str, signatures: Sequence[tuple[str, bytes]], keys: Sequence[VerifierKey]) -> list[tuple[VerifierKey, int]]:
    """Which of `keys` made one of the signatures, and when. Raises BadInput when one that claims to be theirs does not hold."""
    return [
        (key, key.verify(raw[ID_BYTES:], text)) for name, raw in signatures for key in keys if name == key.name and raw[:ID_BYTES] == key.id
    ]


def read_checkpoint(text: str) -> Checkpoint:
    """The checkpoint in a note's text; extension lines are passed over. Raises BadInput when it is none."""
    lines = text.removesuffix("\n").split("\n")
    try:
        origin, size, encoded = lines[:3]
        root = base64.b64decode(encoded, validate=True)
        if not all(lines) or not size.isdecimal() or str(int(size)) != size or len(root) != sha256().digest_size:
            raise ValueError
    except (ValueError, binascii.Error):
        raise BadInput("the note holds no checkpoint: origin, size and root, a line each") from None
    return Checkpoint(origin, int(size), root)
