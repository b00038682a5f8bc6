// resource_key: one resource by a key, which covers tenant and IRI
CREATE CONSTRAINT resource_key IF NOT EXISTS FOR (n:Resource) REQUIRE n.key IS UNIQUE;

// described_key: the subjects of a graph in the order of their keys
CREATE INDEX described_key IF NOT EXISTS FOR ()-[r:DESCRIBED_IN]-() ON (r.graph, r.key);

// described_terms: resources by the words of their names, within graphs
CREATE FULLTEXT INDEX described_terms IF NOT EXISTS FOR ()-[r:DESCRIBED_IN]-() ON EACH [r.terms, r.graphKey]
OPTIONS {indexConfig: {`fulltext.analyzer`: 'whitespace', `fulltext.eventually_consistent`: false}};

// import_id: one import by an id
CREATE CONSTRAINT import_id IF NOT EXISTS FOR (n:Import) REQUIRE n.id IS UNIQUE;

// import_status: a tenant's imports by what became of them
CREATE INDEX import_status IF NOT EXISTS FOR (n:Import) ON (n.tenant, n.status);
