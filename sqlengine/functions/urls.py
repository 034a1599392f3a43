"""The parts of an address (URL, RFC 3986), as ksqlDB, Trino, Hive and Flink name them, and percent encoding.

An address without the part asked for gives NULL; a text that is no address (no scheme) has no parts.
"""

from __future__ import annotations

from sqlengine.functions.registry import Function, declare

_SCHEME = "^([a-zA-Z][a-zA-Z0-9+.-]*):"
_AUTHORITY = _SCHEME + "//([^/?#]*)"
_HOST = _SCHEME + "//(?:[^/?#@]*@)?(\\[[^\\]]*\\]|[^/?#:@]*)"
_PORT = _HOST + ":([0-9]+)(?:[/?#]|$)"
_PATH = _SCHEME + "(?://[^/?#]*)?([^?#]*)"
_QUERY = _SCHEME + "[^?#]*\\?([^#]*)"
_FRAGMENT = _SCHEME + "[^#]*#(.*)"
_USER = _SCHEME + "//([^/?#@]*)@"
_EXAMPLE = "'https://me@example.org:8080/a/b?k=v#top'"


def _part(pattern: str, group: int, argument: str = "{0}") -> str:
    """DuckDB text of a group of a pattern; NULL where nothing matches."""
    matched = f"system.main.regexp_matches({argument}, '{pattern}')"
    return f"CASE WHEN {matched} THEN system.main.regexp_extract({argument}, '{pattern}', {group}) END"


def _extract(part: str, words: str, duck: str, example: str, kind: str = "text") -> Function:
    return declare(
        f"url_extract_{part}(address text) -> {kind}",
        words,
        example=f"url_extract_{part}({_EXAMPLE}) = {example}",
        duck=duck,
    )


protocol = _extract("protocol", "the scheme of an address", _part(_SCHEME, 1), "'https'")
host = _extract("host", "the host of an address", _part(_HOST, 2), "'example.org'")
port = _extract("port", "the port an address names", f"({_part(_PORT, 3)})::INTEGER", "8080", "integer")
path = _extract("path", "the path of an address", _part(_PATH, 2), "'/a/b'")
query = _extract("query", "what stands between ? and #", _part(_QUERY, 2), "'k=v'")
fragment = _extract("fragment", "what stands behind #", _part(_FRAGMENT, 2), "'top'")

_PARAMETER = (
    "url_decode(replace(list_extract(list_filter(list_transform(string_split(" + _part(_QUERY, 2) + ", '&'), "
    "lambda p: CASE WHEN p = {1} THEN '' WHEN starts_with(p, {1} || '=') THEN substring(p, length({1}) + 2) END), "
    "lambda p: p IS NOT NULL), 1), '+', ' '))"
)
parameter = declare(
    "url_extract_parameter(address text, name text) -> text",
    "the first value of a parameter, decoded; NULL when it is not there",
    example="url_extract_parameter('http://x/?a=1&b=two%20words', 'b') = 'two words'",
    duck=_PARAMETER,
    can_raise=True,
)
_PARTS = {
    "HOST": _part(_HOST, 2),
    "PATH": _part(_PATH, 2),
    "QUERY": _part(_QUERY, 2),
    "REF": _part(_FRAGMENT, 2),
    "PROTOCOL": _part(_SCHEME, 1),
    "AUTHORITY": _part(_AUTHORITY, 2),
    "FILE": _part(_SCHEME + "(?://[^/?#]*)?([^#]*)", 2),
    "USERINFO": _part(_USER, 2),
}
"""What Hive calls the parts."""
parse_url = declare(
    "parse_url(address text, part text) -> text",
    "HOST, PATH, QUERY, REF, PROTOCOL, AUTHORITY, FILE or USERINFO of an address (Hive, Flink, Spark)",
    example=f"parse_url({_EXAMPLE}, 'HOST') = 'example.org'",
    duck="CASE {1} " + " ".join(f"WHEN '{name}' THEN {text}" for name, text in _PARTS.items()) + " END",
)
_KEY = "'(?:^|&)' || regexp_escape({2}) || '=([^&]*)'"
parse_url_key = declare(
    "parse_url(address text, part text, key text) -> text",
    "a parameter of an address's QUERY, NULL without it (Flink, Hive)",
    example=f"parse_url({_EXAMPLE}, 'QUERY', 'k') = 'v'",
    duck=f"CASE WHEN {{1}} = 'QUERY' AND system.main.regexp_matches({_PARTS['QUERY']}, {_KEY}) "
    f"THEN system.main.regexp_extract({_PARTS['QUERY']}, {_KEY}, 1) END",
)
encode = declare(
    "url_encode(s text) -> text",
    "the text with every byte but letters, digits and - _ . ~ as % and two digits",
    example="url_encode('a b/c') = 'a%20b%2Fc'",
    aliases=("url_encode_param",),
    duck="url_encode({0})",
)
decode = declare(
    "url_decode(s text) -> text",
    "the text with % and two digits as the byte they mean",
    example="url_decode('a%20b') = 'a b'",
    aliases=("url_decode_param",),
    duck="url_decode({0})",
    can_raise=True,
)
