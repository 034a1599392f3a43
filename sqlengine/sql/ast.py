"""Statements and queries as frozen data: what the text said, with names unresolved and positions kept.

Everything below `sql/` sees only these; sqlglot and lark trees stay inside this folder.  `position` is a 0-based
character offset into the statement's text.  A Query keeps the foreign tree in `tree`, opaque to all but `sql/`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

# ---------------------------------------------------------------- expressions


@dataclass(frozen=True, slots=True, kw_only=True)
class Expr:
    """Base of unbound expressions; equality ignores positions, so GROUP BY items can be matched structurally."""


@dataclass(frozen=True, slots=True)
class Column(Expr):
    """A column reference: `("price",)` or `("t", "price")`; quoted or folded spelling already applied."""

    parts: tuple[str, ...]
    position: int | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Column) and self.parts == other.parts

    def __hash__(self) -> int:
        return hash(self.parts)


@dataclass(frozen=True, slots=True)
class Literal(Expr):
    """A constant; `type_name` is its SQL type ("integer", "bigint", "numeric", "double precision", "text", "boolean",
    "unknown" for NULL, "timestamp", "date", ...); `value` a Python value (int, Decimal, float, str, bool, bytes,
    None)."""

    value: Any
    type_name: str


@dataclass(frozen=True, slots=True)
class Interval(Expr):
    """INTERVAL: months and days are calendar units and kept apart from microseconds."""

    months: int
    days: int
    microseconds: int


@dataclass(frozen=True, slots=True)
class Param(Expr):
    """`?`, `$1` or `:name`: `key` is the 0-based number or the name."""

    key: int | str


@dataclass(frozen=True, slots=True)
class Unary(Expr):
    """`op` in: "not", "-", "+", "~"."""

    op: str
    arg: Expr


@dataclass(frozen=True, slots=True)
class Binary(Expr):
    """`op` in: + - * / % ^ || = <> < <= > >= and or "is distinct from" "is not distinct from" like ilike
    "similar to" ~ ~* !~ !~* & | # << >> -> ->> #> #>> @> <@ and further operators by their spelling."""

    op: str
    left: Expr
    right: Expr
    position: int | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Binary) and (self.op, self.left, self.right) == (other.op, other.left, other.right)

    def __hash__(self) -> int:
        return hash((self.op, self.left, self.right))


@dataclass(frozen=True, slots=True)
class IsTest(Expr):
    """`arg IS [NOT] test`; test in "null", "true", "false", "unknown"."""

    arg: Expr
    test: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Between(Expr):
    """`arg [NOT] BETWEEN low AND high`."""

    arg: Expr
    low: Expr
    high: Expr
    negated: bool = False


@dataclass(frozen=True, slots=True)
class InList(Expr):
    """`arg [NOT] IN (items)`."""

    arg: Expr
    items: tuple[Expr, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Case(Expr):
    """CASE; `operand` set for the simple form."""

    operand: Expr | None
    whens: tuple[tuple[Expr, Expr], ...]
    default: Expr | None


@dataclass(frozen=True, slots=True)
class Cast(Expr):
    """CAST(arg AS type_name); `safe` = TRY_CAST."""

    arg: Expr
    type_name: str
    safe: bool = False


@dataclass(frozen=True, slots=True)
class OrderItem:
    """One element of ORDER BY; `nulls_first` None = the default of the direction."""

    expr: Expr
    descending: bool = False
    nulls_first: bool | None = None


@dataclass(frozen=True, slots=True)
class FrameBound:
    """One end of a window frame: "unbounded preceding", "preceding", "current row", "following" or "unbounded
    following"; `offset` goes with "preceding" and "following"."""

    kind: str
    offset: Expr | None = None


@dataclass(frozen=True, slots=True)
class FrameClause:
    """`mode`: rows | range | groups; `exclude`: "" | current row | group | ties."""

    mode: str
    start: FrameBound
    end: FrameBound
    exclude: str = ""


@dataclass(frozen=True, slots=True)
class WindowFrame:
    """OVER (...): `frame` is None for the default; `frame_text` is its text for the snapshot executor."""

    partition_by: tuple[Expr, ...]
    order_by: tuple[OrderItem, ...]
    frame_text: str | None = None
    frame: FrameClause | None = None


@dataclass(frozen=True, slots=True)
class Call(Expr):
    """A function call, name lower-case as written (`count`, `date_trunc`, `tumble`); star for `count(*)`.

    `user` is set before binding when the database has a function of its own by that name.
    """

    name: str
    args: tuple[Expr, ...]
    distinct: bool = False
    star: bool = False
    filter: Expr | None = None
    order_by: tuple[OrderItem, ...] = ()
    within_group: tuple[OrderItem, ...] = ()
    over: WindowFrame | None = None
    position: int | None = None
    user: Any = None
    ignore_nulls: bool = False

    def _key(self) -> tuple[Any, ...]:
        return (
            self.name,
            self.args,
            self.distinct,
            self.star,
            self.filter,
            self.order_by,
            self.within_group,
            self.over,
            self.ignore_nulls,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Call) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())


