"""The witness cosigns what extends what it cosigned, answers as C2SP tlog-witness says, and Cairn collects its cosignatures."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cairn.api.services import open_services
from cairn.api.verifying import verify_tenant
from cairn.api.witness import Witness, create_witness
from cairn.errors import BadInput, Unavailable
from cairn.graph.access import Access, Decision
from cairn.graph.agents import register_agent
from cairn.graph.checkpoints import StoredCheckpoint, list_checkpoints
from cairn.graph.evidence import Evidence
from cairn.graph.ledger import head
from cairn.graph.ledger_export import export_ledger, verify_export
from cairn.graph.merkle import EMPTY_ROOT, consistency_proof, leaf_hash, root
from cairn.graph.signing import Checkpoint, Signer, open_note, open_signed, read_key
from cairn.settings import Settings, WitnessSetting

pytestmark = pytest.mark.anyio

LOG = Signer(Ed25519PrivateKey.from_private_bytes(bytes(32)))
SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(bytes([1] * 32)))
ORIGIN, NAME = "example.com/log", "witness.example.com/w1"
LEAVES = [leaf_hash(str(number).encode()) for number in range(40)]


def note(size: int, of: bytes | None = None, signer: Signer = LOG, origin: str = ORIGIN) -> str:
    return signer.sign(origin, Checkpoint(origin, size, root(LEAVES[:size]) if of is None else of).text)


def body(old: int | str, size: int, **changes: Any) -> str:
    proof = consistency_proof(LEAVES[:size], old) if isinstance(old, int) and 0 < old < size else []
    lines = "".join(base64.b64encode(part).decode() + "\n" for part in changes.pop("proof", proof))
    return f"old {old}\n{lines}\n{note(size, **changes)}"


def made(folder: Path, logs: tuple[str, ...] = (LOG.verifier_key(ORIGIN),)) -> Witness:
    return Witness(folder, NAME, SIGNER, logs)


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_witness(made(tmp_path)))
    async with httpx.AsyncClient(transport=transport, base_url="http://witness.test") as client:
        yield client


async def test_it_cosigns_what_extends_what_it_cosigned_and_remembers_it(http: httpx.AsyncClient, tmp_path: Path) -> None:
    key = read_key(SIGNER.witness_key(NAME))
    for old, size in ((0, 0), (0, 3), (3, 3), (3, 4), (4, 40)):
        answer = await http.post("/add-checkpoint", content=body(old, size))
        assert (answer.status_code, answer.text.count("\n")) == (200, 1), answer.text
        ((_, at),) = open_signed(note(size) + answer.text, [key])[1]
        assert at > 1_700_000_000
    place = f"/{sha256(ORIGIN.encode()).hexdigest()}/checkpoint"
    latest = (await http.get(place)).text
    assert (
        open_note(latest, SIGNER.witness_key(NAME))
        == open_note(latest, LOG.verifier_key(ORIGIN))
        == Checkpoint(ORIGIN, 40, root(LEAVES)).text
    )
    again = httpx.ASGITransport(create_witness(made(tmp_path)))
    async with httpx.AsyncClient(transport=again, base_url="http://witness.test") as client:
        assert (await client.get(place)).text == latest
        assert (await client.post("/add-checkpoint", content=body(0, 40))).status_code == 409
    assert (await http.get(f"/{'0' * 64}/checkpoint")).status_code == 404


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (body(20, 19), 400),
        (body("020", 40), 400),
        (body("-1", 40), 400),
        (body(20, 40).replace("old ", "new "), 400),
        ("", 400),
        ("old 20\n", 400),
        ("old 20\n\nno checkpoint\n", 400),
        (body(20, 40).replace("\n", "\nno base64!\n", 1), 400),
        (body(20, 40, proof=[LEAVES[0]] * 64), 400),
        (body(20, 40, origin="example.com/other"), 404),
        (body(20, 40, signer=SIGNER), 403),
        (body(20, 40).replace(root(LEAVES).hex()[:0] + note(40).split("\n")[2], note(39).split("\n")[2]), 403),
        (body(0, 40), 409),
        (body(19, 40), 409),
        (body(20, 20, of=root(LEAVES)), 422),
        (body(20, 40, of=EMPTY_ROOT), 422),
        (body(20, 40, proof=[]), 422),
        (body(20, 40, proof=[*consistency_proof(LEAVES, 20), LEAVES[0]]), 422),
        (body(20, 20, proof=[LEAVES[0]]), 422),
    ],
)
async def test_what_it_refuses(http: httpx.AsyncClient, content: str, status: int) -> None:
    assert (await http.post("/add-checkpoint", content=body(0, 20))).status_code == 200
    answer = await http.post("/add-checkpoint", content=content)
    assert answer.status_code == status, answer.text
    if status == 409:
        assert (answer.text, answer.headers["content-type"].partition(";")[0]) == ("20\n", "text/x.tlog.size")
    assert (await http.post("/add-checkpoint", content=body(20, 21))).status_code == 200


@pytest.mark.parametrize("content", [body(0, 0, of=LEAVES[0]), body(0, 3, proof=[LEAVES[0]])])
async def test_what_it_refuses_at_first_sight(http: httpx.AsyncClient, content: str) -> None:
    assert (await http.post("/add-checkpoint", content=content)).status_code == 422


async def test_other_ways_in_are_closed(http: httpx.AsyncClient) -> None:
    assert (await http.get("/add-checkpoint")).status_code == 405
    assert (await http.post("/add-checkpoint", content=b"\xff")).status_code == 400
    assert (await http.post("/add-checkpoint", content=b"x" * 300_000)).status_code == 413


def test_what_it_cannot_start_with(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="witness's"):
        made(tmp_path, (SIGNER.witness_key(NAME),))
    (tmp_path / "witness.json").write_text("{", "utf-8")
    with pytest.raises(Unavailable, match="worth nothing"):
        made(tmp_path)


@pytest.fixture
def watched(settings: Settings, tmp_path: Path) -> tuple[Settings, Signer]:
    """Settings, and the signer whose key their Cairn will have."""
    settings.data_dir.mkdir()
    (settings.data_dir / "ledger.key").write_text(base64.b64encode(bytes(32)).decode())
    (settings.data_dir / "ledger.key").chmod(0o600)
    return settings, LOG


@pytest.mark.parametrize("dead", [False, True])
async def test_cairn_has_its_checkpoints_witnessed(
    watched: tuple[Settings, Signer],
    tmp_path: Path,
    serve: Callable[..., Any],
    until: Callable[[Callable[[], object]], Any],
    dead: bool,
) -> None:
    settings, log = watched
    origin = f"cairn/{settings.tenant}"
    access = Access(settings.tenant, "root", decide=lambda _object, _action: Decision(allowed=True))
    async with serve(create_witness(made(tmp_path, (log.verifier_key(origin),)))) as url:
        witnesses = [WitnessSetting(url=url, key=SIGNER.witness_key(NAME))]
        if dead:
            witnesses.insert(0, WitnessSetting(url="http://127.0.0.1:9", key=log.witness_key("dead")))
        anchor = tmp_path / "anchor.jsonl"
        chosen = settings.model_copy(
            update={"witnesses": tuple(witnesses), "anchors": ("file",), "anchor_file": anchor, "anchor_interval": 0.05}
        )
        async with open_services(chosen) as cairn:
            services = cairn.services

            async def newest() -> tuple[StoredCheckpoint, ...]:
                return (await list_checkpoints(services.database, access, 1)).items

            for agent in ("ada", "bob"):
                await register_agent(services.writer, access, agent, agent)
                size = (await head(services.database, access)).size
                async with asyncio.timeout(20):
                    while not any(one.size >= size and one.witnesses == (NAME,) for one in await newest()):
                        await asyncio.sleep(0.05)
            await until(lambda: anchor.exists() and f"\\n{size}\\n" in anchor.read_text())
            verdict = await verify_tenant(services, settings.tenant)
            assert verdict.problem is None
            assert verdict.witnessed == verdict.size
            file = tmp_path / "ledger.jsonl"
            file.write_bytes(b"".join([part async for part in export_ledger(services.database, settings.tenant, services.notary)]))
    key, anchored = log.verifier_key(origin), tuple(json.loads(line)["checkpoint"] for line in anchor.read_text().splitlines() if line)
    verdict = verify_export(file, Evidence((key,), (SIGNER.witness_key(NAME),), 1, anchored=anchored))
    assert (verdict.problem, verdict.witnessed) == (None, verdict.size)
    stranger = Signer(Ed25519PrivateKey.generate())
    unwitnessed = verify_export(file, Evidence((key,), (SIGNER.witness_key(NAME), stranger.witness_key("other")), 2)).problem
    assert unwitnessed is not None and unwitnessed.where == "witnesses"
    forged = (log.sign(origin, Checkpoint(origin, 2, EMPTY_ROOT).text),)
    contradicted = verify_export(file, Evidence((key,), anchored=forged)).problem
    assert contradicted is not None and contradicted.where == "anchored checkpoint of 2 entries"
