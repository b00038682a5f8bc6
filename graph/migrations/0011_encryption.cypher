// tenant_key_tenant: a tenant has one key
CREATE CONSTRAINT tenant_key_tenant IF NOT EXISTS FOR (n:TenantKey) REQUIRE n.tenant IS UNIQUE;

// subject_key_id: a subject's key is found by its id
CREATE CONSTRAINT subject_key_id IF NOT EXISTS FOR (n:SubjectKey) REQUIRE n.id IS UNIQUE;

// subject_key_slot: a subject has one key that new values are sealed with
CREATE CONSTRAINT subject_key_slot IF NOT EXISTS FOR (n:SubjectKey) REQUIRE n.slot IS UNIQUE;

// subject_key_tenant: a tenant's keys, by subject
CREATE INDEX subject_key_tenant IF NOT EXISTS FOR (n:SubjectKey) ON (n.tenant, n.subject);

// tenants_sealing: tenants from before encryption seal from now on; their words and vectors are keyed at once where there are none
MATCH (t:Tenant)
WHERE t.sealing IS NULL
SET t.sealing = true, t.keyed = NOT EXISTS { MATCH (m:Memory) WHERE m.tenant = t.id AND m.id IS NOT NULL } AND NOT EXISTS { MATCH (f:Fact) WHERE f.tenant = t.id AND f.id IS NOT NULL };
