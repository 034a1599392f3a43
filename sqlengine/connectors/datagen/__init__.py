"""Made-up rows: sequences and seeded random values of any type."""
