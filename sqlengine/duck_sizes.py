"""DuckDB macros for functions that make large values of few arguments: as large as PostgreSQL lets them be, no larger.

DuckDB fills such a value in one step that nobody can interrupt, a piece at a time, so a few characters of SQL would
keep a processor for minutes, and more than 4 GiB of text put an end to its database.
"""

from __future__ import annotations

TEXT_BYTES_MAX = 0x3FFFFFFF - 4
"""Of one value in PostgreSQL, which allots at most 1 GB and puts 4 bytes before a text."""
TEXT_CHARACTERS_MAX = TEXT_BYTES_MAX // 4
"""Of a filled text, whose characters are counted as the longest that UTF-8 has."""
ARRAY_LENGTH_MAX = 0x3FFFFFFF // 8

TEXT_TOO_LARGE = "requested length too large"
ARRAY_TOO_LARGE = f"array size exceeds the maximum allowed ({ARRAY_LENGTH_MAX})"

_BLOCK = 1024
_SHORT = 4 * _BLOCK


def _checked(too_large: str, value: str, message: str, kind: str = "BIGINT") -> str:
    """An argument that is no value where too much would be made of it: DuckDB, while it looks for constants, also
    evaluates branches of a CASE that are not taken."""
    return f"CASE WHEN {too_large} THEN error('{message}')::{kind} ELSE {value} END"


def _filled(name: str, whole: str) -> str:
    """lpad or rpad: DuckDB fills character by character, so what is long is made of blocks."""
    n = _checked(f"n > {TEXT_CHARACTERS_MAX}", "n::INTEGER", TEXT_TOO_LARGE, "INTEGER")
    missing = f"{n} - length(s)"
    fill = f"left(text_repeat(f, ({missing}) // length(f) + 1), {missing})"
    return (
        f"CREATE MACRO text_{name}(s, n, f) AS CASE WHEN f = '' OR length(s) >= n "
        "THEN left(s, CASE WHEN n < 0 THEN 0 ELSE n::BIGINT END) "
        f"WHEN n > {_SHORT} THEN {whole.format(fill=fill)} ELSE system.main.{name}(s, {n}, f) END"
    )


_COUNT = _checked(
    f"strlen(s::VARCHAR)::DOUBLE * n > {TEXT_BYTES_MAX}", "CASE WHEN n < 0 THEN 0 ELSE n::BIGINT END", TEXT_TOO_LARGE
)
_FIRST, _LAST, _STEP = (f"TRY_CAST({name}::VARCHAR AS DOUBLE)" for name in "abc")
"""Numbers; NULL of moments, for which memory is the bound."""


SIZE_MACROS: tuple[str, ...] = (
    f"CREATE MACRO text_repeat(s, n) AS CASE WHEN n > {_SHORT} "
    f"THEN repeat(repeat(s::VARCHAR, {_BLOCK}), ({_COUNT}) // {_BLOCK}) || repeat(s::VARCHAR, ({_COUNT}) % {_BLOCK}) "
    f"ELSE repeat(s::VARCHAR, {_COUNT}) END",
    _filled("lpad", "{fill} || s"),
    _filled("rpad", "s || {fill}"),
    f"CREATE MACRO array_length_checked(n) AS {_checked(f'n > {ARRAY_LENGTH_MAX}', 'n::BIGINT', ARRAY_TOO_LARGE)}",
    "CREATE MACRO series_checked(a, b) AS CASE WHEN "
    f"{_LAST} - {_FIRST} >= {ARRAY_LENGTH_MAX} THEN error('{ARRAY_TOO_LARGE}') ELSE b END, "
    f"(a, b, c) AS CASE WHEN {_STEP} = 0 THEN error('step size cannot equal zero') WHEN ({_LAST} - {_FIRST}) / {_STEP} "
    f">= {ARRAY_LENGTH_MAX} THEN error('{ARRAY_TOO_LARGE}') ELSE b END",
    "CREATE MACRO series_list(a, b) AS generate_series(a, series_checked(a, b)), "
    "(a, b, c) AS generate_series(a, series_checked(a, b, c), c)",
)
