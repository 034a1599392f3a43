"""Parts of addresses as java.net.URL tells them; an address it does not know the protocol of has none."""

from __future__ import annotations

import re
from functools import lru_cache

import pyarrow as pa

from sqlengine.functions.hive.java_regex import BadPattern, compiled
from sqlengine.functions.hive.rows import per_distinct
from sqlengine.functions.registry import scalar

_PROTOCOLS = ("http", "https", "ftp", "file", "jar", "mailto", "jrt", "jmod")
_ADDRESS = re.compile(
    r"\s*(?:url:)?(?P<protocol>[A-Za-z][A-Za-z0-9+.\-]*):(?://(?P<authority>[^/?#]*))?(?P<path>[^?#]*)"
    r"(?:\?(?P<query>[^#]*))?(?:#(?P<ref>.*))?",
    re.IGNORECASE | re.DOTALL,
)
_HOST = re.compile(r"(?:(?P<user>[^@]*)@)?(?P<host>\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>-?\d*))?")


def _part(address: str, part: str) -> str | None:
    found = _ADDRESS.fullmatch(address.strip())
    if found is None or found["protocol"].lower() not in _PROTOCOLS:
        return None
    authority = found["authority"]
    inner = _HOST.fullmatch(authority) if authority is not None else None
    if authority is not None and inner is None:
        return None
    port = inner["port"] if inner is not None else None
    if port and (int(port) < -1 or int(port) > 65535):
        return None
    query = found["query"]
    path = found["path"]
    match part:
        case "HOST":
            return inner["host"] if inner is not None else ""
        case "PATH":
            return path
        case "QUERY":
            return query
        case "REF":
            return found["ref"]
        case "PROTOCOL":
            return found["protocol"].lower()
        case "FILE":
            return path if query is None else f"{path}?{query}"
        case "AUTHORITY":
            return authority
        case "USERINFO":
            return inner["user"] if inner is not None else None
    return None


def _item(address: str, part: str) -> str | None:
    """A part by its name, or `QUERY:key` as parse_url_tuple takes it."""
    name, mark, key = part.partition(":")
    return _parameter(address, name, key) if mark else _part(address, name)


@lru_cache(maxsize=256)
def _key_pattern(key: str) -> re.Pattern[str] | None:
    try:
        return compiled(f"(?:&|^)(?:{key})=([^&]*)").python
    except BadPattern:
        return None


def _parameter(address: str, part: str, key: str) -> str | None:
    query = _part(address, part) if part == "QUERY" else None
    pattern = _key_pattern(key)
    if query is None or pattern is None:
        return None
    found = pattern.search(query)
    return None if found is None else found.group(pattern.groups)


_part_kernel, _parameter_kernel = per_distinct(pa.string(), _part), per_distinct(pa.string(), _parameter)
parse_url = scalar(
    "hive$parse_url(url text, part text) -> text; hive$parse_url(url text, part text, key text) -> text",
    "HOST, PATH, QUERY, REF, PROTOCOL, AUTHORITY, FILE or USERINFO of an address, or a parameter of its QUERY; "
    "NULL when it is not there",
    example="parse_url('http://facebook.com/path/p1.php?query=1', 'QUERY', 'query') = '1'",
)(lambda url, part, key=None: _part_kernel(url, part) if key is None else _parameter_kernel(url, part, key))
parse_url_tuple_item = scalar(
    "hive$parse_url_tuple_item(url text, part text) -> text",
    "one column of parse_url_tuple",
)(per_distinct(pa.string(), _item))
