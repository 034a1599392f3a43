"""Running continuous queries: readers of topics, dataflows of operators, ticks, watermarks, checkpoints."""
