// requests_find: the stored answers of idempotency keys that were used before
UNWIND $keys AS key
MATCH (r:Request {key: key})
RETURN r.key AS key, r.input AS input, r.answer AS answer;

// requests_store: remembers the answers of idempotency keys, in the transaction of their effect
UNWIND $rows AS row
CREATE (:Request {key: row.key, tenant: row.tenant, input: row.input, answer: row.answer, at: $at});
