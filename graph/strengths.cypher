// strengths_read: what decides how strong memories are, in the order of ids; to be found useful and to be cited is to be used
MATCH (m:Memory)
WHERE m.tenant = $tenant AND m.id > $after
WITH m ORDER BY m.tenant, m.id LIMIT $limit
RETURN m.id AS id, m.scope AS scope, m.importance AS importance, m.recordedAt AS recordedAt, m.strength AS strength, m.lastUsed AS lastUsed,
       COLLECT { MATCH (m)<-[:USEFUL]-(f:Feedback) RETURN f.at AS at UNION ALL MATCH (m)<-[:EVIDENCE]-(f:Fact) RETURN f.recordedAt AS at } AS uses;

// strengths_write: keeps how strong memories are, beside their importance
UNWIND $rows AS row
MATCH (m:Memory {id: row.id})
WHERE m.tenant = row.tenant
SET m.strength = row.strength, m.lastUsed = row.lastUsed
RETURN row.i AS i;
