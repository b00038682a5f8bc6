// states_set: writes a state's next version unless another version than the expected one is current; instants are microseconds since 1970
UNWIND $rows AS row
WITH row, datetime({epochSeconds: row.at / 1000000, nanosecond: row.at % 1000000 * 1000}) AS now
MATCH (a:Agent {key: row.agentKey})
MERGE (s:State {key: row.key})
ON CREATE SET s.tenant = row.tenant, s.agent = row.agent, s.name = row.name, s.path = row.path, s.version = 0
MERGE (a)-[:HAS_STATE]->(s)
SET s.touchedAt = now
WITH row, now, s
OPTIONAL MATCH (s)-[c:CURRENT]->(old:StateVersion)
WITH row, now, s, c, old, s.version AS current
CALL (row, now, s, c, old, current) {
  WITH row, now, s, c, old, current WHERE row.expected IS NULL OR row.expected = current
  CREATE (v:StateVersion {tenant: row.tenant, state: row.key, version: current + 1, value: row.value, hash: row.hash, by: row.by})
  SET v.at = CASE WHEN old IS NOT NULL AND old.at >= now THEN old.at + duration({nanoseconds: 1000}) ELSE now END
  SET s.version = current + 1
  CREATE (s)-[:CURRENT]->(v)
  FOREACH (previous IN CASE WHEN old IS NULL THEN [] ELSE [old] END | CREATE (v)-[:PREVIOUS]->(previous))
  DELETE c
  RETURN max(v.at) AS at
}
WITH row, s, current, old.hash AS before, at
FOREACH (unborn IN CASE WHEN at IS NULL AND current = 0 THEN [s] ELSE [] END | DETACH DELETE unborn)
RETURN collect({i: row.i, current: current, before: before, ok: at IS NOT NULL, at: at.epochSeconds * 1000000 + at.microsecond}) AS rows;

// states_get: one version of a readable state: the current one, one by number, or the one at an instant
MATCH (s:State {key: $key})
WHERE any(p IN $allow WHERE s.path =~ p) AND none(p IN $deny WHERE s.path =~ p)
CALL (s) {
  WITH s WHERE $version IS NULL AND $asOf IS NULL
  MATCH (s)-[:CURRENT]->(v:StateVersion) RETURN v
  UNION ALL
  WITH s WHERE $version IS NOT NULL
  MATCH (v:StateVersion) WHERE v.state = s.key AND v.version = $version AND ($asOf IS NULL OR v.at <= $asOf) RETURN v
  UNION ALL
  WITH s WHERE $version IS NULL AND $asOf IS NOT NULL
  MATCH (v:StateVersion) WHERE v.state = s.key AND v.at <= $asOf RETURN v ORDER BY v.state DESC, v.at DESC LIMIT 1
}
RETURN s.agent AS agent, s.name AS name, v.version AS version, v.value AS value, v.hash AS hash, v.at AS at, v.by AS by;

// states_list: current versions of the readable states of agents, in the order of their keys
UNWIND $agents AS agent
CALL (agent) {
  MATCH (s:State)
  WHERE s.tenant = $tenant AND s.agent = agent AND s.name > $after AND s.name STARTS WITH $prefix
    AND any(p IN $allow WHERE s.path =~ p) AND none(p IN $deny WHERE s.path =~ p)
  MATCH (s)-[:CURRENT]->(v:StateVersion)
  RETURN s, v ORDER BY s.tenant, s.agent, s.name LIMIT $limit
}
RETURN s.agent AS agent, s.name AS name, v.version AS version, v.value AS value, v.hash AS hash, v.at AS at, v.by AS by
ORDER BY agent, name;

// states_history: versions of readable states, newest first
UNWIND $keys AS key
MATCH (s:State {key: key})
WHERE any(p IN $allow WHERE s.path =~ p) AND none(p IN $deny WHERE s.path =~ p)
CALL (s) {
  MATCH (v:StateVersion)
  WHERE v.state = s.key AND v.version < $before
  RETURN v ORDER BY v.state DESC, v.version DESC LIMIT $limit
}
RETURN s.agent AS agent, s.name AS name, v.version AS version, v.value AS value, v.hash AS hash, v.at AS at, v.by AS by
ORDER BY agent, name, version DESC;
