"""How a sink tells of changes: `envelope` of CREATE SINK, as a query over the CHANGELOG of the sink's own query.

`append`: the rows as they are; they must only come.  `debezium`: `before`, `after`, `op` and `ts_ms` as Debezium's
events have them; an update is the event that takes the old row back and the one that brings the new, as Flink writes.
`upsert`: the newest row of each key, or the key's last row where there is none any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sqlengine.errors import DuplicateColumn, InvalidDefinition, InvalidParameter, NotSupportedError, did_you_mean
from sqlengine.plan.pipeline import Planned
from sqlengine.sql import ast, parse_query, quote_identifier
from sqlengine.sql.dialect import POSTGRES

ENVELOPE = "envelope"
_OP, _TIME = "op", "(extract(epoch FROM proctime()) * 1000)::bigint AS ts_ms"
_COMES = "changelog_op IN (1, 3)"


def in_envelope(query: ast.Query, options: Mapping[str, str], planned: Planned) -> ast.Query:
    """What the sink of a query writes; the query itself for `append`.  `planned`: the query's plan."""
    name = options.get(ENVELOPE, "append").lower()
    if name not in _ENVELOPES:
        raise InvalidParameter(
            f'invalid value for option "envelope": "{options[ENVELOPE]}"',
            hint=did_you_mean(name, _ENVELOPES) or "one of: " + ", ".join(_ENVELOPES),
        )
    told = _ENVELOPES[name]
    if told is None:
        return query
    if query.dialect != POSTGRES:
        raise NotSupportedError(f"envelope {name} is not supported in the dialect {query.dialect}")
    select = told(planned.schema.names, planned)
    text = query.text.strip().rstrip(";")
    return parse_query(f"WITH q AS ({text}\n), changes AS CHANGELOG FROM q {select}")


def _debezium(columns: Sequence[str], planned: Planned) -> str:
    row = "{" + ", ".join(f"{_text(name)}: {quote_identifier(name)}" for name in columns) + "}"
    before, after = (f"CASE WHEN {test} THEN {row} END" for test in (f"NOT {_COMES}", _COMES))
    op = f"CASE WHEN {_COMES} THEN 'c' ELSE 'd' END"
    return f"SELECT {before} AS before, {after} AS after, {op} AS op, {_TIME} FROM changes"


def _upsert(columns: Sequence[str], planned: Planned) -> str:
    if not planned.physical.unique_keys:
        raise InvalidDefinition(
            "an upsert sink needs a query with a key",
            detail="no columns of this query tell its rows apart",
            hint="group by the key, select a table's primary key, or use envelope = 'debezium'",
        )
    if _OP in columns:
        raise DuplicateColumn(f'column "{_OP}" clashes with that of the envelope', hint="give it another name")
    op = f"CASE WHEN {_COMES} THEN 'upsert' ELSE 'delete' END AS {_OP}"
    return f"SELECT {op}, {', '.join(map(quote_identifier, columns))} FROM changes WHERE changelog_op <> 4"


def _text(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


_ENVELOPES: dict[str, Callable[[Sequence[str], Planned], str] | None] = {
    "append": None,
    "debezium": _debezium,
    "upsert": _upsert,
}
