"""Transactions over several topics: what its owner calls, and the coordinator that decides."""
