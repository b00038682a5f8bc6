"""Attacks of our own on a served Cairn, in classes. Each says what must come of it; the target looks for what must never come."""

from __future__ import annotations

from . import authorisation, cypher, denial, graphql, malformed, rdf
from .target import Attack

CLASSES: dict[str, list[Attack]] = {
    "denial of service": denial.attacks(),
    "injection into Cypher": cypher.attacks(),
    "injection into GraphQL": graphql.attacks(),
    "injection into RDF, and importers": rdf.attacks(),
    "malformed": malformed.attacks(),
    "authorisation": authorisation.attacks(),
}
