"""Writing facts: assert one, with what it puts an end to, and retract one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ..errors import BadInput, NotFound
from .access import Access
from .agents import catalog_events, scope_step
from .changes import Change, Entry, Results, Settled, Step, content_hash, idempotency
from .database import Database, Row
from .facts import Fact, fact_hash, facts_by_id, object_key, unopened
from .instants import check_instant, from_stamp, maybe_utc, now, stamp, utc
from .iris import check_iri
from .keyring import SHARED, agent_subject, held_by, index_for, sealer_for
from .memories import readable_step
from .names import agent_scope, check_scope, new_id
from .rdf import resource_key
from .sealing import Stored
from .statements import load
from .writer import Writer

_CYPHER = load("facts")
MAX_OBJECT = 10_000
MAX_EVIDENCE = 100
_FUNCTIONAL = "http://www.w3.org/2002/07/owl#FunctionalProperty"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFact:
    """A fact to record. `scope` defaults to the principal's own; `evidence` holds ids of memories; `confidence` is 0 to 1.

    `functional`: the subject has one such value at a time, so that another value ends where this one begins. None: it is so when a
    graph that the principal may read says that the predicate is an owl:FunctionalProperty.
    """

    subject: str
    predicate: str
    object: str
    scope: str | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    confidence: float = 1.0
    evidence: tuple[str, ...] = ()
    functional: bool | None = None


def _check(access: Access, new: NewFact, at: datetime) -> Fact:
    """The fact that `new` asks for. Raises BadInput for a bad value, Forbidden without `write` on `memory:<scope>`."""
    scope = check_scope(agent_scope(access.principal) if new.scope is None else new.scope)
    access.require(f"memory:{scope}", "write")
    if not 1 <= len(new.object) <= MAX_OBJECT:
        raise BadInput(f"the fact's object must have 1 to {MAX_OBJECT} characters, not {len(new.object)}")
    if not 0 <= new.confidence <= 1:
        raise BadInput(f"confidence must be 0 to 1, not {new.confidence}")
    if len(new.evidence) > MAX_EVIDENCE or len(set(new.evidence)) != len(new.evidence):
        raise BadInput(f"evidence may name at most {MAX_EVIDENCE} memories, each once")
    begin = None if new.valid_from is None else check_instant("validFrom", new.valid_from)
    end = None if new.valid_to is None else check_instant("validTo", new.valid_to)
    if new.functional and begin is None:
        begin = at
    if begin is not None and end is not None and end <= begin:
        raise BadInput("validTo must lie after validFrom; validity runs up to validTo without it")
    subject, predicate = check_iri("the fact's subject", new.subject), check_iri("the fact's predicate", new.predicate)
    return Fact(new_id(), scope, subject, predicate, new.object, begin, end, at, None, float(new.confidence))


def subject_of(scope: str) -> str:
    """Whose data the facts of a scope are: the agent's whose own it is, else what all share."""
    kind, _, rest = scope.partition("/")
    return agent_subject(rest.partition("/")[0]) if kind == "agent" and rest else SHARED


def _assert_row(access: Access, fact: Fact, new: NewFact, object: Stored, object_key: str) -> Row:
    properties: Row = {
        "id": fact.id,
        "tenant": access.tenant,
        "scope": fact.scope,
        "subject": fact.subject,
        "predicate": fact.predicate,
        "object": object,
        "objectKey": object_key,
        "validFrom": fact.valid_from,
        "confidence": fact.confidence,
    }
    return {
        **{name: properties[name] for name in ("tenant", "scope", "subject", "predicate", "objectKey", "validFrom")},
        "validTo": fact.valid_to,
        "at": fact.recorded_at,
        "functional": bool(new.functional),
        "evidence": list(new.evidence),
        "properties": properties,
    }


def _ended(row: Row, at: datetime, valid_from: datetime | None) -> list[Entry]:
    """Ledger lines for the facts that a functional one brought to an end."""
    lines: list[Entry] = []
    for before in row["closedBefore"]:
        old = unopened(before)
        lines.append(_moved("fact.close", before, replace(old, valid_to=valid_from, recorded_at=at)))
    for before in row["correctedBefore"]:
        lines.append(_moved("fact.retract", before, replace(unopened(before), retracted_at=at)))
    return lines


def _moved(operation: str, before: Row, after: Fact) -> Entry:
    """The ledger's line for a fact whose times changed from what a map of its properties says."""
    hashes = [fact_hash(fact, before["evidence"], before["object"]) for fact in (unopened(before), after)]
    return Entry(operation, f"fact:{after.id}", *hashes)


