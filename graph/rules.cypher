// rules_load: every rule and role assignment of a tenant
MATCH (r:Rule)
WHERE r.tenant = $tenant
RETURN r.ptype AS ptype, r.v0 AS v0, r.v1 AS v1, r.v2 AS v2, r.v3 AS v3, r.v4 AS v4;

// rules_list: the rules of a tenant in the order of subject, object, action, effect
MATCH (r:Rule)
WHERE r.tenant = $tenant AND r.ptype = 'p'
WITH r, [r.v0, r.v2, r.v3, r.v4] AS position
WHERE $after IS NULL OR position > $after
RETURN r.ptype AS ptype, [r.v0, r.v1, r.v2, r.v3, r.v4] AS values
ORDER BY position LIMIT $limit;

// roles_list: who was assigned which role, who is named by how many rules, and who of them has an API key and is no role of the tenant's first
MATCH (t:Tenant {id: $tenant})
MATCH (r:Rule)
WHERE r.tenant = $tenant
WITH coalesce(t.roles, []) AS first, r.ptype AS ptype, r.v0 AS subject, CASE r.ptype WHEN 'g' THEN r.v1 END AS role, count(*) AS rules
RETURN ptype, subject, role, rules,
  NOT subject IN first AND EXISTS { MATCH (k:ApiKey) WHERE k.tenant = $tenant AND k.principal = subject } AS isPrincipal;

// policy_lock: holds a tenant's rules until this transaction ends
UNWIND $rows AS row
MATCH (t:Tenant {id: row.tenant})
SET t.policyLock = true
RETURN row.i AS i;

// policy_version: the version of a tenant's rules, once they are held
UNWIND $rows AS row
MATCH (t:Tenant {id: row.tenant})
RETURN row.i AS i, t.policyVersion AS version;

// rule_add: adds a rule when nobody changed the rules since they were read
UNWIND $rows AS row
MATCH (t:Tenant {id: row.tenant})
WHERE t.policyVersion = row.expected
MERGE (r:Rule {key: row.rule.key})
SET r = row.rule, t.policyVersion = row.expected + 1
RETURN row.i AS i, t.policyVersion AS version;

// rule_remove: removes a rule when nobody changed the rules since they were read
UNWIND $rows AS row
MATCH (t:Tenant {id: row.tenant})
WHERE t.policyVersion = row.expected
SET t.policyVersion = row.expected + 1
WITH row, t.policyVersion AS version
OPTIONAL MATCH (r:Rule {key: row.rule.key})
DELETE r
RETURN row.i AS i, version;
