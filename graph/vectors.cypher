// vectors_state: which embedder wrote which set of vectors, and how far a change of embedder has come
MATCH (v:VectorSlots {id: 'memory'})
RETURN v {.*} AS state;

// vectors_lease: lets one process at a time change vectors; renews for the process that has it
MATCH (v:VectorSlots {id: 'memory'})
SET v.seen = datetime()
WITH v
WHERE v.holder = $holder OR v.until < datetime()
SET v.holder = $holder, v.until = datetime() + duration({seconds: $seconds})
RETURN v {.*} AS state;

// vectors_release: lets the next process change vectors
MATCH (v:VectorSlots {id: 'memory', holder: $holder})
SET v.holder = '', v.until = datetime({epochMillis: 0});

// vectors_index_dimensions: the dimensions of a vector index
SHOW VECTOR INDEXES YIELD name, options
WHERE name = $name
RETURN options.indexConfig['vector.dimensions'] AS dimensions;

// vectors_index_drop: drops the index of a set of vectors that is empty and does not serve
DROP INDEX $name IF EXISTS;

// vectors_index_a: makes the index of the first set of vectors, unquantized (docs/decisions/0006)
CREATE VECTOR INDEX memory_embedding IF NOT EXISTS FOR (n:Memory) ON n.embedding WITH [n.tenant, n.scope]
OPTIONS {indexConfig: {`vector.dimensions`: $dimensions, `vector.similarity_function`: 'cosine', `vector.quantization.enabled`: false}};

// vectors_index_b: makes the index of the second set of vectors, unquantized (docs/decisions/0006)
CREATE VECTOR INDEX memory_embedding_b IF NOT EXISTS FOR (n:Memory) ON n.embeddingB WITH [n.tenant, n.scope]
OPTIONS {indexConfig: {`vector.dimensions`: $dimensions, `vector.similarity_function`: 'cosine', `vector.quantization.enabled`: false}};

// vectors_index_online: waits until a vector index can be used
CALL db.awaitIndex($name, $seconds);

// vectors_begin: has the set of vectors that does not serve filled by another embedder, from now on by every new memory too
MATCH (v:VectorSlots {id: 'memory', holder: $holder, phase: 'steady'})
SET v.phase = 'filling', v.tenant = '', v.after = '', v.done = 0,
    v.total = COUNT { MATCH (:Memory) }, v[$nameProperty] = $name, v[$dimensionsProperty] = $dimensions
RETURN v {.*} AS state;

// vectors_switch: has recall use the set of vectors that was filled; every cached answer is stale from then on
MATCH (v:VectorSlots {id: 'memory', holder: $holder, phase: 'filling'})
SET v.phase = 'emptying', v.serving = $serving, v.tenant = '', v.after = '', v.done = 0, v[$nameProperty] = null, v[$dimensionsProperty] = null
WITH v
CALL () {
  MATCH (t:Tenant)
  SET t.cacheGeneration = t.cacheGeneration + 1
}
RETURN v {.*} AS state;

// vectors_abandon: gives up filling a set of vectors, since another embedder is wanted by now
MATCH (v:VectorSlots {id: 'memory', holder: $holder, phase: 'filling'})
SET v.phase = 'emptying', v.tenant = '', v.after = '', v.done = 0, v[$nameProperty] = null, v[$dimensionsProperty] = null
RETURN v {.*} AS state;

// vectors_end: says that the set of vectors that does not serve is empty
MATCH (v:VectorSlots {id: 'memory', holder: $holder, phase: 'emptying'})
SET v.phase = 'steady', v.tenant = null, v.after = null, v.done = null, v.total = null
RETURN v {.*} AS state;

// vectors_tenant: the next tenant that has memories
MATCH (m:Memory)
WHERE m.tenant > $tenant AND m.id IS NOT NULL
RETURN m.tenant AS tenant
ORDER BY m.tenant LIMIT 1;

// vectors_pending: a tenant's memories in the order of their ids, and whether they lack a vector that recall would use
MATCH (m:Memory)
WHERE m.tenant = $tenant AND m.id > $after
WITH m ORDER BY m.id LIMIT $limit
RETURN m.id AS id, m.text AS text, m[$property] IS NULL AS lacking;

// vectors_unembedded: memories that were written without all their vectors
MATCH (m:Unembedded)
WHERE m:Memory AND m.text IS NOT NULL
RETURN m.tenant AS tenant, m.id AS id, m.text AS text
LIMIT $limit;

// vectors_set: stores vectors of memories, each in the set that belongs to its embedder now
UNWIND $rows AS row
MATCH (v:VectorSlots {id: 'memory'})
MATCH (m:Memory {id: row.id})
WHERE m.tenant = row.tenant
FOREACH (vector IN CASE WHEN row.vectors[v.nameA] IS NULL THEN [] ELSE [row.vectors[v.nameA]] END | SET m.embedding = vector, m.sketch = row.sketches[v.nameA])
FOREACH (vector IN CASE WHEN row.vectors[v.nameB] IS NULL THEN [] ELSE [row.vectors[v.nameB]] END | SET m.embeddingB = vector, m.sketchB = row.sketches[v.nameB])
FOREACH (_ IN CASE WHEN row.mended THEN [1] ELSE [] END | REMOVE m:Unembedded)
RETURN row.i AS i;

// vectors_empty: takes memories out of the set of vectors that is emptied, and marks those that the other set lacks
UNWIND $rows AS row
MATCH (m:Memory {id: row.id})
WHERE m.tenant = row.tenant
SET m[row.property] = null, m[row.sketch] = null
FOREACH (_ IN CASE WHEN row.lacking THEN [1] ELSE [] END | SET m:Unembedded)
RETURN row.i AS i;

// vectors_move: remembers how far a pass over all memories has come, in the transaction of its work
UNWIND $rows AS row
MATCH (v:VectorSlots {id: 'memory', holder: row.holder, phase: row.phase})
SET v.tenant = row.tenant, v.after = row.after, v.done = row.done, v.total = CASE WHEN v.total < row.done THEN row.done ELSE v.total END
RETURN row.i AS i;
