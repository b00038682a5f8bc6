// keys_create: stores an API key
UNWIND $rows AS row
CREATE (k:ApiKey)
SET k = row.key
RETURN row.i AS i;

// keys_create_first: stores an API key unless one of the administrators has a key that works and is not narrowed, and the rules still stand
UNWIND $rows AS row
MATCH (t:Tenant {id: row.tenant})
WITH row, t.policyVersion = row.expected AS current, EXISTS {
  MATCH (k:ApiKey)
  WHERE k.tenant = row.tenant AND k.principal IN row.administrators AND k.scopes IS NULL AND k.revokedAt IS NULL AND (k.expiresAt IS NULL OR k.expiresAt > row.at)
} AS present
FOREACH (_ IN CASE WHEN current AND NOT present THEN [1] ELSE [] END | CREATE (k:ApiKey) SET k = row.key)
RETURN row.i AS i, current, NOT present AS made;

// keys_revoke: ends an API key, unless it was ended before
UNWIND $rows AS row
MATCH (k:ApiKey {id: row.id})
WHERE k.tenant = row.tenant
SET k.heldAt = row.at
WITH row, k, k.revokedAt IS NULL AS revoked
SET k.revokedAt = coalesce(k.revokedAt, row.at)
RETURN row.i AS i, revoked, k {.*} AS key;

// keys_touch: notes that API keys were used, unless that was noted a moment ago
UNWIND $rows AS row
MATCH (k:ApiKey {id: row.id})
WHERE k.lastUsedAt IS NULL OR k.lastUsedAt < row.unless
SET k.lastUsedAt = row.at
RETURN row.i AS i;

// keys_find: an API key by its id
MATCH (k:ApiKey {id: $id})
RETURN k {.*} AS key;

// keys_list: the API keys of a tenant, or of one principal, in the order of their ids
MATCH (k:ApiKey)
WHERE k.tenant = $tenant AND k.id > $after AND ($principal IS NULL OR k.principal = $principal)
RETURN k {.*} AS key
ORDER BY k.tenant, k.id LIMIT $limit;

// keys_principals: who has an API key that works, and to what it is narrowed
MATCH (k:ApiKey)
WHERE k.tenant = $tenant AND k.revokedAt IS NULL AND (k.expiresAt IS NULL OR k.expiresAt > $now)
RETURN DISTINCT k.principal AS principal, k.scopes AS scopes;
