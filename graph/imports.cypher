// imports_start: records a new import, unless another is at work on one of its graphs; the tenant's lock makes them come in turn
UNWIND $rows AS row
MATCH (t:Tenant {id: row.tenant})
SET t.id = row.tenant
WITH row, COLLECT {
  MATCH (other:Import {tenant: row.tenant, status: 'RUNNING'})
  WHERE other.until > row.at AND any(g IN other.graphs WHERE g IN row.graphs)
  RETURN other.id
} AS busy
CALL (row, busy) {
  WITH row WHERE busy = []
  CREATE (n:Import)
  SET n = row.properties
}
RETURN row.i AS i, busy;

// imports_claim: widens the graphs that an import works on, unless another works on one of them
UNWIND $rows AS row
MATCH (t:Tenant {id: row.tenant})
SET t.id = row.tenant
WITH row
MATCH (n:Import {id: row.id, status: 'RUNNING'})
WITH row, n, COLLECT {
  MATCH (other:Import {tenant: row.tenant, status: 'RUNNING'})
  WHERE other.id <> row.id AND other.until > row.at AND any(g IN other.graphs WHERE g IN row.graphs)
  RETURN other.id
} AS busy
CALL (row, n, busy) {
  WITH row, n WHERE busy = []
  SET n.graphs = row.graphs
}
RETURN row.i AS i, busy;

// imports_progress: says how far a running import has come and that its process lives
UNWIND $rows AS row
MATCH (n:Import {id: row.id, status: 'RUNNING'})
SET n += row.properties
RETURN row.i AS i, n.id AS id;

// imports_finish: says what became of a running import, and of its graphs when it is done
UNWIND $rows AS row
MATCH (n:Import {id: row.id, status: 'RUNNING'})
SET n += row.properties
WITH row, n
CALL (row) {
  UNWIND row.graphs AS iri
  MATCH (g:Graph {tenant: row.tenant, iri: iri})
  SET g += row.about
}
RETURN row.i AS i, n.id AS id;

// imports_get: an import that a principal started or may see
MATCH (n:Import {id: $id})
WHERE n.tenant = $tenant AND (n.by = $principal OR $all)
RETURN n {.*} AS import;

// imports_orphaned: imports whose process ended without a word
MATCH (n:Import)
WHERE n.status = 'RUNNING' AND n.until < $at
RETURN n {.*} AS import;
