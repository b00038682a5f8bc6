"""Ranking models of a tenant, the feedback they are trained on, and who ranks: every version is kept, one serves.

`names` and `weights` belong together: a model that was trained when there were fewer features goes on serving.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ..errors import NotFound
from . import tags
from .access import Access
from .changes import Change, Entry, Idempotency, Results, Settled, Step, content_hash, idempotency
from .database import Database, Row
from .instants import maybe_utc, now, utc
from .pages import Page, check_first, decode, encode, page
from .statements import load
from .writer import Writer

_CYPHER = load("models")
_LAST = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredModel:
    """A trained model. `figure` is how it did on held-back feedback (mean reciprocal rank, 0 to 1), `champion_figure` how the model
    did that ranked then, on the same `held_back` feedbacks. `examples` are those it was trained on. `promoted`: it took its place.
    """

    version: int
    names: tuple[str, ...]
    weights: tuple[float, ...]
    examples: int
    figure: float
    champion_figure: float
    held_back: int
    at: datetime
    promoted: bool
    serving: bool
    pinned: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """What ranks for a tenant: the model's version (0: the prior), whether an administrator pinned it, since when, and the drift."""

    version: int
    pinned: bool
    since: datetime | None
    feedback: int
    drift: float
    drifted_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A model to keep. `champion` is the version that it was compared with, `promote` whether it is to take its place."""

    names: Sequence[str]
    weights: Sequence[float]
    examples: int
    figure: float
    champion_figure: float
    held_back: int
    champion: int
    promote: bool


@dataclass(frozen=True, slots=True)
class Unmeasured:
    """A feedback whose hits have not been measured."""

    key: str
    hash: str
    principal: str
    agent: str
    recall: str
    query: str
    useful: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoredExample:
    """A measured feedback: who gave it and what was measured, as `learning.training` wrote it."""

    principal: str
    example: str


async def serving(database: Database, tenant: str) -> tuple[int, dict[str, float]] | None:
    """Version and weights, by feature, of the model that ranks; None for the prior."""
    tags.collect(f"{tenant}/ranker", f"{tenant}/feedback")
    rows = await database.read(_CYPHER["models_serving"], {"tenant": tenant})
    return (rows[0]["version"], dict(zip(rows[0]["names"], rows[0]["weights"], strict=True))) if rows else None


async def standing(database: Database, tenant: str) -> Standing:
    """What ranks for a tenant. Raises NotFound for an unknown one."""
    tags.collect(f"{tenant}/ranker", f"{tenant}/feedback")
    rows = await database.read(_CYPHER["models_state"], {"tenant": tenant})
    if not rows:
        raise NotFound(f"there is no tenant {tenant!r}")
    row = rows[0]
    return Standing(row["version"], row["pinned"], maybe_utc(row["since"]), row["feedback"], row["drift"], maybe_utc(row["driftedAt"]))


async def list_models(database: Database, access: Access, first: int, after: str | None = None) -> Page[StoredModel]:
    """A page of a tenant's models, newest first. Raises Forbidden without `read` on `model`."""
    access.require("model", "read")
    check_first(first)
    tags.collect(f"{access.tenant}/ranker")
    position = decode(after, int)
    before = _LAST if position is None else position[0]
    rows = await database.read(_CYPHER["models_list"], {"tenant": access.tenant, "before": before, "limit": first + 1})
    return page([_model(row) for row in rows], first, lambda model: encode(model.version))


async def keep_model(writer: Writer, tenant: str, trained: Trained) -> bool:
    """Keep a trained model; True when it ranks from now on. It does not when another replaced the champion, or one was pinned."""
    weights = [round(weight, 9) for weight in trained.weights]
    properties: Row = {
        "names": list(trained.names),
        "weights": weights,
        "examples": trained.examples,
        "figure": trained.figure,
        "championFigure": trained.champion_figure,
        "heldBack": trained.held_back,
    }
    row: Row = {"tenant": tenant, "at": now(), "champion": trained.champion, "promote": trained.promote, "properties": properties}

    def settle(results: Results) -> Settled:
        if not results[0]:
            return Settled(answer=False, entries=())
        kept = results[0][0]
        digest = content_hash([list(trained.names), [repr(weight) for weight in weights]])
        entries = [Entry("model.train", f"model:{kept['version']}", None, digest)]
        if kept["promoted"]:
            entries.append(Entry("model.promote", "model", _named(kept["before"]), _named(kept["version"])))
        return Settled(answer=kept["promoted"], entries=tuple(entries))

    return await writer.apply(
        Change(
            tenant=tenant,
            actor="cairn",
            steps=(Step(_CYPHER["models_add"], (row,)),),
            settle=settle,
            conflicts=frozenset({"model"}),
            tags=frozenset({f"{tenant}/ranker"}),
        )
    )


