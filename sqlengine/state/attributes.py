"""Attributes of a program's objects as text a checkpoint can hold: values of known plain types, nothing that can run.

JSON with a tag for what JSON lacks: `{"$": "tuple", "v": [...]}`.  Floats keep every bit (repr), dicts any plain key.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

_LISTS: dict[str, type] = {"tuple": tuple, "set": set, "frozenset": frozenset, "deque": deque}
_DICTS: dict[str, type] = {"dict": dict, "Counter": Counter, "OrderedDict": OrderedDict}
_TEXTS: dict[str, tuple[type, Callable[[Any], str], Callable[[str], Any]]] = {
    "bytes": (bytes, bytes.hex, bytes.fromhex),
    "bytearray": (bytearray, bytearray.hex, bytearray.fromhex),
    "Decimal": (Decimal, str, Decimal),
    "UUID": (UUID, str, UUID),
    "datetime": (dt.datetime, dt.datetime.isoformat, dt.datetime.fromisoformat),
    "date": (dt.date, dt.date.isoformat, dt.date.fromisoformat),
    "time": (dt.time, dt.time.isoformat, dt.time.fromisoformat),
    "timedelta": (
        dt.timedelta,
        lambda d: str(d // dt.timedelta.resolution),
        lambda s: dt.timedelta.resolution * int(s),
    ),
}


def to_text(attributes: dict[str, Any]) -> str:
    """The attributes as text; TypeError naming the class of a value that is not plain."""
    return json.dumps(_encoded(attributes), ensure_ascii=False, separators=(",", ":"))


def from_text(text: str) -> dict[str, Any]:
    """The inverse of `to_text`; ValueError for other text."""
    value = _decoded(json.loads(text))
    if not isinstance(value, dict):
        raise ValueError("not a set of attributes")
    return value


def _encoded(value: Any) -> Any:
    kind = type(value)
    if value is None or kind in (bool, int, str) or kind is float and math.isfinite(value):
        return value
    if kind is float:
        return {"$": "float", "v": repr(value)}
    if kind is list:
        return [_encoded(v) for v in value]
    for tag, cls in _LISTS.items():
        if kind is cls:
            return {"$": tag, "v": [_encoded(v) for v in value], **({"n": value.maxlen} if tag == "deque" else {})}
    for tag, cls in _DICTS.items():
        if kind is cls:
            return {"$": tag, "v": [[_encoded(k), _encoded(v)] for k, v in value.items()]}
    for tag, (cls, write, _) in _TEXTS.items():
        if kind is cls:
            return {"$": tag, "v": write(value)}
    raise TypeError(f"a value of class {kind.__name__} is not plain data")


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(v) for v in value]
    if not isinstance(value, dict):
        return value
    tag, inner = value.get("$"), value.get("v")
    if tag == "float":
        return float(inner)  # type: ignore[arg-type]
    if tag == "deque":
        return deque((_decoded(v) for v in inner or ()), value.get("n"))
    if tag in _LISTS:
        return _LISTS[tag](_decoded(v) for v in inner or ())
    if tag in _DICTS:
        return _DICTS[tag]({_decoded(k): _decoded(v) for k, v in inner or ()})
    if tag in _TEXTS:
        return _TEXTS[tag][2](str(inner))
    raise ValueError(f"no plain type is called {tag}")
