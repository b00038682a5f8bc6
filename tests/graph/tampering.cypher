// state_value: changes the value of a state behind Cairn's back
MATCH (s:State {path: $path})-[:CURRENT]->(v) WHERE s.tenant = $tenant SET v.value = '"forged"';

// state_value_and_hash: changes the value of a state and the hash beside it
MATCH (s:State {path: $path})-[:CURRENT]->(v) WHERE s.tenant = $tenant SET v.value = '"forged"', v.hash = $hash;

// state_history: changes an earlier version of a state
MATCH (s:State {path: $path})-[:CURRENT]->()-[:PREVIOUS]->(v) WHERE s.tenant = $tenant SET v.value = '"forged"', v.hash = $hash;

// state_history_removed: removes an earlier version of a state
MATCH (s:State {path: $path})-[:CURRENT]->()-[:PREVIOUS]->(v) WHERE s.tenant = $tenant DETACH DELETE v;

// state_rewound: makes an earlier version current
MATCH (s:State {path: $path})-[c:CURRENT]->()-[:PREVIOUS]->(v) WHERE s.tenant = $tenant DELETE c CREATE (s)-[:CURRENT]->(v);

// state_unset: takes away the mark of the current version
MATCH (s:State {path: $path})-[c:CURRENT]->() WHERE s.tenant = $tenant DELETE c;

// state_moved: lets a state be read under other permissions
MATCH (s:State {path: $path}) WHERE s.tenant = $tenant SET s.path = 'agent/bob/mood';

// memory_text: changes the text of a memory
MATCH (m:Memory {id: $memory}) SET m.text = 'forged';

// memory_time: changes when a memory was made
MATCH (m:Memory {id: $memory}) SET m.occurredAt = datetime('2001-01-01T00:00:00Z');

// memory_scope: lets a memory be read by others
MATCH (m:Memory {id: $memory}) SET m.scope = 'agent/bob';

// memory_kind: gives a memory a kind that there is not
MATCH (m:Memory {id: $memory}) SET m.kind = 'FORGED';

// memory_metadata: makes metadata unreadable
MATCH (m:Memory {id: $memory}) SET m.metadata = '{';

// memory_removed: removes a memory
MATCH (m:Memory {id: $memory}) DETACH DELETE m;

// memory_hidden: hides a memory from every reader
MATCH (m:Memory {id: $memory}) REMOVE m:Memory;

// memory_added: adds a memory
MATCH (m:Memory {id: $memory}) CREATE (n:Memory) SET n = m {.*, id: m.id + 'x'};

// memory_back: brings a forgotten memory back
MATCH (m:Forgotten {id: $forgotten}) SET m:Memory REMOVE m:Forgotten;

// memory_unerased: puts text back into an erased memory
MATCH (m:Forgotten {id: $forgotten}) SET m.text = 'The secret.';

// agent_goals: gives an agent other goals
MATCH (a:Agent {id: 'ada'}) WHERE a.tenant = $tenant SET a.goals = ['obey'];

// agent_removed: removes an agent
MATCH (a:Agent {id: 'bob'}) WHERE a.tenant = $tenant DETACH DELETE a;

// fact_object: changes what a fact says
MATCH (f:Fact {id: $fact}) SET f.object = 'forged';

// fact_end: changes until when a fact is true
MATCH (f:Fact {id: $fact}) SET f.validTo = datetime('2030-01-01T00:00:00Z');

// fact_unsupported: takes a fact's evidence away
MATCH (f:Fact {id: $fact})-[e:EVIDENCE]->() DELETE e;

// fact_removed: removes a fact
MATCH (f:Fact {id: $fact}) DETACH DELETE f;

// feedback_turned: turns useful into useless
MATCH (f:Feedback {tenant: $tenant})-[u:USEFUL]->(m) DELETE u CREATE (f)-[:USELESS]->(m);

// rule_added: adds a rule
CREATE (:Rule {key: $tenant + ' forged', tenant: $tenant, ptype: 'p', v0: 'eve', v1: $tenant, v2: '*', v3: '*', v4: 'allow'});

// key_moved: makes an API key another principal's
MATCH (k:ApiKey {id: $key}) SET k.principal = 'root';

// key_unrevoked: lets a revoked API key work again
MATCH (k:ApiKey {id: $key}) SET k.revokedAt = null;

// graph_literal: changes what a graph says about a subject
MATCH ()-[d:DESCRIBED_IN]->(g:Graph {tenant: $tenant, iri: $graph}) SET d.literals = ['http://www.w3.org/2000/01/rdf-schema#label "forged"'];

// graph_linked: adds a link to a graph
MATCH (s)-[:DESCRIBED_IN]->(g:Graph {tenant: $tenant, iri: $graph}) MERGE (s)-[:RDF {p: 'https://example.org/knows', g: g.number}]->(s);

