// tenant_id: one tenant by a name
CREATE CONSTRAINT tenant_id IF NOT EXISTS FOR (n:Tenant) REQUIRE n.id IS UNIQUE;

// scope_path: one scope by a path in a tenant
CREATE CONSTRAINT scope_path IF NOT EXISTS FOR (n:Scope) REQUIRE (n.tenant, n.path) IS UNIQUE;

// graph_iri: one named graph by an IRI in a tenant
CREATE CONSTRAINT graph_iri IF NOT EXISTS FOR (n:Graph) REQUIRE (n.tenant, n.iri) IS UNIQUE;

// graph_number: graph numbers are unique over all tenants
CREATE CONSTRAINT graph_number IF NOT EXISTS FOR (n:Graph) REQUIRE n.number IS UNIQUE;

// agent_key: one agent by an id in a tenant
CREATE CONSTRAINT agent_key IF NOT EXISTS FOR (n:Agent) REQUIRE n.key IS UNIQUE;

// agent_order: agents of a tenant in the order of their ids
CREATE INDEX agent_order IF NOT EXISTS FOR (n:Agent) ON (n.tenant, n.id);

// state_key: one state by agent and key in a tenant
CREATE CONSTRAINT state_key IF NOT EXISTS FOR (n:State) REQUIRE n.key IS UNIQUE;

// state_order: an agent's states in the order of their keys
CREATE INDEX state_order IF NOT EXISTS FOR (n:State) ON (n.tenant, n.agent, n.name);

// state_version: one version of a state by its number
CREATE CONSTRAINT state_version IF NOT EXISTS FOR (n:StateVersion) REQUIRE (n.state, n.version) IS UNIQUE;

// state_instant: the version of a state at an instant
CREATE INDEX state_instant IF NOT EXISTS FOR (n:StateVersion) ON (n.state, n.at);

// session_key: one session by agent and id in a tenant
CREATE CONSTRAINT session_key IF NOT EXISTS FOR (n:Session) REQUIRE n.key IS UNIQUE;

// memory_id: one memory by an id
CREATE CONSTRAINT memory_id IF NOT EXISTS FOR (n:Memory) REQUIRE n.id IS UNIQUE;

// memory_external: memories by what the agent calls them
CREATE INDEX memory_external IF NOT EXISTS FOR (n:Memory) ON (n.tenant, n.externalId);

// memory_recorded: memories of a scope, newest first
CREATE INDEX memory_recorded IF NOT EXISTS FOR (n:Memory) ON (n.tenant, n.scope, n.recordedAt);

// memory_terms: BM25 over a memory's terms, within tenant and scopes
CREATE FULLTEXT INDEX memory_terms IF NOT EXISTS FOR (n:Memory) ON EACH [n.terms, n.tenant, n.scopeKey]
OPTIONS {indexConfig: {`fulltext.analyzer`: 'whitespace', `fulltext.eventually_consistent`: false}};

// memory_embedding: nearest memories by meaning, within tenant and scopes; quantized, Neo4j 2026.08 fails after deletions (docs/decisions/0006)
CREATE VECTOR INDEX memory_embedding IF NOT EXISTS FOR (n:Memory) ON n.embedding WITH [n.tenant, n.scope]
OPTIONS {indexConfig: {`vector.dimensions`: 256, `vector.similarity_function`: 'cosine', `vector.quantization.enabled`: false}};

// fact_id: one fact by an id
CREATE CONSTRAINT fact_id IF NOT EXISTS FOR (n:Fact) REQUIRE n.id IS UNIQUE;

// fact_subject: facts about a subject
CREATE INDEX fact_subject IF NOT EXISTS FOR (n:Fact) ON (n.tenant, n.subject, n.predicate);

// recall_id: one recall by an id
CREATE CONSTRAINT recall_id IF NOT EXISTS FOR (n:Recall) REQUIRE n.id IS UNIQUE;

// request_key: an idempotency key has one effect
CREATE CONSTRAINT request_key IF NOT EXISTS FOR (n:Request) REQUIRE n.key IS UNIQUE;

// writer_id: one node a writer
CREATE CONSTRAINT writer_id IF NOT EXISTS FOR (n:Writer) REQUIRE n.id IS UNIQUE;

// ledger_head: one ledger a tenant
CREATE CONSTRAINT ledger_head IF NOT EXISTS FOR (n:LedgerHead) REQUIRE n.tenant IS UNIQUE;

// ledger_sequence: one entry by a sequence number in a tenant
CREATE CONSTRAINT ledger_sequence IF NOT EXISTS FOR (n:LedgerEntry) REQUIRE (n.tenant, n.seq) IS UNIQUE;
