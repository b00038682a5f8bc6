"""RDF as Cairn stores it: keys of resources, statements as text, and what one named graph says about one subject.

A statement of a subject is one line, `<predicate> object`, its object an N-Triples term (https://www.w3.org/TR/rdf12-n-triples/).
A resource is named by its IRI, a blank node by `_:` and an id that is unique within the tenant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from .analysis import label_tokens
from .vocabulary import NAMES, RDF

XSD_STRING = "http://www.w3.org/2001/XMLSchema#string"
MAX_TERMS = 8_192
"""A subject's searchable names are cut to this many characters."""

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_SUFFIX = re.compile(r"@(?P<lang>[A-Za-z0-9-]+?)(?:--(?P<direction>ltr|rtl))?|\^\^<(?P<datatype>[^>]*)>|")
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL)
_ESCAPES = {"t": "\t", "b": "\b", "n": "\n", "r": "\r", "f": "\f"}


@dataclass(frozen=True, slots=True)
class Literal:
    """A literal and the predicate it is the value of. `value` is the lexical form as it came, `direction` RDF 1.2's base direction."""

    predicate: str
    value: str
    datatype: str
    lang: str | None = None
    direction: str | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """All that one named graph says about one subject.

    `literals`: `<predicate IRI> <N-Triples term>` without brackets around the predicate, sorted; RDF 1.2 triple terms stand here too.
    `links`: (predicate IRI, key of the object, IRI of the object), sorted by predicate and IRI.
    `terms`: the words of its names, for search. `hash`: SHA-256, in hex, over the sorted statements.
    """

    key: str
    iri: str
    literals: Sequence[str]
    links: Sequence[Sequence[str]]
    terms: str
    hash: str

    @property
    def size(self) -> int:
        """How many statements these are."""
        return len(self.literals) + len(self.links)

    def statements(self) -> list[str]:
        """The statements as lines, as `subject` takes them."""
        literals = [f"<{predicate}> {term}" for predicate, _, term in (literal.partition(" ") for literal in self.literals)]
        return literals + [f"<{predicate}> {term(iri)}" for predicate, _, iri in self.links]


@lru_cache(maxsize=200_000)
def resource_key(tenant: str, iri: str) -> str:
    """The key of a resource, unique over tenants: 32 hex digits of the SHA-256 of tenant, NUL and IRI."""
    return sha256(f"{tenant}\0{iri}".encode()).hexdigest()[:32]


def graph_key(number: int) -> str:
    """A graph's number in base 36, as full-text filters need it."""
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return text or "0"


def term(name: str) -> str:
    """A resource's name as an N-Triples term."""
    return name if name.startswith("_:") else f"<{name}>"


def statements_hash(statements: Iterable[str]) -> str:
    """The hash of a subject's whole statement set: SHA-256, in hex, over the sorted lines."""
    return sha256("\n".join(sorted(statements)).encode()).hexdigest()


def subject(tenant: str, iri: str, statements: Sequence[str]) -> Subject:
    """The `Subject` of distinct statement lines. Guarantee: equal sets of statements give equal subjects."""
    literals: list[str] = []
    links: list[tuple[str, str, str]] = []
    names: list[str] = []
    ordered = sorted(statements)
    for statement in ordered:
        head, _, obj = statement.partition(" ")
        predicate = head[1:-1]
        if obj[0] == '"':
            literals.append(f"{predicate} {obj}")
            if predicate in NAMES:
                names.append(_text(obj))
        elif obj.startswith("<<"):
            literals.append(f"{predicate} {obj}")
        else:
            name = obj if obj[0] == "_" else obj[1:-1]
            links.append((predicate, resource_key(tenant, name), name))
    digest = sha256("\n".join(ordered).encode()).hexdigest()
    return Subject(resource_key(tenant, iri), iri, literals, links, _terms(iri, names), digest)


def literal(stored: str) -> Literal | None:
    """A stored literal as a value; None for an RDF 1.2 triple term."""
    predicate, _, obj = stored.partition(" ")
    match = _SUFFIX.fullmatch(obj, obj.rindex('"') + 1) if obj.startswith('"') else None
    if match is None:
        return None
    lang, direction = match["lang"], match["direction"]
    tagged = f"{RDF}dirLangString" if direction else f"{RDF}langString"
    datatype = tagged if lang else match["datatype"] or XSD_STRING
    return Literal(predicate, _text(obj), datatype, lang, direction)


def local_name(iri: str) -> str:
    """The last part of an IRI: what people call a resource that has no label."""
    return re.split(r"[#/:]", iri.rstrip("#/:"))[-1] or iri


def _text(obj: str) -> str:
    text = obj[1 : obj.rindex('"')]
    return _ESCAPE.sub(_unescape, text) if "\\" in text else text


def _unescape(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    return chr(int(code, 16)) if code else _ESCAPES.get(match[3], match[3])


def _terms(iri: str, names: Sequence[str]) -> str:
    """The distinct words of the names, or of the local name where there is none. A blank node that has no name has no words."""
    if not names and iri.startswith("_:"):
        return ""
    words = dict.fromkeys(word for name in names or (local_name(iri),) for word in label_tokens(name[:MAX_TERMS]))
    text = " ".join(words)
    return text if len(text) <= MAX_TERMS else text[:MAX_TERMS].rpartition(" ")[0]
