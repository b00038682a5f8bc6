// resources_get: those of the resources that a caller may see, with the graphs that describe them and their classes
UNWIND $keys AS key
MATCH (n:Resource {key: key})
WHERE EXISTS { (n)-[d:DESCRIBED_IN]->() WHERE d.graph IN $graphs } OR EXISTS { (n)-[r]-(:Resource) WHERE r.g IN $graphs }
RETURN n.key AS key, n.iri AS iri,
       COLLECT { MATCH (n)-[d:DESCRIBED_IN]->(g:Graph) WHERE d.graph IN $graphs RETURN g.iri ORDER BY g.iri } AS graphs,
       COLLECT { MATCH (n)-[r:rdf__type]->(c:Resource) WHERE r.g IN $graphs AND NOT c.blank RETURN DISTINCT c.iri ORDER BY c.iri } AS types;

// resources_literals: what readable graphs say about resources in literals, of all predicates or of the given ones
UNWIND $keys AS key
MATCH (n:Resource {key: key})-[d:DESCRIBED_IN]->(g:Graph)
WHERE d.graph IN $graphs
RETURN key, g.iri AS graph,
       CASE WHEN $predicates IS NULL THEN d.literals
            ELSE [l IN d.literals WHERE any(p IN $predicates WHERE l STARTS WITH p)] END AS literals
ORDER BY key, graph;

// resources_neighbours: pages of the resources that are linked with the given ones in readable graphs
UNWIND $keys AS key
MATCH (n:Resource {key: key})
CALL (n) {
  WITH n WHERE $out
  MATCH (n)-[r]->(o:Resource)
  WHERE r.g IN $graphs AND ($predicate IS NULL OR r.p = $predicate)
  RETURN r, o, 'OUT' AS direction
  UNION ALL
  WITH n WHERE $in
  MATCH (n)<-[r]-(o:Resource)
  WHERE r.g IN $graphs AND ($predicate IS NULL OR r.p = $predicate)
  RETURN r, o, 'IN' AS direction
}
WITH key, r.p AS predicate, direction, o, collect(DISTINCT r.g) AS numbers
WHERE predicate > $predicateAfter
   OR (predicate = $predicateAfter AND (direction > $directionAfter OR (direction = $directionAfter AND o.key > $keyAfter)))
ORDER BY key, predicate, direction, o.key
WITH key, collect({predicate: predicate, direction: direction, key: o.key, iri: o.iri, numbers: numbers})[..$limit] AS found
UNWIND found AS link
RETURN key, link.predicate AS predicate, link.direction AS direction, link.key AS otherKey, link.iri AS otherIri,
       COLLECT { MATCH (g:Graph) WHERE g.number IN link.numbers RETURN g.iri ORDER BY g.iri } AS graphs;

// resources_search: resources whose names hold the words of a query, those called just so before all others, then the best, of equals the one with fewer names, in readable graphs
UNWIND $queries AS query
CALL db.index.fulltext.queryRelationships('described_terms', query, {limit: $most}) YIELD relationship AS d, score
WHERE d.graph IN $graphs
WITH startNode(d) AS n,
     max(score + 1.0 / (1 + size(d.terms)) + CASE WHEN any(l IN d.literals WHERE any(s IN $spelled WHERE toLower(l) STARTS WITH toLower(s))) THEN $first ELSE 0.0 END) AS score
WHERE NOT n.blank AND ($type IS NULL OR EXISTS { (n)-[r:rdf__type]->(:Resource {key: $type}) WHERE r.g IN $graphs })
WITH n, score
WHERE $scoreAfter IS NULL OR score < $scoreAfter OR (score = $scoreAfter AND n.key > $keyAfter)
RETURN n.key AS key, score
ORDER BY score DESC, key
LIMIT $limit;

// resources_of_type: instances of a class, in the order of their keys
MATCH (:Resource {key: $type})<-[r:rdf__type]-(n:Resource)
WHERE r.g IN $graphs AND n.key > $keyAfter AND NOT n.blank
RETURN DISTINCT n.key AS key
ORDER BY key
LIMIT $limit;

// resources_page: what readable graphs describe, in the order of keys
UNWIND $graphs AS graph
CALL (graph) {
  MATCH (n:Resource)-[d:DESCRIBED_IN]->()
  WHERE d.graph = graph AND d.key > $keyAfter AND NOT n.blank
  RETURN d.key AS key
  ORDER BY d.graph, d.key
  LIMIT $limit
}
RETURN DISTINCT key
ORDER BY key
LIMIT $limit;

// resources_paths: the shortest paths between two resources over readable links, around classes and resources with very many readable links
MATCH (a:Resource {key: $from}), (b:Resource {key: $to})
MATCH path = SHORTEST $first (a) (()-[r WHERE r.g IN $graphs AND r.p <> $class]-(n:Resource WHERE n = b OR COUNT { (n)--() } <= $hub OR COUNT { MATCH (n)-[l]-(:Resource) WHERE l.g IN $graphs RETURN l LIMIT $hub + 1 } <= $hub)){1,6} (b)
RETURN [n IN nodes(path) | [n.key, n.iri]] AS nodes, [r IN relationships(path) | [startNode(r).key, r.p, endNode(r).key]] AS links
ORDER BY size(links), links;
