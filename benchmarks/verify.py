"""How fast an export of a ledger is verified offline, beside plain SHA-256 over the same bytes in the same run.

    python benchmarks/verify.py [--entries 300000] [--rounds 3]

The export is made up: entries as Cairn writes them, of objects that change ten times each on average, with a signed checkpoint after
every thousand entries, each cosigned by two witnesses. Reading the file, every signature, root, chain and cosignature is in the time;
the reference hashes each line of the file once.
"""

from __future__ import annotations

import argparse
import random
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cairn.graph.changes import Change, Entry, Settled
from cairn.graph.evidence import Evidence
from cairn.graph.ledger import entry_bytes
from cairn.graph.ledger_export import verify_export
from cairn.graph.merkle import Frontier, leaf_hash
from cairn.graph.signing import Checkpoint, Signer

ORIGIN = "cairn/bench"
EVERY = 1_000
WITNESSES = ("one.example.org", "two.example.org")


def make(file: Path, entries: int) -> Evidence:
    """Write an export; what is to be verified it with."""
    signer, others = Signer(Ed25519PrivateKey.generate()), [Signer(Ed25519PrivateKey.generate()) for _ in WITNESSES]
    choice = random.Random(1)
    change = Change(tenant="bench", actor="ada", steps=(), settle=lambda _: Settled(None, ()), request="01a207bd47d07000a2ab13c24a5afaf1")
    at, frontier, last = datetime.now(UTC), Frontier(), dict[str, str]()
    lines: list[bytes] = []
    for seq in range(entries):
        target = f"state:agent/ada/key{choice.randrange(entries // 10)}"
        after = sha256(str(seq).encode()).hexdigest()
        body = entry_bytes(change, Entry("state.set", target, last.get(target), after), seq, at)
        last[target] = after
        frontier.append(leaf_hash(body))
        lines.append(body + b"\n")
        if seq % EVERY == EVERY - 1:
            text = Checkpoint(ORIGIN, seq + 1, frontier.root()).text
            cosigned = "".join(other.cosign(name, text, 1_800_000_000) for other, name in zip(others, WITNESSES, strict=True))
            lines.append(orjson.dumps({"checkpoint": signer.sign(ORIGIN, text) + cosigned}) + b"\n")
    head = signer.sign(ORIGIN, Checkpoint(ORIGIN, entries, frontier.root()).text)
    file.write_bytes(b"".join([orjson.dumps({"checkpoint": head}) + b"\n", *lines]))
    witnesses = tuple(other.witness_key(name) for other, name in zip(others, WITNESSES, strict=True))
    return Evidence((signer.verifier_key(ORIGIN),), witnesses, len(witnesses))


def hash_only(file: Path) -> None:
    """The reference."""
    with file.open("rb") as lines:
        for line in lines:
            sha256(line).digest()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--entries", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        file = Path(folder, "ledger.jsonl")
        evidence = make(file, arguments.entries)
        times: list[tuple[float, float, float]] = []
        for _ in range(arguments.rounds):
            start = perf_counter()
            hash_only(file)
            middle, worked = perf_counter(), process_time()
            verdict = verify_export(file, evidence)
            times.append((middle - start, perf_counter() - middle, process_time() - worked))
            assert verdict.holds, verdict.problem
        reference, ours, work = (median(column) for column in zip(*times, strict=True))
        print(f"{verdict.size} entries, {verdict.checkpoints} checkpoints, each cosigned by {len(WITNESSES)} witnesses")
        print(f"verified: {verdict.size / ours:9.0f} entries/s (100000 wanted), {verdict.size / work:.0f} a second of this process's work")
        print(f"SHA-256 : {verdict.size / reference:9.0f} entries/s, of the same bytes")
        print(f"ratio {reference / ours:.2f}")


if __name__ == "__main__":
    main()
