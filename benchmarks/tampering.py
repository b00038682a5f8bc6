"""How many of 500 random tamperings `cairn verify` finds, and how many false alarms it raises over 500 clean runs.

    python benchmarks/tampering.py [--runs 500] [--seed 1]

A tenant lives: agents, states, memories, facts, feedback, keys, rules, checkpoints with cosignatures. Each tampering is done within a
transaction, verified from inside it, and taken back, so that the next meets the same graph; the signer's memory is what a rolled-back or
forked ledger meets. Before each clean run something is written. Kinds take turns; what exactly is done is random within the kind.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from neo4j import AsyncManagedTransaction

from cairn.graph.access import Access, Decision
from cairn.graph.agents import register_agent
from cairn.graph.asserting import NewFact, assert_fact
from cairn.graph.checkpointing import Checkpointer
from cairn.graph.checkpoints import add_cosignature, list_checkpoints
from cairn.graph.database import Database, Row, connect, run
from cairn.graph.evidence import Evidence
from cairn.graph.feedback import give_feedback
from cairn.graph.instants import now
from cairn.graph.keyring import Keyring
from cairn.graph.keys import make_key, store_key
from cairn.graph.ledger import Head, origin, read_head
from cairn.graph.master import open_master_key
from cairn.graph.merkle import Frontier, Tile, leaf_hash
from cairn.graph.migrations.runner import migrate
from cairn.graph.notary import Notary
from cairn.graph.pledges import Pledges
from cairn.graph.remembering import NewMemory, Prepared, check, remember
from cairn.graph.replay import Problem
from cairn.graph.rules import StoredRule
from cairn.graph.servers import servers
from cairn.graph.signing import Checkpoint, Signer
from cairn.graph.statements import Statement, parse
from cairn.graph.states import set_state
from cairn.graph.tenants import create_tenant
from cairn.graph.verification import verify
from cairn.graph.writer import Writer, open_writer
from cairn.settings import Settings

CYPHER = parse(Path(__file__).with_suffix(".cypher").read_text("utf-8"))
TENANT = f"bench-{uuid4().hex}"
OWNER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(32)))
WITNESS = Signer(Ed25519PrivateKey.from_private_bytes(bytes([1] * 32)))
ACCESS = Access(TENANT, "bench", decide=lambda _object, _action: Decision(allowed=True), scopes=("agent/ada", "agent/bob"))


class Inside(Database):
    """The database as it stands within a transaction that nobody else sees."""

    def __init__(self, transaction: AsyncManagedTransaction, keyring: Keyring | None) -> None:
        self._transaction = transaction
        self.round_trips = 0
        self.keyring = keyring
        self.closing = []

    async def read_stored(self, statement: Statement, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        return await run(self._transaction, statement, parameters)

    async def stream(
        self,
        statement: Statement,
        parameters: Mapping[str, Any] | None = None,
        fetch_size: int = 2_000,  # noqa: ARG002
    ) -> AsyncGenerator[Row]:
        for row in await run(self._transaction, statement, parameters):
            yield row


class _TakeBack(Exception):
    """Ends a transaction without a trace."""


@dataclass
class Bench:
    """The tenant, and what is held against it."""

    database: Database
    writer: Writer
    checkpointer: Checkpointer
    pledges: Pledges
    choice: random.Random
    number: int = 0

    async def live(self) -> None:
        """One random change, sometimes with a checkpoint after it."""
        self.number += 1
        n, who = self.number, self.choice.choice(("ada", "bob"))
        match self.choice.randrange(6):
            case 0:
                await self.remember(who, f"stone {n}")
            case 1:
                await assert_fact(
                    self.writer, ACCESS, NewFact(subject=f"urn:{n % 5}", predicate="urn:in", object=f"place {n}", functional=True)
                )
            case 2:
                one = await self.remember(who, f"useful {n}")
                await give_feedback(self.writer, ACCESS, "recall", who, "stones?", [one], [one])
            case 3:
                await store_key(self.writer, ACCESS, make_key(TENANT, who, "bench"))
            case _:
                await set_state(self.writer, ACCESS, who, f"key {n % 7}", {"step": n})
        if self.choice.random() < 0.3:
            await self.sign()

    async def remember(self, agent: str, text: str) -> str:
        """A memory."""
        prepared = Prepared(check(ACCESS, NewMemory(agent=agent, text=text, metadata={"n": self.number}), now()), ("stone",), None)
        return (await remember(self.writer, ACCESS, [prepared]))[0]

    async def sign(self) -> None:
        """A checkpoint, cosigned."""
        await self.checkpointer.sign_grown()
        newest = (await list_checkpoints(self.database, ACCESS, 1)).items[0]
        text = newest.note.partition("\n\n")[0] + "\n"
        await add_cosignature(self.writer, TENANT, newest.size, WITNESS.cosign("witness", text, 1_800_000_000))

    async def verify(self, database: Database) -> Problem | None:
        """What `cairn verify` says."""
        pledge = self.pledges.read()[TENANT]
        evidence = Evidence(
            (OWNER.verifier_key(origin(TENANT)),),
            (WITNESS.witness_key("witness"),),
            1,
            Checkpoint(origin(TENANT), pledge.size, pledge.root),
        )
        return (await verify(database, TENANT, evidence=evidence)).problem

    async def tampered(self, tampering: Tampering) -> Problem | None:
        """What is found within a transaction that `tampering` was done in. It is taken back."""
        found: list[Problem | None] = []

        async def work(transaction: AsyncManagedTransaction) -> None:
            await tampering(self, transaction)
            found.append(await self.verify(Inside(transaction, self.database.keyring)))
            raise _TakeBack

        with suppress(_TakeBack):
            await self.database.write(work)
        return found[-1]


Tampering = Callable[[Bench, AsyncManagedTransaction], Awaitable[None]]


async def bodies(transaction: AsyncManagedTransaction) -> list[str]:
    """Every entry's bytes, in order."""
    return [row["body"] for row in await run(transaction, CYPHER["entries"], {"tenant": TENANT})]


