// expired_memories: temporary memories whose time is over, the first to end first
MATCH (m:Memory)
WHERE m.tenant = $tenant AND m.expiresAt <= $at AND (m.expiresAt > $after OR (m.expiresAt = $after AND m.id > $afterId))
RETURN m.id AS id, m.scope AS scope, m.agent AS agent, m.session AS session, m.expiresAt AS expiresAt
ORDER BY m.tenant, m.expiresAt, m.id LIMIT $limit;

// expired_remove: destroys memories that were to be gone by now, one after the other; what feedback or facts name stays as an empty node
UNWIND $rows AS row
CALL (row) {
  MATCH (m:Memory {id: row.id})
  WHERE m.tenant = row.tenant AND m.expiresAt <= row.at
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
  WITH DISTINCT row, m, m.hash AS before, EXISTS { (m)<-[:USEFUL|USELESS|EVIDENCE|DERIVED_FROM]-() } AS named
  CALL (m) {
    MATCH (m)-[l:DUPLICATE_OF|SUPERSEDES|MENTIONS]-(other)
    FOREACH (x IN CASE WHEN other:Memory AND type(l) = 'DUPLICATE_OF' AND startNode(l) = other THEN [other] ELSE [] END | SET x.duplicateOf = null)
    FOREACH (x IN CASE WHEN other:Memory AND type(l) = 'SUPERSEDES' AND endNode(l) = other THEN [other] ELSE [] END | SET x.supersededAt = null, x.supersededBy = null)
    DELETE l
  }
  CALL (row, m, named) {
    WITH row, m, named WHERE named
    REMOVE m:Memory:Unembedded
    SET m:Forgotten, m.embedding = null, m.embeddingB = null, m.sketch = null, m.sketchB = null, m.terms = null, m.heading = null, m.traits = null, m.digest = null, m.duplicateOf = null, m.supersededAt = null, m.supersededBy = null,
        m.text = null, m.metadata = null, m.speaker = null, m.externalId = null, m.session = null, m.erasedAt = row.at
  }
  CALL (m, named) {
    WITH m, named WHERE NOT named
    DETACH DELETE m
  }
  RETURN before
}
RETURN row.i AS i, before;

// expired_requests: how many idempotency keys were used before an instant
MATCH (r:Request)
WHERE r.tenant = $tenant AND r.at < $before
RETURN count(*) AS requests;

// requests_remove: forgets some idempotency keys that were used before an instant
UNWIND $rows AS row
CALL (row) {
  MATCH (r:Request)
  WHERE r.tenant = row.tenant AND r.at < row.before
  WITH r LIMIT 2000
  DELETE r
  RETURN count(*) AS removed
}
RETURN row.i AS i, removed;