@dataclass(frozen=True, slots=True)
class FieldAccess(Expr):
    """`(struct).name`."""

    arg: Expr
    name: str


@dataclass(frozen=True, slots=True)
class Subscript(Expr):
    """`array[i]` (1-based, PostgreSQL) or `map['k']`."""

    arg: Expr
    index: Expr


@dataclass(frozen=True, slots=True)
class ArrayLiteral(Expr):
    """`ARRAY[items]`."""

    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Row(Expr):
    """`(a, b)` or `ROW(a, b)`; names when given (`struct(a := 1)`)."""

    items: tuple[Expr, ...]
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Star(Expr):
    """`*` or `t.*` in a select list; `except_` and `replace` as DuckDB and BigQuery have them."""

    table: str | None = None
    except_: tuple[str, ...] = ()
    replace: tuple[tuple[str, Expr], ...] = ()


@dataclass(frozen=True, slots=True)
class Subquery(Expr):
    """`kind`: "scalar", "array", "exists", "in", "any", "all"; `arg` and `op` for in/any/all."""

    kind: str
    query: Select | SetOperation
    arg: Expr | None = None
    op: str | None = None
    negated: bool = False


SPELT = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"(?:\."(?:[^"]|"")*")*""")
"""A string, or a quoted and perhaps qualified name, in DuckDB text."""


def quoted(parts: tuple[str, ...]) -> str:
    """A qualified name as it stands in an Opaque's text."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


@dataclass(frozen=True, slots=True)
class Opaque(Expr):
    """An expression the planner has no word for; `text` is DuckDB SQL with columns spelt as they were."""

    text: str
    columns: tuple[Column, ...]

    def over(self, columns: tuple[Column, ...]) -> Opaque:
        """The same with other names of its columns."""
        spelt = {quoted(old.parts): quoted(new.parts) for old, new in zip(self.columns, columns, strict=True)}
        return Opaque(SPELT.sub(lambda m: spelt.get(m.group(), m.group()), self.text), columns)


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
class FileRef(Relation):
    """`FROM 'data/*.parquet'`."""

    path: str
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class SubqueryRef(Relation):
    """A query in FROM."""

    query: Select | SetOperation
    alias: str | None
    column_aliases: tuple[str, ...] = ()
    lateral: bool = False


@dataclass(frozen=True, slots=True)
class ValuesRef(Relation):
    """VALUES in FROM."""

    rows: tuple[tuple[Expr, ...], ...]
    alias: str | None = None
    column_aliases: tuple[str, ...] = ()


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
    """`input UNPIVOT (values FOR name IN (groups))`: a row for each group of columns, with its label as `name`."""

    input: Relation
    values: tuple[str, ...]
    name: str
    groups: tuple[tuple[tuple[Expr, ...], str], ...]
    include_nulls: bool = False
    alias: str | None = None
    column_aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SampleRef(Relation):
    """`input TABLESAMPLE`: `percent` of the rows, or so many `rows`, chosen by a hash of the row and the seed."""

    input: Relation
    percent: float | None
    rows: int | None
    seed: int = 0


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
    side only are NULL on the other."""

    op: str
    all: bool
    left: Select | SetOperation
    right: Select | SetOperation
    order_by: tuple[OrderItem, ...] = ()
    limit: Expr | None = None
    offset: Expr | None = None
    ctes: tuple[Cte, ...] = ()
    by_name: bool = False


@dataclass(frozen=True)
class Query:
    """A query as text, as an opaque foreign tree, and lowered on demand by `sql.lower(query)`.

    `grace_us` is the GRACE PERIOD of a ksqlDB WINDOW clause: how late a row may come, in microseconds.
    """

    text: str
    tree: Any
    position: int = 0
    grace_us: int | None = None

    def __hash__(self) -> int:
        return hash(self.text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Query) and self.text == other.text


# ---------------------------------------------------------------- statements


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """Base of all statements; `text` is the statement's own text, `position` where it starts in the script."""

    text: str = ""
    position: int = 0


Name = tuple[str, ...]
"""A possibly qualified object name, already folded: ("orders",) or ("public", "orders")."""

Options = tuple[tuple[str, str], ...]
"""WITH options in order: lower-case key, value as text (`true`, `4`, `7 days`)."""


@dataclass(frozen=True, slots=True)
class Emit:
    """`mode`: "changes", "final" (ON WINDOW CLOSE), "every"; intervals in microseconds."""

    mode: str = "changes"
    every_us: int | None = None
    lateness_us: int | None = None
    timeout_us: int | None = None


@dataclass(frozen=True, slots=True)
class ColumnDef:
    """One column of CREATE STREAM/TABLE.  `expr` = computed column; `metadata` = "offset", "partition", "key",
    "timestamp", "headers", "topic"; `type_name` None for computed columns."""

    name: str
    type_name: str | None
    expr: Expr | None = None
    expr_text: str | None = None
    metadata: str | None = None
    primary_key: bool = False
    not_null: bool = False
    default_text: str | None = None
    position: int | None = None


@dataclass(frozen=True, slots=True)
class WatermarkDef:
    """WATERMARK FOR column AS expr."""

    column: str
    expr: Expr
    expr_text: str
    position: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTopic(Statement):
    """CREATE TOPIC."""

    name: Name
    options: Options = ()
    if_not_exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterTopic(Statement):
    """SET (...) or ADD PARTITIONS n."""

    name: Name
    options: Options = ()
    add_partitions: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterConsumerGroup(Statement):
    """RESET TO EARLIEST | LATEST | OFFSET n | TIMESTAMP '...' [FOR TOPIC topic]: `to` is one of these words in lower
    case, `value` the number or the text behind it.
    """

    group: str
    to: str
    value: str | None = None
    topic: Name | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DropConsumerGroup(Statement):
    """DROP CONSUMER GROUP [IF EXISTS]."""

    group: str
    if_exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateStream(Statement):
    """CREATE STREAM | SOURCE (append-only, typed, over a topic or connector)."""

    name: Name
    columns: tuple[ColumnDef, ...] = ()
    watermark: WatermarkDef | None = None
    options: Options = ()
    query: Query | None = None
    emit: Emit | None = None
    if_not_exists: bool = False
    or_replace: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTable(Statement):
    """CREATE TABLE (keyed or not, mutable) or CREATE TABLE AS."""

    name: Name
    columns: tuple[ColumnDef, ...] = ()
    primary_key: tuple[str, ...] = ()
    watermark: WatermarkDef | None = None
    append_only: bool = False
    options: Options = ()
    query: Query | None = None
    if_not_exists: bool = False
    or_replace: bool = False
    temporary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateView(Statement):
    """CREATE [MATERIALIZED] VIEW."""

    name: Name
    query: Query
    column_aliases: tuple[str, ...] = ()
    emit: Emit | None = None
    options: Options = ()
    materialized: bool = False
    if_not_exists: bool = False
    or_replace: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateSink(Statement):
    """CREATE SINK FROM an object or AS a query."""

    name: Name
    from_name: Name | None = None
    query: Query | None = None
    emit: Emit | None = None
    options: Options = ()
    if_not_exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateSchema(Statement):
    """CREATE SCHEMA | DATABASE."""

    name: Name
    if_not_exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateFunction(Statement):
    """LANGUAGE sql only over text; `params` are (name, type name)."""

    name: Name
    params: tuple[tuple[str, str], ...]
    returns: str
    language: str
    body: str
    or_replace: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop(Statement):
    """`kind`: topic, stream, table, view, materialized view, sink, source, schema, function, index, subscription."""

    kind: str
    name: Name
    if_exists: bool = False
    cascade: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rename(Statement):
    """ALTER kind name RENAME TO new_name."""

    kind: str
    name: Name
    new_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment(Statement):
    """COMMENT ON kind name IS text; None removes it."""

    kind: str
    name: Name
    comment: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncate(Statement):
    """TRUNCATE kind name."""

    kind: str
    name: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class Insert(Statement):
    """INSERT INTO target [(columns)] query; `query` covers VALUES too.  `conflict`: None, "nothing", "update"."""

    target: Name
    columns: tuple[str, ...]
    query: Query
    conflict: str | None = None
    conflict_columns: tuple[str, ...] = ()
    conflict_set: tuple[tuple[str, str], ...] = ()
    returning: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Update(Statement):
    """SET pairs and WHERE as SQL text (snapshot-executor expressions over the target's columns)."""

    target: Name
    assignments: tuple[tuple[str, str], ...]
    where: str | None
    from_text: str | None = None
    alias: str | None = None
    returning: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete(Statement):
    """DELETE FROM target; clauses as SQL text, as in Update."""

    target: Name
    where: str | None
    using_text: str | None = None
    alias: str | None = None
    returning: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyFrom(Statement):
    """COPY target [(columns)] FROM 'path' | STDIN (options)."""

    target: Name
    columns: tuple[str, ...]
    path: str | None
    options: Options = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyTo(Statement):
    """COPY target | (query) TO 'path' | STDOUT (options)."""

    query: Query
    path: str | None
    options: Options = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectStatement(Statement):
    """A query on its own; with `emit` it is followed until cancelled."""

    query: Query
    emit: Emit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribe(Statement):
    """SUBSCRIBE [TO] a view or query."""

    query: Query
    options: Options = ()
    as_of_tick: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explain(Statement):
    """EXPLAIN [ANALYZE] [(options)] statement or object: `stage` in logical, physical, bound, sql, running."""

    statement: Statement | None
    target: Name | None = None
    analyze: bool = False
    options: Options = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Show(Statement):
    """`what`: topics, streams, tables, views, "materialized views", sinks, queries, functions, connectors, settings,
    errors, create, columns, watermarks, partitions, schemas, or a setting's name; `target` for FOR/CREATE; LIKE
    pattern."""

    what: str
    target: Name | None = None
    like: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Describe(Statement):
    """DESCRIBE [EXTENDED] target."""

    target: Name
    extended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Set(Statement):
    """SET name = value; None stands for DEFAULT."""

    name: str
    value: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset(Statement):
    """`name` None = RESET ALL."""

    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction(Statement):
    """`action`: begin, commit, rollback."""

    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlQuery(Statement):
    """PAUSE | RESUME | CANCEL QUERY id."""

    action: str
    query_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Print(Statement):
    """PRINT 'topic' [FROM BEGINNING] [LIMIT n]."""

    topic: str
    from_beginning: bool = False
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assert(Statement):
    """ASSERT VALUES (...) | ASSERT ROWS (query) = (query)."""

    left: Query
    right: Query
    ordered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait(Statement):
    """FLUSH and WAIT: returns when every view has seen the inputs' present end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsupported(Statement):
    """Grammatically known, not there yet: answers 0A000 naming `feature`."""

    feature: str
