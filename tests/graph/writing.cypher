// box_put: puts a value into a box, refusing odd ones when asked to
UNWIND $rows AS row
MERGE (b:TestBox {key: row.key})
ON CREATE SET b.tenant = row.tenant, b.puts = 0
SET b.value = row.value, b.puts = b.puts + 1
RETURN row.i AS i, b.puts AS puts;

// box_count: how many boxes a tenant has, and how often something was put into them
MATCH (b:TestBox)
WHERE b.tenant = $tenant
RETURN count(b) AS boxes, coalesce(sum(b.puts), 0) AS puts;

// box_broken: a statement that fails for one value only
UNWIND $rows AS row
WITH row, 1 / row.value AS inverse
MERGE (b:TestBox {key: row.key})
ON CREATE SET b.tenant = row.tenant, b.puts = 1
RETURN row.i AS i, inverse;

// session_chain: the chain of a session from its first memory on, and every edge in it
MATCH (s:Session {key: $key})
RETURN s.length AS length,
       COLLECT { MATCH (m:Memory)-[:IN_SESSION]->(s) RETURN m.id ORDER BY m.position } AS members,
       COLLECT { MATCH (a:Memory)-[:IN_SESSION]->(s) MATCH (a)-[:NEXT]->(b) RETURN [a.id, b.id] } AS edges,
       COLLECT { MATCH (s)-[:LAST]->(m) RETURN m.id } AS last;

// nodes_about: every property value of a tenant's memory-like nodes and of the relationships at them, as text
MATCH (m:Memory|Forgotten)
WHERE m.tenant = $tenant
RETURN properties(m) AS node, COLLECT { MATCH (m)-[r]-(other) RETURN [properties(r), properties(other)] } AS around;

// migration_forget: takes away what the schema remembers of a migration
MATCH (m:Migration {id: $id}) DELETE m;

// everything: every node of a tenant, save those that the ledger and the writer keep for themselves, with what leads from it
MATCH (n)
WHERE (n.tenant = $tenant OR (n:Tenant AND n.id = $tenant)) AND NOT n:LedgerEntry AND NOT n:LedgerHead AND NOT n:Request
RETURN labels(n) AS labels, properties(n) AS properties,
       COLLECT { MATCH (n)-[r]->(o) RETURN [type(r), properties(r), elementId(o)] ORDER BY type(r), elementId(o), elementId(r) } AS leading
ORDER BY elementId(n);
