// memories_create: creates memories of an agent that exists, with a vector for each embedder that is in use
UNWIND $rows AS row
MATCH (a:Agent {key: row.agentKey})
OPTIONAL MATCH (v:VectorSlots {id: 'memory'})
CREATE (m:Memory)
SET m = row.properties, m.embedding = row.vectors[v.nameA], m.embeddingB = row.vectors[v.nameB],
    m.sketch = row.sketches[v.nameA], m.sketchB = row.sketches[v.nameB],
    m.occurredAt = datetime(row.occurredAt), m.recordedAt = datetime(row.recordedAt), m.expiresAt = datetime(row.expiresAt)
CREATE (m)-[:REMEMBERED_BY]->(a)
FOREACH (_ IN CASE WHEN m.text <> '' AND (v.nameA IS NOT NULL AND m.embedding IS NULL OR v.nameB IS NOT NULL AND m.embeddingB IS NULL) THEN [1] ELSE [] END |
  SET m:Unembedded);

// sessions_append: appends memories, in order, to the end of their session's chain
UNWIND $rows AS row
MATCH (a:Agent {key: row.agentKey})
MERGE (s:Session {key: row.key})
ON CREATE SET s.tenant = row.tenant, s.agent = row.agent, s.id = row.id, s.length = 0, s.startedAt = row.at
MERGE (a)-[:TOOK_PART_IN]->(s)
SET s.touchedAt = row.at
WITH row, s, s.length AS length
OPTIONAL MATCH (s)-[l:LAST]->(tail:Memory)
CALL (row) {
  UNWIND row.ids AS id
  MATCH (m:Memory {id: id})
  RETURN collect(m) AS chain
}
FOREACH (first IN chain[..1] | FOREACH (t IN CASE WHEN tail IS NULL THEN [] ELSE [tail] END | CREATE (t)-[:NEXT]->(first)))
FOREACH (n IN range(0, size(chain) - 1) |
  FOREACH (m IN [chain[n]] | SET m.position = length + n CREATE (m)-[:IN_SESSION]->(s))
  FOREACH (m IN chain[n..n + 1] | FOREACH (following IN chain[n + 1..n + 2] | CREATE (m)-[:NEXT]->(following))))
FOREACH (last IN chain[-1..] | CREATE (s)-[:LAST]->(last))
SET s.length = length + size(chain)
DELETE l;

// memories_by_id: readable memories that have not expired, by their ids; in one row, with instants as microseconds since 1970, since recall waits for it
UNWIND $ids AS id
MATCH (m:Memory {id: id})
WHERE m.tenant = $tenant AND m.scope IN $scopes AND (m.expiresAt IS NULL OR m.expiresAt > $now)
RETURN collect(m {.id, .externalId, .agent, .kind, .modality, .text, .speaker, .session, .scope, .importance, .metadata, .hash,
                  occurredAt: m.occurredAt.epochSeconds * 1000000 + m.occurredAt.microsecond,
                  recordedAt: m.recordedAt.epochSeconds * 1000000 + m.recordedAt.microsecond,
                  expiresAt: m.expiresAt.epochSeconds * 1000000 + m.expiresAt.microsecond}) AS memories;

// memories_principal: who remembered a memory
MATCH (m:Memory {id: $id})
WHERE m.tenant = $tenant
RETURN m.by AS principal;

// memories_readable: how many of the memories that a change refers to the caller can read
UNWIND $rows AS row
CALL (row) {
  MATCH (m:Memory)
  WHERE m.id IN row.memories AND m.tenant = row.tenant AND m.scope IN row.scopes AND (m.expiresAt IS NULL OR m.expiresAt > row.at)
  RETURN count(m) AS readable
}
RETURN row.i AS i, readable;

// memories_list: readable memories, newest first, with filters that are null when not asked for; in one row, as those by id
UNWIND $scopes AS scope
WITH scope WHERE $scope IS NULL OR scope = $scope OR scope STARTS WITH $scope + '/'
CALL (scope) {
  MATCH (m:Memory)
  WHERE m.tenant = $tenant AND m.scope = scope AND m.recordedAt <= $before
  WITH m ORDER BY m.tenant DESC, m.scope DESC, m.recordedAt DESC
  WHERE (m.recordedAt < $before OR m.id < $beforeId)
    AND (m.expiresAt IS NULL OR m.expiresAt > $now)
    AND ($agent IS NULL OR m.agent = $agent)
    AND ($session IS NULL OR m.session = $session)
    AND ($speaker IS NULL OR m.speaker = $speaker OR m.speakerKey = $speakerKey)
    AND ($externalId IS NULL OR m.externalId = $externalId OR m.externalKey = $externalKey)
    AND ($kinds IS NULL OR m.kind IN $kinds)
    AND ($modalities IS NULL OR m.modality IN $modalities)
    AND ($occurredAfter IS NULL OR m.occurredAt >= $occurredAfter)
    AND ($occurredBefore IS NULL OR m.occurredAt < $occurredBefore)
  RETURN m ORDER BY m.tenant DESC, m.scope DESC, m.recordedAt DESC, m.id DESC LIMIT $limit
}
WITH m ORDER BY m.recordedAt DESC, m.id DESC LIMIT $limit
RETURN collect(m {.id, .externalId, .agent, .kind, .modality, .text, .speaker, .session, .scope, .importance, .metadata, .hash,
          occurredAt: m.occurredAt.epochSeconds * 1000000 + m.occurredAt.microsecond,
          recordedAt: m.recordedAt.epochSeconds * 1000000 + m.recordedAt.microsecond,
          expiresAt: m.expiresAt.epochSeconds * 1000000 + m.expiresAt.microsecond}) AS memories;

