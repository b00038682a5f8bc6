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
