"""TABLESAMPLE's choice: where a row's hash lies between 0 and 1, as DuckDB text that both executors use."""

from __future__ import annotations


def sampled_share(row: str, seed: int) -> str:
    """Text of a number in [0, 1) that a row, given as DuckDB text, has under a seed."""
    return f"CAST(hash({row}, {seed}) AS DOUBLE) / 18446744073709551616"
