// search_candidates: readable memories near a question by terms, meaning, entities, facts that rest on them, or heading; of those by terms also the neighbours in
// the session. A list a column, and what few have with its id: reading rows takes longer than finding them. What does not change is in their profiles.
// With them the goals of the agent that asks, if its scope is readable, and the model that ranks for the tenant, if it is not the prior
CALL () {
  WITH 1 AS one WHERE $terms <> ''
  CALL db.index.fulltext.queryNodes('memory_terms', $terms, {limit: $breadth}) YIELD node AS m
  RETURN m, 0.0 AS shared, true AS worded
  UNION ALL
  WITH 1 AS one WHERE $headings <> ''
  CALL db.index.fulltext.queryNodes('memory_heading', $headings, {limit: $breadth}) YIELD node AS m
  RETURN m, 0.0 AS shared, false AS worded
  UNION ALL
  WITH 1 AS one WHERE $nearest IS NOT NULL
  MATCH (m:Memory)
  SEARCH m IN (VECTOR INDEX memory_embedding FOR $nearest WHERE m.tenant = $tenant AND m.scope IN $scopes LIMIT $nearby)
  RETURN m, 0.0 AS shared, false AS worded
  UNION ALL
  UNWIND $resources AS resource
  MATCH (r:Resource {key: resource})
  WHERE EXISTS { (r)-[d:DESCRIBED_IN]->() WHERE d.graph IN $graphs } OR EXISTS { (r)-[l]-(:Resource) WHERE l.g IN $graphs }
  CALL (r) {
    RETURN r AS e, 1.0 AS nearness
    UNION ALL
    MATCH (r)-[l]-(e:Resource) WHERE l.g IN $graphs AND e <> r
    WITH DISTINCT e LIMIT 50
    RETURN e, 0.5 / (1 + log10(1 + size(COLLECT { MATCH (e)-[k]-(:Resource) WHERE k.g IN $graphs RETURN 1 LIMIT 1000 }))) AS nearness
    UNION ALL
    MATCH (r)-[l]-(x:Resource) WHERE l.g IN $graphs AND x <> r
    WITH DISTINCT r, x LIMIT 50
    WHERE size(COLLECT { MATCH (x)-[k]-(:Resource) WHERE k.g IN $graphs RETURN 1 LIMIT 51 }) <= 50
    MATCH (x)-[l]-(e:Resource) WHERE l.g IN $graphs AND e <> r
    WITH DISTINCT e LIMIT 200
    RETURN e, 0.25 / (1 + log10(1 + size(COLLECT { MATCH (e)-[k]-(:Resource) WHERE k.g IN $graphs RETURN 1 LIMIT 1000 }))) AS nearness
  }
  WITH e, max(nearness) AS nearness
  CALL (e) {
    MATCH (e)<-[x:MENTIONS]-(m:Memory)
    WHERE m.tenant = $tenant AND m.scope IN $scopes AND x.speaker IS NULL
    WITH DISTINCT m ORDER BY m.recordedAt DESC, m.id LIMIT $breadth
    RETURN collect(m) AS mentioning
  }
  UNWIND mentioning AS m
  RETURN m, nearness / (1 + log10(size(mentioning))) AS shared, false AS worded
  UNION ALL
  UNWIND $resources AS resource
  MATCH (r:Resource {key: resource})
  WHERE EXISTS { (r)-[d:DESCRIBED_IN]->() WHERE d.graph IN $graphs } OR EXISTS { (r)-[l]-(:Resource) WHERE l.g IN $graphs }
  MATCH (f:Fact)
  WHERE f.tenant = $tenant AND f.subject = r.iri AND f.scope IN $scopes AND f.retractedAt IS NULL
    AND (f.validFrom IS NULL OR f.validFrom <= $now) AND (f.validTo IS NULL OR f.validTo > $now)
  MATCH (f)-[:EVIDENCE]->(m:Memory)
  WITH DISTINCT m ORDER BY m.recordedAt DESC, m.id LIMIT $breadth
  RETURN m, 0.5 AS shared, false AS worded
}
WITH m, sum(shared) AS shared, max(worded) AS worded
WHERE m.tenant = $tenant AND m.scope IN $scopes AND (m.expiresAt IS NULL OR m.expiresAt > $now)
  AND ($kinds IS NULL OR m.kind IN $kinds)
  AND ($after IS NULL OR m.occurredAt >= $after)
  AND ($before IS NULL OR m.occurredAt < $before)
CALL (m, shared, worded) {
  RETURN m AS c, shared AS part
  UNION ALL
  WITH m WHERE $sessions AND worded
  MATCH (m)-[:NEXT]-(c:Memory)
  WHERE c.scope IN $scopes AND (c.expiresAt IS NULL OR c.expiresAt > $now)
  RETURN c, 0.0 AS part
}
WITH c AS m, sum(part) AS shared
WITH m, shared,
     CASE WHEN $sessions THEN head(COLLECT { MATCH (m)-[:NEXT]->(n:Memory) WHERE n.scope IN $scopes RETURN n.id }) END AS next,
     COLLECT { MATCH (m)<-[:USEFUL]-(f:Feedback) WHERE f.agent = $agent RETURN [f.key, f.query] ORDER BY f.at DESC LIMIT 20 } AS asked,
     COUNT { (m)<-[:USEFUL]-() } AS used
WITH collect(m.id) AS ids, collect(coalesce(next, '')) AS following, collect(coalesce(m.strength, m.importance)) AS importance,
       collect(CASE WHEN m.supersededAt IS NOT NULL THEN m.id END) AS superseded, collect(CASE WHEN shared > 0 THEN [m.id, shared] END) AS shared,
       collect(CASE WHEN asked <> [] THEN [m.id, asked] END) AS asked, collect(CASE WHEN used > 0 THEN [m.id, used] END) AS used,
       collect(CASE WHEN NOT (($kinds IS NULL OR m.kind IN $kinds) AND ($after IS NULL OR m.occurredAt >= $after)
                              AND ($before IS NULL OR m.occurredAt < $before)) THEN m.id END) AS leftOut
RETURN ids, following, importance, superseded, shared, asked, used, leftOut,
       head(COLLECT { MATCH (a:Agent {key: $agentKey}) WHERE $agent IS NOT NULL RETURN a.goals }) AS goals,
       head(COLLECT { MATCH (t:Tenant {id: $tenant}) MATCH (k:RankingModel {tenant: $tenant, version: t.modelVersion})
                      RETURN [k.version, k.names, k.weights] }) AS model;
