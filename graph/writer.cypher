// requests_find: the stored answers of idempotency keys that were used before
UNWIND $keys AS key
MATCH (r:Request {key: key})
RETURN r.key AS key, r.input AS input, r.answer AS answer;

// requests_store: remembers the answers of idempotency keys, in the transaction of their effect
UNWIND $rows AS row
CREATE (:Request {key: row.key, tenant: row.tenant, input: row.input, answer: row.answer, at: row.at});

// batch_mark: holds a writer's mark and sets it for a batch; says whether an attempt at the same batch was committed before
MERGE (w:Writer {id: $writer})
SET w.at = $at
WITH w, coalesce(w.batch = $batch, false) AS committed
SET w.batch = $batch
RETURN committed;

// cache_generations: makes every cached answer of these tenants stale, for when Redis could not be told
UNWIND $tenants AS tenant
MATCH (t:Tenant {id: tenant})
SET t.cacheGeneration = t.cacheGeneration + 1;

// heads_lock: locks the ledger heads of these tenants in order and returns where they stand
UNWIND $tenants AS tenant
MERGE (h:LedgerHead {tenant: tenant})
ON CREATE SET h.size = 0, h.frontier = []
SET h.writer = $writer
WITH h
RETURN h.tenant AS tenant, h.size AS size, h.frontier AS frontier;

// entries_append: appends ledger entries
UNWIND $rows AS row
CREATE (e:LedgerEntry)
SET e = row, e.at = $at;

// heads_move: moves the ledger heads to their new size, and keeps the roots of the tiles that were filled
UNWIND $rows AS row
MATCH (h:LedgerHead {tenant: row.tenant})
SET h.size = row.size, h.frontier = row.frontier, h.root = row.root, h.at = $at
FOREACH (tile IN row.tiles |
  MERGE (t:LedgerTile {tenant: row.tenant, level: tile.level, place: tile.place})
  SET t.root = tile.root);
