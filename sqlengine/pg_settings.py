"""The settings PostgreSQL has and clients ask for or set: their defaults, and what of them may be set to what.

Those of text that is sent and read (DateStyle, client_encoding, ...) are followed; of the others none changes what this
engine does, and a value that would have to is refused, so that nobody is misled.
"""

from __future__ import annotations

from pathlib import Path

from sqlengine.errors import InvalidParameter, NotSupportedError, ObjectInUse
from sqlengine.pg_encodings import ENCODINGS_HINT, encoding
from sqlengine.quick_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class PgSetting:
    """One line of pg_settings.txt; `kind` is bool, integer, real, string or enum; limits are in `unit`s."""

    name: str
    default: str
    unit: str
    category: str
    context: str
    kind: str
    least: str
    most: str
    words: tuple[str, ...]

    @property
    def is_made_up(self) -> bool:
        """Whether only programs know it."""
        return "." in self.name


def _read(line: str) -> PgSetting:
    name, default, unit, category, context, kind, least, most, words = line.split("|")
    return PgSetting(
        name, default, unit, category, context, kind, least, most, tuple(words.split(",")) if words else ()
    )


def _read_all() -> dict[str, PgSetting]:
    text = Path(__file__).with_name("pg_settings.txt").read_text(encoding="utf-8")
    found = (_read(line) for line in text.splitlines() if line and not line.startswith("#"))
    return {setting.name.lower(): setting for setting in found}


PG_SETTINGS: dict[str, PgSetting] = _read_all()
"""By lower-case name."""

VERSION_TEXT = f"PostgreSQL {PG_SETTINGS['server_version'].default} (sqlengine)"
"""What version() answers: clients look for the name and the number."""
HIVE_VERSION_TEXT = "4.0.0 (sqlengine)"
"""What version() answers in Hive's dialect: the version whose meaning it has."""

_ALIASES = {"time_zone": "timezone"}
_PLANNING_ELSEWHERE = frozenset(
    "rw_implicit_flush background_ddl streaming_parallelism streaming_max_parallelism streaming_parallelism_for_table "
    "streaming_parallelism_for_materialized_view streaming_parallelism_for_sink streaming_parallelism_for_source "
    "streaming_parallelism_for_index batch_parallelism query_mode create_compaction_group_for_mv sink_decouple "
    "streaming_use_arrangement_backfill streaming_use_snapshot_backfill streaming_use_shared_source "
    "streaming_join_encoding_optimized_for streaming_over_window_cache_policy streaming_enable_unaligned_join "
    "streaming_separate_consecutive_join streaming_force_filter_inside_join enable_join_ordering "
    "streaming_enable_delta_join streaming_enable_bushy_join batch_enable_sort_agg batch_enable_lookup_join "
    "enable_two_phase_agg force_two_phase_agg enable_share_plan force_split_distinct_agg enable_index_selection "
    "rw_enable_join_ordering rw_streaming_enable_delta_join rw_streaming_enable_bushy_join rw_batch_enable_sort_agg "
    "rw_batch_enable_lookup_join rw_enable_two_phase_agg rw_force_two_phase_agg rw_enable_share_plan "
    "rw_force_split_distinct_agg rw_enable_index_selection rw_streaming_over_window_cache_policy "
    "backfill_rate_limit source_rate_limit dml_rate_limit sink_rate_limit bypass_cluster_limits".split()
)
"""RisingWave's settings of how a query is planned and spread, which change no answer: kept like those of programs."""


def pg_setting(name: str) -> PgSetting | None:
    """PostgreSQL's setting of a name in any case; of a name with a dot, which programs make up, one of that name."""
    found = PG_SETTINGS.get(_ALIASES.get(name.lower(), name.lower()))
    if found is None and ("." in name.strip(".") or name.lower() in _PLANNING_ELSEWHERE):
        return PgSetting(name.lower(), "", "", "Customized Options", "user", "string", "", "", ())
    return found


def checked(setting: PgSetting, value: str, present: str) -> str:
    """The value as SHOW prints it; `present`: what it is now, of which a DateStyle may name half.

    Raises ObjectInUse (55P02) for what a session cannot change, InvalidParameter (22023) for a value that does not fit,
    NotSupportedError for one this engine does not follow.
    """
    if setting.context in ("internal", "postmaster", "sighup"):
        why = "" if setting.context == "internal" else " without restarting the server"
        raise ObjectInUse(f'parameter "{setting.name}" cannot be changed{why}', sqlstate="55P02")
    special = _SPECIAL.get(setting.name.lower())
    if special is not None:
        return special(setting, value, present)
    made = _PARSERS[setting.kind](setting, value.strip())
    only = _ONLY.get(setting.name.lower())
    if only is not None and not _means(made, only):
        raise NotSupportedError(
            f'{setting.name} "{value}" is not supported', hint=f"{setting.name} is always {only[0]}"
        )
    return only[0] if only is not None else made


_ONLY: dict[str, tuple[str, ...]] = {
    "standard_conforming_strings": ("on",),
}
"""The first is what the engine does, the others are what means the same."""


def _means(value: str, words: tuple[str, ...]) -> bool:
    return value.upper() in map(str.upper, words)


