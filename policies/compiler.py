"""From rules to an `Access`: exact answers in microseconds, and what is readable as parameters for queries.

A check of a `Table` gives the answer that Casbin's `enforce` gives with the same rules and `policies/model.conf`; a property
test compares the two. Which scopes, graphs, states and fields are readable follows from the same rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import sha256

from ..graph.access import Access, Decision, Identity
from ..graph.changes import canonical
from ..graph.path_tree import PathTree
from ..graph.tenants import Catalog
from .bounds import Bounds
from .grants import Readable
from .model import complete
from .patterns import EVERYTHING, PRINCIPAL, action_matches, expression
from .rules import ADMIN, EVERYONE, Effect, Rule, is_principal
from .ruleset import RuleSet

_REMEMBERED = 8_192
_NO = Decision(allowed=False)
_NAMING = frozenset({"Memory.text", "Memory.speaker"})
"""Fields that local entities get their names from: from whom one of these is hidden, so are local entities."""


class Table:
    """What one principal may do under one set of rules. `lent`: roles it has besides; those that the rules do not know give nothing."""

    def __init__(self, rules: RuleSet, principal: str, lent: Sequence[str] = ()) -> None:
        self.rules = rules
        self.principal = principal
        self.reach = rules.reach(principal, [role for role in lent if role in rules.roles]) if is_principal(principal) else ()
        subjects = dict.fromkeys((*self.reach, EVERYONE)) if self.reach else {}
        self.grants = tuple(grants for grants in map(rules.grants, subjects) if grants.rules)

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles the principal has, also through others, in order; its own name among them when it is a role as well."""
        own = self.reach[:1] if self.principal == ADMIN or self.principal in self.rules.assigned else ()
        return tuple(sorted({*self.reach[1:], *own}))

    def decide(self, requested: str, action: str) -> Decision:
        """Whether the principal may do `action` to the object `requested`, and the most specific rule that says so."""
        if not complete(self.principal, self.rules.tenant, requested, action):
            return _NO
        allows: list[Rule] = []
        denies: list[Rule] = []
        for grants in self.grants:
            for rule in grants.matching(requested, self.principal):
                if action_matches(action, rule.action):
                    (allows if rule.effect == "allow" else denies).append(rule)
        if denies:
            return Decision(allowed=False, rule=_most_specific(denies))
        return Decision(allowed=True, rule=_most_specific(allows)) if allows else _NO

    def paths(self, kind: str, effect: Effect) -> list[str]:
        """Path patterns of `kind` in rules with this effect that cover reading; `*` for rules that cover all of it."""
        found: dict[str, None] = {}
        for grants in self.grants:
            for rule in grants.of_kind(kind):
                if rule.effect == effect and action_matches("read", rule.action):
                    path = EVERYTHING if rule.object == EVERYTHING else rule.object.partition(":")[2]
                    found[path.replace(PRINCIPAL, self.principal)] = None
        return sorted(path for path in found if path)

    def readable(self, kind: str, tree: PathTree) -> list[int]:
        """Positions, in order, of those paths of a tree whose object `kind:<path>` the principal may read."""
        found = Readable()
        for grants in self.grants:
            grants.judge(kind, tree, self.principal, found)
        return found.positions

    def state_expressions(self, effect: Effect) -> tuple[str, ...]:
        """Regular expressions over `<scope>/<key>` for the states that rules with this effect let, or don't let, read."""
        return tuple(sorted({expression(path, self.principal) for path in self.paths("state", effect)}))

    def hidden(self, hideable: Iterable[str]) -> frozenset[str]:
        """Of the `Type.field` names that may be hidden, and of those that a denial names, the ones that may not be read."""
        named = {path for path in self.paths("field", "deny") if path != EVERYTHING}
        return frozenset(name for name in {*hideable, *named} if not self.decide(f"field:{name}", "read").allowed)


def _most_specific(rules: list[Rule]) -> str:
    return max((len(rule.object), rule.text) for rule in rules)[1]


def compile_access(rules: RuleSet, catalog: Catalog, identity: Identity, hideable: frozenset[str] = frozenset()) -> Access:
    """The `Access` of `identity` under these rules, for what the catalog lists: what its principal and the roles lent to it may do,
    as far as its bounds reach. An id that can't be a principal's may do nothing.
    """
    table, bounds = Table(rules, identity.principal, identity.roles), Bounds(identity)
    scopes = bounds.within("memory", [catalog.scopes[at] for at in table.readable("memory", catalog.scope_tree)])
    hidden = table.hidden(hideable)
    graphs = _readable_graphs(table, bounds, catalog, local=hidden.isdisjoint(_NAMING))

    @lru_cache(maxsize=_REMEMBERED)
    def decide(requested: str, action: str) -> Decision:
        decision = table.decide(requested, action)
        return decision if not decision.allowed or bounds.cover(requested, action) else _NO

    return Access(
        tenant=rules.tenant,
        principal=identity.principal,
        roles=table.roles,
        policy_version=rules.version,
        fingerprint=_fingerprint(table, bounds, scopes, graphs, hidden),
        scopes=scopes,
        graphs=graphs,
        state_allow=table.state_expressions("allow"),
        state_deny=(*table.state_expressions("deny"), *bounds.states_outside),
        hidden_fields=hidden,
        lent=identity.roles,
        bounds=identity.bounds,
        decide=decide,
    )


def _readable_graphs(table: Table, bounds: Bounds, catalog: Catalog, *, local: bool) -> tuple[int, ...]:
    """Numbers of named graphs by their own permission, of scope graphs, unless not `local`, by that of the memory scope."""
    named = dict(catalog.graphs[at] for at in table.readable("graph", catalog.graph_tree))
    scoped = dict(catalog.scope_graphs[at] for at in table.readable("memory", catalog.scope_graph_tree)) if local else {}
    numbers = [named[iri] for iri in bounds.within("graph", tuple(named))]
    return tuple(sorted((*numbers, *(scoped[path] for path in bounds.within("memory", tuple(scoped))))))


def _fingerprint(table: Table, bounds: Bounds, scopes: Sequence[str], graphs: Sequence[int], hidden: Iterable[str]) -> str:
    """A hash over everything that decides an answer, the texts of rules included. The principal's id counts only where a rule holds it."""
    own = sorted({line.replace(PRINCIPAL, table.principal) for grants in table.grants for line in grants.templates})
    shared = sorted(grants.digest for grants in table.grants)
    parts = [table.rules.tenant, list(table.roles), shared, own, list(scopes), list(graphs), sorted(hidden), bounds.texts]
    return sha256(canonical(parts)).hexdigest()