// memories_of_agents: readable memories of each of several agents, newest first
UNWIND $agents AS agent
CALL (agent) {
  MATCH (a:Agent {key: agent.key})<-[:REMEMBERED_BY]-(m:Memory)
  WHERE m.scope IN $scopes AND m.recordedAt <= $before
    AND (m.recordedAt < $before OR m.id < $beforeId)
    AND (m.expiresAt IS NULL OR m.expiresAt > $now)
  RETURN m ORDER BY m.recordedAt DESC, m.id DESC LIMIT $limit
}
RETURN m {.id, .externalId, .agent, .kind, .modality, .text, .speaker, .session, .scope, .importance, .metadata, .hash,
          occurredAt: m.occurredAt.epochSeconds * 1000000 + m.occurredAt.microsecond,
          recordedAt: m.recordedAt.epochSeconds * 1000000 + m.recordedAt.microsecond,
          expiresAt: m.expiresAt.epochSeconds * 1000000 + m.expiresAt.microsecond} AS memory
ORDER BY agent.id, m.recordedAt DESC, m.id DESC;

// memories_related: readable memories next to each of several in their session, past what is not readable, or that mention the same entity, if the reader may see it
UNWIND $ids AS id
MATCH (origin:Memory {id: id})
WHERE origin.tenant = $tenant AND origin.scope IN $scopes
CALL (origin) {
  WITH origin WHERE $sessions
  MATCH (origin) (()-[:NEXT]->(x WHERE NOT (x.scope IN $scopes AND (x.expiresAt IS NULL OR x.expiresAt > $now)))){0,1000}
    ()-[:NEXT]->(m:Memory WHERE m.scope IN $scopes AND (m.expiresAt IS NULL OR m.expiresAt > $now))
  RETURN m, 2.0 AS closeness
  UNION ALL
  WITH origin WHERE $sessions
  MATCH (origin) (()<-[:NEXT]-(x WHERE NOT (x.scope IN $scopes AND (x.expiresAt IS NULL OR x.expiresAt > $now)))){0,1000}
    ()<-[:NEXT]-(m:Memory WHERE m.scope IN $scopes AND (m.expiresAt IS NULL OR m.expiresAt > $now))
  RETURN m, 2.0 AS closeness
  UNION ALL
  MATCH (origin)-[x:MENTIONS]->(r:Resource)
  WHERE CASE WHEN x.speaker IS NULL THEN $texts ELSE $speakers END
    AND (EXISTS { (r)-[d:DESCRIBED_IN]->() WHERE d.graph IN $graphs } OR EXISTS { (r)-[l]-(:Resource) WHERE l.g IN $graphs })
  WITH DISTINCT r ORDER BY r.key LIMIT 20
  CALL (r) {
    MATCH (r)<-[x:MENTIONS]-(m:Memory)
    WHERE m.scope IN $scopes AND CASE WHEN x.speaker IS NULL THEN $texts ELSE $speakers END
    WITH DISTINCT m LIMIT 1000
    RETURN collect(m) AS mentioning
  }
  UNWIND mentioning AS m
  RETURN m, 1.0 / (1 + size(mentioning)) AS closeness
}
WITH origin, m, sum(closeness) AS closeness
WHERE m <> origin AND m.scope IN $scopes AND (m.expiresAt IS NULL OR m.expiresAt > $now)
ORDER BY closeness DESC, m.recordedAt DESC, m.id
WITH origin, collect(m)[..$limit] AS nearest
UNWIND nearest AS m
RETURN origin.id AS origin, m {.id, .externalId, .agent, .kind, .modality, .text, .speaker, .session, .scope, .importance, .metadata, .hash,
          occurredAt: m.occurredAt.epochSeconds * 1000000 + m.occurredAt.microsecond,
          recordedAt: m.recordedAt.epochSeconds * 1000000 + m.recordedAt.microsecond,
          expiresAt: m.expiresAt.epochSeconds * 1000000 + m.expiresAt.microsecond} AS memory;

// memories_forgettable: where a readable memory is that is to be forgotten, or erased after it was forgotten, and the local entities it mentions
MATCH (m:Memory {id: $id})
WHERE m.tenant = $tenant AND m.scope IN $scopes
RETURN m.scope AS scope, m.agent AS agent, m.session AS session, COLLECT { MATCH (m)<-[:DERIVED_FROM]-(d:Memory) RETURN d.id } AS derived,
       COLLECT { MATCH (m)<-[:DERIVED_FROM*0..1]-()-[:MENTIONS]->(r:Resource) WHERE r.iri STARTS WITH $local RETURN DISTINCT r.key } AS names
