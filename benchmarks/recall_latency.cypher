// plain: the ten nearest memories by the vector index alone
MATCH (m:Memory)
SEARCH m IN (VECTOR INDEX memory_embedding FOR $nearest WHERE m.tenant = $tenant AND m.scope IN $scopes LIMIT 10) SCORE AS score
RETURN m.id AS id, score;
