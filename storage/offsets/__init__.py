"""Committed positions of consumer groups."""
