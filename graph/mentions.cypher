// mentions_ensure: links memories to the resources they mention; a mention that is there keeps the higher confidence
UNWIND $rows AS row
MATCH (m:Memory {id: row.memory})
MATCH (r:Resource {key: row.key})
WHERE m.tenant = row.tenant AND r.tenant = row.tenant
MERGE (m)-[x:MENTIONS {start: row.start, end: row.end}]->(r)
ON CREATE SET x.text = row.text, x.confidence = row.confidence, x.speaker = row.speaker
ON MATCH SET x.confidence = CASE WHEN row.confidence > x.confidence THEN row.confidence ELSE x.confidence END;

// mentions_of: what readable memories mention, as far as the reader may see the entities
UNWIND $ids AS id
MATCH (m:Memory {id: id})-[x:MENTIONS]->(r:Resource)
WHERE m.tenant = $tenant AND m.scope IN $scopes AND (m.expiresAt IS NULL OR m.expiresAt > $now) AND x.speaker IS NULL
  AND (EXISTS { (r)-[d:DESCRIBED_IN]->() WHERE d.graph IN $graphs } OR EXISTS { (r)-[l]-(:Resource) WHERE l.g IN $graphs })
RETURN id, r.key AS key, r.iri AS iri, x.start AS start, x.end AS end, x.text AS text, x.confidence AS confidence;

// mentions_by: readable memories that mention each of several resources that the reader may see, newest first
UNWIND $keys AS key
MATCH (r:Resource {key: key})
WHERE r.tenant = $tenant
  AND (EXISTS { (r)-[d:DESCRIBED_IN]->() WHERE d.graph IN $graphs } OR EXISTS { (r)-[l]-(:Resource) WHERE l.g IN $graphs })
CALL (r) {
  MATCH (r)<-[x:MENTIONS]-(m:Memory)
  WHERE x.speaker IS NULL AND m.scope IN $scopes AND m.recordedAt <= $before
    AND (m.recordedAt < $before OR m.id < $beforeId)
    AND (m.expiresAt IS NULL OR m.expiresAt > $now)
  RETURN DISTINCT m ORDER BY m.recordedAt DESC, m.id DESC LIMIT $limit
}
RETURN key, m {.id, .externalId, .agent, .kind, .modality, .text, .speaker, .session, .scope, .importance, .occurredAt, .recordedAt, .expiresAt, .metadata, .hash} AS memory
ORDER BY key, m.recordedAt DESC, m.id DESC;

// mentions_pending: memories with a text, in the order of their ids, for linking them again
MATCH (m:Memory)
WHERE m.tenant = $tenant AND m.id > $after AND m.text IS NOT NULL
RETURN m.id AS id, m.agent AS agent, m.scope AS scope, m.text AS text, m.speaker AS speaker
ORDER BY m.id LIMIT $limit;

// mentions_known: the mentions that memories have
UNWIND $ids AS id
MATCH (m:Memory {id: id})-[x:MENTIONS]->(r:Resource)
RETURN id, r.key AS key, x.start AS start, x.end AS end, x.confidence AS confidence;

// relinking_count: how many memories of a tenant have a text, and how many of them lie up to an id
MATCH (m:Memory)
WHERE m.tenant = $tenant AND m.id IS NOT NULL AND m.text IS NOT NULL
RETURN count(m) AS total, sum(CASE WHEN m.id <= $after THEN 1 ELSE 0 END) AS done;

// relinking_find: where a tenant's pass over old memories stands
MATCH (p:Relinking {tenant: $tenant})
RETURN p.after AS after, p.linked AS linked;

// relinking_unfinished: tenants whose pass over old memories was interrupted
MATCH (p:Relinking)
RETURN p.tenant AS tenant;

// relinking_move: remembers how far a tenant's pass over old memories has come, in the transaction of its links
UNWIND $rows AS row
MERGE (p:Relinking {tenant: row.tenant})
SET p.after = row.after, p.linked = row.linked, p.at = row.at
RETURN row.i AS i;

// relinking_end: forgets a tenant's pass over old memories, which is done
UNWIND $rows AS row
MATCH (p:Relinking {tenant: row.tenant})
DELETE p
RETURN row.i AS i;
