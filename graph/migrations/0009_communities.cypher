// community_key: one community by a key
CREATE CONSTRAINT community_key IF NOT EXISTS FOR (n:Community) REQUIRE n.key IS UNIQUE;

// community_generation: the communities of a set as they were found together
CREATE INDEX community_generation IF NOT EXISTS FOR (n:Community) ON (n.set, n.generation);

// community_set_key: one set of communities a memory scope or named graph
CREATE CONSTRAINT community_set_key IF NOT EXISTS FOR (n:CommunitySet) REQUIRE n.key IS UNIQUE;

// community_set_tenant: the sets of a tenant
CREATE INDEX community_set_tenant IF NOT EXISTS FOR (n:CommunitySet) ON (n.tenant);

// community_refresh_tenant: one refresh at a time in a tenant
CREATE CONSTRAINT community_refresh_tenant IF NOT EXISTS FOR (n:CommunityRefresh) REQUIRE n.tenant IS UNIQUE;
