// repertoires_list: which agents keep memories in which scopes, of those that were recorded since an instant
MATCH (s:Scope)
WHERE s.tenant = $tenant
CALL (s) {
  MATCH (m:Memory)
  WHERE m.tenant = $tenant AND m.scope = s.path AND m.recordedAt >= $since AND m.text IS NOT NULL
  RETURN m.agent AS agent, count(*) AS memories
}
RETURN s.path AS scope, agent, memories
ORDER BY scope, agent;

// repertoires_read: the newest memories with a text that an agent keeps in a scope, with what they are linked to
MATCH (m:Memory)
WHERE m.tenant = $tenant AND m.scope = $scope AND m.recordedAt >= $since AND m.agent = $agent AND m.text IS NOT NULL
  AND (m.expiresAt IS NULL OR m.expiresAt > $now)
WITH m ORDER BY m.tenant DESC, m.scope DESC, m.recordedAt DESC, m.id DESC LIMIT $limit
RETURN m {.id, .externalId, .agent, .kind, .modality, .text, .speaker, .session, .scope, .importance, .occurredAt, .recordedAt, .expiresAt, .metadata, .hash} AS memory,
       m.digest AS digest, m.duplicateOf AS duplicateOf, m.supersededBy AS supersededBy,
       COLLECT { MATCH (m)-[d:DUPLICATE_OF]->(f:Memory) RETURN [f.id, d.similarity] } AS duplicates,
       COLLECT { MATCH (n:Memory)-[s:SUPERSEDES]->(m) RETURN [n.id, s.reason] } AS superseding,
       COLLECT { MATCH (d)-[:DERIVED_FROM]->(m) WHERE d.lapsed IS NULL RETURN [d.id, d:Memory] } AS derived;
