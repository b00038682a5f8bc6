"""Stored operations: each file is one valid operation, laid out so that the transcript can fold it."""

from __future__ import annotations

from pathlib import Path

import pytest
from graphql import GraphQLSchema, OperationDefinitionNode, build_ast_schema, parse, print_ast, validate

from cairn.api.operations import operation
from cairn.schema import sdl

NAMES = sorted(path.stem for path in (Path(__file__).resolve().parents[2] / "api" / "operations").glob("*.graphql"))


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_ast_schema(parse(sdl()))


@pytest.mark.parametrize("name", NAMES)
def test_valid(name: str, schema: GraphQLSchema) -> None:
    assert [error.message for error in validate(schema, parse(operation(name)))] == []


@pytest.mark.parametrize("name", NAMES)
def test_one_named_operation(name: str) -> None:
    (definition,) = parse(operation(name)).definitions
    assert isinstance(definition, OperationDefinitionNode)
    assert definition.name is not None


@pytest.mark.parametrize("name", NAMES)
def test_laid_out_as_graphql_prints_it(name: str) -> None:
    assert operation(name) == print_ast(parse(operation(name))) + "\n"


def test_an_unknown_name() -> None:
    with pytest.raises(FileNotFoundError):
        operation("no_such_operation")
