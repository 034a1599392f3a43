"""A text that is typed at the foot of a screen: what to search for, the name of a file."""

from __future__ import annotations

from dataclasses import replace

from sqlengine.quick_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class LineInput:
    """`purpose`: what the text is for; `text`: typed so far; `state`: "open", "given" (Enter) or "left" (Esc)."""

    purpose: str
    label: str
    text: str = ""
    state: str = "open"

    def press(self, key: str) -> LineInput:
        """After a key."""
        if key == "enter":
            return replace(self, state="given")
        if key in ("escape", "c-c"):
            return replace(self, state="left")
        if key == "backspace":
            return replace(self, text=self.text[:-1])
        if key == "c-u":
            return replace(self, text="")
        return replace(self, text=self.text + key) if len(key) == 1 and key.isprintable() else self
