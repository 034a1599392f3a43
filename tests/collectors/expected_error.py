"""The error a text test expects: `42P01`, `42P01 table .* does not exist`, or a pattern alone."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.collectors.executor import Failure

_STATE = re.compile(r"^([0-9A-Z]{5})(?:\s+(.*))?$")


@dataclass(frozen=True, slots=True)
class ExpectedError:
    """`sqlstate` and `pattern` (a regular expression searched in the message); None = anything."""

    sqlstate: str | None = None
    pattern: str | None = None

    @classmethod
    def parse(cls, text: str) -> ExpectedError:
        """From what stands behind `statement error` or `expect error`."""
        text = text.strip()
        if (found := _STATE.match(text)) is not None and any(c.isdigit() for c in found[1]):
            return cls(found[1], found[2])
        return cls(None, text or None)

    def mismatch(self, failure: Failure) -> str | None:
        """Why `failure` is not the expected one, or None when it is."""
        if self.sqlstate is not None and failure.sqlstate != self.sqlstate:
            return f"expected SQLSTATE {self.sqlstate}, got {failure.sqlstate}: {failure.message}"
        if self.pattern is not None and re.search(self.pattern, failure.message) is None:
            return f"expected a message like /{self.pattern}/, got {failure.sqlstate}: {failure.message}"
        return None

    def __str__(self) -> str:
        return " ".join(part for part in (self.sqlstate, self.pattern) if part)
