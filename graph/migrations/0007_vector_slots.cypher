// vector_slots: one node a database says which embedder wrote which of the two sets of vectors
CREATE CONSTRAINT vector_slots IF NOT EXISTS FOR (n:VectorSlots) REQUIRE n.id IS UNIQUE;

// vector_slots_first: what was remembered before this was noted has the default embedder's vectors
MERGE (v:VectorSlots {id: 'memory'})
ON CREATE SET v.serving = 'a', v.phase = 'steady', v.nameA = 'wordllama/l2_supercat_256', v.dimensionsA = 256, v.holder = '', v.until = datetime({epochMillis: 0});

// memory_embedding_b: nearest memories by meaning, by another embedder; made again with its dimensions when one is to fill it
CREATE VECTOR INDEX memory_embedding_b IF NOT EXISTS FOR (n:Memory) ON n.embeddingB WITH [n.tenant, n.scope]
OPTIONS {indexConfig: {`vector.dimensions`: 256, `vector.similarity_function`: 'cosine', `vector.quantization.enabled`: false}};
