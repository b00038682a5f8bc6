"""Predicts an agent's next operation from those before, and learns from each one that comes.

Two sequences are learned: of shapes (what is asked) and of whole operations; a third part, `relations`, tells where variables come from,
so that operations which never were before can be predicted too. One `Predictor` serves one tenant: what its agents have in common and
what is particular to one agent or kind of agent are contexts of their own.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

import orjson

from ..errors import BadInput
from .looks import Look
from .operations import Found, Operation, Session, symbol
from .relations import Relations
from .sequences import Guess, Hints, Sequences

_SHAPES = 4
"""How many of the likeliest shapes are filled with variables."""
_OPERATIONS = 20_000
_VERSION = 1
_LARGEST = 64_000_000
_SLIGHTEST = 1e-6
_UNLIKELY = math.log(_SLIGHTEST)


@dataclass(frozen=True, slots=True)
class Prediction:
    """An operation that may come next, and how likely."""

    operation: Operation
    chance: float


class Predictor:
    """The model of one tenant. It holds operations with their variables: whoever keeps it elsewhere must seal it."""

    def __init__(self, most: int = 50_000) -> None:
        self.shapes = Sequences(most)
        self.operations = Sequences(most)
        self.relations = Relations(most)
        self.known: dict[int, Operation] = {}
        self.variables: dict[int, tuple[str, tuple[str, ...]]] = {}

    def predict(self, session: Session, most: int = 3) -> list[Prediction]:
        """The likeliest next operations, best first."""
        look = self.look(session)
        ranked = look.operations.ranked()
        found = ((look.made.get(one) or self.known.get(one), chance) for one, chance in ranked)
        return [Prediction(operation, chance) for operation, chance in found if operation is not None][:most]

    def predict_shapes(self, session: Session, most: int = 3) -> list[tuple[int, float]]:
        """The symbols of the likeliest next shapes, best first."""
        return self.look(session).shapes.ranked()[:most]

    def observe(self, session: Session, came: Operation, found: Found | None = None) -> None:
        """Learn that `came` came next in this session, and append it to the session with what was found in its result."""
        look = self.look(session)
        self.shapes.learn(look.shapes, came.kind)
        self.operations.learn(look.operations, came.exact)
        self.relations.learn(session, came)
        self._note(came)
        session.step(came, found)

    def merge(self, other: Predictor) -> None:
        """Add what `other` learned since it last shared what it learned."""
        self.shapes.merge(other.shapes)
        self.operations.merge(other.operations)
        self.relations.counts.merge(other.relations.fresh)
        self.relations.texts |= other.relations.texts
        self.known |= other.known
        self.variables |= other.variables
        self._bound()

    def adopt(self, shared: Predictor) -> None:
        """Go on with what all replicas learned, of which one's own part is told now; what `shared` is given later is not seen here."""
        told = Predictor.unpacked(shared.packed(), self.shapes.counts.most)
        self.shapes, self.operations, self.relations = told.shapes, told.operations, told.relations
        self.known |= told.known
        self.variables |= told.variables
        self._bound()

    def packed(self) -> bytes:
        """Itself in bytes, without what was learned only to be shared."""
        state = {
            "version": _VERSION,
            "shapes": self.shapes.state(),
            "operations": self.operations.state(),
            "relations": self.relations.counts.state(),
            "texts": list(self.relations.texts.values()),
            "known": [[one.shape, dict(one.variables)] for one in self.known.values()],
        }
        return zlib.compress(orjson.dumps(state), 1)

    @classmethod
    def unpacked(cls, packed: bytes, most: int = 50_000) -> Predictor:
        """The predictor that was packed. Raises BadInput when these bytes are none, or are of another version."""
        predictor = cls(most)
        try:
            unzip = zlib.decompressobj()
            state = orjson.loads(unzip.decompress(packed, _LARGEST))
            if state["version"] != _VERSION or unzip.unconsumed_tail:
                raise ValueError("another version")
            predictor.shapes.read(state["shapes"])
            predictor.operations.read(state["operations"])
            predictor.relations.counts.read(state["relations"])
            predictor.relations.texts.update((symbol(text), str(text)) for text in state["texts"])
            for shape, variables in state["known"]:
                predictor._note(Operation(str(shape), {str(name): str(value) for name, value in variables.items()}))
        except (zlib.error, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadInput("these bytes are no predictor of this version") from error
        return predictor

    def _note(self, came: Operation) -> None:
        self.known.pop(came.exact, None)
        self.known[came.exact] = came
        self.variables[came.kind] = (came.shape, tuple(came.variables))
        self._bound()

    def _bound(self) -> None:
        for held in (self.known, self.variables):
            while len(held) > _OPERATIONS:
                del held[next(iter(held))]

    def _shapes(self, session: Session) -> Guess:
        return self.shapes.guess(session.kinds, session.first and session.first[0], session.agent, session.kind)

    def look(self, session: Session) -> Look:
        """What may come next in a session as it stands: thought about once."""
        if session.look is None:
            session.look = self._look(session)
        return session.look

    def _look(self, session: Session) -> Look:
        shapes = self._shapes(session)
        ranked = shapes.ranked()
        chances = {shape: math.log(chance + _SLIGHTEST) for shape, chance in ranked}
        made: dict[int, Operation] = {}
        related: dict[int, float] = {}
        near = set[int]()
        for shape, likely in ranked[:_SHAPES]:
            name, variables = self.variables.get(shape, ("", ()))
            if not variables:
                continue
            for values, chance in self.relations.combinations(session, shape, variables):
                operation = Operation(name, values)
                made[operation.exact] = operation
                related[operation.exact] = likely * chance
            if len(variables) == 1:
                beside = [Operation(name, {variables[0]: value}) for value in self.relations.near(session, shape, variables[0])]
                made |= {operation.exact: operation for operation in beside}
                near.update(operation.exact for operation in beside)

        def likeliness(exact: int) -> float:
            operation = made.get(exact) or self.known.get(exact)
            return chances.get(operation.kind, _UNLIKELY) if operation is not None else _UNLIKELY

        hints = Hints(frozenset(near), likeliness if len(chances) > 1 else None, related)
        first = session.first and session.first[1]
        return Look(shapes, self.operations.guess(session.exacts, first, session.agent, session.kind, hints), made)
