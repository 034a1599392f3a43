"""Atomic sets of Arrow tables with a manifest, for checkpoints."""
