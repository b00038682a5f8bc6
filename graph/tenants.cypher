// tenants_create: creates a tenant with its first rules, unless it exists
UNWIND $rows AS row
MERGE (t:Tenant {id: row.tenant})
ON CREATE SET t.founder = row.founder, t.createdAt = row.at, t.roles = row.roles, t.policyVersion = 1, t.catalogVersion = 1, t.cacheGeneration = 0,
  t.sealing = row.sealing, t.keyed = row.sealing, t.keysVersion = 0
WITH row, t.founder = row.founder AS isNew
FOREACH (rule IN CASE WHEN isNew THEN row.rules ELSE [] END | CREATE (r:Rule) SET r = rule)
RETURN row.i AS i, isNew;

// tenants_versions: where a tenant's rules, catalog and cache stand
MATCH (t:Tenant {id: $tenant})
RETURN t.policyVersion AS policy, t.catalogVersion AS catalog, t.cacheGeneration AS cache, coalesce(t.keysVersion, 0) AS keys;

// tenants_catalog: every memory scope and every graph of a tenant
RETURN COLLECT { MATCH (s:Scope) WHERE s.tenant = $tenant RETURN s.path } AS scopes,
       COLLECT { MATCH (g:Graph) WHERE g.tenant = $tenant RETURN [g.kind, g.iri, g.number] } AS graphs;

// tenants_all: every tenant there is, in order
MATCH (t:Tenant)
RETURN t.id AS id ORDER BY id;
