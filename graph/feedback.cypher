// feedback_give: keeps what a principal says of a recall, in place of what it said before
UNWIND $rows AS row
MERGE (f:Feedback {key: row.key})
ON CREATE SET f.id = row.id
SET f.tenant = row.tenant, f.at = row.at
WITH row, f, f.hash AS before
SET f += row.properties
WITH row, f, before
CALL (f) {
  MATCH (f)-[old:USEFUL|USELESS]->()
  DELETE old
}
CALL (row, f) {
  UNWIND row.useful AS id
  MATCH (m:Memory {id: id})
  CREATE (f)-[:USEFUL]->(m)
}
CALL (row, f) {
  UNWIND row.useless AS id
  MATCH (m:Memory {id: id})
  CREATE (f)-[:USELESS]->(m)
}
RETURN row.i AS i, f.id AS id, before;
