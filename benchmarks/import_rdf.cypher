// clear: deletes some thousand of the nodes that one of the two contestants made
MATCH (n)
WHERE n.tenant STARTS WITH 'bench-' OR (n:Resource AND n.tenant IS NULL)
WITH n LIMIT 5000
DETACH DELETE n
RETURN count(*) AS gone;
