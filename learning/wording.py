"""How memories, states, facts and entities are put into words, one line each. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from ..graph.access import Access
from ..graph.facts import Fact
from ..graph.memories import Memory
from ..graph.rdf import Literal, local_name
from ..graph.resources import Resource
from ..graph.states import PINNED, State
from ..graph.vocabulary import NAMES, PREFIXES

_DEFINITIONS = (
    f"{PREFIXES['skos']}definition",
    f"{PREFIXES['rdfs']}comment",
    f"{PREFIXES['dcterms']}description",
    f"{PREFIXES['sdo']}description",
    f"{PREFIXES['schema']}description",
    f"{PREFIXES['skos']}scopeNote",
)
_MOST_PROPERTIES = 4
_MOST_CHARACTERS = 200


def memory_line(memory: Memory, text: str) -> str:
    """A memory: when it happened, who said it, and `text`, which stands for its own."""
    return f"[{memory.occurred_at.date().isoformat()}] {said(memory.speaker, text)}"


def said(speaker: str | None, text: str) -> str:
    """What somebody said."""
    return f"{speaker}: {text}" if speaker else text


def state_line(state: State) -> str:
    """A pinned state: its key without the prefix, and its value."""
    value = state.value if isinstance(state.value, str) else json.dumps(state.value, ensure_ascii=False, sort_keys=True)
    return f"{state.key.removeprefix(PINNED)}: {value}"


def fact_line(fact: Fact, names: Mapping[str, str], access: Access) -> str:
    """A fact: subject, predicate and object by name, how sure it is, and its dates where these are not hidden."""
    claim = f"{_name(fact.subject, names)}, {_name(fact.predicate, names)}: {names.get(fact.object) or fact.object}"
    dates = [
        f"{word} {instant.date().isoformat()}"
        for word, field, instant in (("since", "validFrom", fact.valid_from), ("until", "validTo", fact.valid_to))
        if instant is not None and f"Fact.{field}" not in access.hidden_fields
    ]
    doubt = [f"confidence {fact.confidence:g}"] if fact.confidence < 1 else []
    return f"{claim} ({', '.join([*dates, *doubt])})" if dates or doubt else claim


def entity_line(resource: Resource, literals: Sequence[Literal], names: Mapping[str, str], lang: str | None) -> str | None:
    """An entity: its name, its classes and a few of its properties; None when there is nothing to say but its name."""
    types = ", ".join(sorted({_name(iri, names) for iri in resource.types}))
    properties = "; ".join(f"{_name(one.predicate, names)} {one.value[:_MOST_CHARACTERS]}" for one in _telling(literals, lang))
    if not types and not properties:
        return None
    head = f"{_name(resource.iri, names)} ({types})" if types else _name(resource.iri, names)
    return f"{head}: {properties}" if properties else head


def _telling(literals: Sequence[Literal], lang: str | None) -> list[Literal]:
    """The few literals that say most: one a predicate, definitions first, in the language wanted where there is a choice."""
    wanted = ((lang or "en").lower().partition("-")[0], "en")

    def rank(one: Literal) -> tuple[int, str, str, str]:
        tongue = (one.lang or "").partition("-")[0]
        near = 0 if tongue == wanted[0] else 1 if not tongue else 2 if tongue == wanted[1] else 3
        return near, one.value, one.lang or "", one.datatype

    by_predicate: dict[str, list[Literal]] = {}
    for one in literals:
        if one.predicate not in NAMES:
            by_predicate.setdefault(one.predicate, []).append(one)
    order = sorted(by_predicate, key=lambda iri: (_DEFINITIONS.index(iri) if iri in _DEFINITIONS else len(_DEFINITIONS), iri))
    return [min(by_predicate[predicate], key=rank) for predicate in order[:_MOST_PROPERTIES]]


def _name(iri: str, names: Mapping[str, str]) -> str:
    return names.get(iri) or local_name(iri)
