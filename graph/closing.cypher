// batch_close: sets a writer's mark, holds keys and locks ledger heads in order; where all of them stand as expected, appends and moves them
MERGE (w:Writer {id: $writer})
SET w.batch = $batch, w.at = $at
WITH w
CALL () {
  UNWIND $keys AS id
  MATCH (k:SubjectKey {id: id})
  SET k.heldAt = coalesce(k.heldAt, $at)
  WITH k
  WHERE k.wrapped IS NOT NULL
  RETURN collect(k.id) AS held
}
CALL () {
  UNWIND $heads AS row
  MERGE (h:LedgerHead {tenant: row.tenant})
  ON CREATE SET h.size = 0, h.frontier = []
  SET h.writer = $writer
  WITH row, h
  RETURN collect({tenant: h.tenant, size: h.size, frontier: h.frontier}) AS heads,
         count(CASE WHEN h.size = row.since AND h.root = row.sinceRoot THEN 1 END) AS expected
}
WITH held, heads, size(held) = size($keys) AND expected = size($heads) AS fits
CALL (fits) {
  UNWIND CASE WHEN fits THEN $entries ELSE [] END AS row
  CREATE (e:LedgerEntry)
  SET e = row, e.at = $at
}
CALL (fits) {
  UNWIND CASE WHEN fits THEN $heads ELSE [] END AS row
  MATCH (h:LedgerHead {tenant: row.tenant})
  SET h.size = row.size, h.frontier = row.frontier, h.root = row.root, h.at = $at
  FOREACH (tile IN row.tiles |
    MERGE (t:LedgerTile {tenant: row.tenant, level: tile.level, place: tile.place})
    SET t.root = tile.root)
}
RETURN held, fits, CASE WHEN fits THEN [] ELSE heads END AS heads;

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