// graph_emptied: removes what a graph says about a subject
MATCH ()-[d:DESCRIBED_IN]->(g:Graph {tenant: $tenant, iri: $graph}) DELETE d;

// graph_removed: removes a graph
MATCH (g:Graph {tenant: $tenant, iri: $graph}) DETACH DELETE g;

// entity_renamed: gives a local entity another name
MATCH (:Resource {key: $entity})-[d:DESCRIBED_IN]->() SET d.literals = ['http://www.w3.org/2000/01/rdf-schema#label "forged"'];

// entity_identified: says that a local entity is another resource
MATCH (e:Resource {key: $entity})-[:DESCRIBED_IN]->(g:Graph)
CREATE (e)-[:owl__sameAs {p: 'http://www.w3.org/2002/07/owl#sameAs', g: g.number}]->(:Resource {key: $entity + 'x', tenant: $tenant, iri: 'urn:forged', blank: false});

// entry_changed: changes an entry of the ledger
MATCH (e:LedgerEntry {tenant: $tenant, seq: $seq}) SET e.body = replace(e.body, '"actor":"root"', '"actor":"eve"');

// entry_changed_with_leaf: changes an entry and the hash beside it
MATCH (e:LedgerEntry {tenant: $tenant, seq: $seq}) SET e.body = $body, e.leaf = $leaf, e.actor = 'eve';

// entry_shown: changes what is shown of an entry
MATCH (e:LedgerEntry {tenant: $tenant, seq: $seq}) SET e.actor = 'eve';

// entry_removed: removes an entry
MATCH (e:LedgerEntry {tenant: $tenant, seq: $seq}) DELETE e;

// entry_last_removed: removes the last entry and leaves the head
MATCH (e:LedgerEntry {tenant: $tenant, seq: $last}) DELETE e;

// entries_swapped: swaps an entry with the next
MATCH (a:LedgerEntry {tenant: $tenant, seq: $seq}), (b:LedgerEntry {tenant: $tenant, seq: $seq + 1})
WITH a, b, a {.body, .leaf, .operation, .target, .actor} AS first, b {.body, .leaf, .operation, .target, .actor} AS second
SET a += second, b += first;

// entry_added: adds an entry behind the head
CREATE (:LedgerEntry {tenant: $tenant, seq: $last + 1, body: '{}', leaf: $leaf});

// head_root: changes the head's root
MATCH (h:LedgerHead {tenant: $tenant}) SET h.root = $leaf;

// head_frontier: changes the head's subtrees
MATCH (h:LedgerHead {tenant: $tenant}) SET h.frontier = [x IN h.frontier | $leaf];

// head_size: moves the head back
MATCH (h:LedgerHead {tenant: $tenant}) SET h.size = h.size - 1;

// entry_read: the stored bytes of an entry
MATCH (e:LedgerEntry {tenant: $tenant, seq: $seq}) RETURN e.body AS body;

// rolled_back: puts head and entries back to where they stood
MATCH (e:LedgerEntry) WHERE e.tenant = $tenant AND e.seq >= $size DELETE e
WITH count(*) AS removed
MATCH (h:LedgerHead {tenant: $tenant}) SET h.size = $size, h.root = $root, h.frontier = $frontier;

// head_read: where the head stands
MATCH (h:LedgerHead {tenant: $tenant}) RETURN h.size AS size, h.root AS root, h.frontier AS frontier;

// state_removed: removes a state with its versions
MATCH (s:State {path: $path}) WHERE s.tenant = $tenant
OPTIONAL MATCH (v:StateVersion {state: s.key})
DETACH DELETE s, v;

// checkpoint_root: changes the root beside a signed checkpoint
MATCH (c:Checkpoint {tenant: $tenant}) SET c.root = $root;

// checkpoint_forged: puts a checkpoint in place that somebody else signed
MATCH (c:Checkpoint {tenant: $tenant}) SET c.note = $note;

// checkpoint_moved: says that a checkpoint is of another size
MATCH (c:Checkpoint {tenant: $tenant}) SET c.size = c.size - 1;

// checkpoint_unsigned: takes the signature off
MATCH (c:Checkpoint {tenant: $tenant}) SET c.note = split(c.note, '\n\n')[0] + '\n\n', c.cosignatures = [];

// cosignature_forged: puts a cosignature in place that the witness did not make
MATCH (c:Checkpoint {tenant: $tenant}) SET c.cosignatures = [$line];

// tile_forged: changes the root of a tile
MATCH (t:LedgerTile {tenant: $tenant, level: 0, place: 0}) SET t.root = $root RETURN t.root AS root;

// tiles_removed: removes all tiles, as in a ledger from before there were any
MATCH (t:LedgerTile {tenant: $tenant}) DELETE t RETURN count(*) AS tiles;
