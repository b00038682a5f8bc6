// links_of: how readable memories are linked to others that are readable too
UNWIND $ids AS id
MATCH (m:Memory {id: id})
WHERE m.tenant = $tenant AND m.scope IN $scopes AND (m.expiresAt IS NULL OR m.expiresAt > $now)
CALL (m) {
  MATCH (m)-[l:DUPLICATE_OF]->(o:Memory)
  RETURN 'duplicateOf' AS kind, o, l
  UNION ALL
  MATCH (m)<-[l:SUPERSEDES]-(o:Memory)
  RETURN 'supersededBy' AS kind, o, l
  UNION ALL
  MATCH (m)-[l:DERIVED_FROM]->(o:Memory)
  RETURN 'derivedFrom' AS kind, o, l ORDER BY o.id LIMIT $limit
}
WITH id, kind, o, l
WHERE o.tenant = $tenant AND o.scope IN $scopes AND (o.expiresAt IS NULL OR o.expiresAt > $now)
RETURN id, kind, l.similarity AS similarity, l.reason AS reason, l.at AS at,
       o {.id, .externalId, .agent, .kind, .modality, .text, .speaker, .session, .scope, .importance, .occurredAt, .recordedAt, .expiresAt, .metadata, .hash} AS memory
ORDER BY id, kind, o.id;
