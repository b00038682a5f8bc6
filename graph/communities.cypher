// communities_texts: the newest memories of a scope that have an embedding, with it
MATCH (m:Memory)
WHERE m.tenant = $tenant AND m.scope = $scope AND m.recordedAt <= $now
WITH m ORDER BY m.tenant DESC, m.scope DESC, m.recordedAt DESC
WHERE m[$property] IS NOT NULL AND (m.expiresAt IS NULL OR m.expiresAt > $now)
RETURN m.id AS id, m[$property] AS embedding
LIMIT $limit;

// communities_names: which local entities of a scope the texts of its memories name, by the scope's graph
MATCH (r:Resource)-[d:DESCRIBED_IN]->()
WHERE d.graph = $graph AND d.key > ''
MATCH (r)<-[x:MENTIONS]-(m:Memory)
WHERE m.tenant = $tenant AND m.scope = $scope AND x.speaker IS NULL AND (m.expiresAt IS NULL OR m.expiresAt > $now)
RETURN m.id AS memory, r.key AS resource, max(x.confidence) AS weight
LIMIT $limit;

// communities_links: the links that a named graph states between resources that have an IRI, but for those to classes
MATCH (n:Resource)-[d:DESCRIBED_IN]->()
WHERE d.graph = $graph AND d.key > '' AND NOT n.blank
MATCH (n)-[r]->(o:Resource)
WHERE r.g = $graph AND r.p <> $class AND NOT o.blank AND o <> n
RETURN n.key AS one, o.key AS other
LIMIT $limit;

// communities_sets: the sets that a tenant has, with what they were made of
MATCH (s:CommunitySet)
WHERE s.tenant = $tenant
RETURN s.key AS key, s.scope AS scope, s.graph AS graph, s.digest AS digest, s.generation AS generation;

// communities_write: makes communities of a generation that nobody reads yet, and adds members to them
UNWIND $rows AS row
MERGE (c:Community {key: row.key})
SET c += row.properties
WITH row, c
CALL (row, c) {
  UNWIND row.memories AS member
  MATCH (m:Memory {id: member.id})
  MERGE (m)-[x:IN_COMMUNITY]->(c)
  SET x.rank = member.rank
}
CALL (row, c) {
  UNWIND row.resources AS member
  MATCH (r:Resource {key: member.id})
  MERGE (r)-[x:IN_COMMUNITY]->(c)
  SET x.rank = member.rank
}
RETURN row.i AS i;

// communities_show: makes a generation the one that is read, when its refresh still holds the tenant
UNWIND $rows AS row
MATCH (:CommunityRefresh {tenant: row.tenant, holder: row.holder})
MERGE (s:CommunitySet {key: row.key})
WITH row, s, s.digest AS before
SET s += row.properties
RETURN row.i AS i, before;

// communities_sweep: deletes some communities of generations that nobody reads any more
UNWIND $rows AS row
MATCH (s:CommunitySet {key: row.key})
CALL (row, s) {
  MATCH (c:Community)
  USING INDEX c:Community(set, generation)
  WHERE c.set = s.key AND c.generation IS NOT NULL AND c.generation <> s.generation
  WITH c LIMIT 50
  DETACH DELETE c
  RETURN count(*) AS swept
}
RETURN row.i AS i, swept;

// communities_page: the communities of readable scopes and graphs, the largest first
MATCH (s:CommunitySet)
USING INDEX s:CommunitySet(tenant)
WHERE s.tenant = $tenant AND (s.scope IN $scopes OR s.graph IN $graphs)
MATCH (c:Community)
USING INDEX c:Community(set, generation)
WHERE c.set = s.key AND c.generation = s.generation AND (c.size < $size OR (c.size = $size AND c.id > $id))
WITH s, c ORDER BY c.size DESC, c.id LIMIT $limit
OPTIONAL MATCH (g:Graph {number: s.graph})
RETURN c {.id, .size, .memories, .resources, .at} AS community, s.scope AS scope, g.iri AS graph
ORDER BY c.size DESC, c.id;

// refresh_claim: begins a refresh unless another is at work; the node's lock makes them come in turn
UNWIND $rows AS row
MATCH (:Tenant {id: row.tenant})
MERGE (c:CommunityRefresh {tenant: row.tenant})
SET c.touchedAt = row.at
WITH row, c, coalesce(c.status = 'RUNNING' AND c.until > row.at, false) AS busy
CALL (row, c, busy) {
  WITH row, c WHERE NOT busy
  OPTIONAL MATCH (h:LedgerHead {tenant: row.tenant})
  SET c = row.properties, c.ledgerSize = coalesce(h.size, 0)
}
RETURN row.i AS i, busy;

// refresh_move: says how far a refresh has come, that it lives, or that it ended
UNWIND $rows AS row
MATCH (c:CommunityRefresh {tenant: row.tenant, holder: row.holder})
SET c += row.properties
RETURN row.i AS i;

// refresh_find: how a tenant's last refresh stands
MATCH (c:CommunityRefresh {tenant: $tenant})
RETURN c {.*} AS refresh;

// refresh_due: tenants that changed since their last refresh, which began before an instant
MATCH (h:LedgerHead)
OPTIONAL MATCH (c:CommunityRefresh {tenant: h.tenant})
WITH h, c
WHERE h.size > 0 AND (c IS NULL OR (c.startedAt < $before AND (c.ledgerSize <> h.size OR c.status <> 'DONE')))
RETURN h.tenant AS tenant
ORDER BY tenant;
