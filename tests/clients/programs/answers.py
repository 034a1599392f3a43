"""What a client is answered, question by question, as JSON on standard output."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any


class Answers:
    """`ask` a question by a name; what fails is answered with the kind of its error."""

    def __init__(self) -> None:
        self._found: dict[str, Any] = {}

    def ask(self, name: str, question: Callable[[], Any]) -> None:
        """Note what a question is answered; values that JSON has no types for are written as text."""
        try:
            self._found[name] = question()
        except Exception as error:
            self._found[name] = {"failed": type(error).__name__, "sqlstate": getattr(error, "sqlstate", None)}

    def tell(self) -> None:
        """Write all of it."""
        json.dump(self._found, sys.stdout, default=str, indent=1)
