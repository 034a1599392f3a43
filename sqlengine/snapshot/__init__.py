"""One-shot queries: the text expanded down to stored objects and run by embedded DuckDB over Arrow, without copies."""
