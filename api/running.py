"""Runs a program: graphql-core's executor, which takes a program's steps where it can."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (graphql-core's executor is typed in part only)

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any, cast

from graphql import (
    ExecutionResult,
    GraphQLError,
    GraphQLObjectType,
    Undefined,
    VariableValues,
    default_field_resolver,
    default_type_resolver,
)
from graphql.execution.collect_fields import CollectedFields, FieldDetailsList, GroupedFieldSet
from graphql.execution.executor import Executor
from graphql.pyutils import Path, gather_with_cancel
from strawberry.execution.is_awaitable import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from .programs import Program
from .steps import Inner, Step, plain


async def run(program: Program, context: object, values: VariableValues, hidden: frozenset[str]) -> ExecutionResult:
    """What a program answers, as graphql-core's `execute` would have it. `hidden` names fields, `Type.field`, that are null."""
    running = Running(program, context, values, hidden)
    try:
        data = running.take(program.root, None, None, program.steps_of(program.root, program.grouped))
        if not isinstance(data, dict):
            data = await data
    except GraphQLError as error:
        running.collected_errors.add(error, None)
        data = None
    return ExecutionResult(data, running.collected_errors.errors or None)


class Running(Executor[None]):
    """One execution of a program."""

    build_resolve_info = StrawberryGraphQLCoreExecutionContext.build_resolve_info

    def __init__(self, program: Program, context: object, values: VariableValues, hidden: frozenset[str]) -> None:
        super().__init__(
            program.schema,
            program.definitions,
            program.fragments,
            None,
            context,
            program.operation,
            values,
            default_field_resolver,
            cast("Any", default_type_resolver),
            default_field_resolver,
            is_awaitable=cast("Any", optimized_is_awaitable),
        )
        self.operation_extensions = None
        self._program = program
        self._hidden = hidden

    def collect_subfields(self, return_type: GraphQLObjectType, field_details_list: FieldDetailsList) -> CollectedFields:
        """What is asked of an object, as the program knows it."""
        return self._program.fields_of(return_type, field_details_list)

    def execute_fields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Path | None,
        grouped_field_set: GroupedFieldSet,
        position_context: None,  # noqa: ARG002 -- graphql-core's
    ) -> dict[str, Any] | Awaitable[dict[str, Any]]:
        """The fields of one object, by their steps."""
        return self.take(parent_type, source_value, path, self._program.steps_of(parent_type, grouped_field_set))

    def take(
        self, parent: GraphQLObjectType, source: Any, path: Path | None, steps: Sequence[Step]
    ) -> dict[str, Any] | Awaitable[dict[str, Any]]:
        """Take the steps through one object. Raises what makes the whole object null."""
        results: dict[str, Any] = {}
        waiting: list[str] = []
        hidden = self._hidden
        try:
            for step in steps:
                name, quick, attribute, hideable, exact, convert, nullable, _, _, _ = step
                if quick and not (hidden and hideable in hidden):
                    try:
                        value = getattr(source, cast("str", attribute))
                        kind: type = type(value)
                        if kind in exact if exact is not None else plain(kind):
                            results[name] = value if convert is None else convert(value)
                            continue
                        if value is None and nullable:
                            results[name] = None
                            continue
                    except Exception:  # noqa: BLE001, S110 -- graphql-core looks at it again and says what is wrong
                        pass
                result = self._field(step, parent, source, Path(path, name, parent.name))
                if result is not Undefined:
                    results[name] = result
                    if self.is_awaitable(result):
                        waiting.append(name)
        except Exception:
            if waiting:
                self.settle_in_background([results[name] for name in waiting])
            raise
        return self._gathered(results, waiting) if waiting else results

    async def _gathered(self, results: Any, waiting: Sequence[Any]) -> Any:
        """A dict or list with what is awaited at some of its places put there."""
        if len(waiting) == 1:
            results[waiting[0]] = await results[waiting[0]]
        else:
            found = await gather_with_cancel(*(results[place] for place in waiting))
            for place, value in zip(waiting, found, strict=True):
                results[place] = value
        return results

    def _field(self, step: Step, parent: GraphQLObjectType, source: Any, path: Path) -> Any:
        """The value of a field that is no usual leaf."""
        inner = step.inner
        if step.attribute is not None and inner is not None and step.hideable not in self._hidden:
            try:
                value = getattr(source, step.attribute)
            except Exception:  # noqa: BLE001 -- graphql-core looks at it again and says what is wrong
                value = Undefined
            if value is None and step.nullable:
                return None
            if _usual(value, inner):
                return self._object(step, inner, value, path)
        return self.execute_field(parent, source, step.details, path, None)

    def _object(self, step: Step, inner: Inner, value: Any, path: Path) -> Any:
        """An object, or a list of objects, that stands in a field."""
        try:
            completed = self._list(step, inner, value, path) if inner.many else self.take(inner.parent, value, path, inner.steps)
        except Exception as error:  # noqa: BLE001 -- it is answered
            self.handle_field_error(error, step.return_type, step.details, path)
            return None
        return self._later(completed, step.return_type, step.details, path) if self.is_awaitable(completed) else completed

    def _list(self, step: Step, inner: Inner, items: Sequence[Any], path: Path) -> Any:
        results: list[Any] = []
        waiting: list[int] = []
        try:
            for index, item in enumerate(items):
                if item is None:
                    results.append(None)
                    continue
                place = Path(path, index, None)
                try:
                    completed = self.take(inner.parent, item, place, inner.steps)
                except Exception as error:  # noqa: BLE001 -- it is answered
                    self.handle_field_error(error, inner.item_type, step.details, place)
                    completed = None
                if self.is_awaitable(completed):
                    completed = self._later(completed, inner.item_type, step.details, place)
                    waiting.append(index)
                results.append(completed)
        except Exception:
            if waiting:
                self.settle_in_background([results[index] for index in waiting])
            raise
        return self._gathered(results, waiting) if waiting else results

    async def _later(self, completed: Awaitable[Any], kind: Any, details: FieldDetailsList, path: Path) -> Any:
        try:
            return await completed
        except Exception as error:  # noqa: BLE001 -- it is answered
            self.handle_field_error(error, kind, details, path)
            return None


def _usual(value: Any, inner: Inner) -> bool:
    """Whether an object, or each item of a list of objects, is there to be taken."""
    if not inner.many:
        return plain(type(value))
    return type(value) in (list, tuple) and all(plain(type(item)) or (item is None and inner.nulls) for item in cast("list[object]", value))
