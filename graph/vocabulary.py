"""Readable names for predicates and classes, as relationship types and labels: `skos__broader`, `foaf__Person`.

A name is a projection: the full IRI stands beside it and is the truth. Guarantee: a name depends on nothing but the IRI, so it is
the same in every database and in any order of imports; it always holds `__`, which none of Cairn's own labels and types does.
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import sha256

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
RDF_TYPE = f"{RDF}type"

GENERIC = "RDF"
"""The type of links whose predicate got no name of its own."""
MAX_NAMES = 8_000
"""How many types, and how many labels, imports may make in a database. Neo4j's record format holds 65,536 types in all."""
TYPE_NAME = "rdf__type"
"""The type of links to classes; it never gives way to `GENERIC`."""

PREFIXES = {
    "rdf": RDF,
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "owl": "http://www.w3.org/2002/07/owl#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "skosxl": "http://www.w3.org/2008/05/skos-xl#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "dcterms": "http://purl.org/dc/terms/",
    "dcmitype": "http://purl.org/dc/dcmitype/",
    "dcat": "http://www.w3.org/ns/dcat#",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "schema": "https://schema.org/",
    "sdo": "http://schema.org/",
    "prov": "http://www.w3.org/ns/prov#",
    "org": "http://www.w3.org/ns/org#",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "sosa": "http://www.w3.org/ns/sosa/",
    "ssn": "http://www.w3.org/ns/ssn/",
    "time": "http://www.w3.org/2006/time#",
    "geo": "http://www.w3.org/2003/01/geo/wgs84_pos#",
    "geosparql": "http://www.opengis.net/ont/geosparql#",
    "gn": "http://www.geonames.org/ontology#",
    "qudt": "http://qudt.org/schema/qudt/",
    "unit": "http://qudt.org/vocab/unit/",
    "brick": "https://brickschema.org/schema/Brick#",
    "sh": "http://www.w3.org/ns/shacl#",
    "void": "http://rdfs.org/ns/void#",
    "vann": "http://purl.org/vocab/vann/",
    "cc": "http://creativecommons.org/ns#",
    "wd": "http://www.wikidata.org/entity/",
    "wdt": "http://www.wikidata.org/prop/direct/",
    "dbo": "http://dbpedia.org/ontology/",
    "dbr": "http://dbpedia.org/resource/",
}
"""Well-known namespaces by their usual prefix; also the prefixes that exports declare."""

PREFERRED_NAMES = (
    f"{PREFIXES['skos']}prefLabel",
    f"{PREFIXES['rdfs']}label",
    f"{PREFIXES['sdo']}name",
    f"{PREFIXES['schema']}name",
    f"{PREFIXES['foaf']}name",
    f"{PREFIXES['dcterms']}title",
    f"{PREFIXES['dc']}title",
)
"""Predicates whose literals can stand for a resource, the one to prefer first."""
NAMES = frozenset(PREFERRED_NAMES) | {
    f"{PREFIXES['skos']}altLabel",
    f"{PREFIXES['skos']}hiddenLabel",
    f"{PREFIXES['skosxl']}literalForm",
    f"{PREFIXES['sdo']}alternateName",
    f"{PREFIXES['schema']}alternateName",
    f"{PREFIXES['foaf']}nick",
    f"{PREFIXES['dcterms']}alternative",
    f"{PREFIXES['gn']}alternateName",
    f"{PREFIXES['gn']}name",
}
"""Predicates whose literals are names: what a search for entities looks in."""

_BY_NAMESPACE = {namespace: prefix for prefix, namespace in PREFIXES.items()}
_SPLIT = re.compile(r"(?P<namespace>.*[#/:])(?P<local>[^#/:]*)", re.DOTALL)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?://)?(?:www\.)?")
_LONGEST = 48


@lru_cache(maxsize=MAX_NAMES)
def short_name(iri: str) -> str:
    """The readable name of a predicate or class, `prefix__local`."""
    match = _SPLIT.fullmatch(iri)
    namespace, local = (match["namespace"], match["local"]) if match else ("", iri)
    prefix = _BY_NAMESPACE.get(namespace) or _words(_SCHEME.sub("", namespace, count=1))
    return f"{prefix or 'x'}__{_words(local) or 'x'}"


class Names:
    """Which names links and nodes get in one database: those it has, and new ones until there are `MAX_NAMES`.

    Two imports that begin at once may together go beyond that by what each adds; the limit leaves room for it.
    """

    def __init__(self, types: set[str], labels: set[str]) -> None:
        self._types = types
        self._labels = labels

    def type_of(self, predicate: str) -> str:
        """The relationship type of a predicate's links."""
        if predicate == RDF_TYPE:
            return TYPE_NAME
        return short_name(predicate) if _admit(short_name(predicate), self._types) else GENERIC

    def label_of(self, iri: str) -> str | None:
        """The label that instances of a class bear; None for a blank node, and when there are too many labels."""
        if iri.startswith("_:") or not _admit(short_name(iri), self._labels):
            return None
        return short_name(iri)


def _admit(name: str, known: set[str]) -> bool:
    if name not in known:
        if len(known) >= MAX_NAMES:
            return False
        known.add(name)
    return True


def _words(text: str) -> str:
    """`text` with everything but letters, digits and single underscores taken out; a long one is cut and told apart by its hash."""
    name = re.sub(r"[\W_]+", "_", text).strip("_")
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 7]}_{sha256(text.encode()).hexdigest()[:6]}"
