// loose: resources that nothing describes, links or mentions
MATCH (n:Resource)
WHERE n.tenant = $tenant AND NOT EXISTS { (n)--() }
RETURN n.iri AS iri;

// labels: every label that was projected
MATCH (n:Resource)
WHERE n.tenant = $tenant
UNWIND [l IN labels(n) WHERE l CONTAINS '__'] AS label
RETURN n.iri AS iri, label;

// typed: the classes whose labels should have been projected
MATCH (n:Resource)-[r:rdf__type]->(c:Resource)
WHERE n.tenant = $tenant AND NOT c.blank
RETURN DISTINCT n.iri AS iri, c.iri AS class;

// ledger: the ledger's lines
MATCH (e:LedgerEntry)
WHERE e.tenant = $tenant
RETURN e.operation AS operation, e.target AS target, e.body AS body
ORDER BY e.seq;

// resources: every resource
MATCH (n:Resource)
WHERE n.tenant = $tenant
RETURN n.iri AS iri;

// mention: a memory that mentions a resource
MATCH (r:Resource)
WHERE r.tenant = $tenant AND r.iri = 'urn:d'
CREATE (:Memory {tenant: $tenant, id: 'mention-' + $tenant})-[:MENTIONS]->(r);
