"""The catalog: what exists (topics' streams, tables, views, sinks, functions), by name, and what depends on what."""