async def rewrite(transaction: AsyncManagedTransaction, kept: list[str]) -> None:
    """Put a whole, well-formed ledger of these entries in the place of the stored one: entries, hashes, tiles, head."""
    frontier, tiles = Frontier(), list[Tile]()
    rows: list[Row] = []
    for seq, text in enumerate(kept):
        entry = json.loads(text)
        leaf = leaf_hash(text.encode("utf-8"))
        frontier.append(leaf, tiles)
        rows.append(
            {"tenant": TENANT, "seq": seq, "body": text, "leaf": leaf.hex(), **{k: entry[k] for k in ("operation", "target", "actor")}}
        )
    head = {"size": frontier.size, "root": frontier.root().hex(), "frontier": [part.hex() for part in frontier.hashes]}
    stored = [{"level": tile.level, "place": tile.place, "root": tile.root.hex()} for tile in tiles]
    await run(transaction, CYPHER["ledger_replaced"], {"tenant": TENANT, "rows": rows, "head": head, "tiles": stored})


def flipped(choice: random.Random, text: str) -> str:
    """The text with one bit of one of its characters turned over."""
    place = choice.randrange(len(text))
    return text[:place] + chr(ord(text[place]) ^ 1 << choice.randrange(6)) + text[place + 1 :]


async def bit(bench: Bench, transaction: AsyncManagedTransaction) -> None:
    """One bit of an entry's bytes, of its leaf hash, or of its bytes with the hash made to fit."""
    texts = await bodies(transaction)
    seq = bench.choice.randrange(len(texts))
    text = flipped(bench.choice, texts[seq])
    leaf = leaf_hash(texts[seq].encode("utf-8")).hex()
    match bench.choice.randrange(3):
        case 0:
            row = {"body": text, "leaf": leaf}
        case 1:
            row = {"body": texts[seq], "leaf": flipped(bench.choice, leaf)}
        case _:
            row = {"body": text, "leaf": leaf_hash(text.encode("utf-8")).hex()}
    await run(transaction, CYPHER["entry_set"], {"tenant": TENANT, "seq": seq, **row})


async def reorder(bench: Bench, transaction: AsyncManagedTransaction) -> None:
    """Two entries change places; sometimes all hashes are made to fit."""
    texts = await bodies(transaction)
    one, other = bench.choice.sample(range(len(texts)), 2)
    texts[one], texts[other] = texts[other], texts[one]
    if bench.choice.random() < 0.5:
        await rewrite(transaction, texts)
        return
    for seq in (one, other):
        leaf = leaf_hash(texts[seq].encode("utf-8")).hex()
        await run(transaction, CYPHER["entry_set"], {"tenant": TENANT, "seq": seq, "body": texts[seq], "leaf": leaf})


async def delete(bench: Bench, transaction: AsyncManagedTransaction) -> None:
    """An entry goes; sometimes the others close the gap and all hashes are made to fit."""
    texts = await bodies(transaction)
    seq = bench.choice.randrange(len(texts))
    if bench.choice.random() < 0.5:
        await run(transaction, CYPHER["entry_deleted"], {"tenant": TENANT, "seq": seq})
        return
    left = texts[:seq] + [text.replace(f'"seq":{n + 1},', f'"seq":{n},') for n, text in enumerate(texts[seq + 1 :], seq)]
    await rewrite(transaction, left)


