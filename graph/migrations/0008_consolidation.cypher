// memory_digest: memories by the digest of what they say, the first one first
CREATE INDEX memory_digest IF NOT EXISTS FOR (n:Memory) ON (n.digest, n.id);

// memory_expires: a tenant's temporary memories by when they end
CREATE INDEX memory_expires IF NOT EXISTS FOR (n:Memory) ON (n.tenant, n.expiresAt);

// request_age: a tenant's idempotency keys by when they were used
CREATE INDEX request_age IF NOT EXISTS FOR (n:Request) ON (n.tenant, n.at);

// consolidation_tenant: one state of consolidation a tenant
CREATE CONSTRAINT consolidation_tenant IF NOT EXISTS FOR (n:Consolidation) REQUIRE n.tenant IS UNIQUE;
