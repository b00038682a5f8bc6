// keyring_tenant: whether a tenant's values are sealed and its words and vectors keyed, and the key that wraps its keys
MATCH (t:Tenant {id: $tenant})
OPTIONAL MATCH (k:TenantKey {tenant: t.id})
RETURN coalesce(t.sealing, false) AS sealing, coalesce(t.keyed, false) AS keyed, coalesce(t.keysVersion, 0) AS version,
       k {.id, .master, .wrapped, .index, .previous, .previousMaster, .previousWrapped} AS key;

// keyring_found: makes a tenant's key unless it has one, and answers the one that it has
UNWIND $rows AS row
MATCH (t:Tenant {id: row.tenant})
MERGE (k:TenantKey {tenant: t.id})
ON CREATE SET k.id = row.id, k.master = row.master, k.wrapped = row.wrapped, k.index = row.index, k.at = row.at
SET t.keysVersion = coalesce(t.keysVersion, 0) + CASE WHEN k.id = row.id THEN 1 ELSE 0 END
RETURN row.i AS i, k.id AS id;

// keyring_take: takes room for more seals under a subject's key, which is made unless there is one with room
UNWIND $rows AS row
MATCH (w:TenantKey {tenant: row.tenant})
SET w.touchedAt = row.at
WITH row, w
WHERE w.id = row.parent
MERGE (k:SubjectKey {slot: row.slot})
ON CREATE SET k.id = row.id, k.tenant = row.tenant, k.subject = row.subject, k.parent = row.parent, k.wrapped = row.wrapped, k.at = row.at, k.taken = 0
SET k.taken = k.taken + row.room
WITH row, k, k.taken > row.most AS full
FOREACH (x IN CASE WHEN full THEN [k] ELSE [] END | SET x.slot = null)
RETURN row.i AS i, k.id AS id, k.parent AS parent, k.wrapped AS wrapped, full;

// keyring_keys: subjects' keys by their ids; one that was destroyed has nothing wrapped
UNWIND $ids AS id
MATCH (k:SubjectKey {id: id})
RETURN k.id AS id, k.tenant AS tenant, k.parent AS parent, k.wrapped AS wrapped;
