// clear: deletes some thousand of the nodes that one of the two contestants made
MATCH (n)
WHERE n.tenant STARTS WITH 'bench-' OR (n:Resource AND n.tenant IS NULL)
WITH n LIMIT 5000
DETACH DELETE n
RETURN count(*) AS gone;

// kept: what rdflib-neo4j left in the graph: values of properties, labels but its own, and links
MATCH (n:Resource) WHERE n.uri IS NOT NULL
WITH sum(size([name IN keys(n) WHERE name <> 'uri'])) AS values, sum(size(labels(n)) - 1) AS labels
MATCH (:Resource)-[r]->(:Resource)
WITH values, labels, count(r) AS links
RETURN values + labels + links AS kept;
