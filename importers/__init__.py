"""What brings outside knowledge in: RDF, texts, the entity linker."""
