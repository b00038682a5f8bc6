"""Signed notes: text signed with Ed25519, and the ledger's checkpoints as such notes.

Source: C2SP signed-note and tlog-checkpoint (https://c2sp.org/signed-note, https://c2sp.org/tlog-checkpoint).
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ..errors import BadInput, Unavailable
from .data_dir import write_private

_ED25519 = b"\x01"
_KEY_BYTES = 32
_DASH = "\u2014"
_MAX_NOTE = 1_000_000


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
        signature = base64.b64encode(_key_id(name, self._public) + self._key.sign(text.encode("utf-8"))).decode("ascii")
        return f"{text}\n{_DASH} {name} {signature}\n"

    def verifier_key(self, name: str) -> str:
        """What others need to verify notes signed by `name`: `name+hash+key`."""
        encoded = base64.b64encode(_ED25519 + self._public).decode("ascii")
        return f"{name}+{_key_id(name, self._public).hex()}+{encoded}"


def open_signer(file: Path) -> Signer:
    """The signer whose key is in `file`, which is made with mode 0600 at first use; safe when two processes do so at once.

    Raises Unavailable when the file can't be read or made, or others can read it, or it holds no key.
    """
    try:
        if not file.exists():
            _create(file)
        if os.name == "posix" and file.stat().st_mode & 0o007:
            raise Unavailable(f"{file} can be read by every user of this machine; take that away with chmod 600")
        seed = base64.b64decode(file.read_text("ascii").strip(), validate=True)
        return Signer(Ed25519PrivateKey.from_private_bytes(seed))
    except OSError as error:
        raise Unavailable(f"the ledger's key {file} can't be used: {error.strerror}") from error
    except ValueError:
        raise Unavailable(f"{file} does not hold an Ed25519 key; restore it from a backup") from None


def _create(file: Path) -> None:
    seed = Ed25519PrivateKey.generate().private_bytes_raw()
    fresh = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    write_private(fresh, base64.b64encode(seed).decode("ascii") + "\n")
    try:
        os.link(fresh, file)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()


def _key_id(name: str, public: bytes) -> bytes:
    return sha256(name.encode("utf-8") + b"\n" + _ED25519 + public).digest()[:4]


def _parse_key(verifier_key: str) -> tuple[str, bytes, Ed25519PublicKey]:
    malformed = BadInput("the verifier key must be name+hash+key, as `cairn` prints it")
    name, _, rest = verifier_key.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    try:
        raw, id = base64.b64decode(encoded, validate=True), bytes.fromhex(key_id)
    except (ValueError, binascii.Error):
        raise malformed from None
    if not name or raw[:1] != _ED25519 or len(raw) != 1 + _KEY_BYTES or id != _key_id(name, raw[1:]):
        raise malformed
    return name, id, Ed25519PublicKey.from_public_bytes(raw[1:])


def open_note(note: str, verifier_key: str) -> str:
    """The text of a note that the verifier key's owner signed; signatures of others are passed over.

    Raises BadInput when the note or the key is malformed, when there is no such signature, or when one does not hold.
    """
    name, id, public = _parse_key(verifier_key)
    text, blank, signatures = note.rpartition("\n\n")
    if not blank or len(note) > _MAX_NOTE or not signatures.endswith("\n"):
        raise BadInput("this is no signed note")
    text += "\n"
    verified = False
    for line in signatures[:-1].split("\n"):
        parts = line.split(" ")
        try:
            dash, signer, encoded = parts
            raw = base64.b64decode(encoded, validate=True)
        except (ValueError, binascii.Error):
            raise BadInput("a signature line of the note is malformed") from None
        if dash != _DASH or not signer or len(raw) < len(id) + 1:
            raise BadInput("a signature line of the note is malformed")
        if signer == name and raw[: len(id)] == id:
            try:
                public.verify(raw[len(id) :], text.encode("utf-8"))
            except InvalidSignature:
                raise BadInput(f"the signature of {name} does not hold") from None
            verified = True
    if not verified:
        raise BadInput(f"the note is not signed by {name}")
    return text


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
