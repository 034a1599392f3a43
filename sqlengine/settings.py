"""Settings: one field each; SHOW SETTINGS, SET and docs come from here."""

from __future__ import annotations

import re
import zoneinfo
from dataclasses import field, fields
from functools import cache
from typing import Any

from sqlengine.errors import InvalidParameter, UndefinedObject, did_you_mean
from sqlengine.pg_encodings import UTF8, Encoding, encoding
from sqlengine.pg_settings import PG_SETTINGS, PgSetting, checked, number_of, pg_setting, shown
from sqlengine.quick_dataclass import dataclass
from sqlengine.text_style import TextStyle


def setting(
    default: Any,
    help_text: str,
    *,
    choices: tuple[str, ...] = (),
    minimum: int | None = None,
    shared: bool = False,
    size: bool = False,
) -> Any:
    """A dataclass field with its one-line help, allowed words and lowest value; `shared`: all sessions of a database
    have one value; `size`: a number of bytes, which may be written with a unit, 0 or none for no limit."""
    facts = {"help": help_text, "choices": choices, "minimum": minimum, "shared": shared, "size": size}
    return field(default=default, metadata=facts)


@dataclass
class Settings:
    """A session's settings; `Settings.get/set/reset` take the SQL name. `database`: the values of those that all
    sessions of a database share; `postgres`: what a client has set of PostgreSQL's, by lower-case name."""

    dialect: str = setting("postgres", "SQL dialect of the text that follows", choices=("postgres", "hive", "spark"))
    timezone: str = setting("UTC", "time zone of timestamptz text")
    read_consistency: str = setting(
        "strict",
        "strict: a SELECT sees all acknowledged before it; latest: the newest finished tick",
        choices=("strict", "latest"),
    )
    statement_timeout_ms: int = setting(0, "cancel a statement after so many milliseconds; 0 = never", minimum=0)
    search_path: str = setting("public", "schemas searched for unqualified names")
    application_name: str = setting("", "name of the client, for SHOW and logs")
    max_result_rows: int = setting(0, "refuse results larger than this; 0 = no limit", minimum=0)
    statement_length_max: int = setting(1_000_000, "longest statement text accepted, in characters", minimum=100)
    nesting_depth_max: int = setting(200, "deepest nesting of parentheses, CASE and NOT accepted", minimum=10)
    in_list_length_max: int = setting(20_000, "longest list of an IN accepted", minimum=1)
    threads: int = setting(
        0, "threads on which a view's large batches are worked on; 0 = one a core, at most 4", minimum=0
    )
    background_ddl: str = setting(
        "false",
        "true: CREATE MATERIALIZED VIEW, SINK and STREAM AS return at once and read history in the background",
        choices=("false", "true"),
    )
    backfill_rate_limit: int = setting(
        0, "rows a second a new query reads of history; 0 = as many as it can", minimum=0
    )
    result_format: str = setting(
        "text",
        "arrow: rows that a Query message asks for come as COPY data, in the Arrow IPC stream format",
        choices=("text", "arrow"),
    )
    report_progress: str = setting(
        "false",
        "true: the server tells how far a long statement is, as the ParameterStatus statement_progress",
        choices=("false", "true"),
    )
    disabled_rules: str = setting("", "comma-separated optimizer rules to leave out (for finding faults)")
    allow_scripts: str = setting(
        "false",
        "true: TRANSFORM ... USING may run programs of this machine; never over the network",
        choices=("false", "true"),
    )
    script_timeout_ms: int = setting(
        600_000, "how long a program that TRANSFORM runs may take, in milliseconds; 0 = for ever", minimum=0
    )
    script_memory_limit: int = setting(
        2 << 30,
        "bytes of address space each process of a program that TRANSFORM runs may have (Linux only); 0 or none = no "
        "limit",
        minimum=1 << 20,
        size=True,
    )
    script_output_limit: int = setting(
        1 << 30, "bytes a program that TRANSFORM runs may write; 0 or none = no limit", minimum=1, size=True
    )
    checkpoint_interval_ms: int = setting(
        10_000,
        "how often the database's state is saved while it runs, if it has changed; 0 = only when it is closed. For all "
        "sessions",
        minimum=0,
        shared=True,
    )
    memory_limit: int = setting(
        0,
        "bytes of memory the process may take, as '512 MB' or a number; state beyond it goes to files; 0 or none = no "
        "limit. For all sessions",
        minimum=1 << 20,
        shared=True,
        size=True,
    )
    database: dict[str, Any] = field(default_factory=dict, repr=False)
    postgres: dict[str, str] = field(default_factory=dict, repr=False)
    hive: dict[str, str] = field(default_factory=dict, repr=False)
    """What was set in Hive's dialect that is no setting of ours, by `hiveconf:name` and `hivevar:name`."""
    macros: dict[str, tuple[tuple[str, ...], str]] = field(default_factory=dict, repr=False)
    """Hive's macros by name: parameters and body."""
    resources: list[str] = field(default_factory=list, repr=False)
    """Paths of the files and directories that ADD FILE has named, for scripts."""
    is_remote: bool = False
    """The session's client is somewhere else than the program."""
    changes: int = 0
    """How often a value was set or reset."""
    begun: dict[str, Any] = field(default_factory=dict, repr=False)
    """What the session began with instead of the defaults: RESET goes back to it."""
    _known_form: tuple[int, tuple[TextStyle, Encoding]] | None = field(default=None, repr=False, compare=False)
    """What `text_style` and `client_encoding` were after so many changes."""

    def get(self, name: str) -> Any:
        """The value of a setting; UndefinedObject (42704) with near names for an unknown one."""
        foreign = _foreign(name)
        if foreign is not None:
            if foreign.is_made_up and foreign.name not in self.postgres:
                raise UndefinedObject(f'unrecognized configuration parameter "{name}"')
            return self.postgres.get(foreign.name.lower(), foreign.default)
        known = _known(name)
        return self.database.get(known, getattr(self, known))

    def set(self, name: str, value: Any) -> None:
        """Parse and store; InvalidParameter (22023) when the value does not fit."""
        self.changes += 1
        foreign = _foreign(name)
        if foreign is not None:
            plain = foreign.name.lower()
            self.postgres[plain] = checked(foreign, str(value), self.postgres.get(plain, foreign.default))
            return
        known, theirs = _known(name), pg_setting(name)
        if theirs is not None and theirs.unit:
            value = number_of(theirs, str(value).strip())
        spec = next(f for f in fields(self) if f.name == known)
        parsed = _parse(known, spec.type, spec.metadata, value)
        if spec.metadata["shared"]:
            self.database[known] = parsed
        else:
            setattr(self, known, parsed)

    @property
    def text_style(self) -> TextStyle:
        """How values are written."""
        return self._text_form[0]

    @property
    def client_encoding(self) -> Encoding:
        """What a client's text is in."""
        return self._text_form[1]

    @property
    def _text_form(self) -> tuple[TextStyle, Encoding]:
        if self._known_form is None or self._known_form[0] != self.changes:
            dates, order = self.get("DateStyle").split(", ")
            digits, bytes_form = int(self.get("extra_float_digits")), self.get("bytea_output")
            style = TextStyle(self.timezone, dates, order, self.get("IntervalStyle"), digits, bytes_form)
            self._known_form = self.changes, (style, encoding(self.get("client_encoding")) or UTF8)
        return self._known_form[1]

    def begin_with(self, name: str, value: Any) -> None:
        """Set, as what RESET goes back to."""
        self.set(name, value)
        self.begun[stored_name(name)] = self.get(name)

    def reset(self, name: str) -> None:
        """Back to what the session began with."""
        self.changes += 1
        foreign = _foreign(name)
        if foreign is not None:
            plain = foreign.name.lower()
            self.postgres.pop(plain, None)
            self.postgres |= {plain: self.begun[plain]} if plain in self.begun else {}
            return
        known = _known(name)
        self.database.pop(known, None)
        setattr(self, known, self.begun.get(known, next(f.default for f in fields(self) if f.name == known)))

    def reset_all(self) -> None:
        """Everything back to what the session began with, but what all sessions share, which is not one session's to
        reset."""
        self.changes += 1
        self.hive.clear()
        self.macros.clear()
        self.resources.clear()
        for name in [*self.postgres, *setting_names()]:
            if name in self.postgres or not is_shared(name):
                self.reset(name)

    def kept(self, name: str) -> Any:
        """The value of a setting, for `put_back`."""
        foreign = _foreign(name)
        return self.postgres.get(foreign.name.lower()) if foreign is not None else self.get(name)

    def put_back(self, name: str, value: Any) -> None:
        """The value that `kept` gave."""
        self.changes += 1
        plain = stored_name(name)
        if plain in setting_names():
            setattr(self, plain, value)
        elif value is None:
            self.postgres.pop(plain, None)
        else:
            self.postgres[plain] = value


