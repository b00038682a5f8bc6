"""One batch of changes to a named graph's content, as the steps of a `Change`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from .changes import Results, Step
from .database import Row
from .rdf import Subject, graph_key, subject
from .statements import load
from .vocabulary import RDF_TYPE, Names

_CYPHER = load("contents")


@dataclass(frozen=True, slots=True)
class Edit:
    """What a graph says about one subject before and after. None: nothing."""

    before: Subject | None
    after: Subject | None

    @property
    def size(self) -> int:
        """How many statements there are on both sides."""
        return (self.before.size if self.before else 0) + (self.after.size if self.after else 0)


@dataclass(slots=True)
class Batch:
    """The rows of a batch. `added` and `removed` count triples."""

    tenant: str
    graph: int
    names: Names
    added: int = 0
    removed: int = 0
    subjects: int = 0
    _graph_key: str = field(init=False)
    _nodes: dict[str, str] = field(default_factory=dict[str, str])
    _described: list[Subject] = field(default_factory=list[Subject])
    _changed: list[Subject] = field(default_factory=list[Subject])
    _dropped: list[str] = field(default_factory=list[str])
    _links: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    _unlinks: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    _labels: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    _unlabels: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])

    def __post_init__(self) -> None:
        self._graph_key = graph_key(self.graph)

    def put(self, edit: Edit) -> None:
        """Take in one edit."""
        before, after = edit.before, edit.after
        if after is None:
            if before is not None:
                self._drop(before)
        elif before is None:
            self.subjects += 1
            self.added += after.size
            self._described.append(after)
            self._nodes[after.key] = after.iri
            self._link(after, after.links)
        elif before.hash != after.hash:
            self._change(before, after)

    def steps(self) -> list[Step]:
        """The steps, those that have nothing to do left out."""
        found = [
            ("contents_remove", self._remove_row() if self._unlinks or self._dropped else None),
            ("contents_add", self._add_row() if self._nodes else None),
            ("contents_change", self._change_row() if self._changed else None),
            ("contents_unlabel", {"labels": self._unlabels} if self._unlabels else None),
            ("contents_sweep", {"keys": self._loose()} if self._unlinks or self._dropped else None),
        ]
        return [Step(_CYPHER[name], (row,)) for name, row in found if row is not None]

    def check(self, steps: Sequence[Step], results: Results) -> None:
        """Raise RuntimeError, which takes the whole transaction back, when the graph did not hold what the batch was made for."""
        expected = {
            "unlinked": len(self._unlinks),
            "undescribed": len(self._dropped),
            "described": len(self._described),
            "linked": len(self._links),
            "changed": len(self._changed),
        }
        for step, rows in zip(steps, results, strict=True):
            for name, count in rows[0].items() if rows else ():
                if expected.get(name, count) != count:
                    raise RuntimeError(f"{step.statement.name}: {name} {count}, not {expected[name]}")

    def _drop(self, before: Subject) -> None:
        self.subjects -= 1
        self.removed += before.size
        self._dropped.append(before.key)
        self._unlink(before, before.links)

    def _change(self, before: Subject, after: Subject) -> None:
        self._changed.append(after)
        old, new = set(before.literals), set(after.literals)
        self.added += len(new - old)
        self.removed += len(old - new)
        had = {(predicate, key) for predicate, key, _ in before.links}
        has = {(predicate, key) for predicate, key, _ in after.links}
        added = [link for link in after.links if (link[0], link[1]) not in had]
        removed = [link for link in before.links if (link[0], link[1]) not in has]
        self.added += len(added)
        self.removed += len(removed)
        if added:
            self._nodes[after.key] = after.iri
        self._link(after, added)
        self._unlink(before, removed)

    def _link(self, one: Subject, links: Iterable[Sequence[str]]) -> None:
        subject, nodes, found = one.key, self._nodes, self._links
        for predicate, key, iri in links:
            nodes[key] = iri
            found.append((subject, predicate, key))
            if predicate == RDF_TYPE and (label := self.names.label_of(iri)) is not None:
                self._labels.setdefault(label, []).append(subject)

    def _unlink(self, one: Subject, links: Iterable[Sequence[str]]) -> None:
        for predicate, key, iri in links:
            self._unlinks.append((one.key, predicate, key))
            if predicate == RDF_TYPE and (label := self.names.label_of(iri)) is not None:
                self._unlabels.append((one.key, key, label))

    def _remove_row(self) -> Row:
        return {"graph": self.graph, "links": self._unlinks, "subjects": self._dropped}

    def _change_row(self) -> Row:
        return {"graph": self.graph, "described": [self._row(one.key, one) for one in self._changed]}

    def _add_row(self) -> Row:
        """Nodes in the order of their keys, which is the order of their locks; all else names them by their place in it."""
        keys = sorted(self._nodes)
        at = {key: place for place, key in enumerate(keys)}
        predicates: dict[str, int] = {}
        links = [(at[s], predicates.setdefault(predicate, len(predicates)), at[o]) for s, predicate, o in self._links]
        return {
            "tenant": self.tenant,
            "graph": self.graph,
            "nodes": [(key, self._nodes[key]) for key in keys],
            "described": [self._row(at[one.key], one) for one in self._described],
            "predicates": [(predicate, self.names.type_of(predicate)) for predicate in predicates],
            "links": links,
            "labels": [(label, [at[key] for key in found]) for label, found in self._labels.items()],
        }

    def _row(self, which: str | int, one: Subject) -> tuple[Any, ...]:
        """A description. What has no names stays out of the full-text index."""
        return which, one.literals, one.terms or None, self._graph_key if one.terms else None, one.hash

    def _loose(self) -> list[str]:
        """Resources that may be left with nothing, in the order of their keys."""
        return sorted({*self._dropped, *(key for _, _, key in self._unlinks), *(key for key, _, _ in self._unlinks)})


def pieces(tenant: str, edit: Edit, most: int) -> Iterator[Edit]:
    """`edit` as edits of at most `most` changed statements, each of which leaves the subject whole, with some of its statements."""
    if edit.size <= most:
        yield edit
        return
    one = edit.after or edit.before
    assert one is not None
    current = edit.before
    had = set(current.statements()) if current else set[str]()
    has = set(edit.after.statements()) if edit.after else set[str]()
    now = set(had)
    for changes in (sorted(had - has), sorted(has - had)):
        for start in range(0, len(changes), most):
            now.symmetric_difference_update(changes[start : start + most])
            reached = subject(tenant, one.iri, list(now)) if now else None
            yield Edit(current, reached)
            current = reached
