// erasing_keys: destroys the keys of a subject, and makes everything stale that was cached of its tenant
UNWIND $rows AS row
MATCH (t:Tenant {id: row.tenant})
SET t.keysVersion = coalesce(t.keysVersion, 0) + 1, t.cacheGeneration = t.cacheGeneration + 1
WITH row
CALL (row) {
  MATCH (k:SubjectKey)
  WHERE k.tenant = row.tenant AND k.subject = row.subject AND k.wrapped IS NOT NULL
  SET k.wrapped = null, k.slot = null, k.destroyedAt = row.at
  RETURN count(k) AS destroyed
}
RETURN row.i AS i, destroyed;

// erasing_known: the ids of all keys that a subject had
MATCH (k:SubjectKey)
WHERE k.tenant = $tenant AND k.subject = $subject
RETURN k.id AS id;

// erasing_memories: memories of a subject, and those that were derived from them, in the order of their ids
MATCH (m:Memory)
WHERE m.tenant = $tenant AND m.id > $after AND (m.agent = $agent OR m.subjectKey IN $keys OR EXISTS { (m)-[:DERIVED_FROM]->(d) WHERE d.subjectKey IN $keys })
WITH m ORDER BY m.id LIMIT $limit
RETURN m.id AS id, m.scope AS scope, COLLECT { MATCH (m)-[:MENTIONS]->(r:Resource) WHERE r.iri STARTS WITH $prefix RETURN DISTINCT r.key } AS names;

// erasing_forgotten: forgotten memories of a subject that still have content
MATCH (m:Forgotten)
WHERE m.tenant = $tenant AND m.erasedAt IS NULL AND (m.agent = $agent OR m.subjectKey IN $keys OR EXISTS { (m)-[:DERIVED_FROM]->(d) WHERE d.subjectKey IN $keys })
WITH m LIMIT $limit
RETURN m.id AS id, m.scope AS scope, COLLECT { MATCH (m)-[:MENTIONS]->(r:Resource) WHERE r.iri STARTS WITH $prefix RETURN DISTINCT r.key } AS names;

// erase_memories: destroys memories, one after the other, and mends their sessions' chains; what feedback or facts name stays as an empty node
UNWIND $rows AS row
CALL (row) {
  MATCH (m:Memory {id: row.id})
  WHERE m.tenant = row.tenant
  OPTIONAL MATCH (m)-[:IN_SESSION]->(held:Session)
  SET held.touchedAt = row.at, m.forgottenAt = row.at
  WITH row, m
  WHERE m:Memory
  OPTIONAL MATCH (earlier)-[en:NEXT]->(m)
  OPTIONAL MATCH (m)-[ln:NEXT]->(later)
  OPTIONAL MATCH (session:Session)-[tail:LAST]->(m)
  FOREACH (e IN CASE WHEN earlier IS NULL OR later IS NULL THEN [] ELSE [earlier] END | CREATE (e)-[:NEXT]->(later))
  FOREACH (s IN CASE WHEN session IS NULL OR earlier IS NULL THEN [] ELSE [session] END | CREATE (s)-[:LAST]->(earlier))
  DELETE en, ln, tail
  WITH DISTINCT row, m, m.hash AS before
  CALL (m) {
    MATCH (m)-[l:DUPLICATE_OF|SUPERSEDES|MENTIONS]-(other)
    FOREACH (x IN CASE WHEN other:Memory AND type(l) = 'DUPLICATE_OF' AND startNode(l) = other THEN [other] ELSE [] END | SET x.duplicateOf = null)
    FOREACH (x IN CASE WHEN other:Memory AND type(l) = 'SUPERSEDES' AND endNode(l) = other THEN [other] ELSE [] END | SET x.supersededAt = null, x.supersededBy = null)
    DELETE l
  }
  REMOVE m:Memory:Unembedded
  SET m:Forgotten, m.embedding = null, m.embeddingB = null, m.sketch = null, m.sketchB = null, m.terms = null, m.heading = null, m.traits = null, m.digest = null, m.duplicateOf = null, m.supersededAt = null, m.supersededBy = null,
      m.text = null, m.metadata = null, m.speaker = null, m.externalId = null, m.speakerKey = null, m.externalKey = null, m.session = null, m.erasedAt = row.at
  RETURN before
}
RETURN row.i AS i, before;