async def keep_drift(writer: Writer, tenant: str, drift: float, drifted_at: datetime | None) -> None:
    """Keep how recall fares: worked out from the feedback, so the ledger tells nothing of it."""
    row: Row = {"tenant": tenant, "drift": drift, "driftedAt": drifted_at}
    await writer.apply(
        Change(
            tenant=tenant,
            actor="cairn",
            steps=(Step(_CYPHER["models_drifted"], (row,)),),
            settle=lambda _results: Settled(answer=None, entries=()),
            conflicts=frozenset({"model"}),
            tags=frozenset({f"{tenant}/ranker"}),
        )
    )


async def choose_model(writer: Writer, access: Access, version: int, *, pinned: bool, idempotency_key: str | None = None) -> bool:
    """Let a version rank from now on (0: the prior); while it is `pinned`, none that is trained takes its place.

    Raises Forbidden without `admin` on `model`, NotFound for a version that was never kept.
    """
    once = idempotency(access.tenant, access.principal, "chooseModel", idempotency_key, [version, pinned])
    return await writer.apply(_choice(access, version, once, pinned=pinned))


async def roll_back(writer: Writer, database: Database, access: Access, idempotency_key: str | None = None) -> bool:
    """Let the version rank, pinned, that did before the one that does now. An idempotency key that was used before has no further effect.

    Raises Forbidden without `admin` on `model`.
    """
    access.require("model", "admin")
    version = await _previous_version(database, access.tenant)
    once = idempotency(access.tenant, access.principal, "rollbackModel", idempotency_key, [])
    return await writer.apply(_choice(access, version, once, pinned=True))


def _choice(access: Access, version: int, once: Idempotency | None, *, pinned: bool) -> Change:
    access.require("model", "admin")
    row: Row = {"tenant": access.tenant, "version": version, "pinned": pinned, "at": now()}

    def check(rows: Sequence[Row]) -> None:
        if not rows or not rows[0]["known"]:
            raise NotFound(f"there is no model of version {version}; `models` lists them, and 0 is the prior")

    def settle(results: Results) -> Settled:
        before = results[0][0]["before"]
        operation = "model.pin" if pinned else "model.choose"
        return Settled(answer=True, entries=(Entry(operation, "model", _named(before), _named(version)),))

    return Change(
        tenant=access.tenant,
        actor=access.principal,
        policy_version=access.policy_version,
        steps=(Step(_CYPHER["models_choose"], (row,)),),
        check=check,
        settle=settle,
        conflicts=frozenset({"model"}),
        tags=frozenset({f"{access.tenant}/ranker"}),
        idempotency=once,
    )


async def _previous_version(database: Database, tenant: str) -> int:
    """The version that ranked before the one that does now; 0, the prior, when there is none."""
    rows = await database.read(_CYPHER["models_previous"], {"tenant": tenant})
    return rows[0]["version"] if rows else 0


async def unmeasured(database: Database, tenant: str, limit: int) -> list[Unmeasured]:
    """The oldest feedback of a tenant whose hits have not been measured."""
    rows = await database.read(_CYPHER["feedback_unmeasured"], {"tenant": tenant, "limit": limit})
    return [
        Unmeasured(
            row["key"],
            row["hash"],
            row["principal"],
            row["agent"],
            row["recall"],
            row["query"],
            tuple(row["useful"]),
        )
        for row in rows
    ]


async def keep_examples(writer: Writer, tenant: str, measured: Sequence[tuple[Unmeasured, str]]) -> None:
    """Keep what was measured of feedbacks, each only if it still says the same. Derived from what the ledger has: no entry of its own."""
    rows = tuple({"tenant": tenant, "key": one.key, "hash": one.hash, "example": example} for one, example in measured)
    await writer.apply(
        Change(
            tenant=tenant,
            actor="cairn",
            steps=(Step(_CYPHER["feedback_measured"], rows),),
            settle=lambda _results: Settled(answer=None, entries=()),
            conflicts=frozenset(f"feedback:{one.key}" for one, _ in measured),
        )
    )


async def examples(database: Database, tenant: str, limit: int) -> list[StoredExample]:
    """The latest measured feedback of a tenant, newest first."""
    rows = await database.read(_CYPHER["feedback_examples"], {"tenant": tenant, "limit": limit})
    return [StoredExample(row["principal"], row["example"]) for row in rows]


def _named(version: int) -> str | None:
    return content_hash(["model", version]) if version else None


def _model(row: Row) -> StoredModel:
    model = row["model"]
    return StoredModel(
        version=model["version"],
        names=tuple(model["names"]),
        weights=tuple(model["weights"]),
        examples=model["examples"],
        figure=model["figure"],
        champion_figure=model["championFigure"],
        held_back=model["heldBack"],
        at=utc(model["at"]),
        promoted=model["promoted"],
        serving=row["serving"],
        pinned=row["serving"] and row["pinned"],
    )
