"""The notary signs what extends what it signed, remembers it outside Neo4j, and tells when a database was rolled back."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from neo4j import AsyncManagedTransaction

from cairn.errors import Conflict, Forbidden, Unavailable
from cairn.graph.access import Access
from cairn.graph.checkpointing import Checkpointer
from cairn.graph.checkpoints import StoredCheckpoint, add_cosignature, list_checkpoints
from cairn.graph.database import Database, Row, run
from cairn.graph.evidence import Evidence
from cairn.graph.ledger import Head, head, list_entries
from cairn.graph.merkle import EMPTY_ROOT, leaf_hash
from cairn.graph.notary import Notary
from cairn.graph.pledges import Move, Pledges
from cairn.graph.signing import Signer, open_note, read_checkpoint
from cairn.graph.statements import parse
from cairn.graph.states import set_state
from cairn.graph.verification import verify
from cairn.graph.writer import Writer

pytestmark = pytest.mark.anyio

SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(32)))
WITNESS = Signer(Ed25519PrivateKey.from_private_bytes(bytes([7] * 32)))
TAMPERING = parse((Path(__file__).parent / "tampering.cypher").read_text("utf-8"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.pledges"


@pytest.fixture
def notary(database: Database, file: Path) -> Notary:
    return Notary(database, SIGNER, Pledges(file))


@pytest.fixture
def checkpointer(database: Database, writer: Writer, notary: Notary) -> Checkpointer:
    return Checkpointer(database, writer, notary)


async def tamper(database: Database, name: str, parameters: Row) -> list[Row]:
    async def work(transaction: AsyncManagedTransaction) -> list[Row]:
        return await run(transaction, TAMPERING[name], parameters)

    return await database.write(work)


async def write(writer: Writer, access: Access, *values: object) -> None:
    for value in values:
        await set_state(writer, access, "ada", "mood", value)


async def kept(database: Database, access: Access) -> tuple[StoredCheckpoint, ...]:
    return (await list_checkpoints(database, access, 50)).items


@pytest.mark.usefixtures("home")
async def test_what_grew_is_signed_and_kept(database: Database, writer: Writer, root: Access, checkpointer: Checkpointer) -> None:
    key = SIGNER.verifier_key(f"cairn/{root.tenant}")
    sizes: list[int] = []
    for value in ("calm", "curious"):
        await write(writer, root, value, value * 2)
        await checkpointer.sign_grown()
        await checkpointer.sign_grown()
        sizes.insert(0, (await head(database, root)).size)
        (newest, *_) = found = await kept(database, root)
        signed, stands = read_checkpoint(open_note(newest.note, key)), await head(database, root)
        assert (signed.origin, signed.size, signed.root) == (f"cairn/{root.tenant}", stands.size, stands.root)
        assert [checkpoint.size for checkpoint in found] == sizes
    verdict = await verify(database, root.tenant, evidence=Evidence((key,)))
    assert (verdict.problem, verdict.checkpoints) == (None, 2)


async def test_an_empty_ledger_is_signed_too(notary: Notary, tenant: str) -> None:
    note = await notary.sign(tenant, Head(0, EMPTY_ROOT))
    assert read_checkpoint(open_note(note, notary.verifier_key(tenant))).size == 0


@pytest.mark.usefixtures("home")
async def test_an_older_head_is_signed_when_it_is_a_beginning(database: Database, writer: Writer, root: Access, notary: Notary) -> None:
    older = await head(database, root)
    await write(writer, root, "calm")
    newer = await head(database, root)
    for stands in (newer, older, newer):
        await notary.sign(root.tenant, stands)
    assert (await notary.pledged())[root.tenant] == newer
    for forged in (Head(older.size, newer.root), Head(newer.size, older.root)):
        with pytest.raises(Conflict, match="rewritten"):
            await notary.sign(root.tenant, forged)


@pytest.mark.usefixtures("home")
async def test_a_ledger_that_was_rolled_back_is_not_signed_until_an_administrator_accepts_it(
    database: Database, writer: Writer, root: Access, notary: Notary, file: Path, acting: Callable[..., Access]
) -> None:
    (before,) = await tamper(database, "head_read", {"tenant": root.tenant})
    await write(writer, root, "calm", "tired")
    await notary.sign(root.tenant, await head(database, root))
    await tamper(database, "rolled_back", {"tenant": root.tenant, **before})
    again = Notary(database, SIGNER, Pledges(file))
    with pytest.raises(Conflict, match=r"rolled back.*cairn ledger accept"):
        await again.sign(root.tenant, await head(database, root))
    await tamper(database, "state_removed", {"tenant": root.tenant, "path": "agent/ada/mood"})
    await write(writer, root, "forged", "forged again", "and again")
    with pytest.raises(Conflict, match="rewritten"):
        await again.sign(root.tenant, await head(database, root))
    with pytest.raises(Forbidden):
        await again.accept(writer, acting("eve", allowed=lambda obj, action: action == "read"))
    accepted = await again.accept(writer, root)
    assert accepted == await head(database, root)
    await again.sign(root.tenant, accepted)
    last = (await list_entries(database, root, 100)).items[-1]
    assert (last.operation, last.target, last.actor) == ("ledger.accept", "ledger", "root")
    assert (await verify(database, root.tenant)).holds


@pytest.mark.usefixtures("home")
async def test_a_refused_ledger_holds_up_nobody(
    database: Database, writer: Writer, root: Access, checkpointer: Checkpointer, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.write_text(json.dumps({root.tenant: [1_000, leaf_hash(b"").hex()]}))
    await write(writer, root, "calm")
    await checkpointer.sign_grown()
    assert await kept(database, root) == ()
    assert "was rolled back" in caplog.text
    await write(writer, root, "tired")
    await checkpointer.sign_grown()
    assert caplog.text.count("was rolled back") == 1


def test_pledges_are_kept_whole_and_moved_from_what_they_are(file: Path) -> None:
    one, two = Head(1, leaf_hash(b"1")), Head(2, leaf_hash(b"2"))
    assert Pledges(file).move({"a": Move(None, one), "b": Move(None, one)}) == {"a", "b"}
    assert Pledges(file).move({"a": Move(None, two), "b": Move(one, two)}) == {"b"}
    assert Pledges(file).read() == {"a": one, "b": two}
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', '{"a": [1, "xyz"]}'])
async def test_a_damaged_memory_signs_nothing(notary: Notary, file: Path, content: str) -> None:
    file.write_text(content)
    with pytest.raises(Unavailable, match="no checkpoint is signed"):
        await notary.sign("t", Head(0, EMPTY_ROOT))


@pytest.mark.usefixtures("home")
async def test_processes_that_sign_at_once_agree(database: Database, writer: Writer, root: Access, file: Path) -> None:
    notaries = [Notary(database, SIGNER, Pledges(file)) for _ in range(4)]
    for number in range(3):
        await write(writer, root, number)
        stands = await head(database, root)
        assert len(set(await asyncio.gather(*(notary.sign(root.tenant, stands) for notary in notaries)))) == 1
    assert Pledges(file).read()[root.tenant] == stands


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    "tampering", ["checkpoint_root", "checkpoint_forged", "checkpoint_moved", "checkpoint_unsigned", "cosignature_forged"]
)
async def test_checkpoints_that_were_tampered_with_are_found(
    database: Database, writer: Writer, root: Access, checkpointer: Checkpointer, tampering: str
) -> None:
    await write(writer, root, "calm")
    await checkpointer.sign_grown()
    (checkpoint,) = await kept(database, root)
    text = checkpoint.note.partition("\n\n")[0] + "\n"
    await add_cosignature(writer, root.tenant, checkpoint.size, WITNESS.cosign("w", text, 1))
    await add_cosignature(writer, root.tenant, checkpoint.size, WITNESS.cosign("w", text, 2))
    (checkpoint,) = await kept(database, root)
    assert checkpoint.witnesses == ("w",)
    evidence = Evidence((SIGNER.verifier_key(f"cairn/{root.tenant}"),), (WITNESS.witness_key("w"),), 1)
    verdict = await verify(database, root.tenant, evidence=evidence)
    assert (verdict.problem, verdict.witnessed) == (None, checkpoint.size)
    forged = Signer(Ed25519PrivateKey.generate()).sign(f"cairn/{root.tenant}", text)
    raw = base64.b64decode(WITNESS.cosign("w", text, 3).split(" ")[2])
    line = f"\u2014 w {base64.b64encode(raw[:11] + bytes([raw[11] ^ 1]) + raw[12:]).decode()}\n"
    await tamper(database, tampering, {"tenant": root.tenant, "note": forged, "line": line, "root": EMPTY_ROOT.hex()})
    problem = (await verify(database, root.tenant, evidence=evidence)).problem
    assert problem is not None
    assert problem.where.startswith("checkpoint of ")


@pytest.mark.usefixtures("home")
async def test_only_those_who_may_read_the_ledger_list_checkpoints(database: Database, acting: Callable[..., Access]) -> None:
    with pytest.raises(Forbidden, match="ledger"):
        await list_checkpoints(database, acting("eve", allowed=lambda obj, _: obj != "ledger"), 1)
