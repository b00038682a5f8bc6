"""Tiles: a proof reads few hashes, and is the same proof."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from neo4j import AsyncManagedTransaction

from cairn.graph.access import Access
from cairn.graph.changes import Change, Entry, Results, Settled
from cairn.graph.database import Database, Row, run
from cairn.graph.ledger import consistency_proof, head, inclusion_proof, list_entries
from cairn.graph.merkle import (
    Frontier,
    Tile,
    consistency_ranges,
    inclusion_ranges,
    leaf_hash,
    root,
    tile_leaves,
    verify_consistency,
    verify_inclusion,
)
from cairn.graph.statements import parse
from cairn.graph.tiles import spans, subtree_roots
from cairn.graph.verification import verify
from cairn.graph.writer import Writer

TAMPERING = parse((Path(__file__).parent / "tampering.cypher").read_text("utf-8"))
LEAVES = [leaf_hash(str(number).encode()) for number in range(70_000)]


@given(st.integers(1, 2**40), st.data())
def test_spans_make_up_the_leaves_of_a_proof_and_are_few(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    older = data.draw(st.integers(1, size))
    hashes = 0
    for leaves in (*inclusion_ranges(index, size), *consistency_ranges(older, size)):
        at = leaves.start
        for span in spans(leaves):
            width = 256**span.level
            assert (span.start * width, (span.stop - span.start) < 256) == (at, True)
            at = span.stop * width
            hashes += span.stop - span.start
        assert at == leaves.stop
    assert hashes <= 2 * 2 * 256 * 6


def test_a_frontier_tells_the_tiles_it_fills() -> None:
    frontier, filled = Frontier(), list[Tile]()
    for leaf in LEAVES:
        frontier.append(leaf, filled)
    assert len(filled) == 70_000 // 256 + 70_000 // 65_536
    for tile in (filled[0], filled[100], filled[255], filled[256], filled[-1]):
        leaves = tile_leaves(tile.level, tile.place)
        assert tile.root == root(LEAVES[leaves.start : leaves.stop])
    assert {tile.level for tile in filled} == {0, 1}


async def tamper(database: Database, name: str, parameters: Row) -> list[Row]:
    async def work(transaction: AsyncManagedTransaction) -> list[Row]:
        return await run(transaction, TAMPERING[name], parameters)

    return await database.write(work)


async def grow(writer: Writer, access: Access, entries: int) -> None:
    def settle(_: Results) -> Settled:
        return Settled(None, tuple(Entry("test", f"thing:{number}", None, None) for number in range(entries)))

    await writer.apply(Change(tenant=access.tenant, actor="root", steps=(), settle=settle))


@pytest.mark.anyio
async def test_proofs_over_tiles_verify_and_tiles_are_verified(database: Database, writer: Writer, root: Access) -> None:
    roots = {}
    for entries in (255, 1, 300, 256):
        await grow(writer, root, entries)
        stands = await head(database, root)
        roots[stands.size] = stands.root
    assert list(roots) == [255, 256, 556, 812]
    leaves = (await list_entries(database, root, 1, None)).items + (await list_entries(database, root, 100)).items[99:]
    for entry, seq in ((leaves[0], 0), (leaves[1], 99)):
        for size in (256, 556, 812):
            proof = [bytes.fromhex(part) for part in await inclusion_proof(database, root, seq, size)]
            assert verify_inclusion(bytes.fromhex(entry.leaf), seq, size, proof, roots[size])
    for older in [*roots, "without tiles", *roots]:
        if isinstance(older, str):
            assert await tamper(database, "tiles_removed", {"tenant": root.tenant}) == [{"tiles": 3}]
            continue
        for newer in (size for size in roots if size >= older):
            proof = [bytes.fromhex(part) for part in await consistency_proof(database, root, older, newer)]
            assert verify_consistency(older, roots[older], newer, roots[newer], proof)
    assert await subtree_roots(database, root.tenant, [range(812)]) == [roots[812]]
    assert (await verify(database, root.tenant, ())).holds


@pytest.mark.anyio
async def test_a_tile_that_was_changed_is_found(database: Database, writer: Writer, root: Access) -> None:
    await grow(writer, root, 300)
    await tamper(database, "tile_forged", {"tenant": root.tenant, "root": LEAVES[0].hex()})
    problem = (await verify(database, root.tenant, ())).problem
    assert problem is not None and problem.where == "tile 0/0"
