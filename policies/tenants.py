"""Making a tenant: with the seeded roles, once."""

from __future__ import annotations

from ..graph import tenants
from ..graph.writer import Writer
from .seed import seed


async def ensure_tenant(writer: Writer, tenant: str) -> bool:
    """Create the tenant with the seeded rules unless it exists; safe with several replicas. Returns whether it was created here.

    Raises BadInput for an id that can't name a tenant.
    """
    return await tenants.create_tenant(writer, tenant, [line.stored() for line in seed(tenant)])
