"""Feedback: which hits of a recall were of use. The ranker learns from it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from ..errors import BadInput, NotFound
from .access import Access
from .changes import Change, Entry, Event, Results, Settled, Step, content_hash, idempotency
from .database import Row
from .instants import now
from .keyring import agent_subject, held_by, sealer_for
from .memories import readable_step
from .names import agent_scope, key, new_id
from .sealing import Stored, as_stored
from .statements import load
from .writer import Writer

_CYPHER = load("feedback")


def feedback_hash(recall: Stored, agent: str, query: Stored, useful: Iterable[str], useless: Iterable[str]) -> str:
    """The hash of a feedback as the ledger holds it, by what is stored."""
    return content_hash(["feedback", as_stored(recall), agent, as_stored(query), sorted(useful), sorted(useless)])


async def give_feedback(
    writer: Writer,
    access: Access,
    recall: str,
    agent: str,
    query: str,
    hits: Collection[str],
    useful: Sequence[str],
    useless: Sequence[str] = (),
    idempotency_key: str | None = None,
) -> bool:
    """Say of a recall, by its id, its agent and its query, which of its `hits` were useful and which useless. Answers True.

    The same principal's feedback on the same recall takes the place of what it said before. Raises BadInput unless each id is a
    hit and named once, NotFound for a hit that the caller can no longer read, Forbidden without `write` on the agent's own scope.
    """
    access.require(f"memory:{agent_scope(agent)}", "write")
    named = [*useful, *useless]
    if not named:
        raise BadInput("feedback must name at least one hit, useful or useless")
    if len(set(named)) != len(named):
        raise BadInput("feedback may name each hit once, as useful or as useless")
    if not set(named) <= set(hits):
        raise BadInput("feedback may name hits of that recall only")
    sealer = await sealer_for(writer, access.tenant, agent_subject(agent))
    place = key(access.tenant, access.principal, content_hash(recall))
    sealed = {name: sealer.seal(text, "Feedback", place, name) for name, text in (("recall", recall), ("query", query))}
    digest = feedback_hash(sealed["recall"], agent, sealed["query"], useful, useless)
    row: Row = {
        "key": place,
        "id": new_id(),
        "tenant": access.tenant,
        "at": now(),
        "useful": list(useful),
        "useless": list(useless),
        "properties": {"principal": access.principal, "agent": agent, **sealed, "hash": digest, "example": None},
    }

    def check(rows: Sequence[Row]) -> None:
        if rows[0]["readable"] != len(named):
            raise NotFound("feedback names a memory that was forgotten or that you may not read")

    def settle(results: Results) -> Settled:
        given = results[1][0]
        entry = Entry("feedback.give", f"feedback:{given['id']}", given["before"], digest)
        return Settled(answer=True, entries=(entry,), events=(Event("feedback", access.tenant, given["id"], agent=agent),))

    return await writer.apply(
        Change(
            tenant=access.tenant,
            actor=access.principal,
            policy_version=access.policy_version,
            steps=(readable_step(access, named), Step(_CYPHER["feedback_give"], (row,))),
            check=check,
            settle=settle,
            conflicts=frozenset({f"feedback:{row['key']}"}),
            tags=frozenset({f"{access.tenant}/feedback"}),
            held=held_by([sealer]),
            idempotency=idempotency(access.tenant, access.principal, "feedback", idempotency_key, [recall, list(useful), list(useless)]),
        )
    )
