"""What 100,000 names cost: building a gazetteer of them, and finding mentions in texts beside a gazetteer of none, same texts, same run.

    python benchmarks/linking.py [--labels 100000] [--texts 2000] [--rounds 5]

Names are one to three made-up words; a text has 25 words, among them one name where it can. Both gazetteers take turns, and the
medians are compared. Each mention that must be there is checked.
"""

from __future__ import annotations

import argparse
import random
from statistics import median
from time import perf_counter

from cairn.graph.labels import Kind, Label
from cairn.graph.searchable import PLAIN
from cairn.importers.gazetteer import Gazetteer
from cairn.importers.spotting import Sources, mentions_in, spot

GRAPH = 1
SYLLABLES = ["ba", "ke", "lo", "mi", "tu", "ra", "no", "si", "pe", "du", "ga", "vi", "zor", "quel", "ast", "ern"]
FILLERS = [
    "the",
    "we",
    "saw",
    "about",
    "with",
    "near",
    "then",
    "people",
    "water",
    "under",
    "again",
    "small",
    "found",
    "where",
    "their",
    "between",
    "always",
    "house",
    "every",
]


def make_names(count: int, rng: random.Random) -> list[str]:
    """So many different names."""
    words = ["".join(rng.choices(SYLLABLES, k=rng.randint(2, 4))) for _ in range(count // 3 + 100)]
    names: dict[str, None] = {}
    while len(names) < count:
        names[" ".join(word.title() for word in rng.sample(words, rng.choice((1, 1, 2, 2, 3))))] = None
    return list(names)


def make_texts(count: int, names: list[str], rng: random.Random) -> list[tuple[str, str]]:
    """Texts, each with a name that it holds."""
    made: list[tuple[str, str]] = []
    for _ in range(count):
        name = rng.choice(names)
        words = rng.choices(FILLERS, k=25 - name.count(" "))
        at = rng.randint(1, len(words) - 1)
        made.append((" ".join([*words[:at], name, *words[at:]]), name))
    return made


def link_all(texts: list[tuple[str, str]], gazetteer: Gazetteer) -> tuple[float, int]:
    """Texts a second, and how many of their names were linked to the entity that has it."""
    sources = Sources(gazetteer, frozenset({GRAPH}), -1)
    linked = 0
    begin = perf_counter()
    for text, name in texts:
        mentions = mentions_in(spot(text, None, sources), {}, "acme", "public", PLAIN)
        linked += any(mention.text == name and mention.local is None for mention in mentions)
    return len(texts) / (perf_counter() - begin), linked


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=int, default=100_000)
    parser.add_argument("--texts", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rng = random.Random(7)
    names = make_names(options.labels, rng)
    texts = make_texts(options.texts, names, rng)
    labels = [Label(str(n), f"https://example.org/{n}", GRAPH, name, Kind.PREFERRED, "en", 3) for n, name in enumerate(names)]
    empty, full = Gazetteer(), Gazetteer()
    begin = perf_counter()
    full.replace(GRAPH, labels)
    print(f"building: {len(labels):,} labels in {perf_counter() - begin:.1f} s")
    begin = perf_counter()
    full.replace(GRAPH, labels)
    print(f"reading the same again: {perf_counter() - begin:.1f} s")
    link_all(texts, empty)
    rates: dict[str, list[float]] = {"none": [], "all": []}
    for _ in range(options.rounds):
        rates["none"].append(link_all(texts, empty)[0])
        rate, linked = link_all(texts, full)
        rates["all"].append(rate)
        assert linked == len(texts), f"only {linked} of {len(texts)} names were linked"
    none, everything = median(rates["none"]), median(rates["all"])
    print(f"texts/s: {none:,.0f} with no labels, {everything:,.0f} with {len(labels):,}: {none / everything:.2f} times the time a text")


if __name__ == "__main__":
    main()
