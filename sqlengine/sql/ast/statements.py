"""Statements."""

from __future__ import annotations

import typing
from dataclasses import field

from sqlengine.quick_dataclass import dataclass
from sqlengine.sql.ast.constraints import CheckDef, UniqueDef
from sqlengine.sql.ast.expressions import Expr
from sqlengine.sql.ast.queries import Query


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """Base of all statements; `text` is the statement's own text, not shown by repr because it may hold a password;
    `position` where it starts in the script."""

    text: str = field(default="", repr=False)
    position: int = 0


Name = tuple[str, ...]
"""A possibly qualified object name, already folded: ("orders",) or ("public", "orders")."""

AsOf = typing.Literal["tick", "timestamp"]
"""What stands behind AS OF."""

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
    """A column of CREATE STREAM/TABLE.  `expr` of a computed one, whose `type_name` may be None; `metadata`: "offset",
    "key", ...; `identity`: "always" or "by default"; `stream_key`: marked KEY alone."""

    name: str
    type_name: str | None
    expr: Expr | None = None
    expr_text: str | None = None
    metadata: str | None = None
    primary_key: bool = False
    not_null: bool = False
    default_text: str | None = None
    identity: str | None = None
    checks: tuple[CheckDef, ...] = ()
    uniques: tuple[UniqueDef, ...] = ()
    stream_key: bool = False
    position: int | None = None
    comment: str | None = None


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
class AlterMaterializedView(Statement):
    """ALTER MATERIALIZED VIEW ... SET (...)."""

    name: Name
    options: Options = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterView(Statement):
    """ALTER [MATERIALIZED] VIEW [IF EXISTS] ... AS a query; without `emit` a materialized view keeps its own."""

    name: Name
    query: Query
    emit: Emit | None = None
    materialized: bool = False
    if_exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterReplicas(Statement):
    """ALTER TOPIC ... [PARTITION n] REPAIR, PARTITION n SET REPLICAS (...), PARTITION n ELECT UNCLEAN LEADER,
    ADD REPLICA '...', DROP REPLICA '...'.

    action: repair, assign, elect, add or drop. positions, at: where the directories stand in the text, and the
    partition.
    """

    topic: Name
    action: str
    partition: int | None = None
    directories: tuple[str, ...] = ()
    positions: tuple[int, ...] = ()
    at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterSystem(Statement):
    """ADD or DROP REPLICA 'directory': `action` is add or drop, `at` is where the directory stands in the text."""

    action: str
    directory: str
    at: int


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
    """CREATE TABLE (keyed or not, mutable) or CREATE TABLE AS, whose columns `column_aliases` may rename."""

    name: Name
    columns: tuple[ColumnDef, ...] = ()
    primary_key: tuple[str, ...] = ()
    key_name: str | None = None
    checks: tuple[CheckDef, ...] = ()
    uniques: tuple[UniqueDef, ...] = ()
    watermark: WatermarkDef | None = None
    append_only: bool = False
    options: Options = ()
    query: Query | None = None
    column_aliases: tuple[str, ...] = ()
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
class CreateSinkInto(CreateSink):
    """CREATE SINK INTO a table; `into_columns`: which of its columns are written, () for the first."""

    into: Name
    into_columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateSchema(Statement):
    """CREATE SCHEMA | DATABASE."""

    name: Name
    if_not_exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateFunction(Statement):
    """`params`: (name, type); "" of one that is only $1, $2, ...  `body`: an expression, or SELECT of one, as text.
    `strict`: NULL for any NULL."""

    name: Name
    params: tuple[tuple[str, str], ...]
    returns: str
    language: str
    body: str
    or_replace: bool = False
    strict: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop(Statement):
    """`kind`: topic, stream, table, view, materialized view, sink, source, schema, function, index, subscription.
    `arguments`: the types behind a function's name, if they are given."""

    kind: str
    name: Name
    if_exists: bool = False
    cascade: bool = False
    arguments: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment(Statement):
    """COMMENT ON kind name IS text; None removes it.  `arguments` as of Drop; `column`: of `name`, if it is on one."""

    kind: str
    name: Name
    comment: str | None
    arguments: tuple[str, ...] | None = None
    column: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncate(Statement):
    """TRUNCATE kind name."""

    kind: str
    name: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class Insert(Statement):
    """INSERT INTO target [(columns)] query; `query` covers VALUES too.  `conflict`: None, "nothing", "update".
    `with_text`, here and below: the WITH before the statement, whose items all its queries and expressions see."""

    target: Name
    columns: tuple[str, ...]
    query: Query
    conflict: str | None = None
    conflict_columns: tuple[str, ...] = ()
    conflict_set: tuple[tuple[str, str], ...] = ()
    returning: tuple[str, ...] = ()
    with_text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Update(Statement):
    """SET pairs and WHERE as SQL text (snapshot-executor expressions over the target's columns)."""

    target: Name
    assignments: tuple[tuple[str, str], ...]
    where: str | None
    from_text: str | None = None
    alias: str | None = None
    returning: tuple[str, ...] = ()
    with_text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete(Statement):
    """DELETE FROM target; clauses as SQL text, as in Update."""

    target: Name
    where: str | None
    using_text: str | None = None
    alias: str | None = None
    returning: tuple[str, ...] = ()
    with_text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeWhen:
    """A WHEN of MERGE.  match: "matched", "not matched", "not matched by source"; action: "update", "delete", "insert",
    "nothing".  columns and values: what SET or INSERT gives, expressions as SQL text; both are empty for `*`, which
    means all columns by name, and the columns alone for an INSERT without a list.
    """

    match: str
    condition: str | None
    action: str
    columns: tuple[str, ...] = ()
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge(Statement):
    """MERGE INTO target USING source ON condition WHEN ...; `source` is SQL text: a relation and its alias."""

    target: Name
    alias: str | None
    source: str
    condition: str
    whens: tuple[MergeWhen, ...]
    returning: tuple[str, ...] = ()
    with_text: str = ""


