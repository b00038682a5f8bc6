// entries: every entry's bytes in their order
MATCH (e:LedgerEntry) WHERE e.tenant = $tenant AND e.seq >= 0 RETURN e.body AS body ORDER BY e.tenant, e.seq;

// entry_set: puts other bytes and another hash in an entry's place
MATCH (e:LedgerEntry {tenant: $tenant, seq: $seq}) SET e.body = $body, e.leaf = $leaf;

// entry_deleted: deletes an entry
MATCH (e:LedgerEntry {tenant: $tenant, seq: $seq}) DELETE e;

// ledger_replaced: puts another ledger in the place of a tenant's, whole in itself
CALL () { MATCH (e:LedgerEntry) WHERE e.tenant = $tenant AND e.seq >= size($rows) DELETE e }
CALL () { MATCH (t:LedgerTile) WHERE t.tenant = $tenant DELETE t }
CALL () { UNWIND $rows AS row MERGE (e:LedgerEntry {tenant: $tenant, seq: row.seq}) SET e += row }
CALL () { UNWIND $tiles AS tile MERGE (t:LedgerTile {tenant: $tenant, level: tile.level, place: tile.place}) SET t.root = tile.root }
MATCH (h:LedgerHead {tenant: $tenant}) SET h += $head;

// checkpoints_beyond_deleted: deletes the checkpoints beyond a size
MATCH (c:Checkpoint {tenant: $tenant}) WHERE c.size > $size DELETE c;

// memory_deleted: deletes a memory
MATCH (m:Memory {id: $target}) DETACH DELETE m;

// edit_state: another value in a state's version
MATCH (v:StateVersion) WHERE v.state STARTS WITH $tenant + '\u001f'
WITH v ORDER BY v.state, v.version WITH collect(v) AS found WITH found[toInteger($any * size(found))] AS v
SET v.value = '{"step":-1}' RETURN v.version AS version;

// edit_state_edge: another version is current
MATCH (s:State {tenant: $tenant})-[c:CURRENT]->(v)-[:PREVIOUS]->(earlier)
WITH s, c, earlier ORDER BY s.key WITH collect([s, c, earlier]) AS found WITH found[toInteger($any * size(found))] AS it
WITH it[0] AS s, it[1] AS c, it[2] AS earlier
DELETE c CREATE (s)-[:CURRENT]->(earlier) RETURN s.key AS key;

// edit_memory: another text of a memory
MATCH (m:Memory {tenant: $tenant}) WITH m ORDER BY m.id WITH collect(m) AS found WITH found[toInteger($any * size(found))] AS m
SET m.text = 'forged' RETURN m.id AS id;

// edit_memory_scope: a memory that others may read
MATCH (m:Memory {tenant: $tenant}) WITH m ORDER BY m.id WITH collect(m) AS found WITH found[toInteger($any * size(found))] AS m
SET m.scope = 'public' RETURN m.id AS id;

// edit_memory_gone: a memory less
MATCH (m:Memory {tenant: $tenant}) WITH m ORDER BY m.id WITH collect(m) AS found WITH found[toInteger($any * size(found))] AS m
WITH m, m.id AS id DETACH DELETE m RETURN id;

// edit_fact: another object of a fact
MATCH (f:Fact {tenant: $tenant}) WITH f ORDER BY f.id WITH collect(f) AS found WITH found[toInteger($any * size(found))] AS f
SET f.object = 'forged' RETURN f.id AS id;

// edit_feedback_edge: useful is useless
MATCH (f:Feedback {tenant: $tenant})-[u:USEFUL]->(m) WITH f, u, m ORDER BY f.id WITH collect([f, u, m]) AS found
WITH found[toInteger($any * size(found))] AS it WITH it[0] AS f, it[1] AS u, it[2] AS m
DELETE u CREATE (f)-[:USELESS]->(m) RETURN f.id AS id;

// edit_key: a key of another principal
MATCH (k:ApiKey {tenant: $tenant}) WITH k ORDER BY k.id WITH collect(k) AS found WITH found[toInteger($any * size(found))] AS k
SET k.principal = k.principal + 'x' RETURN k.id AS id;

// edit_rule: a rule that allows more
MATCH (r:Rule {tenant: $tenant}) WITH r ORDER BY r.v1 LIMIT 1 SET r.v2 = '*' RETURN r.v1 AS object;

// edit_agent: another goal of an agent
MATCH (a:Agent {tenant: $tenant}) WITH a ORDER BY a.id WITH collect(a) AS found WITH found[toInteger($any * size(found))] AS a
SET a.goals = ['forged'] RETURN a.id AS id;

// move_state: two states' values, with the hashes beside them, change places
MATCH (s:State {tenant: $tenant})-[:CURRENT]->(v) WITH v ORDER BY v.state WITH collect(v) AS found
WITH found, toInteger($any * size(found)) AS i WITH found[i] AS a, found[(i + 1 + toInteger($other * (size(found) - 1))) % size(found)] AS b
WITH a, b, a.value AS value, a.hash AS hash
SET a.value = b.value, a.hash = b.hash, b.value = value, b.hash = hash RETURN a.state AS state;

// move_memory: a memory's text goes to another memory
MATCH (m:Memory {tenant: $tenant}) WITH m ORDER BY m.id WITH collect(m) AS found
WITH found, toInteger($any * size(found)) AS i WITH found[i] AS a, found[(i + 1 + toInteger($other * (size(found) - 1))) % size(found)] AS b
SET b.text = a.text, b.hash = a.hash RETURN b.id AS id;

// move_version: an earlier version's value, with its hash, comes back as the present one
MATCH (s:State {tenant: $tenant})-[:CURRENT]->(v)-[:PREVIOUS]->(earlier)
WITH v, earlier ORDER BY v.state WITH collect([v, earlier]) AS found WITH found[toInteger($any * size(found))] AS it
WITH it[0] AS v, it[1] AS earlier
SET v.value = earlier.value, v.hash = earlier.hash RETURN v.state AS state;
