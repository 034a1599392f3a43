"""Completion: what kinds of things may be typed (suggest), which there are (names), the likeliest (candidates)."""