async def assert_fact(writer: Writer, access: Access, new: NewFact, idempotency_key: str | None = None) -> Fact:
    """Record the fact and return it.

    A functional fact without `valid_from` begins now. Values of the same subject and predicate in its scope that contradict it are
    settled so that at no instant two hold: one that began earlier ends where this begins, one that began at the same instant is
    retracted (it is being corrected), and where one begins later this one ends. Raises BadInput for a bad value, NotFound for
    evidence that the caller can't read, Forbidden without `write` on `memory:<scope>`.
    """
    asked = new.functional
    if asked is None:
        new = replace(new, functional=await _is_functional(writer.database, access, new.predicate))
    fact = _check(access, new, now())
    sealer = await sealer_for(writer, access.tenant, subject_of(fact.scope))
    object = sealer.seal(fact.object, "Fact", fact.id, "object")
    found_by = object_key(fact.object, await index_for(writer, access.tenant))

    def check(rows: Sequence[Row]) -> None:
        if rows[0]["readable"] != len(new.evidence):
            raise NotFound("the evidence names a memory that does not exist or that you may not read")

    def settle(results: Results) -> Settled:
        row = results[2][0]
        at = utc(row["at"])
        settled = replace(fact, recorded_at=at, valid_to=maybe_utc(row["validTo"]))
        entry = Entry("fact.assert", f"fact:{fact.id}", None, fact_hash(settled, new.evidence, object))
        answer = {
            "id": fact.id,
            "validFrom": stamp(settled.valid_from),
            "validTo": stamp(settled.valid_to),
            "recordedAt": stamp(at),
        }
        return Settled(answer, (*_ended(row, at, fact.valid_from), entry), catalog_events(access.tenant, results[1]))

    arguments = [
        fact.scope, fact.subject, fact.predicate, fact.object, stamp(new.valid_from), stamp(new.valid_to), fact.confidence,
        list(new.evidence), asked,
    ]  # fmt: skip
    answer = await writer.apply(
        Change(
            tenant=access.tenant,
            actor=access.principal,
            policy_version=access.policy_version,
            steps=(
                readable_step(access, new.evidence),
                scope_step(access.tenant, fact.scope),
                Step(_CYPHER["facts_assert"], (_assert_row(access, fact, new, object, found_by),)),
            ),
            check=check,
            settle=settle,
            conflicts=_conflicts(fact),
            tags=frozenset({f"{access.tenant}/facts"}),
            held=held_by([sealer]),
            idempotency=idempotency(access.tenant, access.principal, "assertFact", idempotency_key, arguments),
        )
    )
    recorded = datetime.fromisoformat(answer["recordedAt"])
    begin, end = from_stamp(answer["validFrom"]), from_stamp(answer["validTo"])
    return replace(fact, id=answer["id"], valid_from=begin, valid_to=end, recorded_at=recorded)


async def _is_functional(database: Database, access: Access, predicate: str) -> bool:
    """Whether a readable graph says that the predicate is functional (OWL 2, 9.2.7)."""
    named = {"predicate": check_iri("the fact's predicate", predicate), "functional": _FUNCTIONAL}
    keys = {name: resource_key(access.tenant, iri) for name, iri in named.items()}
    return bool(await database.read(_CYPHER["facts_functional"], {**keys, "graphs": list(access.graphs)}))


def _conflicts(fact: Fact) -> frozenset[str]:
    return frozenset({f"facts:{content_hash([fact.scope, fact.subject, fact.predicate])}"})


async def retract_fact(
    writer: Writer, database: Database, access: Access, id: str, at: datetime | None = None, idempotency_key: str | None = None
) -> Fact:
    """End the fact's record: from `at` on (None: now) it is no longer held. A fact that was retracted before stays as it is.

    `at` is system time: not before the fact was recorded and not in the future. Raises BadInput for another, NotFound for a fact
    that the caller can't read, Forbidden without `write` on `memory:<scope>`.
    """
    present = now()
    if at is not None and (at := check_instant("at", at)) > present:
        raise BadInput("at lies in the future; a fact can be retracted now, or as of an earlier instant")
    fact = (await facts_by_id(database, access, [id])).get(id)
    if fact is None:
        raise NotFound(f"there is no fact {id!r} that you may read")
    access.require(f"memory:{fact.scope}", "write")
    row: Row = {"tenant": access.tenant, "id": id, "scope": fact.scope, "asked": at, "now": present}

    def check(rows: Sequence[Row]) -> None:
        if not rows[0]["ok"]:
            raise BadInput("at lies before the fact was recorded; to say until when it was true in the world, use validTo")

    def settle(results: Results) -> Settled:
        before = unopened(results[0][0]["before"])
        if before.retracted_at is not None:
            return Settled({"retractedAt": stamp(before.retracted_at)}, ())
        retracted = utc(results[0][0]["at"])
        entry = _moved("fact.retract", results[0][0]["before"], replace(before, retracted_at=retracted))
        return Settled({"retractedAt": stamp(retracted)}, (entry,))

    answer = await writer.apply(
        Change(
            tenant=access.tenant,
            actor=access.principal,
            policy_version=access.policy_version,
            steps=(Step(_CYPHER["facts_retract"], (row,)),),
            check=check,
            settle=settle,
            conflicts=_conflicts(fact),
            tags=frozenset({f"{access.tenant}/facts"}),
            idempotency=idempotency(access.tenant, access.principal, "retractFact", idempotency_key, [id, stamp(at)]),
        )
    )
    return replace(fact, retracted_at=datetime.fromisoformat(answer["retractedAt"]))
