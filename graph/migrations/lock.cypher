// migration_constraint: one node holds the migration lock
CREATE CONSTRAINT migration_id IF NOT EXISTS FOR (n:Migration) REQUIRE n.id IS UNIQUE;

// lock_take: takes the migration lock when it is free or its holder was silent too long
MERGE (m:Migration {id: 'lock'})
ON CREATE SET m.holder = '', m.until = datetime({epochMillis: 0})
SET m.seen = datetime()
WITH m
WHERE m.holder = $holder OR m.until < datetime()
SET m.holder = $holder, m.until = datetime() + duration({seconds: $seconds})
RETURN m.holder AS holder;

// lock_free: gives the migration lock back
MATCH (m:Migration {id: 'lock', holder: $holder})
SET m.until = datetime({epochMillis: 0}), m.holder = '';

// migrations_done: the numbers of the migrations that were applied
MATCH (m:Migration)
WHERE m.id <> 'lock'
RETURN m.id AS id, m.sum AS sum;

// migration_record: records a migration as applied
MERGE (m:Migration {id: $id})
SET m.sum = $sum, m.at = datetime();

// indexes_pending: how many indexes are still being filled
SHOW INDEXES YIELD state, name WHERE state <> 'ONLINE'
RETURN count(*) AS pending, collect(name) AS names;

// graph_secret: a secret of this graph's replicas, made at the first call, that signs what they keep outside it
MERGE (m:Migration {id: 'graph'})
ON CREATE SET m.sum = randomUUID(), m.at = datetime()
SET m.secret = coalesce(m.secret, randomUUID())
RETURN m.secret AS secret;

// graph_name: the name that this graph was given when it was first migrated
MERGE (m:Migration {id: 'graph'})
ON CREATE SET m.sum = randomUUID(), m.at = datetime()
RETURN m.sum AS name;
