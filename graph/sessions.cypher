// sessions_tail: the readable memories at the end of a session, the last one first
MATCH (s:Session {key: $key})<-[:IN_SESSION]-(m:Memory)
WHERE m.scope IN $scopes AND m.text IS NOT NULL AND (m.expiresAt IS NULL OR m.expiresAt > $now)
RETURN m {.id, .externalId, .agent, .kind, .modality, .text, .speaker, .session, .scope, .importance, .occurredAt, .recordedAt, .expiresAt, .metadata, .hash} AS memory
ORDER BY m.position DESC, m.recordedAt DESC, m.id DESC
LIMIT $limit;
