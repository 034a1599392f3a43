"""The last result again: \\chart and \\last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from repl.commands.base import Command
from repl.last_result import LastResult
from repl.render.chart import CHARTS, chart
from sqlengine import types
from sqlengine.errors import InvalidParameter, did_you_mean

if TYPE_CHECKING:
    from repl.shell import Shell

_CHART_WIDTH, _CHART_HEIGHT, _CHART_ROWS = 80, 10, 40


def _last_of(shell: Shell) -> LastResult:
    if shell.last is None:
        raise InvalidParameter("there is no result yet")
    return shell.last


def _chart(shell: Shell, argument: str) -> bool:
    """`\\chart [bar|line|spark] [column ...]`."""
    words = argument.split()
    kind = words.pop(0).lower() if words and words[0].lower() in CHARTS else "auto"
    table = _columns(_last_of(shell).table(), words)
    if kind in ("auto", "bar") and table.num_rows > _CHART_ROWS and not _is_over_time(table):
        shell.say(f"the first {_CHART_ROWS} of {table.num_rows:,} rows")
        table = table.slice(0, _CHART_ROWS)
    width = shell.width or _CHART_WIDTH
    shell.write("\n".join(chart(table, kind=kind, width=width, height=_CHART_HEIGHT, unicode=shell.unicode)) + "\n")
    return True


def _columns(table: pa.Table, names: list[str]) -> pa.Table:
    """The named columns, of all when there are no names; one of numbers alone is labelled by the first that is none."""
    for name in names:
        if name not in table.schema.names:
            known = ", ".join(table.schema.names)
            hint = did_you_mean(name, table.schema.names) or f"a kind is one of {', '.join(CHARTS)}; columns: {known}"
            raise InvalidParameter(f'the result has no column "{name}"', hint=hint)
    if len(names) == 1 and types.is_numeric(table.schema.field(names[0]).type):
        names = [*[f.name for f in table.schema if not types.is_numeric(f.type)][:1], *names]
    return table.select(names) if names else table


def _is_over_time(table: pa.Table) -> bool:
    return any(pa.types.is_temporal(field.type) for field in table.schema)


def _last(shell: Shell, _argument: str) -> bool:
    last = _last_of(shell)
    if shell.has_screen:
        shell.page(last)
    else:
        shell.show(last.table())
    return True


RESULT_COMMANDS = (
    Command(("\\chart",), "[KIND] [COLUMN ...]", "the last result as bar, line or spark", _chart, CHARTS),
    Command(("\\last",), "", "the last result again, in the pager; SELECT ... FROM _ reads it", _last),
)
