// batch_committed: whether an attempt at a batch was committed; waits, behind the writer's mark, for one that may be about to be
MERGE (w:Writer {id: $writer})
SET w.at = $at
WITH w
RETURN coalesce(w.batch = $batch, false) AS committed;

// cache_generations: makes every cached answer of these tenants stale, for when Redis could not be told
UNWIND $tenants AS tenant
MATCH (t:Tenant {id: tenant})
SET t.cacheGeneration = t.cacheGeneration + 1;
