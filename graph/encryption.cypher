// encryption_state: how a tenant's encryption stands
MATCH (t:Tenant {id: $tenant})
OPTIONAL MATCH (k:TenantKey {tenant: t.id})
RETURN coalesce(t.sealing, false) AS sealing, coalesce(t.keyed, false) AS keyed, k.id AS key, k.master AS master, k.at AS at,
       COUNT { MATCH (s:SubjectKey) WHERE s.tenant = t.id } AS subjects;

// encryption_switch: has a tenant's new values sealed or not; its words and vectors keyed or not only while it has none
UNWIND $rows AS row
MATCH (t:Tenant {id: row.tenant})
SET t.keysVersion = coalesce(t.keysVersion, 0) + CASE WHEN coalesce(t.sealing, false) = row.sealing THEN 0 ELSE 1 END
WITH row, t, coalesce(t.sealing, false) AS before,
     EXISTS { MATCH (m:Memory) WHERE m.tenant = row.tenant AND m.id IS NOT NULL } OR EXISTS { MATCH (f:Fact) WHERE f.tenant = row.tenant AND f.id IS NOT NULL } AS searched
SET t.sealing = row.sealing, t.keyed = CASE WHEN searched THEN coalesce(t.keyed, false) ELSE row.sealing END
RETURN row.i AS i, before;

// encryption_key: a tenant's key, and the one before it while a rotation is under way
MATCH (k:TenantKey {tenant: $tenant})
RETURN k {.*} AS key;

// encryption_renew: puts a new key in the place of a tenant's, which is kept until no subject's key is wrapped by it
UNWIND $rows AS row
MATCH (k:TenantKey {tenant: row.tenant})
SET k.touchedAt = row.at
WITH row, k
WHERE k.id = row.before AND k.previous IS NULL
MATCH (t:Tenant {id: row.tenant})
SET t.keysVersion = coalesce(t.keysVersion, 0) + 1,
    k.previous = k.id, k.previousMaster = k.master, k.previousWrapped = k.wrapped,
    k.id = row.id, k.master = row.master, k.wrapped = row.wrapped, k.index = row.index, k.at = row.at
RETURN row.i AS i;

// encryption_behind: subjects' keys that are wrapped by a tenant's key of before
MATCH (s:SubjectKey)
WHERE s.tenant = $tenant AND s.parent = $parent AND s.wrapped IS NOT NULL
RETURN s.id AS id, s.wrapped AS wrapped LIMIT $limit;

// encryption_rewrap: wraps subjects' keys by another key of their tenant, unless they were destroyed
UNWIND $rows AS row
MATCH (s:SubjectKey {id: row.id})
SET s.heldAt = row.at
WITH row, s
WHERE s.parent = row.before AND s.wrapped IS NOT NULL
SET s.parent = row.parent, s.wrapped = row.wrapped
RETURN row.i AS i;

// encryption_renewed: forgets a tenant's key of before, by which nothing is wrapped any more
UNWIND $rows AS row
MATCH (k:TenantKey {tenant: row.tenant, previous: row.previous})
SET k.touchedAt = row.at
WITH row, k
WHERE NOT EXISTS { MATCH (s:SubjectKey) WHERE s.tenant = row.tenant AND s.parent = row.previous AND s.wrapped IS NOT NULL }
MATCH (t:Tenant {id: row.tenant})
SET t.keysVersion = coalesce(t.keysVersion, 0) + 1, k.previous = null, k.previousMaster = null, k.previousWrapped = null
RETURN row.i AS i;

// encryption_wrapped: tenants' keys that are not wrapped by a master key, in the order of tenants
MATCH (k:TenantKey)
WHERE k.tenant > $after AND (k.master <> $master OR k.previousMaster <> $master)
RETURN k {.*} AS key ORDER BY k.tenant LIMIT $limit;

// encryption_mastered: wraps a tenant's key by another master key, unless it changed meanwhile
UNWIND $rows AS row
MATCH (k:TenantKey {tenant: row.tenant})
SET k.touchedAt = row.at
WITH row, k
WHERE k.id = row.id AND k.master = row.before AND coalesce(k.previous, '') = row.previous
SET k.master = row.master, k.wrapped = row.wrapped, k.previousMaster = CASE WHEN k.previous IS NULL THEN null ELSE row.master END, k.previousWrapped = row.previousWrapped
RETURN row.i AS i;
