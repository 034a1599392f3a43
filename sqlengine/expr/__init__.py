"""Bound expressions: tree, binding, simplification, compilation to Arrow kernels, text for EXPLAIN."""
