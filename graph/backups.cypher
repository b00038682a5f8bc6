// backup_marks: what changes with every commit, so that a backup is known to have read one state of the graph
CALL () { MATCH (w:Writer) WITH w ORDER BY w.id RETURN collect([w.id, w.batch]) AS writers }
CALL () { OPTIONAL MATCH (v:VectorSlots) WITH v ORDER BY v.id RETURN collect(v {.serving, .phase, .nameA, .nameB}) AS slots }
CALL () { MATCH (m:Migration) RETURN count(m) AS migrations }
RETURN writers, slots, migrations;

// backup_counts: how much the database holds
CALL () { MATCH (n) RETURN count(n) AS allNodes }
CALL () { MATCH (m:Migration) RETURN count(m) AS migrations }
CALL () { MATCH (r:Restore) RETURN count(r) AS restores }
CALL () { MATCH ()-[r]->() RETURN count(r) AS relationships }
RETURN allNodes - migrations - restores AS nodes, relationships;

// backup_nodes: every node but the notes about migrations, which belong to the database and not to what it holds
MATCH (n)
WHERE NOT n:Migration AND NOT n:Restore
RETURN elementId(n) AS id, labels(n) AS labels, properties(n) AS properties;

// backup_relationships: every relationship
MATCH (a)-[r]->(b)
RETURN elementId(a) AS start, elementId(b) AS end, type(r) AS type, properties(r) AS properties;

// restore_incomplete: whether a restore began here and did not come to its end
RETURN EXISTS { MATCH (:Restore) } AS incomplete;

// restore_begin: marks a database as being restored, if it is empty or another restore left it so and is silent for a minute
CALL () { RETURN EXISTS { MATCH (n) WHERE NOT n:Migration AND NOT n:VectorSlots } AS full }
OPTIONAL MATCH (known:Restore)
WITH full, known, known.at > datetime() - duration({seconds: 60}) AS busy
CALL (full, known, busy) {
  WITH full, known, busy
  WHERE known IS NOT NULL AND NOT busy OR known IS NULL AND NOT full
  MERGE (r:Restore {id: 'restore'})
  SET r.holder = $holder, r.at = datetime()
  RETURN count(r) AS begun
}
RETURN full, busy, begun;

// restore_hold: says that the restore goes on; nothing when another one took its place
MATCH (r:Restore {id: 'restore', holder: $holder})
SET r.at = datetime()
RETURN r.holder AS holder;

// restore_pause: says that the restore failed, so that the next may begin at once
MATCH (r:Restore {id: 'restore', holder: $holder})
SET r.at = datetime({epochMillis: 0});

// restore_end: says that everything is restored
MATCH (r:Restore {id: 'restore', holder: $holder})
DELETE r
RETURN count(*) AS ended;

// clear_relationships: removes relationships that an earlier restore left
MATCH ()-[r]->()
WITH r LIMIT $limit
DELETE r
RETURN count(*) AS changed;

// clear_nodes: removes nodes that an earlier restore left, and what migrations made, which the backup brings along
MATCH (n)
WHERE NOT n:Migration AND NOT n:Restore
WITH n LIMIT $limit
DELETE n
RETURN count(*) AS changed;

// restoring_constraint: while a restore goes on, nodes are found by their number in the backup
CREATE CONSTRAINT restoring_number IF NOT EXISTS FOR (n:Restoring) REQUIRE n.restoring IS UNIQUE;

// restoring_constraint_drop: no node has such a number any more
DROP CONSTRAINT restoring_number IF EXISTS;

// restore_nodes: makes nodes as they stand in a backup
UNWIND $rows AS row
CREATE (n:Restoring:$(row.labels))
SET n = row.properties
SET n.restoring = row.number
RETURN count(n) AS made;

// restore_relationships: makes relationships as they stand in a backup
UNWIND $rows AS row
MATCH (a:Restoring {restoring: row.start})
USING INDEX a:Restoring(restoring)
MATCH (b:Restoring {restoring: row.end})
USING INDEX b:Restoring(restoring)
CREATE (a)-[r:$(row.type)]->(b)
SET r = row.properties
RETURN count(r) AS made;

// restored_nodes: takes the numbers off nodes again
MATCH (n:Restoring)
WITH n LIMIT $limit
REMOVE n:Restoring, n.restoring
RETURN count(n) AS changed;
