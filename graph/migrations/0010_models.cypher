// ranking_model_version: one model by a version in a tenant
CREATE CONSTRAINT ranking_model_version IF NOT EXISTS FOR (n:RankingModel) REQUIRE (n.tenant, n.version) IS UNIQUE;

// feedback_instant: a tenant's feedback, oldest first
CREATE INDEX feedback_instant IF NOT EXISTS FOR (n:Feedback) ON (n.tenant, n.at);