def _wrong(setting: PgSetting, value: str, hint: str) -> InvalidParameter:
    return InvalidParameter(f'invalid value for parameter "{setting.name}": "{value}"', hint=hint)


_STYLES = ("ISO", "SQL", "POSTGRES", "GERMAN")
_ORDERS = {"EURO": "DMY", "NONEURO": "MDY", "US": "MDY"}
"""Other words for an order of day, month and year, as they begin."""


def _date_style(setting: PgSetting, value: str, present: str) -> str:
    """Style and order, as PostgreSQL's check_datestyle reads them; what is not named stays, but GERMAN means DMY."""
    styles: set[str] = set()
    orders: set[str] = set()
    for word in filter(None, (part.strip(" '\"").upper() for part in value.split(","))):
        style = next((s for s in _STYLES if word == s or (s == "POSTGRES" and word.startswith(s))), None)
        order = word if word in ("DMY", "MDY", "YMD") else None
        order = order or next((o for w, o in _ORDERS.items() if word == w or (w != "US" and word.startswith(w))), None)
        if word == "DEFAULT":
            style, order = setting.default.split(", ")
        if style is None and order is None:
            raise _wrong(setting, value, "a style (ISO, SQL, Postgres, German) and an order (DMY, MDY, YMD)")
        styles |= {style} if style else set()
        orders |= {order} if order else set()
    if len(styles) > 1 or len(orders) > 1:
        raise _wrong(setting, value, 'conflicting "datestyle" specifications')
    style, order = present.split(", ")
    if styles:
        style = next(iter(styles))
        style = {"POSTGRES": "Postgres", "GERMAN": "German"}.get(style, style)
    if orders or style == "German" and styles:
        order = next(iter(orders), "DMY")
    return f"{style}, {order}"


def _client_encoding(setting: PgSetting, value: str, present: str) -> str:
    """The encoding's own name; those of PostgreSQL's that are not there are refused."""
    found = encoding(value)
    if found is not None:
        return found.name
    if "".join(filter(str.isalnum, value.upper())) in ("EUCTW", "MULEINTERNAL"):
        raise NotSupportedError(f'{setting.name} "{value}" is not supported', hint=ENCODINGS_HINT)
    raise _wrong(setting, value, ENCODINGS_HINT)


_SPECIAL = {"datestyle": _date_style, "client_encoding": _client_encoding}


_TRUTHS = {"on": "on", "true": "on", "yes": "on", "1": "on", "off": "off", "false": "off", "no": "off", "0": "off"}


def _truth(setting: PgSetting, value: str) -> str:
    found = _TRUTHS.get(value.lower())
    if found is None:
        raise _wrong(setting, value, "on or off is expected")
    return found


def _word(setting: PgSetting, value: str) -> str:
    found = next((word for word in setting.words if word.lower() == value.lower()), _TRUTHS.get(value.lower()))
    if found not in setting.words:
        raise _wrong(setting, value, "available values: " + ", ".join(setting.words))
    return found


_TIMES = {"us": 1, "ms": 1_000, "s": 1_000_000, "min": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_SIZES = {"B": 1, "kB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4}
_BLOCK_BYTES = 8192


def shown(setting: PgSetting, value: str) -> str:
    """A number of the setting's unit as SHOW prints it: in the largest unit in which it is whole, as `5s`."""
    if not setting.unit or float(value) <= 0:
        return value
    scale = _units(setting)
    small = float(value) * scale[setting.unit]
    for unit, size in sorted(scale.items(), key=lambda item: -item[1]):
        if small % size == 0:
            return f"{small / size:.0f}{unit}"
    return f"{value}{setting.unit}"


def _units(setting: PgSetting) -> dict[str, int]:
    """The units its values may be written in."""
    if setting.unit in _TIMES:
        return _TIMES
    return _SIZES if setting.unit in _SIZES else {**_SIZES, setting.unit: _BLOCK_BYTES}


def number_of(setting: PgSetting, value: str) -> str:
    """A number in the setting's unit, of a text that may name another.

    InvalidParameter (22023) for what is none, or outside the limits.
    """
    digits = value.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
    unit = value[len(digits) :].strip()
    try:
        number = float(digits)
    except ValueError:
        raise _wrong(setting, value, "a number is expected") from None
    if unit:
        scale = _units(setting) if setting.unit else {}
        if unit not in scale or unit == "8kB":
            known = [f'"{name}"' for name in scale if name != "8kB"]
            raise _wrong(setting, value, f"valid units are {', '.join(known)}" if known else "it has no unit")
        number = number * scale[unit] / scale[setting.unit]
    text = str(round(number)) if setting.kind == "integer" else repr(number).removesuffix(".0")
    if not float(setting.least) <= float(text) <= float(setting.most):
        has_unit = f" {setting.unit}" if setting.unit else ""
        raise InvalidParameter(
            f'{text}{has_unit} is outside the valid range for parameter "{setting.name}" '
            f"({setting.least} .. {setting.most})"
        )
    return text


def _text(setting: PgSetting, value: str) -> str:
    return value


_PARSERS = {"bool": _truth, "enum": _word, "integer": number_of, "real": number_of, "string": _text}
