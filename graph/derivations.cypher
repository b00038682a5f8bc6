// derivations_create: makes a memory out of several that are all still there and from none of which another was made
UNWIND $rows AS row
UNWIND row.episodes AS id
MATCH (m:Memory {id: id})
WHERE m.tenant = row.tenant AND m.scope = row.scope AND m.agent = row.agent
SET m.touchedAt = row.at
WITH row, m
WHERE m:Memory AND NOT EXISTS { (m)<-[:DERIVED_FROM]-(d) WHERE d.lapsed IS NULL }
WITH row, collect(m) AS episodes
WHERE size(episodes) = size(row.episodes)
MATCH (central:Memory {id: row.central})-[:REMEMBERED_BY]->(a:Agent)
CREATE (new:Memory)-[:REMEMBERED_BY]->(a)
SET new = central {.*, id: row.properties.id, touchedAt: null, position: null, strength: null, lastUsed: null, duplicateOf: null, supersededAt: null, supersededBy: null}
SET new += row.properties
FOREACH (m IN episodes | CREATE (new)-[:DERIVED_FROM {at: row.at}]->(m))
WITH row, central, new
CALL (central, new) {
  MATCH (central)-[x:MENTIONS]->(r:Resource)
  CREATE (new)-[copy:MENTIONS]->(r)
  SET copy = properties(x)
}
RETURN row.i AS i;

// derivations_extend: says that a memory rests on further ones as well
UNWIND $rows AS row
MATCH (d:Memory {id: row.derived})
WHERE d.tenant = row.tenant AND d.scope = row.scope
SET d.touchedAt = row.at
WITH row, d
WHERE d:Memory
UNWIND row.episodes AS id
MATCH (m:Memory {id: id})
WHERE m.tenant = row.tenant AND m.scope = row.scope AND m.agent = d.agent
SET m.touchedAt = row.at
WITH row, d, m
WHERE m:Memory AND NOT EXISTS { (m)<-[:DERIVED_FROM]-(other) WHERE other.lapsed IS NULL }
CREATE (d)-[:DERIVED_FROM {at: row.at}]->(m)
RETURN row.i AS i, collect(m.id) AS episodes;
