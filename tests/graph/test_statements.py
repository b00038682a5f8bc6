"""Statements: named, without a statement in Python, and every file of them well formed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cairn.graph
from cairn.graph.statements import load, parse, quote

FOLDER = Path(cairn.graph.__file__).parent
FILES = sorted(FOLDER.rglob("*.cypher"))


def test_a_file_is_read_as_named_statements() -> None:
    found = parse("// one: the first\nRETURN 1;\n\n// two: the second: with a colon\nRETURN 2 // a remark\n;\n")
    assert [(s.name, s.purpose, s.text) for s in found.values()] == [
        ("one", "the first", "CYPHER 25 RETURN 1"),
        ("two", "the second: with a colon", "CYPHER 25 RETURN 2 // a remark\n"),
    ]


def test_two_statements_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="named one"):
        parse("// one: a\nRETURN 1;\n// one: b\nRETURN 2;\n")


def test_an_identifier_is_replaced_whole_and_quoted() -> None:
    (one,) = parse("// one: a\nMATCH (n) SEARCH n IN (VECTOR INDEX seen FOR $seen_by) RETURN n.unseen\n;").values()
    assert one.naming(seen="b`d").text == "CYPHER 25 MATCH (n) SEARCH n IN (VECTOR INDEX `b``d` FOR $seen_by) RETURN n.unseen\n"
    assert one.naming().text == one.text


def test_a_file_that_is_not_there_is_missed() -> None:
    with pytest.raises(FileNotFoundError):
        load("nothing_of_the_kind")


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(FOLDER)))
def test_every_file_is_well_formed(file: Path) -> None:
    text = file.read_text("utf-8")
    statements = parse(text)
    assert statements
    assert text.startswith("// ")
    for statement in statements.values():
        assert statement.text.count(";") == 0, f"{statement.name} has a semicolon within; is a header missing?"
        assert text.count(f"// {statement.name}: ") == 1
    assert text.rstrip().endswith(";")
    assert text.count(";\n") + text.endswith(";") == len(statements)


def test_no_two_files_use_one_name() -> None:
    names = [name for file in FILES for name in parse(file.read_text("utf-8"))]
    assert len(names) == len(set(names)), sorted(name for name in names if names.count(name) > 1)


@given(st.text(st.characters(exclude_characters="\0"), min_size=1))
def test_a_quoted_name_is_one_identifier(name: str) -> None:
    quoted = quote(name)
    assert quoted[0] == quoted[-1] == "`"
    assert "`" not in quoted[1:-1].replace("``", "")


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_what_can_be_no_identifier_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="identifier"):
        quote(name)
