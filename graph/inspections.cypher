// inspect_states: every version of every state in the order of states and versions, with what is current
MATCH (v:StateVersion)
WHERE v.state STARTS WITH $prefix AND v.version IS NOT NULL
WITH v ORDER BY v.state, v.version
OPTIONAL MATCH (s:State {key: v.state})-[:CURRENT]->(v)
RETURN v.state AS key, v.version AS version, v.value AS value, v.hash AS hash, s.version AS current, s.agent AS agent, s.name AS name, s.path AS path;

// inspect_memories: every memory, and of every forgotten one whether it was erased and still has content
MATCH (m:Memory)
WHERE m.tenant = $tenant AND m.scope IS NOT NULL AND m.recordedAt IS NOT NULL
RETURN m.scope AS scope, m.id AS id, null AS erased, null AS full,
       m {.id, .externalId, .agent, .kind, .modality, .text, .speaker, .session, .scope, .importance, .occurredAt, .recordedAt, .expiresAt, .metadata, .hash} AS memory
UNION ALL
MATCH (m:Forgotten)
WHERE m.tenant = $tenant AND m.id IS NOT NULL
RETURN m.scope AS scope, m.id AS id, m.erasedAt IS NOT NULL AS erased,
       coalesce(m.text, m.metadata, m.speaker, m.externalId, m.session, m.terms, m.embedding, m.embeddingB, m.sketch, m.sketchB, m.heading, m.digest) IS NOT NULL OR EXISTS { (m)-[:MENTIONS]->() } AS full,
       null AS memory;

// inspect_agents: every agent
MATCH (a:Agent)
WHERE a.tenant = $tenant AND a.id IS NOT NULL
RETURN a.id AS id, a.name AS name, a.goals AS goals, a.hash AS hash;

// inspect_facts: every fact with the memories it cites
MATCH (f:Fact)
WHERE f.tenant = $tenant AND f.id IS NOT NULL
RETURN f {.*, evidence: [(f)-[:EVIDENCE]->(m) | m.id]} AS fact;

// inspect_feedback: every feedback with the memories it names
MATCH (f:Feedback)
WHERE f.tenant = $tenant AND f.id IS NOT NULL
RETURN f.id AS id, f.recall AS recall, f.agent AS agent, f.query AS query, f.hash AS hash,
       [(f)-[:USEFUL]->(m) | m.id] AS useful, [(f)-[:USELESS]->(m) | m.id] AS useless;

// inspect_keys: every API key
MATCH (k:ApiKey)
WHERE k.tenant = $tenant AND k.id IS NOT NULL
RETURN k {.*} AS key;

// inspect_revocations: every revoked token and subject
MATCH (r:TokenRevocation)
WHERE r.tenant = $tenant AND r.id IS NOT NULL
RETURN r.id AS id, r {.*} AS revocation;

// inspect_graphs: the graphs of a kind in the order of their IRIs
MATCH (g:Graph)
WHERE g.tenant = $tenant AND g.iri IS NOT NULL AND g.kind = $kind
RETURN g.iri AS iri, g.number AS number
ORDER BY iri;
