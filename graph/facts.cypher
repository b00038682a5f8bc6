// facts_assert: records a fact; a functional one holds its scope, then ends what contradicts it, keeping that as an earlier version
UNWIND $rows AS row
MATCH (s:Scope {tenant: row.tenant, path: row.scope})
FOREACH (x IN CASE WHEN row.functional THEN [s] ELSE [] END | SET x.touchedAt = row.at)
WITH row
CALL (row) {
  WITH row WHERE row.functional
  MATCH (f:Fact)
  WHERE f.tenant = row.tenant AND f.subject = row.subject AND f.predicate = row.predicate AND f.scope = row.scope
    AND f.objectKey <> row.objectKey AND f.retractedAt IS NULL
    AND (f.validTo IS NULL OR f.validTo > row.validFrom) AND (row.validTo IS NULL OR f.validFrom IS NULL OR f.validFrom < row.validTo)
  RETURN collect(f) AS rivals
}
WITH row, rivals,
     reduce(at = row.at, f IN rivals | CASE WHEN f.recordedAt >= at THEN f.recordedAt + duration({microseconds: 1}) ELSE at END) AS at,
     reduce(end = row.validTo, f IN rivals | CASE WHEN f.validFrom > row.validFrom AND (end IS NULL OR f.validFrom < end) THEN f.validFrom ELSE end END) AS validTo,
     [f IN rivals WHERE f.validFrom IS NULL OR f.validFrom < row.validFrom] AS closed,
     [f IN rivals WHERE f.validFrom = row.validFrom] AS corrected
WITH row, at, validTo, closed, corrected,
     [f IN closed | f {.*, evidence: [(f)-[:EVIDENCE]->(m) | m.id]}] AS closedBefore,
     [f IN corrected | f {.*, evidence: [(f)-[:EVIDENCE]->(m) | m.id]}] AS correctedBefore
FOREACH (f IN closed |
  CREATE (f)-[:PREVIOUS]->(:FactVersion {tenant: f.tenant, fact: f.id, validTo: f.validTo, recordedAt: f.recordedAt, replacedAt: at})
  SET f.validTo = row.validFrom, f.recordedAt = at)
FOREACH (f IN corrected | SET f.retractedAt = at)
CREATE (new:Fact)
SET new = row.properties, new.recordedAt = at, new.validTo = validTo
WITH row, at, validTo, closedBefore, correctedBefore, new
CALL (row, new) {
  UNWIND row.evidence AS id
  MATCH (m:Memory {id: id})
  CREATE (new)-[:EVIDENCE]->(m)
}
RETURN row.i AS i, at, validTo, closedBefore, correctedBefore;

// facts_functional: whether a readable graph calls a predicate functional
MATCH (p:Resource {key: $predicate})-[t:rdf__type]->(:Resource {key: $functional})
WHERE t.g IN $graphs
RETURN p.key AS key LIMIT 1;

// facts_retract: ends the record of a fact that was not retracted yet, unless that would lie before its beginning
UNWIND $rows AS row
MATCH (f:Fact {id: row.id})
MATCH (s:Scope {tenant: row.tenant, path: row.scope})
SET s.touchedAt = row.now
WITH row, f
WITH row, f, f {.*, evidence: [(f)-[:EVIDENCE]->(m) | m.id]} AS before,
     coalesce(row.asked, CASE WHEN f.recordedAt >= row.now THEN f.recordedAt + duration({microseconds: 1}) ELSE row.now END) AS at
FOREACH (x IN CASE WHEN before.retractedAt IS NULL AND at > before.recordedAt THEN [f] ELSE [] END | SET x.retractedAt = at)
RETURN row.i AS i, before, at, at > before.recordedAt AS ok;

// facts_by_id: readable facts by their ids, as they stand
UNWIND $ids AS id
MATCH (f:Fact {id: id})
WHERE f.tenant = $tenant AND f.scope IN $scopes
RETURN f {.id, .scope, .subject, .predicate, .object, .validFrom, .validTo, .recordedAt, .retractedAt, .confidence} AS fact;