_TRUTHS = {"on": "true", "1": "true", "yes": "true", "off": "false", "0": "false", "no": "false"}
"""Other words for true and false."""


@cache
def setting_names() -> tuple[str, ...]:
    """All setting names in declaration order."""
    return tuple(f.name for f in fields(Settings) if f.metadata)


def is_shared(name: str) -> bool:
    """Whether all sessions of a database have one value of a setting."""
    return bool(next(f.metadata["shared"] for f in fields(Settings) if f.name == _known(name)))


def setting_help(name: str) -> str:
    """The one-line description of a setting."""
    return str(next(f.metadata["help"] for f in fields(Settings) if f.name == _known(name)))


def is_setting(name: str) -> bool:
    """Whether there is a setting of that name, ours or one PostgreSQL has."""
    return _plain(name) in setting_names() or pg_setting(name) is not None


def shown_name(name: str) -> str:
    """A setting's name as SHOW heads its column: PostgreSQL's with its capitals."""
    foreign = pg_setting(name)
    return foreign.name if foreign is not None else name


def _plain(name: str) -> str:
    plain = name.lower().replace("-", "_")
    return {"time_zone": "timezone", "statement_timeout": "statement_timeout_ms"}.get(plain, plain)


def _foreign(name: str) -> PgSetting | None:
    """PostgreSQL's setting of a name that is none of ours."""
    return None if _plain(name) in setting_names() else pg_setting(name)


