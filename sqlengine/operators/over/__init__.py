"""Window functions over partitions (OVER)."""