@dataclass(frozen=True, slots=True)
class WithItem:
    """An item of WITH that is run by itself, before what reads it; `is_read`: whether anything does.

    `statement` says what precedes it in its own WITH. What a query answers, or the RETURNING of what changes rows, is
    read under the name `rows`; `columns`: how many of its columns the item names itself.
    """

    name: str
    rows: str
    columns: int
    statement: Statement
    is_read: bool
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class With(Statement):
    """WITH with statements that write among its items: `items` are run each on its own, the first of them first;
    `with_text`: the WITH that a SELECT among its statements is under; those that write have it themselves.
    """

    items: tuple[WithItem, ...]
    with_text: str
    statement: Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyFrom(Statement):
    """COPY target [(columns)] FROM 'path' | STDIN (options)."""

    target: Name
    columns: tuple[str, ...]
    path: str | None
    options: Options = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyTo(Statement):
    """COPY target | (statement) TO 'path' | STDOUT (options); `statement`: SelectStatement or Subscribe."""

    statement: Statement
    path: str | None
    options: Options = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectStatement(Statement):
    """A query on its own; with `emit` it is followed until cancelled, or until so many changes have come (`limit`);
    `as_of`: text behind AS OF TICK or TIMESTAMP."""

    query: Query
    emit: Emit | None = None
    limit: int | None = None
    as_of: str = ""
    as_of_what: AsOf = "tick"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribe(Statement):
    """SUBSCRIBE [TO] a view or query; `as_of` as of SelectStatement."""

    query: Query
    options: Options = ()
    as_of: str = ""
    as_of_what: AsOf = "tick"


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
    """SET name = value; None stands for DEFAULT.  `local`: until the transaction ends."""

    name: str
    value: str | None
    local: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTransaction(Statement):
    """SET TRANSACTION and SET SESSION CHARACTERISTICS AS TRANSACTION: settings and their values."""

    values: tuple[tuple[str, str], ...]
    session: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Discard(Statement):
    """DISCARD ALL | PLANS | SEQUENCES | TEMP, as a lower-case word."""

    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset(Statement):
    """`name` None = RESET ALL."""

    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction(Statement):
    """`action`: begin, commit, rollback; or with the name of a savepoint: savepoint, release, rollback to."""

    action: str
    savepoint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen(Statement):
    """LISTEN channel."""

    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlisten(Statement):
    """UNLISTEN channel | * (None)."""

    channel: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify(Statement):
    """NOTIFY channel [, payload]."""

    channel: str
    payload: str = ""


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
class Refresh(Statement):
    """REFRESH MATERIALIZED VIEW name: returns when the view has seen its inputs' present end."""

    name: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint(Statement):
    """CHECKPOINT: returns when the state of everything acknowledged before is saved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintain(Statement):
    """VACUUM and ANALYZE (`command`) of some objects, or of all."""

    command: str
    names: tuple[Name, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsupported(Statement):
    """Grammatically known, not there yet: answers 0A000 naming `feature`."""

    feature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepare(Statement):
    """PREPARE name [(types)] AS statement."""

    name: str
    types: tuple[str, ...] = ()
    statement: Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Execute(Statement):
    """EXECUTE name [(values)]: texts of expressions."""

    name: str
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Deallocate(Statement):
    """DEALLOCATE [PREPARE] name | ALL (None)."""

    name: str | None = None
