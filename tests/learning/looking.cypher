// vectors_of: which vectors the memories of a tenant have
MATCH (m:Memory)
WHERE m.tenant = $tenant
RETURN m.text AS text, size(m.embedding) AS a, size(m.embeddingB) AS b, m:Unembedded AS unembedded
ORDER BY m.id;
