// sessions_tail: the readable memories at the end of a session, the last one first
MATCH (s:Session {key: $key})<-[:IN_SESSION]-(m:Memory)
WHERE m.scope IN $scopes AND m.text IS NOT NULL AND (m.expiresAt IS NULL OR m.expiresAt > $now)
RETURN m.id AS id, m.text AS text, m.speaker AS speaker, m.expiresAt AS expiresAt
ORDER BY m.position DESC, m.recordedAt DESC, m.id DESC
LIMIT $limit;
