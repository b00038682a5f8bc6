// memory_heading: memories by what their heading says they are about, within tenant and scopes
CREATE FULLTEXT INDEX memory_heading IF NOT EXISTS FOR (n:Memory) ON EACH [n.heading, n.tenant, n.scopeKey]
OPTIONS {indexConfig: {`fulltext.analyzer`: 'whitespace', `fulltext.eventually_consistent`: false}};
