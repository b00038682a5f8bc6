// duplicates_mark: links new memories to the first lasting memory that says exactly the same, or to what that one duplicates
UNWIND $rows AS row
CALL (row) {
  MATCH (f:Memory)
  WHERE f.digest = row.digest AND f.id < row.id AND f.tenant = row.tenant AND f.scope = row.scope AND f.expiresAt IS NULL
  RETURN f ORDER BY f.digest, f.id LIMIT 1
}
OPTIONAL MATCH (f)-[d:DUPLICATE_OF]->(origin:Memory)
WITH row, coalesce(origin, f) AS first, coalesce(d.similarity, 1.0) AS similarity
MATCH (m:Memory {id: row.id})
CREATE (m)-[:DUPLICATE_OF {similarity: similarity, at: datetime(row.at)}]->(first)
SET m.duplicateOf = first.id;

// duplicates_assign: says what memories duplicate, or that they duplicate nothing, when both are still there
UNWIND $rows AS row
MATCH (m:Memory {id: row.id})
WHERE m.tenant = row.tenant AND m.scope = row.scope
SET m.digest = row.digest
WITH row, m
OPTIONAL MATCH (first:Memory {id: row.first})
WHERE first.tenant = row.tenant AND first.scope = row.scope AND first.agent = m.agent
WITH row, m, first
WHERE m:Memory AND (row.first IS NULL OR first IS NOT NULL)
CALL (m) {
  MATCH (m)-[old:DUPLICATE_OF]->()
  DELETE old
}
SET m.duplicateOf = first.id
FOREACH (f IN CASE WHEN first IS NULL THEN [] ELSE [first] END |
  CREATE (m)-[:DUPLICATE_OF {similarity: row.similarity, at: row.at}]->(f))
RETURN row.i AS i;
