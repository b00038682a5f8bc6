// revocations_add: puts a token, or all of a subject's tokens up to an instant, on a tenant's list of those that are refused
UNWIND $rows AS row
MERGE (r:TokenRevocation {id: row.id})
SET r.heldAt = row.at
WITH row, r, CASE WHEN r.tenant IS NULL THEN null ELSE r {.*} END AS before
FOREACH (_ IN CASE WHEN before IS NULL OR before.issuedBefore < row.revocation.issuedBefore THEN [1] ELSE [] END | SET r += row.revocation)
RETURN row.i AS i, before, r {.*} AS revocation;

// revocations_find: what a tenant's list says of a token and of its subject
MATCH (r:TokenRevocation)
WHERE r.id IN $ids AND r.tenant = $tenant
RETURN r {.*} AS revocation;
