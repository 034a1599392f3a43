"""A plan's fingerprint: equal for equal plans, across processes and restarts."""

from __future__ import annotations

import hashlib

from sqlengine.plan.explain import explain
from sqlengine.plan.nodes import Node


def fingerprint(plan: Node) -> str:
    """64 hexadecimal digits (SHA-256) of what EXPLAIN says of the plan without hints, and of its schema."""
    text = "\n".join([*explain(plan, with_hints=False), str(plan.schema)])
    return hashlib.sha256(text.encode()).hexdigest()
