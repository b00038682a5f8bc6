"""What each key is wrapped for, and the change that puts keys into the graph."""

from __future__ import annotations

from ..errors import Conflict
from .changes import Change, Results, Settled, Step
from .names import key


def tenant_context(tenant: str, id: str) -> bytes:
    """What the master key wraps a tenant's key for."""
    return b"cairn tenant key\0" + key(tenant, id).encode("utf-8")


def index_context(tenant: str) -> bytes:
    """What a tenant's key wraps its secret for searching for."""
    return b"cairn index\0" + tenant.encode("utf-8")


def subject_context(tenant: str, id: str) -> bytes:
    """What a tenant's key wraps a subject's key for."""
    return b"cairn subject key\0" + key(tenant, id).encode("utf-8")


def key_change(tenant: str, step: Step) -> Change:
    """A change that answers the one row of its one step."""

    def settle(results: Results) -> Settled:
        return Settled(dict(results[0][0]) if results[0] else {}, ())

    return Change(tenant=tenant, actor="cairn", steps=(step,), settle=settle)


def erased() -> Conflict:
    """What somebody is told who seals for a subject whose keys were destroyed."""
    return Conflict("the data of this subject was erased just now; send this again if it is to be kept nevertheless")
