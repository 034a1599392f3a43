"""What text in Hive's dialect depends on beside itself: variables, macros, the current database.

`${hiveconf:x}`, `${hivevar:x}` (also `${x}`), `${env:x}` and `${system:x}` are replaced before the text is read, within
strings too; unknown ones stay as they are (VariableSubstitution of Apache Hive).
"""

from __future__ import annotations

import getpass
import os
import platform
import re
import tempfile
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import field

from sqlengine.errors import InsufficientPrivilege, InvalidParameter, TooComplex
from sqlengine.quick_dataclass import dataclass
from sqlengine.settings import Settings, is_setting, zone_named
from sqlengine.sql.dialect import HIVE, Dialect

PARTITION_MODE = "hive.exec.dynamic.partition.mode"
DYNAMIC_PARTITION = "hive.exec.dynamic.partition"
NULLS_LAST = "hive.default.nulls.last"
ZONE = "hive.local.time.zone"
LOCAL = "LOCAL"
"""The zone of the setting `timezone`."""
QUOTED = "hive.support.quoted.identifiers"
PRINT_HEADER = "hive.cli.print.header"
PARTIAL_CONSUMPTION = "hive.exec.script.allow.partial.consumption"
SUBSTITUTE = "hive.variable.substitute"
KNOWN: Mapping[str, tuple[str, tuple[str, ...]]] = {
    DYNAMIC_PARTITION: ("true", ("true", "false")),
    PARTITION_MODE: ("nonstrict", ("strict", "nonstrict")),
    NULLS_LAST: ("true", ("true", "false")),
    QUOTED: ("column", ("none", "column", "standard")),
    ZONE: (LOCAL, ()),
    SUBSTITUTE: ("true", ("true", "false")),
    PARTIAL_CONSUMPTION: ("false", ("true", "false")),
    PRINT_HEADER: ("false", ("true", "false")),
}
"""Variables of Hive's configuration that mean something here: the value at first, and the values there are."""

_DEPTH_MAX = 40
_LENGTH_MAX = 10_000_000
_VARIABLE = re.compile(r"\$\{([^}$ \u0020]+)\}")
NAMESPACES = ("hiveconf", "hivevar", "env", "system", "metaconf")

Macro = tuple[tuple[str, ...], str]
"""Parameters and body."""


@dataclass(frozen=True)
class Words:
    """A session as its text sees it; `variables`: by `hiveconf:name` or `hivevar:name`."""

    variables: Mapping[str, str] = field(default_factory=dict)
    macros: Mapping[str, Macro] = field(default_factory=dict)
    database: str = ""
    is_remote: bool = False
    timezone: str = "UTC"

    @staticmethod
    def of(settings: Settings) -> Words:
        """Of a session's settings."""
        first = settings.search_path.split(",")[0].strip()
        database = "" if first in ("public", '"$user"', "$user") else first
        return Words(dict(settings.hive), dict(settings.macros), database, settings.is_remote, settings.timezone)

    def dialect(self, name: str) -> Dialect:
        """The dialect of text of this moment."""
        nulls_low = name != HIVE or self.configured(NULLS_LAST) == "false"
        zone = self.variables.get(f"hiveconf:{ZONE}", LOCAL)
        quoted = self.configured(QUOTED)
        return Dialect(name, nulls_low, self.database, quoted, self.timezone if zone == LOCAL else zone)

    def configured(self, name: str) -> str:
        """A variable of Hive's configuration that is known here."""
        return self.variables.get(f"hiveconf:{name}", KNOWN[name][0]).lower()

    def value(self, name: str) -> str | None:
        """The value of `namespace:name` or of a variable without one, None of an unknown one."""
        space, colon, rest = name.partition(":")
        if not colon:
            return self.variables.get(f"hivevar:{name}")
        if space in ("env", "system") and self.is_remote:
            raise InsufficientPrivilege(f"${{{space}:...}} is not for sessions over the network")
        if space == "env":
            return os.environ.get(rest)
        if space == "system":
            found = _SYSTEM.get(rest)
            return None if found is None else found()
        if space == "hiveconf" and rest in KNOWN:
            return self.variables.get(name, KNOWN[rest][0])
        return self.variables.get(name)


_SYSTEM: Mapping[str, Callable[[], str]] = {
    "user.name": getpass.getuser,
    "user.dir": os.getcwd,
    "user.home": lambda: os.path.expanduser("~"),
    "java.io.tmpdir": tempfile.gettempdir,
    "os.name": platform.system,
    "file.separator": lambda: os.sep,
    "path.separator": lambda: os.pathsep,
    "line.separator": lambda: os.linesep,
}
"""Java's properties that a script may ask for."""


def checked_value(name: str, value: str) -> str:
    """The value of a configuration variable; InvalidParameter (22023) for one that has others."""
    known = KNOWN.get(name)
    if known is None:
        return value
    if name == ZONE:
        return LOCAL if value.strip().upper() == LOCAL else zone_named(value.strip())
    if value.strip().lower() not in known[1]:
        raise InvalidParameter(f'invalid value for {name}: "{value}"', hint="one of: " + ", ".join(known[1]))
    return value.strip().lower()


def is_own_setting(name: str) -> bool:
    """Whether SET of a name means a setting of the engine; names with dots and namespaces are Hive's."""
    return not set(name) & set(".:") and is_setting(name)


def variable_name(name: str) -> str:
    """The name a variable is kept under: without a namespace one of the configuration."""
    space, colon, _ = name.partition(":")
    return name if colon and space in NAMESPACES else f"hiveconf:{name}"


@dataclass(frozen=True)
class Substituted:
    """Text after substitution, and where its pieces come from: (start here, start there)."""

    text: str
    places: tuple[tuple[int, int], ...] = ((0, 0),)

    def origin(self, position: int) -> int:
        """Where a position of the text is in the one that was written."""
        here, there = self.places[bisect_right(self.places, position, key=lambda place: place[0]) - 1]
        return there + (position - here)


def substituted(text: str, words: Words) -> Substituted:
    """The text with the values of its variables; TooComplex (54001) when these go round in circles."""
    if "${" not in text or words.configured(SUBSTITUTE) == "false":
        return Substituted(text)
    made: list[str] = []
    places: list[tuple[int, int]] = [(0, 0)]
    length = at = 0
    for found in _VARIABLE.finditer(text):
        value = words.value(found[1])
        if value is None:
            continue
        value = _nested(value, words)
        made += [text[at : found.start()], value]
        length += found.start() - at + len(value)
        at = found.end()
        places += [(length, at)]
    made.append(text[at:])
    return Substituted("".join(made), tuple(places))


def _nested(value: str, words: Words) -> str:
    """The value with the variables in it."""
    for _ in range(_DEPTH_MAX):
        if all(words.value(found[1]) is None for found in _VARIABLE.finditer(value)):
            return value
        value = _VARIABLE.sub(lambda found: _or_itself(found, words), value)
        if len(value) > _LENGTH_MAX:
            break
    raise TooComplex(
        "variables are replaced too often", hint=f"one refers to others at most {_DEPTH_MAX} deep, and not to itself"
    )


def _or_itself(found: re.Match[str], words: Words) -> str:
    value = words.value(found[1])
    return found[0] if value is None else value
