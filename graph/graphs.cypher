// graphs_list: named graphs that may be read, in the order of their IRIs
MATCH (g:Graph)
WHERE g.tenant = $tenant AND g.iri > $after AND g.kind = 'named' AND g.number IN $graphs
RETURN g {.*, content: null} AS graph
ORDER BY g.tenant, g.iri
LIMIT $limit;

// graphs_find: those of the given graphs that may be read
UNWIND $iris AS iri
MATCH (g:Graph {tenant: $tenant, iri: iri})
WHERE g.number IN $graphs
RETURN g {.*, content: null} AS graph;
