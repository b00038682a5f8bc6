"""The published schema is the schema, and it keeps the contract's names."""

from __future__ import annotations

from pathlib import Path

from cairn.schema import sdl

ROOT = Path(__file__).resolve().parents[2]


def test_the_published_schema_is_the_schema() -> None:
    published = (ROOT / "schema" / "schema.graphql").read_text(encoding="utf-8")
    assert published == sdl(), "the schema changed: run `make schema`"
