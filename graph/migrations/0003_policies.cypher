// rule_key: each rule and role assignment of a tenant is stored once
CREATE CONSTRAINT rule_key IF NOT EXISTS FOR (n:Rule) REQUIRE n.key IS UNIQUE;

// rule_tenant: the rules of a tenant
CREATE INDEX rule_tenant IF NOT EXISTS FOR (n:Rule) ON (n.tenant, n.ptype);

// api_key_id: one API key by an id
CREATE CONSTRAINT api_key_id IF NOT EXISTS FOR (n:ApiKey) REQUIRE n.id IS UNIQUE;

// api_key_order: the API keys of a tenant in the order of their ids
CREATE INDEX api_key_order IF NOT EXISTS FOR (n:ApiKey) ON (n.tenant, n.id);

// api_key_principal: the API keys of a principal
CREATE INDEX api_key_principal IF NOT EXISTS FOR (n:ApiKey) ON (n.tenant, n.principal);
