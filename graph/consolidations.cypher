// consolidations_read: how a tenant's consolidation stands
MATCH (c:Consolidation {tenant: $tenant})
RETURN c.off AS off, c.reports AS reports, coalesce(c.until > $now, false) AS running;

// consolidations_due: tenants whose last whole background run began before an instant, and where none is at work
MATCH (t:Tenant)
WHERE t.id > $after
OPTIONAL MATCH (c:Consolidation {tenant: t.id})
WITH t, c
WHERE c IS NULL OR ((c.background IS NULL OR c.background < $before) AND (c.until IS NULL OR c.until <= $now))
RETURN t.id AS tenant ORDER BY tenant LIMIT $limit;

// consolidations_claim: takes a tenant's consolidation when nobody is at it, or who was fell silent
UNWIND $rows AS row
MERGE (c:Consolidation {tenant: row.tenant})
ON CREATE SET c.off = [], c.reports = '{}'
SET c.touchedAt = row.at
WITH row, c, c.until IS NOT NULL AND c.until > row.at AS busy
FOREACH (x IN CASE WHEN busy THEN [] ELSE [c] END | SET x.holder = row.holder, x.until = row.until)
RETURN row.i AS i, busy, c.background AS before, c.off AS off, c.reports AS reports;

// consolidations_tell: says how far a run has come, and that its process lives; with until in the past, that it is over
UNWIND $rows AS row
MATCH (c:Consolidation {tenant: row.tenant})
SET c.touchedAt = row.at
WITH row, c
WHERE c.holder = row.holder
SET c.until = row.until, c.reports = row.reports, c.background = coalesce(row.background, c.background)
RETURN row.i AS i;

// consolidations_switch: turns one job on or off for a tenant; what was turned on has everything before it
UNWIND $rows AS row
MERGE (c:Consolidation {tenant: row.tenant})
ON CREATE SET c.reports = '{}', c.off = []
SET c.touchedAt = row.at
WITH row, c, c.off AS before, [job IN c.off WHERE job <> row.job] + CASE WHEN row.enabled THEN [] ELSE [row.job] END AS after
SET c.off = after, c.background = CASE WHEN row.enabled AND before <> after THEN null ELSE c.background END
RETURN row.i AS i, before, after;
