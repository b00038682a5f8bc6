// memory_order: memories of a tenant in the order of their ids
CREATE INDEX memory_order IF NOT EXISTS FOR (n:Memory) ON (n.tenant, n.id);

// relinking_tenant: one pass over old memories a tenant
CREATE CONSTRAINT relinking_tenant IF NOT EXISTS FOR (n:Relinking) REQUIRE n.tenant IS UNIQUE;
