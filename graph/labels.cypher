// graphs_marked: a tenant's named graphs and one scope's own graph, each with what changes when its content does
MATCH (g:Graph)
WHERE g.tenant = $tenant AND g.iri IS NOT NULL AND (g.kind <> 'scope' OR g.iri = $scope)
RETURN g.number AS number, g.kind = 'scope' AS own, toString(coalesce(g.revision, 0)) + ' ' + coalesce(g.hash, '') AS digest;

// labels_page: names of resources in one graph, in the order of their keys
MATCH (r:Resource)-[d:DESCRIBED_IN]->()
WHERE d.graph = $graph AND d.key > $after
WITH r, d ORDER BY d.graph, d.key LIMIT $limit
RETURN d.key AS key, r.iri AS iri, COUNT { (r)--() } AS degree,
       [l IN d.literals WHERE any(p IN $predicates WHERE l STARTS WITH p)] AS literals
ORDER BY key;

// labels_described: what the given graphs say in words about resources: names and notes
UNWIND $wanted AS wanted
MATCH (r:Resource {key: wanted.key})-[d:DESCRIBED_IN]->()
WHERE d.graph = wanted.graph
RETURN wanted.key AS key, wanted.graph AS graph, [l IN d.literals WHERE any(p IN $predicates WHERE l STARTS WITH p)][..$most] AS literals;
