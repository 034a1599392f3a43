"""The configuration file: ~/.config/sqlengine/config.toml, read once when the command begins.

What is not understood is an error that names the nearest right word, as on the command line.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import field, fields
from pathlib import Path
from typing import Any

from sqlengine.errors import FileUnavailable, InvalidParameter, did_you_mean
from sqlengine.quick_dataclass import dataclass

EDITING_MODES = ("emacs", "vi")
COLORS = (
    "keyword", "function", "string", "number", "name", "comment", "operator", "command", "wrong", "prompt",
    "suggestion",
)  # fmt: skip
ACTIONS = ("run", "new_line", "complete", "edit", "search")


@dataclass(frozen=True, slots=True)
class Config:
    """What a user has set.  `connections`: names for data directories and addresses; `colors`: prompt_toolkit styles by
    COLORS; `keys`: prompt_toolkit keys by ACTIONS; `variables`: as with -v; `confirm`: ask before what loses data."""

    format: str | None = None
    timing: bool | None = None
    editing: str = "emacs"
    prompt: str = "sql> "
    pager: str | None = None
    confirm: bool = True
    complete_while_typing: bool = True
    connections: Mapping[str, str] = field(default_factory=dict)
    colors: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)


_TABLES: dict[str, tuple[str, ...]] = {"connections": (), "colors": COLORS, "keys": ACTIONS, "variables": ()}
"""Tables of the file and the names they may have; () = any."""


def config_path() -> Path:
    """$SQLENGINE_CONFIG, or sqlengine/config.toml under $XDG_CONFIG_HOME (by default ~/.config)."""
    chosen = os.environ.get("SQLENGINE_CONFIG")
    if chosen:
        return Path(chosen).expanduser()
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return Path(home) / "sqlengine" / "config.toml"


def read_config(path: Path | None = None) -> Config:
    """The configuration of a file that may be missing, unless it was asked for by `path`.

    Raises FileUnavailable (58P01) where it cannot be read and InvalidParameter (22023) where it makes no sense.
    """
    place = path or config_path()
    try:
        text = place.read_text(encoding="utf-8")
    except FileNotFoundError:
        if path is None:
            return Config()
        raise FileUnavailable(f'cannot read "{place}": no such file or directory') from None
    except (OSError, UnicodeDecodeError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise FileUnavailable(f'cannot read "{place}": {reason}') from None
    try:
        return parse_config(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InvalidParameter(f'"{place}" is not TOML: {str(error).lower()}') from None
    except InvalidParameter as error:
        raise InvalidParameter(f"{place}: {error.message}", hint=error.hint) from None


def parse_config(given: Mapping[str, Any]) -> Config:
    """A Config of what TOML gave; InvalidParameter (22023) for unknown names and values of a wrong kind."""
    known = {spec.name: spec for spec in fields(Config)}
    made: dict[str, Any] = {}
    for name, value in given.items():
        if name not in known:
            hint = did_you_mean(name, known) or "one of: " + ", ".join(known)
            raise InvalidParameter(f'unknown setting "{name}"', hint=hint)
        made[name] = _table(name, value) if name in _TABLES else _scalar(name, value)
    if made.get("editing", "emacs") not in EDITING_MODES:
        raise InvalidParameter(f'editing is emacs or vi, not "{made["editing"]}"')
    return Config(**made)


def _scalar(name: str, value: Any) -> Any:
    wanted = bool if name in ("timing", "confirm", "complete_while_typing") else str
    if not isinstance(value, wanted):
        raise InvalidParameter(f"{name} is {'true or false' if wanted is bool else 'a text'}, not {value!r}")
    return value


def _table(name: str, value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise InvalidParameter(f"[{name}] is a table of names and texts")
    allowed = _TABLES[name]
    for key in value:
        if allowed and key not in allowed:
            hint = did_you_mean(key, allowed) or "one of: " + ", ".join(allowed)
            raise InvalidParameter(f'unknown name "{key}" in [{name}]', hint=hint)
    return {key: text if isinstance(text, str) else str(text) for key, text in value.items()}
