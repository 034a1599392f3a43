"""The signal that a query has a part without an incremental operator."""

from __future__ import annotations


class Unplannable(Exception):
    """`reason` names the part, for EXPLAIN and the NOTICE; never reaches a user as an error."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
