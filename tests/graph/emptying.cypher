// empty: removes everything from a database that is a test's own
MATCH (n)
DETACH DELETE n;

// commit: what a writer's commit changes in any case
MERGE (w:Writer {id: 'test'})
SET w.batch = randomUUID();

// stone: a node that Cairn knows nothing of
CREATE (:Stone {tenant: 'nobody'});

// instants: a node with values of every kind that Neo4j keeps apart
CREATE (:TestValues {utc: datetime('2026-08-01T12:00:00.123456789Z'), zoned: datetime('2026-10-25T02:30:00.000000001+01:00[Europe/Berlin]'),
  west: datetime('1969-12-31T23:59:59.999999999-03:30'), local: localdatetime('2026-08-01T12:00:00.5'), several: [datetime('2026-08-01T12:00:00Z')],
  whole: 1, broken: 1.0, least: -9223372036854775808, tiny: 4.9E-324, endless: Infinity, wholes: [1, 2], brokens: [1.0, 0.1, -0.0], none: [],
  yes: true, texts: ['', 'grüß', '💎'], bytes: $bytes});

// values: those values as Neo4j writes them
MATCH (n:TestValues)
RETURN [k IN ['utc', 'zoned', 'west', 'local', 'whole', 'broken', 'least', 'tiny', 'endless', 'yes'] | toString(n[k]) + ' ' + valueType(n[k])] AS single,
       [k IN ['wholes', 'brokens', 'none', 'texts'] | valueType(n[k])] AS types, n.wholes AS wholes, n.brokens AS brokens, n.texts AS texts,
       [v IN n.several | toString(v)] AS several, n.bytes AS bytes;

// leftovers: what only stands in a database while it is being restored
CALL () { MATCH (n:Restoring|Restore) RETURN count(n) AS nodes }
CALL () { MATCH (n) WHERE n.restoring IS NOT NULL RETURN count(n) AS numbers }
RETURN nodes, numbers;

// restoring: what a restore that is at work looks like from outside
CREATE (:Restore {id: 'restore', holder: 'somebody', at: datetime()});

// forge: gives an agent of a tenant another name, behind Cairn's back
MATCH (a:Agent {tenant: $tenant})
SET a.name = 'Mallory';
