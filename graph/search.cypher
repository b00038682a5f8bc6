// search_candidates: the readable memories nearest to a question by terms, by meaning and by entities, with each measure
CALL () {
  WITH 1 AS one WHERE $terms <> ''
  CALL db.index.fulltext.queryNodes('memory_terms', $terms, {limit: $breadth}) YIELD node AS m, score
  WHERE m.tenant = $tenant AND m.scope IN $scopes
  RETURN m, score AS bm25, 0 AS shared
  UNION ALL
  WITH 1 AS one WHERE $embedding IS NOT NULL
  MATCH (m:Memory)
  SEARCH m IN (VECTOR INDEX memory_embedding FOR $embedding WHERE m.tenant = $tenant AND m.scope IN $scopes LIMIT $breadth)
  RETURN m, 0.0 AS bm25, 0 AS shared
  UNION ALL
  UNWIND $resources AS resource
  MATCH (r:Resource {key: resource})
  WHERE EXISTS { (r)-[d:DESCRIBED_IN]->() WHERE d.graph IN $graphs } OR EXISTS { (r)-[l]-(:Resource) WHERE l.g IN $graphs }
  CALL (r) {
    MATCH (r)<-[x:MENTIONS]-(m:Memory)
    WHERE m.tenant = $tenant AND m.scope IN $scopes AND ($speakers OR x.speaker IS NULL)
    RETURN DISTINCT m ORDER BY m.recordedAt DESC LIMIT $breadth
  }
  RETURN m, 0.0 AS bm25, 1 AS shared
}
WITH m, max(bm25) AS bm25, sum(shared) AS shared
WHERE (m.expiresAt IS NULL OR m.expiresAt > $now)
  AND ($scope IS NULL OR m.scope = $scope OR m.scope STARTS WITH $scope + '/')
  AND ($kinds IS NULL OR m.kind IN $kinds)
  AND ($after IS NULL OR m.occurredAt >= $after)
  AND ($before IS NULL OR m.occurredAt < $before)
RETURN m {.id, .externalId, .agent, .kind, .modality, .text, .speaker, .session, .scope, .importance, .occurredAt, .recordedAt, .expiresAt, .metadata, .hash} AS memory,
       bm25, shared,
       CASE WHEN $embedding IS NULL OR m[$property] IS NULL THEN 0.0 ELSE 2 * vector.similarity.cosine(m[$property], $embedding) - 1 END AS cosine;
