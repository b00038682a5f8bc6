// point: the memory with an id
MATCH (m:Memory {id: $id})
WHERE m.tenant = $tenant AND m.scope IN $scopes AND (m.expiresAt IS NULL OR m.expiresAt > $now)
RETURN [m {.id, .kind, .text, .speaker, .session, .scope, .importance,
           recordedAt: m.recordedAt.epochSeconds * 1000000 + m.recordedAt.microsecond}] AS memories;
