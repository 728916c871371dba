"""Windows to embeddings: on demand, ahead of need, kept in memory within a bound."""
