"""Runs GraphQL operations: checked, within the limits and the time, with errors that callers may see. Knows nothing of HTTP."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any, cast

import strawberry
from graphql import GraphQLError, OperationType, VariableValues
from strawberry.extensions import SchemaExtension
from strawberry.types.execution import ExecutionContext, ExecutionResult, PreExecutionError

from ..errors import CairnError, RateLimited, TooCostly, Unavailable
from ..graph.access import Access
from ..graph.deadlines import deadline
from .encoding import encode
from .errors import Refused, present_all, unexpected, wrap
from .graphql_documents import Document, Documents, Operation
from .limits import Limits
from .parameters import Parameters
from .persisted import PersistedQueries
from .programs import Programs
from .rates import Rate, Rates
from .refusals import Refusals, principal_name
from .running import run
from .trusted import TrustedDocuments

MakeContext = Callable[[Access, str], object]
"""Makes what resolvers get as `info.context`, from the caller's permissions and the request's id."""

Spend = Callable[[float], Awaitable[float | None]]
"""Pays a cost, and tells how much is left (None: no limit). Raises RateLimited."""

WRITING = 10
"""What a mutation costs times as much as a query that returns as many objects, for the rate."""
READING = 3
"""What each character of a document costs that has to be read first, for the rate."""
_RECALLING = frozenset({"recall", "context"})


@dataclass(frozen=True, slots=True)
class Plan:
    """A request whose document parses and keeps to the limits of shape, and the operation it means.

    `reading`: what it cost to read the document; 0 when it was known.
    """

    parameters: Parameters
    document: Document
    operation: Operation
    reading: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """A response. `body` is its JSON, `code` why it was not executed (None: it was), `clean` whether it has no errors.

    `retry_after`: seconds to wait, when it was refused for coming too early.
    """

    body: bytes
    code: str | None = None
    clean: bool = False
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class _Charge:
    """What an operation costs, how much its caller may still spend (None: no limit), and its variables, checked."""

    cost: int
    left: float | None
    values: VariableValues


class Executor:
    """Runs operations of one schema. `timeout` is in seconds and holds for queries and mutations.

    `rates` limits what principals spend, `refusals` how often they are refused; with `trusted` only registered documents run.
    `measure` is told of each query and mutation that ran: its class (read, write or recall) and the seconds it took.
    `silent` tells whether the graph database has not answered anything for so many seconds: then it is not the query that was slow.
    """

    def __init__(
        self,
        schema: strawberry.Schema,
        limits: Limits,
        make_context: MakeContext,
        timeout: float,
        rates: Rates | None = None,
        refusals: Refusals | None = None,
        trusted: TrustedDocuments | None = None,
        silent: Callable[[float], bool] | None = None,
        measure: Callable[[str, float], None] | None = None,
    ) -> None:
        core = schema._schema  # pyright: ignore[reportPrivateUsage]
        self._documents = Documents(core, limits)
        self._schema = copy.copy(schema)
        self._schema.extensions = (*schema.extensions, lambda: _Prepared(self._documents))
        self._schema.process_errors = _leave_errors
        self._programs = Programs(schema)
        self._make_context = make_context
        self._timeout = timeout
        self.rates = rates or Rates(None, "", Rate(0, 1), Rate(0, 1))
        self._refusals = refusals or Refusals(Rate(0, 1))
        self._trusted = trusted
        self._persisted = PersistedQueries()
        self._silent = silent
        self._measure = measure

    def plan(self, parameters: Parameters, access: Access | None = None) -> Plan:
        """What `parameters` mean. Raises Refused for a malformed, oversized or unknown document and for an unclear operation.

        A refusal counts for the principal of `access`.
        """
        began = perf_counter()
        try:
            text = self._text(parameters)
            reading = 0 if self._documents.knows(text) else READING * len(text)
            document = self._documents.read(text)
            if parameters.hash is not None and parameters.query and self._trusted is None:
                self._persisted.keep(text)
            return Plan(parameters, document, document.operation(parameters.operation), reading)
        except CairnError as error:
            self._note(access, began)
            raise Refused(error) from error
        except Refused:
            self._note(access, began)
            raise

    def _text(self, parameters: Parameters) -> str:
        query, hash = parameters.query, parameters.hash
        if parameters.id is not None:
            return (self._trusted or TrustedDocuments({})).find(parameters.id)
        if hash is not None and not query:
            return self._trusted.find(hash) if self._trusted is not None else self._persisted.find(hash)
        if hash is not None:
            self._persisted.check(hash, query)
        return self._trusted.check(query) if self._trusted is not None else query

    def _note(self, access: Access | None, began: float) -> None:
        if access is not None:
            self._refusals.note(principal_name(access.tenant, access.principal), perf_counter() - began)

    async def execute(self, plan: Plan, access: Access, request: str, spend: Spend | None = None) -> Answer:
        """Run a query or mutation. Never raises: whatever goes wrong is in the answer. `spend` pays for it instead of the caller."""
        return answer(await self._result(plan, access, request, spend))

    async def stream(self, plan: Plan, access: Access, request: str) -> AsyncGenerator[ExecutionResult]:
        """The results of any operation as they come: one of a query or mutation, one an event of a subscription."""
        if plan.operation.kind is not OperationType.SUBSCRIPTION:
            yield await self._result(plan, access, request)
            return
        try:
            charge = await self._charge(plan, access)
        except Refused as refused:
            yield refusal(refused.errors, request)
            return
        source = await self._schema.stream(**self._arguments(plan, access, request))
        async with aclosing(cast("AsyncGenerator[ExecutionResult]", source)) as results:
            async for result in cast("AsyncIterator[ExecutionResult]", results):
                yield _presented(result, request, plan, charge)

    async def _result(self, plan: Plan, access: Access, request: str, spend: Spend | None = None) -> ExecutionResult:
        limit = asyncio.timeout(self._timeout)
        try:
            charge = await self._charge(plan, access, spend)
            with deadline(self._timeout), self._measured(plan.operation, ahead=spend is not None):
                async with limit:
                    result = await self._run(plan, charge.values, access, request)
            return _presented(result, request, plan, charge)
        except Refused as refused:
            return refusal(refused.errors, request)
        except TimeoutError as error:
            return refusal([self._late(plan) if limit.expired() else unexpected(error)], request)
        except Exception as error:  # noqa: BLE001 -- it is logged, with the request's id
            return refusal([unexpected(error)], request)

    async def _run(self, plan: Plan, values: VariableValues, access: Access, request: str) -> ExecutionResult:
        program = self._programs.of(plan.document, plan.operation, values)
        if program is None:
            return await self._schema.execute(**self._arguments(plan, access, request))
        found = await run(program, self._make_context(access, request), values, access.hidden_fields)
        return ExecutionResult(found.data, found.errors)

    @contextmanager
    def _measured(self, operation: Operation, *, ahead: bool = False) -> Generator[None]:
        began = perf_counter()
        try:
            yield
        finally:
            if self._measure is not None and not ahead:
                self._measure(_class_of(operation), perf_counter() - began)

    async def _charge(self, plan: Plan, access: Access, spend: Spend | None = None) -> _Charge:
        """Make the caller pay for what it asks. Raises Refused for an invalid operation, and when the caller must wait."""
        began = perf_counter()
        try:
            values, cost = self._check(plan)
        except Refused:
            self._note(access, began)
            raise
        weight = WRITING if plan.operation.kind is OperationType.MUTATION else 1
        if spend is not None:
            return _Charge(cost, await spend(cost * weight + plan.reading), values)
        try:
            left = await self.rates.spend(access.tenant, access.principal, cost * weight + plan.reading)
        except RateLimited as error:
            raise Refused(error) from error
        return _Charge(cost, left, values)

    def _check(self, plan: Plan) -> tuple[VariableValues, int]:
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


def _class_of(operation: Operation) -> str:
    """What an operation's latency is measured as."""
    if operation.kind is OperationType.MUTATION:
        return "write"
    return "read" if _RECALLING.isdisjoint(operation.roots) else "recall"


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
    wait: float | None = None
    if isinstance(result, PreExecutionError) and result.errors:
        extensions = result.errors[0].extensions or {}
        code, wait = extensions.get("code"), extensions.get("retryAfter")
    else:
        content["data"] = result.data
    if result.errors:
        content["errors"] = [error.formatted for error in result.errors]
    if result.extensions:
        content["extensions"] = result.extensions
    return Answer(encode(content), code, not result.errors, wait)


def _presented(result: ExecutionResult, request: str, plan: Plan, charge: _Charge) -> ExecutionResult:
    errors = present_all(result.errors, request) if result.errors else None
    kind = PreExecutionError if isinstance(result, PreExecutionError) else ExecutionResult
    rate = {"rate": {"left": charge.left}} if plan.parameters.rate else {}
    return kind(data=result.data, errors=errors, extensions={**(result.extensions or {}), "cost": charge.cost, **rate})