async def truncate(bench: Bench, transaction: AsyncManagedTransaction) -> None:
    """The last entries go, with a head that fits, and later checkpoints too."""
    texts = await bodies(transaction)
    size = bench.choice.randrange(len(texts))
    await rewrite(transaction, texts[:size])
    await run(transaction, CYPHER["checkpoints_beyond_deleted"], {"tenant": TENANT, "size": size})


async def fork(bench: Bench, transaction: AsyncManagedTransaction) -> None:
    """From some entry on another history, whole in itself: the same objects, changed by somebody else. Checkpoints over it go."""
    texts = await bodies(transaction)
    size = bench.choice.randrange(bench.pledges.read()[TENANT].size)
    forked = [text.replace('"actor":"bench"', '"actor":"eve"') for text in texts[size:]]
    if forked[0] == texts[size]:
        forked[0] = forked[0].replace('"request":null', '"request":"forged"')
    await rewrite(transaction, [*texts[:size], *forked])
    await run(transaction, CYPHER["checkpoints_beyond_deleted"], {"tenant": TENANT, "size": size})


async def rollback(_: Bench, transaction: AsyncManagedTransaction) -> None:
    """The whole tenant goes back by some entries, objects as well: the last thing that was written and signed never was."""
    texts = await bodies(transaction)
    size = next(seq for seq in range(len(texts) - 1, 0, -1) if json.loads(texts[seq])["operation"] == "memory.remember")
    await run(transaction, CYPHER["memory_deleted"], {"target": json.loads(texts[size])["target"].rpartition("/")[2]})
    await rewrite(transaction, texts[:size])
    await run(transaction, CYPHER["checkpoints_beyond_deleted"], {"tenant": TENANT, "size": size})


EDITS = tuple(name for name in CYPHER if name.startswith("edit_"))
MOVES = tuple(name for name in CYPHER if name.startswith("move_"))


def by_statement(names: tuple[str, ...]) -> Tampering:
    """One of these statements, on random nodes."""

    async def tamper(bench: Bench, transaction: AsyncManagedTransaction) -> None:
        name = bench.choice.choice(names)
        if not await run(transaction, CYPHER[name], {"tenant": TENANT, "any": bench.choice.random(), "other": bench.choice.random()}):
            raise RuntimeError(f"{name} found nothing to tamper with")

    return tamper


KINDS: dict[str, Tampering] = {
    "bit of an entry": bit,
    "reorder": reorder,
    "delete": delete,
    "truncate": truncate,
    "fork": fork,
    "rollback": rollback,
    "direct edit": by_statement(EDITS),
    "moved value": by_statement(MOVES),
}


async def measure(database: Database, folder: Path, runs: int, seed: int) -> bool:
    """Print the figures; whether all is as it must be."""
    pledges = Pledges(folder / "ledger.pledges")
    async with open_writer(database) as writer:
        notary = Notary(database, OWNER, pledges)
        bench = Bench(database, writer, Checkpointer(database, writer, notary), pledges, random.Random(seed))
        await create_tenant(writer, TENANT, (StoredRule("p", ("reader", "memory:public", "read", "allow")),))
        for agent in ("ada", "bob"):
            await register_agent(writer, ACCESS, agent, agent.title(), ["finish"])
        for _ in range(60):
            await bench.live()
        await bench.remember("ada", "the last stone")
        await bench.sign()
        found, missed, start = Counter[str](), list[str](), perf_counter()
        kinds = list(KINDS)
        for number in range(runs):
            kind = kinds[number % len(kinds)]
            if await bench.tampered(KINDS[kind]) is None:
                missed.append(kind)
            else:
                found[kind] += 1
        print(f"tampered with: {runs}, found: {found.total()} ({', '.join(f'{kind} {found[kind]}' for kind in kinds)})")
        print(f"missed: {', '.join(missed) or 'none'}; {(perf_counter() - start) / runs * 1000:.0f} ms each")
        alarms = [problem for problem in [await clean(bench) for _ in range(runs)] if problem is not None]
        stands: Head = await read_head(database, TENANT)
        print(f"clean runs: {runs}, false alarms: {len(alarms)} {alarms[:3] or ''}; the ledger has {stands.size} entries at the end")
        return not missed and not alarms


async def clean(bench: Bench) -> Problem | None:
    """A change, then a verification."""
    await bench.live()
    return await bench.verify(bench.database)


async def start(arguments: argparse.Namespace) -> bool:
    with TemporaryDirectory() as folder:
        async with (
            servers(Settings(data_dir=Path(folder, "data"))) as running,
            connect(running.neo4j_uri, running.neo4j_user, running.neo4j_password, running.neo4j_database) as database,
        ):
            await migrate(database)
            database.keyring = Keyring(database, open_master_key(Path(folder, "master.key")))
            return await measure(database, Path(folder), arguments.runs, arguments.seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    if not asyncio.run(start(parser.parse_args())):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
