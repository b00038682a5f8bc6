"""Evidence: what others know of a ledger (signatures, cosignatures, anchors), held against its entries as they are replayed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..errors import BadInput
from .replay import Broken, Mark, Replay
from .signing import Checkpoint, VerifierKey, read_checkpoint, read_key, signers, split_note


@dataclass(frozen=True, slots=True)
class Evidence:
    """Whom to trust, and what is known from outside.

    `keys` are verifier keys of the ledger's owner; with none, checkpoints are compared unsigned. Of `witnesses` (verifier keys)
    `quorum` must have cosigned a checkpoint for it to count as witnessed. `pledged` is what the signer remembers, `anchored` are notes
    that anchors hold.
    """

    keys: tuple[str, ...] = ()
    witnesses: tuple[str, ...] = ()
    quorum: int = 0
    pledged: Checkpoint | None = None
    anchored: tuple[str, ...] = ()


@dataclass(slots=True)
class Trust:
    """Evidence at work: opens notes, and counts what it saw. Raises BadInput for a key that is none."""

    evidence: Evidence
    checkpoints: int = 0
    witnessed: int = 0
    _keys: list[VerifierKey] = field(init=False)
    _witnesses: list[VerifierKey] = field(init=False)

    def __post_init__(self) -> None:
        self._keys = [read_key(key) for key in self.evidence.keys]
        self._witnesses = [read_key(key) for key in self.evidence.witnesses]
        if any(key.is_witness for key in self._keys) or not all(key.is_witness for key in self._witnesses):
            raise BadInput("a witness's key was given for the ledger's, or the other way round; `cairn witness` prints a witness's")
        if self.evidence.quorum > len(self._witnesses):
            raise BadInput(f"{self.evidence.quorum} witnesses are asked for, but only {len(self._witnesses)} keys of witnesses are given")

    def open(self, note: str, source: str) -> Checkpoint:
        """The checkpoint in a note. Raises Broken when it is not signed as it must be, or a known witness's cosignature does not hold."""
        try:
            text, signatures = split_note(note)
            signed = [key for key, _ in signers(text, signatures, self._keys)]
            cosigned = {key.name for key, _ in signers(text, signatures, self._witnesses)}
            if self._keys and not signed:
                raise BadInput(f"the note is not signed by {' or '.join(sorted({key.name for key in self._keys}))}")
            checkpoint = read_checkpoint(text)
        except BadInput as error:
            raise Broken(source, error.message) from None
        self.checkpoints += 1
        if 0 < self.evidence.quorum <= len(cosigned):
            self.witnessed = max(self.witnessed, checkpoint.size)
        return checkpoint

    def expect(self, replay: Replay, origin: str) -> None:
        """Hold the replay against what is known from outside. Raises Broken when that is no evidence of this ledger."""
        if self.evidence.pledged is not None:
            pledged = self.evidence.pledged
            replay.expect(Mark(pledged.size, pledged.root, "what the signer remembers"))
        self.expect_notes(replay, origin, self.evidence.anchored, "anchored checkpoint")

    def expect_notes(self, replay: Replay, origin: str, notes: Iterable[str], source: str) -> None:
        """Hold the replay against signed notes."""
        for note in notes:
            checkpoint = self.open(note, source)
            if checkpoint.origin != origin:
                raise Broken(source, f"it is of {checkpoint.origin}, another ledger")
            replay.expect(Mark(checkpoint.size, checkpoint.root, f"{source} of {checkpoint.size} entries"))


def of_ledger(notes: Sequence[str], origin: str) -> list[str]:
    """Those of `notes` that are of one ledger."""
    return [note for note in notes if note.partition("\n")[0] == origin]
