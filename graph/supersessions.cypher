// supersessions_write: says which newer memory takes the place of an older one, or that none does, when both are still there
UNWIND $rows AS row
MATCH (old:Memory {id: row.older})
WHERE old.tenant = row.tenant AND old.scope = row.scope
SET old.touchedAt = row.at
WITH row, old
OPTIONAL MATCH (new:Memory {id: row.newer})
WHERE new.tenant = row.tenant AND new.scope = row.scope AND new.agent = old.agent
WITH row, old, new
WHERE old:Memory AND (row.newer IS NULL OR new IS NOT NULL)
CALL (old) {
  MATCH ()-[before:SUPERSEDES]->(old)
  DELETE before
}
SET old.supersededAt = new.occurredAt, old.supersededBy = new.id
FOREACH (n IN CASE WHEN new IS NULL THEN [] ELSE [new] END | CREATE (n)-[:SUPERSEDES {reason: row.reason, at: row.at}]->(old))
RETURN row.i AS i;
