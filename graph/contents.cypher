// contents_ensure: makes named graphs that are new and says where the content of each stands
UNWIND $rows AS row
MATCH (t:Tenant {id: row.tenant})
MERGE (g:Graph {tenant: row.tenant, iri: row.iri})
ON CREATE SET g.number = row.number, g.kind = 'named', g.hash = row.empty, g.triples = 0, g.subjects = 0, g.createdAt = row.at
WITH row, t, g, g.number = row.number AS isNew
CALL (t, isNew) {
  WITH t WHERE isNew
  SET t.catalogVersion = t.catalogVersion + 1
}
RETURN row.i AS i, isNew, g.iri AS iri, g.number AS number, g.kind AS kind, g.hash AS hash, g.content AS content,
       g.triples AS triples, g.subjects AS subjects;

// contents_find: where the content of named graphs stands
UNWIND $iris AS iri
MATCH (g:Graph {tenant: $tenant, iri: iri})
RETURN g.iri AS iri, g.number AS number, g.kind AS kind, g.hash AS hash, g.content AS content, g.triples AS triples, g.subjects AS subjects;

// contents_hashes: the subjects of a graph in the order of their keys, with the hashes of what it says about them
MATCH ()-[d:DESCRIBED_IN]->()
WHERE d.graph = $graph AND d.key > $after
RETURN d.key AS key, d.hash AS hash
ORDER BY d.graph, d.key
LIMIT $limit;

// contents_read: everything a graph says about the given subjects
UNWIND $keys AS key
MATCH (s:Resource)-[d:DESCRIBED_IN]->()
WHERE d.graph = $graph AND d.key = key
RETURN key, s.iri AS iri, d.literals AS literals, coalesce(d.terms, '') AS terms, d.hash AS hash,
       COLLECT { MATCH (s)-[r]->(o:Resource) WHERE r.g = $graph RETURN [r.p, o.key, o.iri] } AS links;

// contents_page: everything a graph says about its next subjects, in the order of their keys
MATCH (s:Resource)-[d:DESCRIBED_IN]->()
WHERE d.graph = $graph AND d.key > $after
WITH s, d ORDER BY d.graph, d.key LIMIT $limit
RETURN d.key AS key, s.iri AS iri, d.literals AS literals, coalesce(d.terms, '') AS terms, d.hash AS hash,
       COLLECT { MATCH (s)-[r]->(o:Resource) WHERE r.g = $graph RETURN [r.p, o.key, o.iri] } AS links
ORDER BY key;

// contents_advance: moves a graph's content from one hash to the next, when it stands at the first; locks the graph
UNWIND $rows AS row
MATCH (g:Graph {number: row.graph})
SET g.number = row.graph
WITH row, g, g.hash = row.before AS ok
CALL (row, g, ok) {
  WITH row, g WHERE ok
  SET g.hash = row.after, g.content = row.content, g.triples = row.triples, g.subjects = row.subjects,
      g.revision = coalesce(g.revision, 0) + 1, g += row.about
}
RETURN row.i AS i, ok;

// contents_remove: removes links and descriptions of subjects from a graph
UNWIND $rows AS row
CALL (row) {
  UNWIND row.links AS l
  MATCH (s:Resource {key: l[0]})-[r]->(o:Resource {key: l[2]})
  WHERE r.g = row.graph AND r.p = l[1]
  DELETE r
  RETURN count(*) AS unlinked
}
CALL (row) {
  UNWIND row.subjects AS key
  MATCH ()-[d:DESCRIBED_IN]->()
  WHERE d.graph = row.graph AND d.key = key
  DELETE d
  RETURN count(*) AS undescribed
}
RETURN row.i AS i, unlinked, undescribed;

// contents_add: adds descriptions of new subjects and links to a graph, with the resources they need
UNWIND $rows AS row
CALL (row) {
  UNWIND row.nodes AS x
  MERGE (n:Resource {key: x[0]})
  ON CREATE SET n.tenant = row.tenant, n.iri = x[1], n.blank = x[1] STARTS WITH '_:'
  WITH n ORDER BY n.key
  RETURN collect(n) AS nodes
}
CALL (row, nodes) {
  MATCH (g:Graph {number: row.graph})
  UNWIND row.described AS d
  WITH row, g, d, nodes[d[0]] AS s
  CREATE (s)-[:DESCRIBED_IN {graph: row.graph, key: s.key, literals: d[1], terms: d[2], graphKey: d[3], hash: d[4]}]->(g)
  RETURN count(*) AS described
}
CALL (row, nodes) {
  UNWIND row.links AS l
  WITH nodes[l[0]] AS s, nodes[l[2]] AS o, row.predicates[l[1]] AS p, row.graph AS g
  CREATE (s)-[:$(p[1]) {p: p[0], g: g}]->(o)
  RETURN count(*) AS linked
}
CALL (row, nodes) {
  UNWIND row.labels AS l
  UNWIND l[1] AS at
  WITH nodes[at] AS n, l[0] AS label
  SET n:$(label)
  RETURN count(*) AS labelled
}
RETURN row.i AS i, described, linked;

// contents_change: changes what a graph says about subjects it describes already
UNWIND $rows AS row
CALL (row) {
  UNWIND row.described AS x
  MATCH ()-[d:DESCRIBED_IN]->()
  WHERE d.graph = row.graph AND d.key = x[0]
  SET d.literals = x[1], d.terms = x[2], d.graphKey = x[3], d.hash = x[4]
  RETURN count(*) AS changed
}
RETURN row.i AS i, changed;

// contents_unlabel: takes labels away from resources that no graph puts into the class any more
UNWIND $rows AS row
UNWIND row.labels AS l
MATCH (n:Resource {key: l[0]})
WHERE NOT EXISTS { (n)-[:rdf__type]->(:Resource {key: l[1]}) }
WITH row, n, l[2] AS label
REMOVE n:$(label)
RETURN row.i AS i, count(*) AS unlabelled;

// contents_sweep: deletes resources that nothing describes, links or mentions any more
UNWIND $rows AS row
UNWIND row.keys AS key
MATCH (n:Resource {key: key})
WHERE NOT EXISTS { (n)-[r]-() WHERE NOT r:IN_COMMUNITY }
DETACH DELETE n
RETURN row.i AS i, count(*) AS swept;

// contents_names: the relationship types and labels that a database has
CALL db.relationshipTypes() YIELD relationshipType
WITH collect(relationshipType) AS types
CALL db.labels() YIELD label
RETURN types, collect(label) AS labels;
