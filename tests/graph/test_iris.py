"""IRIs: absolute ones as N-Triples writes them, and nothing else."""

from __future__ import annotations

import pytest

from cairn.errors import BadInput
from cairn.graph.iris import MAX_IRI, check_iri


@pytest.mark.parametrize(
    "iri",
    [
        "https://example.org/ada",
        "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
        "mailto:ada",
        "tag:a,2026:b#c?d=e%20f",
        "http://example.org/ab\N{LATIN SMALL LETTER E WITH ACUTE}\N{GRINNING FACE}",
        "x:" + "y" * (MAX_IRI - 2),
    ],
)
def test_absolute_iris_are_taken_as_they_are(iri: str) -> None:
    assert check_iri("it", iri) == iri


@pytest.mark.parametrize(
    "iri",
    [
        "",
        "ada",
        "/ada",
        "//example.org",
        "#ada",
        "_:b0",
        "1x:y",
        "x:",
        ":y",
        "x:y z",
        "x:y\n",
        " x:y",
        "x:\x00",
        "x:\x7f",
        "x:\x85",
        "x:\ud800",
    ]
    + [f"x:a{character}b" for character in '<>"{}|^`\\'],
)
def test_what_is_none_is_refused(iri: str) -> None:
    with pytest.raises(BadInput, match="it must be an absolute IRI"):
        check_iri("it", iri)


@pytest.mark.parametrize("letter", ["y", "\N{GRINNING FACE}"])
def test_length_counts_in_bytes(letter: str) -> None:
    with pytest.raises(BadInput, match="bytes"):
        check_iri("it", "x:" + letter * MAX_IRI)
