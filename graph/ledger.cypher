// ledger_stands: where a tenant's ledger stands
MATCH (h:LedgerHead {tenant: $tenant})
WHERE h.size > 0
RETURN h.size AS size, h.root AS root, h.frontier AS frontier;

// ledgers_stand: where the ledgers of several tenants stand
UNWIND $tenants AS tenant
MATCH (h:LedgerHead {tenant: tenant})
WHERE h.size > 0
RETURN h.tenant AS tenant, h.size AS size, h.root AS root;

// ledger_list: entries of a ledger in their order
MATCH (e:LedgerEntry)
WHERE e.tenant = $tenant AND e.seq > $after
RETURN e.body AS body, e.leaf AS leaf
ORDER BY e.tenant, e.seq LIMIT $limit;

// ledger_entries: a range of entries in their order, as they are stored, many to a record
UNWIND range($start, $stop - 1, $chunk) AS low
CALL (low) {
  MATCH (e:LedgerEntry)
  WHERE e.tenant = $tenant AND e.seq >= low AND e.seq < low + $chunk AND e.seq < $stop
  WITH e ORDER BY e.seq
  RETURN collect([e.seq, e.body, e.leaf, e.operation, e.target, e.actor]) AS entries
}
RETURN entries;

// ledger_beyond: the first entry that lies beyond a size
MATCH (e:LedgerEntry)
WHERE e.tenant = $tenant AND e.seq >= $size
RETURN min(e.seq) AS seq;
