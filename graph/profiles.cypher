// profiles_read: what does not change in some memories, a list a column; a whole vector where there is no sketch
UNWIND $ids AS id
MATCH (m:Memory {id: id})
WHERE m.tenant = $tenant AND m.scope IN $scopes
RETURN collect(m.id) AS ids, collect(coalesce(m.terms, '')) AS terms, collect(coalesce(m.heading, '')) AS headings,
       collect(coalesce(m.traits, [])) AS traits, collect(coalesce(m.speaker, '')) AS speakers,
       collect(coalesce(m.speakerKey, m.id)) AS speakerKeys, collect(coalesce(m.session, '')) AS sessions,
       collect(m.occurredAt.epochMillis) AS occurred,
       collect(CASE WHEN m.expiresAt IS NOT NULL THEN [m.id, m.expiresAt.epochMillis] END) AS expires,
       collect(CASE WHEN $compared THEN coalesce(m.memory_sketch, m.memory_vector, []) ELSE [] END) AS vectors;
