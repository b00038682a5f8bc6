// plain: writes what memories say, and nothing else
UNWIND $rows AS row
CREATE (n:BenchmarkLine)
SET n = row;

// plain_remove: takes away what `plain` wrote
MATCH (n:BenchmarkLine {tenant: $tenant})
DELETE n;