def stored_name(name: str) -> str:
    """The one spelling a value is kept under."""
    foreign = _foreign(name)
    return _known(name) if foreign is None else foreign.name.lower()


def _known(name: str) -> str:
    plain, names = _plain(name), setting_names()
    if plain not in names:
        raise UndefinedObject(
            f'unrecognized configuration parameter "{name}"', hint=did_you_mean(plain, [*names, *PG_SETTINGS])
        )
    return plain


_UNITS = {"": 0, "b": 0, "kb": 10, "kib": 10, "mb": 20, "mib": 20, "gb": 30, "gib": 30, "tb": 40, "tib": 40}
"""By name the power of two, as PostgreSQL counts."""


def _parse_size(name: str, least: int, value: Any) -> int:
    """Bytes; 0 for none."""
    text = str(value).strip().lower()
    found = re.fullmatch(r"(\d+(?:\.\d+)?) *([a-z]*)", "0" if text in ("none", "") else text)
    if found is None or found[2] not in _UNITS:
        raise InvalidParameter(
            f'invalid value for setting "{name}": "{value}"',
            hint="a number of bytes is expected, or one with kB, MB, GB or TB, as '512 MB'; none for no limit",
        )
    bytes_ = int(float(found[1]) * (1 << _UNITS[found[2]]))
    if 0 < bytes_ < least or (not bytes_ and float(found[1])):
        raise InvalidParameter(f'{bytes_} is below the least value of setting "{name}" ({least})')
    return bytes_


def size_text(bytes_: int) -> str:
    """Bytes for people, in the unit in which they are a few digits."""
    for unit, power in (("TB", 40), ("GB", 30), ("MB", 20), ("kB", 10)):
        if bytes_ >= 1 << power:
            number = bytes_ / (1 << power)
            return f"{number:.0f} {unit}" if number >= 10 or number == int(number) else f"{number:.1f} {unit}"
    return f"{bytes_} B"


