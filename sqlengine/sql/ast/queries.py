"""Queries, and what stands in their FROM."""

from __future__ import annotations

from typing import Any

from sqlengine.quick_dataclass import dataclass
from sqlengine.sql.ast.expressions import Column, Expr, Interval, OrderItem
from sqlengine.sql.dialect import dialect_of

# ---------------------------------------------------------------- relations


@dataclass(frozen=True, slots=True)
class Relation:
    """Base of what may stand in FROM."""


@dataclass(frozen=True, slots=True)
class TableRef(Relation):
    """A named object or CTE; `as_of` is the expression of FOR SYSTEM_TIME AS OF (the string "proctime" for
    PROCTIME())."""

    parts: tuple[str, ...]
    alias: str | None = None
    column_aliases: tuple[str, ...] = ()
    as_of: Expr | str | None = None
    position: int | None = None


@dataclass(frozen=True, slots=True)
class StateRef(TableRef):
    """`system.state('view' [, 'operator' [, 'table']])`."""

    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileRef(Relation):
    """`FROM 'data/*.parquet'`; in Spark's dialect parquet.`data`, whose path here is "parquet:data"."""

    path: str
    alias: str | None = None


ScriptFormat = tuple[str, tuple[tuple[str, str], ...]]
"""How a script's lines are written: (class of a SerDe, "" for separated text; its properties)."""


@dataclass(frozen=True, slots=True)
class TransformRef(Relation):
    """The rows that a program writes which is given those of `input`: Hive's `SELECT TRANSFORM ... USING 'script'`.

    `columns`: (name, Hive's type) of each that it writes; None: `key` and `value`, what stands before and behind the
    first separator of a line.
    """

    input: Select
    script: str
    columns: tuple[tuple[str, str], ...] | None
    reads: ScriptFormat = ("", ())
    writes: ScriptFormat = ("", ())
    position: int | None = None


@dataclass(frozen=True, slots=True)
class SubqueryRef(Relation):
    """A query in FROM."""

    query: Select | SetOperation
    alias: str | None
    column_aliases: tuple[str, ...] = ()
    lateral: bool = False


@dataclass(frozen=True, slots=True)
class ValuesRef(Relation):
    """VALUES in FROM; `rules` as of SetOperation."""

    rows: tuple[tuple[Expr, ...], ...]
    alias: str | None = None
    column_aliases: tuple[str, ...] = ()
    rules: str = ""


@dataclass(frozen=True, slots=True)
class FunctionRef(Relation):
    """A table function such as `generate_series(1, 10)` or `unnest(a)`; window functions become WindowRef."""

    name: str
    args: tuple[Expr, ...]
    alias: str | None = None
    column_aliases: tuple[str, ...] = ()
    lateral: bool = False
    ordinality: bool = False


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """A windowing of event time.

    `kind`: "tumble", "hop", "cumulate", "session".  `size` is the window size (session: the gap); `slide` the hop's
    slide or the cumulate's step; `offset` shifts the windows' origin (1970-01-01 00:00 UTC).
    """

    kind: str
    size: Interval
    slide: Interval | None = None
    offset: Interval | None = None


@dataclass(frozen=True, slots=True)
class WindowRef(Relation):
    """A window table function over a relation, any spelling: adds window_start, window_end, window_time.

    `time` is `$rowtime` when the text leaves it to the stream's own time (ksqlDB's WINDOW clause).
    """

    input: Relation
    time: Column
    window: WindowSpec
    partition_by: tuple[Column, ...] = ()
    alias: str | None = None
    position: int | None = None


@dataclass(frozen=True, slots=True)
class ChangelogRef(Relation):
    """`c AS CHANGELOG FROM t` in WITH: what c reads."""

    input: Relation


@dataclass(frozen=True, slots=True)
class PivotField:
    """One FOR of a PIVOT: `keys` compared with each choice's values; a choice is (values, its columns' name)."""

    keys: tuple[Expr, ...]
    choices: tuple[tuple[tuple[Expr, ...], str], ...]


