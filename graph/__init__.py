"""The domain over Neo4j: one module per noun with its verbs, its Cypher beside it."""