// facts_list: readable facts, newest first, as known at one instant (null: now) and valid at another (null: any)
MATCH (f:Fact)
WHERE f.tenant = $tenant AND f.id < $before AND f.scope IN $scopes AND ($predicate IS NULL OR f.predicate = $predicate)
WITH f ORDER BY f.tenant DESC, f.id DESC
CALL (f) {
  WITH f WHERE $knownAt IS NULL OR f.recordedAt <= $knownAt
  RETURN f.validTo AS validTo, f.recordedAt AS recordedAt, f.retractedAt AS retractedAt
  UNION ALL
  WITH f WHERE f.recordedAt > $knownAt
  MATCH (f)-[:PREVIOUS]->(v:FactVersion)
  WHERE v.recordedAt <= $knownAt AND v.replacedAt > $knownAt
  RETURN v.validTo AS validTo, v.recordedAt AS recordedAt, v.replacedAt AS retractedAt
}
WITH f, validTo, recordedAt, retractedAt
WHERE (retractedAt IS NULL OR retractedAt > $knownAt)
  AND ($validAt IS NULL OR ((f.validFrom IS NULL OR f.validFrom <= $validAt) AND (validTo IS NULL OR validTo > $validAt)))
RETURN f {.id, .scope, .subject, .predicate, .object, .validFrom, validTo: validTo, recordedAt: recordedAt, retractedAt: retractedAt, .confidence} AS fact
ORDER BY f.tenant DESC, f.id DESC LIMIT $limit;

// facts_about: like facts_list, for facts about a subject or that say an object
CALL () {
  WITH 1 AS one WHERE $subject IS NOT NULL
  MATCH (f:Fact)
  WHERE f.tenant = $tenant AND f.subject = $subject AND f.predicate IS NOT NULL
  RETURN f
  UNION ALL
  WITH 1 AS one WHERE $subject IS NULL
  MATCH (f:Fact)
  WHERE f.tenant = $tenant AND f.objectKey = $objectKey
  RETURN f
}
WITH f
WHERE f.id < $before AND f.scope IN $scopes AND ($predicate IS NULL OR f.predicate = $predicate) AND ($object IS NULL OR f.objectKey = $objectKey)
CALL (f) {
  WITH f WHERE $knownAt IS NULL OR f.recordedAt <= $knownAt
  RETURN f.validTo AS validTo, f.recordedAt AS recordedAt, f.retractedAt AS retractedAt
  UNION ALL
  WITH f WHERE f.recordedAt > $knownAt
  MATCH (f)-[:PREVIOUS]->(v:FactVersion)
  WHERE v.recordedAt <= $knownAt AND v.replacedAt > $knownAt
  RETURN v.validTo AS validTo, v.recordedAt AS recordedAt, v.replacedAt AS retractedAt
}
WITH f, validTo, recordedAt, retractedAt
WHERE (retractedAt IS NULL OR retractedAt > $knownAt)
  AND ($validAt IS NULL OR ((f.validFrom IS NULL OR f.validFrom <= $validAt) AND (validTo IS NULL OR validTo > $validAt)))
RETURN f {.id, .scope, .subject, .predicate, .object, .validFrom, validTo: validTo, recordedAt: recordedAt, retractedAt: retractedAt, .confidence} AS fact
ORDER BY f.id DESC LIMIT $limit;

// facts_held: readable facts that are true now or will be, about resources, that say one of them, or that cite one of several memories
CALL () {
  UNWIND $iris AS iri
  MATCH (f:Fact)
  WHERE f.tenant = $tenant AND f.subject = iri AND f.predicate IS NOT NULL
  RETURN f
  UNION
  UNWIND $objects AS object
  MATCH (f:Fact)
  WHERE f.tenant = $tenant AND f.objectKey = object
  RETURN f
  UNION
  UNWIND $memories AS id
  MATCH (m:Memory {id: id})<-[:EVIDENCE]-(f:Fact)
  WHERE m.tenant = $tenant AND m.scope IN $scopes
  RETURN f
}
WITH f
WHERE f.tenant = $tenant AND f.scope IN $scopes AND f.retractedAt IS NULL AND (f.validTo IS NULL OR f.validTo > $now)
ORDER BY f.id DESC
WITH [f IN collect(f) WHERE f.validFrom IS NULL OR f.validFrom <= $now | f][..$limit] AS held, min(CASE WHEN f.validFrom > $now THEN f.validFrom END) AS next
RETURN [f IN held | f {.id, .scope, .subject, .predicate, .object, .validFrom, .validTo, .recordedAt, .retractedAt, .confidence}] AS facts, next;

// evidence_of: the readable memories that facts cite, oldest first
UNWIND $ids AS id
MATCH (f:Fact {id: id})-[:EVIDENCE]->(m:Memory)
WHERE f.tenant = $tenant AND f.scope IN $scopes AND m.tenant = $tenant AND m.scope IN $scopes AND (m.expiresAt IS NULL OR m.expiresAt > $now)
RETURN f.id AS fact, m {.id, .externalId, .agent, .kind, .modality, .text, .speaker, .session, .scope, .importance, .occurredAt, .recordedAt, .expiresAt, .metadata, .hash} AS memory
ORDER BY m.recordedAt, m.id;