UNION ALL
MATCH (m:Forgotten)
WHERE $erase AND m.tenant = $tenant AND m.id = $id AND m.scope IN $scopes AND m.erasedAt IS NULL
RETURN m.scope AS scope, m.agent AS agent, m.session AS session, COLLECT { MATCH (m)<-[:DERIVED_FROM]-(d:Memory) RETURN d.id } AS derived,
       COLLECT { MATCH (m)<-[:DERIVED_FROM*0..1]-()-[:MENTIONS]->(r:Resource) WHERE r.iri STARTS WITH $local RETURN DISTINCT r.key } AS names;

// memories_forget: takes memories out of reading and searching and closes the gap in their session, which it holds meanwhile
UNWIND $rows AS row
MATCH (m:Memory {id: row.id})
WHERE m.tenant = row.tenant AND m.scope = row.scope
OPTIONAL MATCH (m)-[:IN_SESSION]->(held:Session)
SET held.touchedAt = row.at, m.forgottenAt = row.at
WITH row, m, m.hash AS before
WHERE m:Memory
OPTIONAL MATCH (earlier)-[en:NEXT]->(m)
OPTIONAL MATCH (m)-[ln:NEXT]->(later)
OPTIONAL MATCH (session:Session)-[tail:LAST]->(m)
FOREACH (e IN CASE WHEN earlier IS NULL OR later IS NULL THEN [] ELSE [earlier] END | CREATE (e)-[:NEXT]->(later))
FOREACH (s IN CASE WHEN session IS NULL OR earlier IS NULL THEN [] ELSE [session] END | CREATE (s)-[:LAST]->(earlier))
DELETE en, ln, tail
REMOVE m:Memory:Unembedded
SET m:Forgotten, m.embedding = null, m.embeddingB = null, m.sketch = null, m.sketchB = null, m.terms = null, m.heading = null, m.traits = null,
    m.digest = null, m.duplicateOf = null, m.supersededAt = null, m.supersededBy = null
WITH DISTINCT row, m, before
CALL (m) {
  MATCH (m)-[l:DUPLICATE_OF|SUPERSEDES]-()
  FOREACH (other IN CASE type(l) WHEN 'DUPLICATE_OF' THEN [startNode(l)] ELSE [] END | SET other.duplicateOf = null)
  FOREACH (other IN CASE type(l) WHEN 'SUPERSEDES' THEN [endNode(l)] ELSE [] END | SET other.supersededAt = null, other.supersededBy = null)
  DELETE l
}
RETURN row.i AS i, before;

// memories_lapse: takes what was derived from forgotten memories out of reading and searching too
UNWIND $rows AS row
MATCH (d:Memory)-[:DERIVED_FROM]->(:Forgotten {tenant: row.tenant, id: row.id})
SET d.forgottenAt = row.at
WITH DISTINCT row, d, d.hash AS before
WHERE d:Memory
REMOVE d:Memory:Unembedded
SET d:Forgotten, d.lapsed = true, d.embedding = null, d.embeddingB = null, d.sketch = null, d.sketchB = null, d.terms = null, d.heading = null, d.traits = null,
    d.digest = null, d.duplicateOf = null, d.supersededAt = null, d.supersededBy = null
WITH row, d, before
CALL (d) {
  MATCH (d)-[l:DUPLICATE_OF|SUPERSEDES]-()
  FOREACH (other IN CASE type(l) WHEN 'DUPLICATE_OF' THEN [startNode(l)] ELSE [] END | SET other.duplicateOf = null)
  FOREACH (other IN CASE type(l) WHEN 'SUPERSEDES' THEN [endNode(l)] ELSE [] END | SET other.supersededAt = null, other.supersededBy = null)
  DELETE l
}
RETURN row.i AS i, d.id AS id, before;

// memories_erase_derived: destroys the content of what was derived from forgotten memories; it was forgotten with them
UNWIND $rows AS row
MATCH (d:Forgotten)-[:DERIVED_FROM]->(:Forgotten {tenant: row.tenant, id: row.id})
WHERE d.erasedAt IS NULL
SET d.text = null, d.metadata = null, d.speaker = null, d.externalId = null, d.speakerKey = null, d.externalKey = null, d.session = null, d.erasedAt = row.at
WITH DISTINCT row, d
CALL (d) {
  MATCH (d)-[mention:MENTIONS]->()
  DELETE mention
}
RETURN row.i AS i, d.id AS id;

// memories_erase: destroys the content of forgotten memories
UNWIND $rows AS row
MATCH (m:Forgotten)
WHERE m.tenant = row.tenant AND m.id = row.id AND m.scope = row.scope AND m.erasedAt IS NULL
SET m.text = null, m.metadata = null, m.speaker = null, m.externalId = null, m.speakerKey = null, m.externalKey = null, m.session = null, m.erasedAt = row.at
WITH row, m
OPTIONAL MATCH (m)-[mention:MENTIONS]->()
DELETE mention
RETURN DISTINCT row.i AS i;
