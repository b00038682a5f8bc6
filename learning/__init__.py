"""Embedding, relevance ranking, recall."""