// erase_forgotten: destroys the content of forgotten memories
UNWIND $rows AS row
MATCH (m:Forgotten {tenant: row.tenant, id: row.id})
WHERE m.erasedAt IS NULL
SET m.text = null, m.metadata = null, m.speaker = null, m.externalId = null, m.speakerKey = null, m.externalKey = null, m.session = null, m.erasedAt = row.at
WITH row, m
OPTIONAL MATCH (m)-[mention:MENTIONS]->()
DELETE mention
RETURN DISTINCT row.i AS i;

// erasing_states: states of an agent
MATCH (s:State)
WHERE s.tenant = $tenant AND s.agent = $agent
RETURN s.key AS id LIMIT $limit;

// erase_states: destroys states with all their versions
UNWIND $rows AS row
MATCH (s:State {key: row.id})
WHERE s.tenant = row.tenant
SET s.touchedAt = row.at
WITH row, s
OPTIONAL MATCH (s)-[:CURRENT]->(c:StateVersion)
WITH row, s, s.path AS path, c.hash AS before
CALL (s) {
  MATCH (v:StateVersion)
  WHERE v.state = s.key AND v.version IS NOT NULL
  DETACH DELETE v
}
DETACH DELETE s
RETURN row.i AS i, path, before;

// erasing_facts: facts of a scope and of those below it
MATCH (f:Fact)
WHERE f.tenant = $tenant AND f.id IS NOT NULL AND (f.scope = $scope OR f.scope STARTS WITH $scope + '/')
RETURN f.id AS id LIMIT $limit;

// erase_facts: destroys facts with their earlier versions
UNWIND $rows AS row
MATCH (f:Fact {id: row.id})
WHERE f.tenant = row.tenant
WITH row, f, f {.*, evidence: [(f)-[:EVIDENCE]->(m) | m.id]} AS before
CALL (f) {
  MATCH (f)-[:PREVIOUS]->(v:FactVersion)
  DETACH DELETE v
}
DETACH DELETE f
RETURN row.i AS i, before;

// erasing_feedback: feedback on recalls of an agent
MATCH (f:Feedback)
WHERE f.tenant = $tenant AND f.agent = $agent
RETURN f.id AS id LIMIT $limit;

// erase_feedback: destroys feedback
UNWIND $rows AS row
MATCH (f:Feedback)
WHERE f.tenant = row.tenant AND f.id = row.id
WITH row, f, f.hash AS before
DETACH DELETE f
RETURN row.i AS i, before;

// erase_sessions: destroys the sessions of an agent, which have no memories any more
UNWIND $rows AS row
MATCH (s:Session)
WHERE s.tenant = row.tenant AND s.agent = row.agent
DETACH DELETE s
RETURN DISTINCT row.i AS i;

// erase_goals: takes the goals from an agent
UNWIND $rows AS row
MATCH (a:Agent {key: row.key})
WITH row, a, a.hash AS before, a.name AS name
SET a.goals = [], a.hash = row.hash
RETURN row.i AS i, before, name;

// erasing_agent: an agent's name, and whether it has goals
MATCH (a:Agent {key: $key})
RETURN a.name AS name;

// erasing_names: local entities of a scope and of those below it
MATCH (g:Graph)
WHERE g.tenant = $tenant AND g.iri IS NOT NULL AND g.kind = 'scope' AND (g.iri = $graph OR g.iri STARTS WITH $graph + '/')
MATCH (r:Resource)-[d:DESCRIBED_IN]->()
WHERE d.graph = g.number AND d.key > ''
RETURN r.key AS id, g.number AS graph LIMIT $limit;

// erase_names: destroys local entities, with all that their scope's graph says of them
UNWIND $rows AS row
MATCH (r:Resource {key: row.id})-[d:DESCRIBED_IN]->(g:Graph)
WHERE d.graph = row.graph
WITH row, r, d, g, r.iri AS iri, d.hash AS before
SET g.revision = coalesce(g.revision, 0) + 1
DELETE d
WITH row, r, iri, before
CALL (row, r) {
  MATCH (r)-[l]->(:Resource)
  WHERE l.g = row.graph
  DELETE l
}
CALL (row, r) {
  WITH r WHERE r.iri STARTS WITH row.prefix AND NOT EXISTS { (r)-[:DESCRIBED_IN]->() }
  DETACH DELETE r
}
RETURN row.i AS i, iri, before;