@dataclass(frozen=True, slots=True)
class PivotRef(Relation):
    """`input PIVOT (aggregates FOR ...)`; `group_by` None: by every column that is not mentioned.  Of one aggregate the
    name may be empty: its columns are then called as the choices are."""

    input: Relation
    aggregates: tuple[SelectItem, ...]
    fields: tuple[PivotField, ...]
    group_by: tuple[Expr, ...] | None = None
    alias: str | None = None
    column_aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UnpivotRef(Relation):
    """`input UNPIVOT (values FOR name IN (groups))`: a row for each group of columns, with its label as `name`. Without
    `include_nulls` a row goes that has a NULL; with `any_known` only one that has nothing else."""

    input: Relation
    values: tuple[str, ...]
    name: str
    groups: tuple[tuple[tuple[Expr, ...], str], ...]
    include_nulls: bool = False
    alias: str | None = None
    column_aliases: tuple[str, ...] = ()
    any_known: bool = False


@dataclass(frozen=True, slots=True)
class SampleRef(Relation):
    """`input TABLESAMPLE`: `percent` of the rows, or so many `rows`, chosen by a hash of the row and the seed;
    `bucket`: (which, of how many) by the columns the table is clustered by."""

    input: Relation
    percent: float | None
    rows: int | None
    seed: int = 0
    bucket: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Join(Relation):
    """`kind`: "inner", "left", "right", "full", "cross", "semi", "anti", "asof", "asof_left"; `lateral` marks CROSS
    APPLY etc."""

    kind: str
    left: Relation
    right: Relation
    on: Expr | None = None
    using: tuple[str, ...] = ()
    natural: bool = False
    position: int | None = None


# ---------------------------------------------------------------- queries


@dataclass(frozen=True, slots=True)
class SelectItem:
    """`name` is the output name (alias, else column name, else function name, else "?column?")."""

    expr: Expr
    name: str
    explicit: bool = False


@dataclass(frozen=True, slots=True)
class GroupingSet:
    """One element of GROUPING SETS/ROLLUP/CUBE after expansion."""

    exprs: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Cte:
    """One common table expression of WITH."""

    name: str
    query: Select | SetOperation
    column_aliases: tuple[str, ...] = ()
    recursive: bool = False
    materialized: bool | None = None


@dataclass(frozen=True, slots=True)
class Select:
    """One SELECT block.  GROUP BY tumble(ts, ...) and friends appear in `group_by` as Call("tumble"/"hop"/"session"/
    "cumulate"/"window"/"session_window") - the planner turns them into a WindowRef."""

    items: tuple[SelectItem, ...]
    from_: Relation | None = None
    where: Expr | None = None
    group_by: tuple[Expr, ...] = ()
    grouping_sets: tuple[GroupingSet, ...] = ()
    having: Expr | None = None
    qualify: Expr | None = None
    distinct: bool = False
    distinct_on: tuple[Expr, ...] = ()
    order_by: tuple[OrderItem, ...] = ()
    limit: Expr | None = None
    offset: Expr | None = None
    ctes: tuple[Cte, ...] = ()


@dataclass(frozen=True, slots=True)
class SetOperation:
    """`op`: "union", "intersect", "except"; `all` keeps duplicates; `by_name` matches columns by name, and those of one
    side only are NULL on the other; `rules`: the dialect by whose rules the columns of both meet (see Binary)."""

    op: str
    all: bool
    left: Select | SetOperation
    right: Select | SetOperation
    order_by: tuple[OrderItem, ...] = ()
    limit: Expr | None = None
    offset: Expr | None = None
    ctes: tuple[Cte, ...] = ()
    by_name: bool = False
    rules: str = ""


@dataclass(frozen=True)
class Query:
    """A query as text, as an opaque foreign tree, and lowered on demand by `sql.lower(query)`.

    `grace_us` is the GRACE PERIOD of a ksqlDB WINDOW clause: how late a row may come, in microseconds.
    `rows`: the answer, an Arrow table, of VALUES that were read without a parser (plain_insert.py); `tree` has none.
    `casts`: the types that its columns' texts are yet to be cast to, None where they are what they are
    (plain_params.py).
    """

    text: str
    tree: Any
    position: int = 0
    grace_us: int | None = None
    rows: Any = None
    casts: tuple[str | None, ...] = ()

    @property
    def dialect(self) -> str:
        """The dialect the text is written in."""
        return dialect_of(self.text)[0].name

    def __hash__(self) -> int:
        return hash(self.text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Query) and self.text == other.text
