// fact_order: facts of a tenant in the order of their ids
CREATE INDEX fact_order IF NOT EXISTS FOR (n:Fact) ON (n.tenant, n.id);

// fact_object: facts by what they say of a subject
CREATE INDEX fact_object IF NOT EXISTS FOR (n:Fact) ON (n.tenant, n.objectKey);

// feedback_key: one feedback by a principal on a recall
CREATE CONSTRAINT feedback_key IF NOT EXISTS FOR (n:Feedback) REQUIRE n.key IS UNIQUE;

// feedback_order: a tenant's feedback in the order of ids, for learning and for verification
CREATE INDEX feedback_order IF NOT EXISTS FOR (n:Feedback) ON (n.tenant, n.id);

// forgotten_order: a tenant's forgotten memories, for verification
CREATE INDEX forgotten_order IF NOT EXISTS FOR (n:Forgotten) ON (n.tenant, n.id);
