"""Row pattern recognition (MATCH_RECOGNIZE)."""
