// token_revocation_id: a token or a subject is revoked once
CREATE CONSTRAINT token_revocation_id IF NOT EXISTS FOR (n:TokenRevocation) REQUIRE n.id IS UNIQUE;

// token_revocation_tenant: the revocations of a tenant
CREATE INDEX token_revocation_tenant IF NOT EXISTS FOR (n:TokenRevocation) ON (n.tenant);
