// locals_ensure: makes local entities that are new, in the graph of their memory scope, which it makes too
UNWIND $rows AS row
MERGE (g:Graph {tenant: row.tenant, iri: row.graph})
ON CREATE SET g.number = row.number, g.kind = 'scope', g.createdAt = row.at, g.revision = 0
WITH row, g, g.number = row.number AS isNew,
     ltrim(reduce(text = '', i IN range(9, 0, -1) |
       text + substring('0123456789abcdefghijklmnopqrstuvwxyz', g.number / toInteger(36 ^ i) % 36, 1)), '0') AS graphKey
CALL (row, isNew) {
  WITH row WHERE isNew
  MATCH (t:Tenant {id: row.tenant})
  SET t.catalogVersion = t.catalogVersion + 1
}
MERGE (r:Resource {key: row.key})
ON CREATE SET r.tenant = row.tenant, r.iri = row.iri, r.blank = false
WITH row, g, isNew, graphKey, r, EXISTS { (r)-[:DESCRIBED_IN {graph: g.number, key: r.key}]->(g) } AS known
CALL (row, g, r, known, graphKey) {
  WITH row, g, r, graphKey WHERE NOT known
  MERGE (r)-[d:DESCRIBED_IN {graph: g.number, key: r.key}]->(g)
  ON CREATE SET d.graphKey = graphKey, d.literals = row.literals, d.terms = row.terms, d.hash = row.hash, g.revision = coalesce(g.revision, 0) + 1
}
RETURN row.i AS i, isNew, known, row.iri AS iri, row.hash AS hash;

// locals_find: a local entity with what its scope's graph says about it
MATCH (r:Resource {key: $key})-[d:DESCRIBED_IN]->(g:Graph {tenant: $tenant, iri: $graph})
RETURN g.number AS number, d.literals AS literals, d.hash AS hash,
       COLLECT { MATCH (r)-[l]->(o:Resource) WHERE l.g = g.number RETURN [l.p, o.iri] } AS links;

// locals_identify: says that a local entity is the same as another resource, unless its description changed meanwhile
UNWIND $rows AS row
MATCH (r:Resource {key: row.key})-[d:DESCRIBED_IN {graph: row.graph, key: row.key}]->(g:Graph)
WITH row, r, d, g, d.hash = row.before AS ok
CALL (row, r, d, g, ok) {
  WITH row, r, d, g WHERE ok
  MERGE (o:Resource {key: row.target})
  ON CREATE SET o.tenant = row.tenant, o.iri = row.iri, o.blank = false
  MERGE (r)-[l:owl__sameAs {p: row.predicate, g: row.graph}]->(o)
  SET d.hash = row.after, g.revision = coalesce(g.revision, 0) + CASE WHEN row.before = row.after THEN 0 ELSE 1 END
}
RETURN row.i AS i, ok;

// locals_unidentified: local entities that nothing says the identity of, in the order of their keys, and the agents that mention them
MATCH (g:Graph)
WHERE g.tenant = $tenant AND g.iri STARTS WITH $prefix AND g.kind = 'scope'
MATCH (r:Resource)-[d:DESCRIBED_IN]->()
WHERE d.graph = g.number AND d.key > $after AND NOT EXISTS { (r)-[l:owl__sameAs]->() WHERE l.g = g.number }
WITH g, r, d ORDER BY d.key LIMIT $limit
RETURN d.key AS key, r.iri AS iri, d.literals AS literals,
       COLLECT { MATCH (r)<-[:MENTIONS]-(m:Memory) RETURN DISTINCT m.agent LIMIT 100 } AS agents;

// locals_drop: destroys local entities, held meanwhile, that no memory mentions any more and that nothing else leads to or from
UNWIND $rows AS row
MATCH (r:Resource {key: row.key})
WHERE r.iri STARTS WITH row.prefix
SET r.blank = false
WITH row, r
WHERE NOT EXISTS { (r)-[l]-() WHERE type(l) <> 'DESCRIBED_IN' } AND COUNT { (r)-[:DESCRIBED_IN]->() } = 1
MATCH (r)-[d:DESCRIBED_IN]->(g:Graph {kind: 'scope'})
SET g.revision = coalesce(g.revision, 0) + 1
WITH row, r, r.iri AS iri, d.hash AS before
DETACH DELETE r
RETURN row.i AS i, iri, before;
