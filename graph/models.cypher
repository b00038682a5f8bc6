// models_serving: the model that ranks for a tenant now; none where nothing was learned or the prior was chosen
MATCH (t:Tenant {id: $tenant})
MATCH (m:RankingModel {tenant: t.id, version: t.modelVersion})
RETURN m.version AS version, m.names AS names, m.weights AS weights;

// models_list: a tenant's models, newest first
MATCH (m:RankingModel)
WHERE m.tenant = $tenant AND m.version < $before
WITH m ORDER BY m.version DESC LIMIT $limit
MATCH (t:Tenant {id: $tenant})
RETURN m {.version, .names, .weights, .examples, .figure, .championFigure, .heldBack, .at, .promoted} AS model,
       coalesce(t.modelVersion, 0) = m.version AS serving, coalesce(t.modelPinned, false) AS pinned;

// models_state: what a tenant's ranking stands at; holds nothing
MATCH (t:Tenant {id: $tenant})
RETURN coalesce(t.modelVersion, 0) AS version, coalesce(t.modelPinned, false) AS pinned, t.modelSince AS since,
       COUNT { MATCH (f:Feedback) WHERE f.tenant = $tenant } AS feedback, coalesce(t.modelDrift, 0.0) AS drift, t.modelDriftedAt AS driftedAt;

// models_add: keeps a trained model and, when it is to, lets it rank from now on unless an administrator pinned another meanwhile
UNWIND $rows AS row
MATCH (t:Tenant {id: row.tenant})
SET t.touchedAt = row.at
WITH row, t, coalesce(t.modelVersion, 0) AS before, coalesce(t.modelPinned, false) AS pinned
OPTIONAL MATCH (old:RankingModel) WHERE old.tenant = row.tenant
WITH row, t, before, pinned, coalesce(max(old.version), 0) + 1 AS version
WITH row, t, before, version, row.promote AND NOT pinned AND before = row.champion AS promoted
CREATE (m:RankingModel)
SET m = row.properties, m.tenant = row.tenant, m.version = version, m.at = row.at, m.promoted = promoted
FOREACH (one IN CASE WHEN promoted THEN [t] ELSE [] END | SET one.modelVersion = version, one.modelSince = row.at)
RETURN row.i AS i, version, before, promoted;

// models_drifted: notes how recall fares
UNWIND $rows AS row
MATCH (t:Tenant {id: row.tenant})
SET t.modelDrift = row.drift, t.modelDriftedAt = row.driftedAt
RETURN row.i AS i;

// models_choose: lets one of the kept models, or the prior (version 0), rank from now on
UNWIND $rows AS row
MATCH (t:Tenant {id: row.tenant})
SET t.touchedAt = row.at
WITH row, t, coalesce(t.modelVersion, 0) AS before
OPTIONAL MATCH (m:RankingModel {tenant: row.tenant, version: row.version})
WITH row, t, before, row.version = 0 OR m IS NOT NULL AS known
FOREACH (one IN CASE WHEN known THEN [t] ELSE [] END |
  SET one.modelVersion = row.version, one.modelPinned = row.pinned, one.modelSince = row.at)
RETURN row.i AS i, known, before;

// models_previous: the version that ranked before the one that does now
MATCH (t:Tenant {id: $tenant})
OPTIONAL MATCH (m:RankingModel)
WHERE m.tenant = $tenant AND m.promoted AND m.version < coalesce(t.modelVersion, 0)
RETURN coalesce(max(m.version), 0) AS version, coalesce(t.modelVersion, 0) AS serving;

// feedback_unmeasured: feedback whose hits were not measured yet, oldest first
MATCH (f:Feedback)
WHERE f.tenant = $tenant AND f.example IS NULL
WITH f ORDER BY f.tenant, f.at LIMIT $limit
RETURN f.key AS key, f.hash AS hash, f.principal AS principal, f.agent AS agent, f.recall AS recall, f.query AS query,
       COLLECT { MATCH (f)-[:USEFUL]->(m:Memory) RETURN m.id } AS useful;

// feedback_measured: keeps the features that the hits of a feedback had; an empty one is never asked for again
UNWIND $rows AS row
MATCH (f:Feedback {key: row.key})
WHERE f.tenant = row.tenant AND f.hash = row.hash
SET f.example = row.example
RETURN row.i AS i;

// feedback_examples: the latest measured feedback of a tenant, newest first
MATCH (f:Feedback)
WHERE f.tenant = $tenant AND f.at IS NOT NULL AND f.example IS NOT NULL AND f.example <> ''
WITH f ORDER BY f.tenant DESC, f.at DESC LIMIT $limit
RETURN f.principal AS principal, f.at AS at, f.example AS example;
