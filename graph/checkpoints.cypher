// checkpoints_store: keeps signed checkpoints, each size once
UNWIND $rows AS row
MERGE (c:Checkpoint {tenant: row.tenant, size: row.size})
ON CREATE SET c.root = row.root, c.note = row.note, c.at = row.at, c.cosignatures = [], c.witnesses = 0
RETURN row.i AS i;

// checkpoints_cosign: adds a witness's cosignature to a checkpoint, or puts it in the place of its earlier one
UNWIND $rows AS row
MATCH (c:Checkpoint {tenant: row.tenant, size: row.size})
SET c.witness = row.name
WITH row, c, [line IN c.cosignatures WHERE NOT line STARTS WITH row.start] + row.line AS lines
SET c.cosignatures = lines, c.witnesses = size(lines)
RETURN row.i AS i;

// checkpoints_list: checkpoints of a ledger, the newest first
MATCH (c:Checkpoint)
WHERE c.tenant = $tenant AND c.size < $before
RETURN c.size AS size, c.root AS root, c.note AS note, c.at AS at, c.cosignatures AS cosignatures
ORDER BY c.size DESC LIMIT $limit;

// checkpoints_all: every checkpoint of a ledger, the oldest first
MATCH (c:Checkpoint)
WHERE c.tenant = $tenant
RETURN c.size AS size, c.root AS root, c.note AS note, c.cosignatures AS cosignatures
ORDER BY c.size;

// checkpoints_due: of these tenants those whose ledger grew since its last checkpoint
UNWIND $tenants AS tenant
MATCH (h:LedgerHead {tenant: tenant})
WHERE h.size > 0 AND NOT EXISTS { MATCH (:Checkpoint {tenant: h.tenant, size: h.size}) }
RETURN h.tenant AS tenant, h.size AS size, h.root AS root;

// checkpoints_last: the last checkpoint of each of these tenants' ledgers
UNWIND $tenants AS tenant
CALL (tenant) {
  MATCH (c:Checkpoint)
  WHERE c.tenant = tenant AND c.size > 0
  RETURN c ORDER BY c.size DESC LIMIT 1
}
RETURN c.tenant AS tenant, c.size AS size, c.root AS root, c.note AS note;
