"""Runs GraphQL operations: checked, within the limits and the time, with errors that callers may see. Knows nothing of HTTP."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, cast

import strawberry
from graphql import GraphQLError, OperationType
from strawberry.extensions import SchemaExtension
from strawberry.types.execution import ExecutionContext, ExecutionResult, PreExecutionError

from ..errors import TooCostly, Unavailable
from ..graph.access import Access
from .encoding import encode
from .errors import Refused, present_all, unexpected, wrap
from .graphql_documents import Document, Documents, Operation
from .limits import Limits
from .parameters import Parameters

MakeContext = Callable[[Access, str], object]
"""Makes what resolvers get as `info.context`, from the caller's permissions and the request's id."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A request whose document parses and keeps to the limits of shape, and the operation it means."""

    parameters: Parameters
    document: Document
    operation: Operation


@dataclass(frozen=True, slots=True)
class Answer:
    """A response. `body` is its JSON, `code` why it was not executed (None: it was), `clean` whether it has no errors."""

    body: bytes
    code: str | None = None
    clean: bool = False


class Executor:
    """Runs operations of one schema. `timeout` is in seconds and holds for queries and mutations.

    `silent` tells whether the graph database has not answered anything for so many seconds: then it is not the query that was slow.
    """

    def __init__(
        self,
        schema: strawberry.Schema,
        limits: Limits,
        make_context: MakeContext,
        timeout: float,
        silent: Callable[[float], bool] | None = None,
    ) -> None:
        core = schema._schema  # pyright: ignore[reportPrivateUsage]
        self._documents = Documents(core, limits)
        self._schema = copy.copy(schema)
        self._schema.extensions = (*schema.extensions, lambda: _Prepared(self._documents))
        self._schema.process_errors = _leave_errors
        self._make_context = make_context
        self._timeout = timeout
        self._silent = silent

    def plan(self, parameters: Parameters) -> Plan:
        """What `parameters` mean. Raises Refused for a malformed or oversized document and for an unclear operation."""
        document = self._documents.read(parameters.query)
        return Plan(parameters, document, document.operation(parameters.operation))

    async def execute(self, plan: Plan, access: Access, request: str) -> Answer:
        """Run a query or mutation. Never raises: whatever goes wrong is in the answer."""
        return answer(await self._result(plan, access, request))

    async def stream(self, plan: Plan, access: Access, request: str) -> AsyncGenerator[ExecutionResult]:
        """The results of any operation as they come: one of a query or mutation, one an event of a subscription."""
        if plan.operation.kind is not OperationType.SUBSCRIPTION:
            yield await self._result(plan, access, request)
            return
        try:
            cost = self._check(plan)
        except Refused as refused:
            yield refusal(refused.errors, request)
            return
        source = await self._schema.stream(**self._arguments(plan, access, request))
        async with aclosing(cast("AsyncGenerator[ExecutionResult]", source)) as results:
            async for result in cast("AsyncIterator[ExecutionResult]", results):
                yield _presented(result, request, cost)

    async def _result(self, plan: Plan, access: Access, request: str) -> ExecutionResult:
        deadline = asyncio.timeout(self._timeout)
        try:
            cost = self._check(plan)
            async with deadline:
                result = await self._schema.execute(**self._arguments(plan, access, request))
            return _presented(result, request, cost)
        except Refused as refused:
            return refusal(refused.errors, request)
        except TimeoutError as error:
            return refusal([self._late(plan) if deadline.expired() else unexpected(error)], request)
        except Exception as error:  # noqa: BLE001 -- it is logged, with the request's id
            return refusal([unexpected(error)], request)

    def _check(self, plan: Plan) -> int:
        errors = self._documents.errors(plan.document)
        if errors:
            raise Refused(*errors)
        return self._documents.cost(plan.document, plan.operation, plan.parameters.variables)

    def _arguments(self, plan: Plan, access: Access, request: str) -> dict[str, Any]:
        return {
            "query": plan.document.text,
            "variable_values": dict(plan.parameters.variables),
            "context_value": self._make_context(access, request),
            "operation_name": plan.operation.name,
        }

    def _late(self, plan: Plan) -> GraphQLError:
        limit = f"{self._timeout:g} seconds"
        if plan.operation.kind is OperationType.MUTATION:
            again = "its outcome is unknown: repeat it with the same idempotencyKey"
            return wrap(Unavailable(f"the change took longer than {limit}; {again}"))
        if self._silent is not None and self._silent(self._timeout):
            return wrap(Unavailable(f"the graph database has not answered for {limit}; try again in a moment"))
        return wrap(TooCostly(f"the query took longer than {limit} and was stopped; ask for less at a time"))


class _Prepared(SchemaExtension):
    """Gives strawberry the document that was read and validated before, so that this happens once for each text."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    def on_parse(self) -> Generator[None]:
        self.execution_context.graphql_document = self._documents.read(self.execution_context.query or "").node
        yield

    def on_validate(self) -> Generator[None]:
        document = self._documents.read(self.execution_context.query or "")
        self.execution_context.pre_execution_errors = list(self._documents.errors(document))
        yield


def _leave_errors(errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
    """Instead of strawberry's logging of every error: `present` logs those that are defects."""


def refusal(errors: Sequence[GraphQLError], request: str) -> PreExecutionError:
    """The result of a request that was not executed."""
    return PreExecutionError(data=None, errors=present_all(errors, request))


def answer(result: ExecutionResult) -> Answer:
    """`result` as JSON. One that was not executed has no `data`, as the specification has it."""
    content: dict[str, Any] = {}
    code: str | None = None
    if isinstance(result, PreExecutionError) and result.errors:
        code = (result.errors[0].extensions or {}).get("code")
    else:
        content["data"] = result.data
    if result.errors:
        content["errors"] = [error.formatted for error in result.errors]
    if result.extensions:
        content["extensions"] = result.extensions
    return Answer(encode(content), code, not result.errors)


def _presented(result: ExecutionResult, request: str, cost: int) -> ExecutionResult:
    errors = present_all(result.errors, request) if result.errors else None
    kind = PreExecutionError if isinstance(result, PreExecutionError) else ExecutionResult
    return kind(data=result.data, errors=errors, extensions={**(result.extensions or {}), "cost": cost})
