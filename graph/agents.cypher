// agents_register: creates an agent or changes its name and goals
UNWIND $rows AS row
MERGE (a:Agent {key: row.key})
ON CREATE SET a.tenant = row.tenant, a.id = row.id, a.scope = row.scope, a.createdAt = row.at
SET a.touchedAt = row.at
WITH row, a, a.hash AS before
SET a.name = row.name, a.goals = row.goals, a.hash = row.hash
RETURN row.i AS i, before;

// agents_known: which of the agents that a change is for exist
UNWIND $rows AS row
MATCH (a:Agent {key: row.key})
RETURN row.i AS i, a.id AS id;

// agents_by_id: agents by their ids, with whether their own scope is readable
UNWIND $keys AS key
MATCH (a:Agent {key: key})
RETURN a.id AS id, a.name AS name, a.goals AS goals, a.scope IN $scopes AS readable;

// agents_list: readable agents of a tenant in the order of their ids
MATCH (a:Agent)
WHERE a.tenant = $tenant AND a.id > $after AND a.scope IN $scopes
RETURN a.id AS id, a.name AS name, a.goals AS goals, true AS readable
ORDER BY a.tenant, a.id LIMIT $limit;

// scopes_ensure: registers scopes that are new, and says so to every replica through the tenant's catalog version
UNWIND $rows AS row
OPTIONAL MATCH (known:Scope {tenant: row.tenant, path: row.path})
WITH row, known IS NULL AS isNew
CALL (row, isNew) {
  WITH row, isNew WHERE isNew
  MERGE (s:Scope {tenant: row.tenant, path: row.path})
  WITH row
  MATCH (t:Tenant {id: row.tenant})
  SET t.catalogVersion = t.catalogVersion + 1
}
RETURN row.i AS i, isNew;
