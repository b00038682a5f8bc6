"""Signed notes and checkpoints, against C2SP's own example and against forgeries."""

from __future__ import annotations

import base64
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from cairn.errors import BadInput, Unavailable
from cairn.graph.merkle import EMPTY_ROOT
from cairn.graph.signing import Checkpoint, Signer, open_note, open_signed, open_signer, read_checkpoint, read_key, split_note

KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
NOTE = (
    "This is an example message.\n\n"
    "\u2014 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
COSIGNED = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

\u2014 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
\u2014 witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""
SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
OTHER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))


def test_the_example_of_the_specification_verifies() -> None:
    assert open_note(NOTE, KEY) == "This is an example message.\n"


def test_the_examples_of_checkpoint_and_cosignature_are_read() -> None:
    text, signatures = split_note(COSIGNED)
    assert read_checkpoint(text) == Checkpoint(
        "example.com/behind-the-sofa", 20852163, base64.b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
    )
    (log, own), (witness, cosignature) = signatures
    assert (log, len(own), witness) == ("example.com/behind-the-sofa", 4 + 64, "witness.example.com/w1")
    assert (len(cosignature), int.from_bytes(cosignature[4:12], "big")) == (4 + 8 + 64, 1679315147)


def test_a_cosignature_is_over_the_message_of_the_specification() -> None:
    text = COSIGNED.partition("\n\n")[0] + "\n"
    message = b"cosignature/v1\ntime 1679315147\n" + text.encode()
    raw = base64.b64decode(SIGNER.cosign("w", text, 1679315147).split(" ")[2])
    Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key().verify(raw[12:], message)
    key = read_key(SIGNER.witness_key("w"))
    assert open_signed(f"{text}\n{SIGNER.cosign('w', text, 7)}", [key]) == (text, [(key, 7)])
    for other in (SIGNER.cosign("w", text + "x\n", 7), SIGNER.sign("w", text).rpartition("\n\n")[2], OTHER.cosign("w", text, 7)):
        with pytest.raises(BadInput):
            open_signed(f"{text}\n{other}", [key])


@pytest.mark.parametrize("character", ["\x00", "\t", "\r", "\x1f"])
def test_a_note_with_control_characters_is_refused(character: str) -> None:
    with pytest.raises(BadInput, match="no signed note"):
        open_note(SIGNER.sign("cairn/t", f"text{character}\n"), SIGNER.verifier_key("cairn/t"))


def test_what_was_signed_can_be_opened_with_the_public_key_only() -> None:
    note = SIGNER.sign("cairn/t", "first\n\nlast\n")
    assert open_note(note, SIGNER.verifier_key("cairn/t")) == "first\n\nlast\n"
    for key in (OTHER.verifier_key("cairn/t"), SIGNER.verifier_key("cairn/u")):
        with pytest.raises(BadInput, match="not signed by"):
            open_note(note, key)


def test_signatures_of_others_are_passed_over() -> None:
    note = SIGNER.sign("cairn/t", "text\n")
    cosigned = note + OTHER.sign("witness", "text\n").rpartition("\n\n")[2]
    assert open_note(cosigned, SIGNER.verifier_key("cairn/t")) == open_note(cosigned, OTHER.verifier_key("witness")) == "text\n"


@given(st.data())
def test_no_changed_note_opens(data: st.DataObject) -> None:
    note = SIGNER.sign("cairn/t", "cairn/t\n12\nroot\n")
    place = data.draw(st.integers(0, len(note) - 1))
    character = data.draw(st.sampled_from("a\n +=\u2014Z0"))
    changed = note[:place] + character + note[place + 1 :]
    try:
        assert open_note(changed, SIGNER.verifier_key("cairn/t")) == "cairn/t\n12\nroot\n"
    except BadInput:
        return
    assert changed == note


@pytest.mark.parametrize(
    "note", ["", "text\n", "text\n\n", "text\n\nname sig\n", "text\n\n\u2014 cairn/t !!\n", "text\n\n\u2014 cairn/t AAAA\n"]
)
def test_what_is_no_note_is_refused(note: str) -> None:
    with pytest.raises(BadInput):
        open_note(note, SIGNER.verifier_key("cairn/t"))


@pytest.mark.parametrize("key", ["", "a+b", KEY.replace("530d903a", "530d903b"), KEY[:-4], KEY.replace("example.com/foo", ""), KEY + "é"])
def test_what_is_no_verifier_key_is_refused(key: str) -> None:
    with pytest.raises(BadInput, match="verifier key"):
        open_note(NOTE, key)


@given(st.integers(0, 2**70), st.binary(min_size=32, max_size=32))
def test_a_checkpoint_comes_back(size: int, root: bytes) -> None:
    checkpoint = Checkpoint("cairn/t", size, root)
    assert read_checkpoint(checkpoint.text) == checkpoint


def test_a_checkpoint_is_written_as_the_specification_says() -> None:
    assert Checkpoint("cairn/t", 0, EMPTY_ROOT).text == f"cairn/t\n0\n{base64.b64encode(EMPTY_ROOT).decode()}\n"


@pytest.mark.parametrize(
    "text",
    ["", "cairn/t\n1\n", "cairn/t\n01\n{root}\n", "cairn/t\n-1\n{root}\n", "\n1\n{root}\n", "cairn/t\n1\nAAAA\n", "cairn/t\nx\n{root}\n"],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        read_checkpoint(text.format(root=base64.b64encode(EMPTY_ROOT).decode()))


def test_the_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "ledger.key"
    with ThreadPoolExecutor(8) as pool:
        keys = {signer.verifier_key("cairn/t") for signer in pool.map(open_signer, [file] * 8)}
    assert keys == {open_signer(file).verifier_key("cairn/t")}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["ledger.key"]


def test_a_key_that_everybody_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "ledger.key"
    open_signer(file)
    file.chmod(0o644)
    with pytest.raises(Unavailable, match="chmod 600"):
        open_signer(file)


@pytest.mark.parametrize("content", ["", "not base64!", "AAAA"])
def test_a_file_without_a_key_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "ledger.key"
    file.write_text(content)
    file.chmod(0o600)
    with pytest.raises(Unavailable, match="Ed25519"):
        open_signer(file)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="can't be used"):
        open_signer(tmp_path / "absent" / "ledger.key")
