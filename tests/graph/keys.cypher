// everything: every property of a tenant's nodes, and of what leads from them
MATCH (n)
WHERE n.tenant = $tenant OR n.id = $tenant
RETURN properties(n) AS node, COLLECT { MATCH (n)-[r]->() RETURN properties(r) } AS leading;

// swap_texts: gives two memories each other's sealed text
MATCH (a:Memory {id: $one}), (b:Memory {id: $other})
WITH a, b, a.text AS text
SET a.text = b.text, b.text = text;

// keys: the keys of a tenant's subjects
MATCH (k:SubjectKey)
WHERE k.tenant = $tenant
RETURN k.subject AS subject, k.id AS id, k.parent AS parent, k.wrapped IS NULL AS destroyed, k.slot IS NULL AS unseated
ORDER BY subject, id;

// use_up: says that almost as much was sealed with a tenant's keys as may be
MATCH (k:SubjectKey)
WHERE k.tenant = $tenant
SET k.taken = 2147483648;
