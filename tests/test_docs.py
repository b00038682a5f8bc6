"""The guides stay true: their GraphQL is valid, their commands and settings exist, their links lead somewhere."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from xml.etree import ElementTree

import click
import pytest
from graphql import GraphQLSchema, build_ast_schema, parse, validate

from cairn.api.commands import main
from cairn.schema import sdl
from cairn.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")


def blocks(*languages: str) -> list[object]:
    """Every code block in one of these languages, as test parameters."""
    found: list[object] = []
    for page in PAGES:
        text = page.read_text("utf-8")
        for match in _BLOCK.finditer(text):
            if match["language"] in languages:
                line = text.count("\n", 0, match.start()) + 1
                found.append(pytest.param(match["text"], id=f"{page.relative_to(ROOT)}:{line}"))
    return found


def shell_lines() -> list[object]:
    """Every line of a shell block that runs cairn or make, as test parameters."""
    found: list[object] = []
    for page in PAGES:
        for match in _BLOCK.finditer(page.read_text("utf-8")):
            if match["language"] in ("sh", "console", "bash"):
                lines = match["text"].replace("\\\n", " ").splitlines()
                commands = [line.strip().removeprefix("$ ").removeprefix(".venv/bin/") for line in lines]
                found += [pytest.param(line, id=f"{page.name}: {line}") for line in commands if line.startswith(("cairn ", "make "))]
    return found


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_ast_schema(parse(sdl()))


@pytest.mark.parametrize("text", blocks("graphql"))
def test_graphql_is_valid(text: str, schema: GraphQLSchema) -> None:
    assert [error.message for error in validate(schema, parse(text))] == []


@pytest.mark.parametrize("text", blocks("json"))
def test_json_is_json(text: str) -> None:
    json.loads(text)


@pytest.mark.parametrize("line", shell_lines())
def test_commands_exist(line: str) -> None:
    program, *arguments = shlex.split(line, comments=True)
    if program == "make":
        targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
        assert set(arguments) <= set(targets)
        return
    command: click.Command = main
    while isinstance(command, click.Group):
        name = arguments.pop(0)
        if name in ("-h", "--help", "--version"):
            return
        assert name in command.commands, f"cairn has no command {name}"
        command = command.commands[name]
    command.make_context(program, arguments)  # raises for an option or argument it does not know


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_settings_exist(page: Path) -> None:
    known = {f"CAIRN_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"\bCAIRN_[A-Z0-9_]*[A-Z0-9]", page.read_text("utf-8"))) <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for match in _LINK.finditer(page.read_text("utf-8")):
        target, _, anchor = match["target"].partition("#")
        if "://" in target:
            continue
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), f"{page.name} links to {match['target']}"
        if anchor:
            assert anchor in anchors(file), f"{page.name} links to {match['target']}"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as they are made on the usual sites."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def test_the_guide_shows_every_operation(schema: GraphQLSchema) -> None:
    text = (ROOT / "docs" / "graphql.md").read_text("utf-8")
    shown = "\n".join(match["text"] for match in _BLOCK.finditer(text) if match["language"] == "graphql")
    for root in (schema.query_type, schema.mutation_type, schema.subscription_type):
        assert root is not None
        assert [name for name in root.fields if not re.search(rf"\b{name}\b", shown)] == []


def test_every_guide_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    guides = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert {name for name in guides if f"({name})" not in index} == set()


def test_the_picture_is_xml_and_names_what_the_graph_has() -> None:
    text = "".join(ElementTree.parse(ROOT / "docs" / "model.svg").getroot().itertext())  # our own file
    cypher = "\n".join(path.read_text("utf-8") for path in sorted((ROOT / "graph").rglob("*.cypher")))
    for name in re.findall(r"\b[A-Z]+_[A-Z_]+\b", text):
        assert re.search(rf":{name}\b", cypher), f"no statement knows a relationship {name}"
    for label in ("Agent", "State", "StateVersion", "Session", "Memory", "Resource", "Graph", "Fact", "Tenant", "Scope", "Rule", "ApiKey"):
        assert label in text
        assert re.search(rf":{label}\b", cypher), f"no statement knows a node {label}"
