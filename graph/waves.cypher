// requests_find: the stored answers of idempotency keys that were used before
UNWIND $keys AS key
MATCH (r:Request {key: key})
RETURN r.key AS key, r.input AS input, r.answer AS answer;

// requests_store: remembers the answers of idempotency keys, in the transaction of their effect
UNWIND $rows AS row
CREATE (:Request {key: row.key, tenant: row.tenant, input: row.input, answer: row.answer, at: $at});

// heads_lock: locks the ledger heads of these tenants in order and returns where they stand
UNWIND $tenants AS tenant
MERGE (h:LedgerHead {tenant: tenant})
ON CREATE SET h.size = 0, h.frontier = []
SET h.writer = $writer
WITH h
RETURN collect({tenant: h.tenant, size: h.size, frontier: h.frontier}) AS heads;

// ledger_append: appends ledger entries, moves the heads to their new size, and keeps the roots of the tiles that were filled
CALL () {
  UNWIND $entries AS row
  CREATE (e:LedgerEntry)
  SET e = row, e.at = $at
}
CALL () {
  UNWIND $heads AS row
  MATCH (h:LedgerHead {tenant: row.tenant})
  SET h.size = row.size, h.frontier = row.frontier, h.root = row.root, h.at = $at
  FOREACH (tile IN row.tiles |
    MERGE (t:LedgerTile {tenant: row.tenant, level: tile.level, place: tile.place})
    SET t.root = tile.root)
};