def setting_shown(name: str, value: Any) -> str:
    """A value as SHOW tells it: PostgreSQL's settings with their units."""
    if _plain(name) == "timezone":
        return zone_shown(str(value))
    theirs = pg_setting(name)
    return str(value) if theirs is None else shown(theirs, str(value))


_TIMES_MS = {"": 1, "ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


def _milliseconds(text: str) -> int:
    """A number of them, or of the unit behind it, as PostgreSQL writes times; ValueError for anything else."""
    found = re.fullmatch(r"([+-]?\d+) *([a-z]*)", text.strip())
    if found is None or found[2] not in _TIMES_MS:
        raise ValueError(text)
    return int(found[1]) * _TIMES_MS[found[2]]


_OFFSET = re.compile(r"[+-]\d{2}(:\d{2})?")
_POSIX = re.compile(r"<([+-]\d{2}(?::\d{2})?)>[+-]?\d{1,2}(?::\d{2})?")
"""How PostgreSQL shows a zone that is an offset: `<+02>-02`."""


def offset_text(seconds: float) -> str:
    """A time zone that is so far east of UTC, as `+05:30`; InvalidParameter (22023) for a day and more."""
    minutes, rest = divmod(abs(round(seconds)), 60)
    if rest or minutes >= 24 * 60:
        raise InvalidParameter(
            f'invalid value for parameter "TimeZone": an offset of {seconds:g} seconds',
            hint="whole minutes of less than a day are expected",
        )
    return f"{'-' if seconds < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}"


def zone_shown(zone: str) -> str:
    """A time zone as SHOW tells it: offsets as PostgreSQL writes them, `<+02>-02`."""
    if not _OFFSET.fullmatch(zone):
        return zone
    short = zone.removesuffix(":00") if len(zone) == len("+00:00") else zone
    other = ("-" if short[0] == "+" else "+") + short[1:]
    return f"<{short}>{other}"


def zone_named(text: str) -> str:
    """A time zone by the name that is known for it, in any case, or an offset such as +02:00; InvalidParameter
    (22023)."""
    if _OFFSET.fullmatch(text):
        return text if ":" in text else f"{text}:00"
    if (posix := _POSIX.fullmatch(text)) is not None:
        return posix[1] if ":" in posix[1] else f"{posix[1]}:00"
    if re.fullmatch(r"[+-]?\d+(\.\d*)?", text):
        return offset_text(float(text) * 3600)
    try:
        return zoneinfo.ZoneInfo(text).key
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = {name.lower(): name for name in zoneinfo.available_timezones()}
    if text.lower() not in known:
        hint = did_you_mean(text, list(known.values())) or "a name such as Europe/Berlin is expected, or an offset"
        raise InvalidParameter(f'invalid value for parameter "TimeZone": "{text}"', hint=hint)
    return known[text.lower()]


def _parse(name: str, kind: Any, metadata: Any, value: Any) -> Any:
    if metadata["size"]:
        return _parse_size(name, metadata["minimum"], value)
    if str(kind) in ("int", "<class 'int'>"):
        try:
            number = _milliseconds(str(value)) if name.endswith("_ms") else int(str(value))
        except ValueError:
            unit = ", of milliseconds or with a unit, as '5 s'" if name.endswith("_ms") else ""
            raise InvalidParameter(
                f'invalid value for setting "{name}": "{value}"', hint=f"a whole number is expected{unit}"
            ) from None
        if metadata["minimum"] is not None and number < metadata["minimum"]:
            raise InvalidParameter(f'{number} is below the least value of setting "{name}" ({metadata["minimum"]})')
        return number
    text = str(value)
    if name == "timezone":
        return zone_named(text)
    if "true" in metadata["choices"]:
        text = _TRUTHS.get(text.lower(), text)
    if metadata["choices"] and text.lower() not in metadata["choices"]:
        raise InvalidParameter(
            f'invalid value for setting "{name}": "{text}"', hint="one of: " + ", ".join(metadata["choices"])
        )
    return text.lower() if metadata["choices"] else text
