// vectors_of: which vectors the memories of a tenant have
MATCH (m:Memory)
WHERE m.tenant = $tenant
RETURN m.text AS text, size(m.embedding) AS a, size(m.embeddingB) AS b, m:Unembedded AS unembedded
ORDER BY m.id;

// moved_text: a memory of a tenant gets another one's text as it is stored
MATCH (m:Memory) WHERE m.tenant = $tenant WITH m ORDER BY m.id WITH collect(m) AS found WITH found[0] AS one, found[1] AS other
SET one.text = other.text RETURN one.id AS id;

// no_memories: takes a tenant's memories away, for tests that do not have their key
MATCH (m:Memory {tenant: $tenant}) DETACH DELETE m;

// links: every link between memories of a tenant, and both ends' scopes, agents and labels
MATCH (a)-[l:DUPLICATE_OF|SUPERSEDES|DERIVED_FROM]->(b)
WHERE a.tenant = $tenant OR b.tenant = $tenant
RETURN a.id AS source, type(l) AS type, b.id AS target, l.similarity AS similarity, l.reason AS reason, a.tenant = b.tenant AS oneTenant,
       a.scope = b.scope AS oneScope, a.agent = b.agent AS oneAgent, a.supersededBy AS sourceSupersededBy,
       a.duplicateOf AS duplicateOf, b.supersededBy AS supersededBy, b.supersededAt AS supersededAt, b:Memory AND a:Memory AS remembered
ORDER BY source, type, target;

// nodes: every node of a tenant but the ledger's and the writer's, and what a run says of itself
MATCH (n)
WHERE n.tenant = $tenant AND NOT n:LedgerEntry AND NOT n:LedgerHead AND NOT n:Consolidation
RETURN labels(n) AS labels, n {.*, touchedAt: null} AS properties,
       COLLECT { MATCH (n)-[r]->(o) RETURN [type(r), properties(r), elementId(o)] ORDER BY type(r), elementId(o), elementId(r) } AS leading
ORDER BY elementId(n);

// memories: what is kept beside the memories of a tenant
MATCH (m:Memory)
WHERE m.tenant = $tenant
RETURN m.id AS id, m.text AS text, m.kind AS kind, m.importance AS importance, m.strength AS strength, m.lastUsed AS lastUsed,
       m.duplicateOf AS duplicateOf, m.supersededBy AS supersededBy, m.digest AS digest, m.scope AS scope, m.agent AS agent,
       m.terms AS terms, size(m.embedding) AS dimensions, m.occurredAt AS occurredAt, m.hash AS hash, m.session AS session
ORDER BY id;

// chain: the chain of a session
MATCH (s:Session {key: $key})
RETURN COLLECT { MATCH (a:Memory)-[:IN_SESSION]->(s) RETURN a.id ORDER BY a.position } AS members,
       COLLECT { MATCH (a:Memory)-[:IN_SESSION]->(s) MATCH (a)-[:NEXT]->(b) RETURN [a.id, b.id] ORDER BY a.position } AS edges,
       COLLECT { MATCH (s)-[:LAST]->(m) RETURN m.id } AS last;

// relics: nodes of a tenant by their ids, whatever they are
MATCH (n)
WHERE n.tenant = $tenant AND n.id IN $ids
RETURN n.id AS id, labels(n) AS labels, n.text AS text, n.digest AS digest, COUNT { (n)-[:MENTIONS]->() } AS mentions
ORDER BY id;

// undigested: a memory as one that was written before there were digests
MATCH (m:Memory)
WHERE m.tenant = $tenant
OPTIONAL MATCH (m)-[l:DUPLICATE_OF]->()
DELETE l
SET m.digest = null, m.duplicateOf = null;

// request_put: idempotency keys of an age
UNWIND $rows AS row
CREATE (:Request {key: row.key, tenant: $tenant, input: 'x', answer: 'null', at: row.at});

// requests: how many idempotency keys a tenant has
MATCH (r:Request)
WHERE r.tenant = $tenant
RETURN count(*) AS requests;
