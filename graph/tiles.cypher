// tiles_leaves: leaf hashes of spans of entries, with their places
UNWIND $spans AS span
CALL (span) {
  MATCH (e:LedgerEntry)
  WHERE e.tenant = $tenant AND e.seq >= span.start AND e.seq < span.stop
  RETURN collect([e.seq, e.leaf]) AS hashes
}
RETURN span.i AS i, hashes;

// tiles_roots: roots of spans of tiles, with their places
UNWIND $spans AS span
CALL (span) {
  MATCH (t:LedgerTile)
  WHERE t.tenant = $tenant AND t.level = span.level AND t.place >= span.start AND t.place < span.stop
  RETURN collect([t.place, t.root]) AS hashes
}
RETURN span.i AS i, hashes;

// tiles_stream: leaf hashes of a range of entries in their order, many to a record
UNWIND range($start, $stop - 1, $chunk) AS low
CALL (low) {
  MATCH (e:LedgerEntry)
  WHERE e.tenant = $tenant AND e.seq >= low AND e.seq < low + $chunk AND e.seq < $stop
  WITH e ORDER BY e.seq
  RETURN collect(e.leaf) AS leaves
}
RETURN leaves;

// tiles_all: every stored tile that lies within the first entries
MATCH (t:LedgerTile)
WHERE t.tenant = $tenant
RETURN t.level AS level, t.place AS place, t.root AS root
ORDER BY level, place;
