"""Catalog objects as frozen data, and their JSON form.

An object holds everything needed to run it again after a restart: names, types as SQL text where they are stored,
expressions and queries as the text the user wrote.  Nothing here parses, plans or runs.
"""

from __future__ import annotations

import base64
import dataclasses
from dataclasses import field
from typing import Any, ClassVar

import pyarrow as pa

from sqlengine import types
from sqlengine.catalog.privileges import Access, ColumnGrants, Grant, Grants
from sqlengine.catalog.roles import BOOTSTRAP_ID
from sqlengine.errors import UndefinedObject
from sqlengine.quick_dataclass import dataclass
from sqlengine.text_limits import TextLimit, limit_of


@dataclass(frozen=True, slots=True)
class ColumnInfo:
    """One column; at most one of `computed` (expression text), `metadata` (offset, partition, ...) is set; `identity`:
    "always" or "by default" of a column that numbers rows.

    `stored`: what its values are called in the topic and in checkpoints, if that is not `name`; no other column of the
    object is ever called so there. `before`: what rows from before the column have in it, text of an expression
    (None: NULL) over `reads`: pairs of what the expression calls a column and what that is called in the topic.
    `limit`: of a text declared VARCHAR(n) or CHAR(n).
    """

    name: str
    type: pa.DataType
    not_null: bool = False
    computed: str | None = None
    metadata: str | None = None
    default: str | None = None
    identity: str | None = None
    before: str | None = None
    stored: str | None = None
    reads: tuple[tuple[str, str], ...] = ()
    limit: TextLimit | None = None
    comment: str | None = None

    @property
    def type_text(self) -> str:
        """The type as SHOW and DESCRIBE print it."""
        return types.to_sql(self.type) if self.limit is None else self.limit.sql

    @property
    def stored_name(self) -> str:
        """What its values are called in the topic; of a computed column, in checkpoints alone."""
        return self.name if self.stored is None else self.stored


@dataclass(frozen=True, slots=True)
class CheckInfo:
    """`CHECK (expr)`: false refuses a row, NULL does not."""

    name: str
    expr: str


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """A secondary index by some columns. `unique`: no two rows have the same values, NULL aside; `constraint`: UNIQUE
    declared it, not CREATE INDEX; `serial`: its number among the object's indexes, for its oid; `nulls_equal`: of NULLS
    NOT DISTINCT."""

    name: str
    columns: tuple[str, ...]
    unique: bool = False
    constraint: bool = False
    serial: int = 0
    nulls_equal: bool = False


STREAM_QUERY = "$query"
"""Behind a stream's name: the name of the sink that writes it, for CREATE STREAM ... AS."""

REPLACEMENT = "$new"
"""Behind a materialized view's name: the name of what will take its place once it is up to date."""


CALL = "()"
"""Behind a function's name: what the catalog knows it by."""


FOLLOWED = "$files"
"""Behind the name of a table over files: the table of its rows that continuous queries read."""


@dataclass(frozen=True, slots=True)
class WatermarkInfo:
    """`WATERMARK FOR column AS expr`."""

    column: str
    expr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogObject:
    """Base: `name` is "name" in schema public, else "schema.name"; `owner` is a role's number, `grants` None those an
    object has from the beginning, `column_grants` those on single columns."""

    kind: ClassVar[str] = ""
    name: str
    columns: tuple[ColumnInfo, ...] = ()
    comment: str | None = None
    created_us: int = 0
    sql: str = ""
    owner: int = BOOTSTRAP_ID
    grants: Grants | None = None
    column_grants: ColumnGrants = ()

    @property
    def access(self) -> Access:
        """Who owns it and who may do what with it."""
        return Access(self.owner, self.grants, self.column_grants)

    def arrow_schema(self) -> pa.Schema:
        """The visible columns as an Arrow schema."""
        return pa.schema([pa.field(c.name, c.type, nullable=not c.not_null) for c in self.columns])

    def depends_on(self) -> tuple[str, ...]:
        """Names of the objects this one reads."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream(CatalogObject):
    """Append-only and typed over a topic; `connector` fills the topic when it is not "topic".

    `options` are the WITH options as given, lower-case keys; `retired`: columns it had, under their stored names, which
    older records have and newer columns may be made of.
    """

    kind: ClassVar[str] = "stream"
    topic: str
    format: str = "arrow"
    connector: str = "topic"
    watermark: WatermarkInfo | None = None
    options: dict[str, str] = field(default_factory=dict)
    owns_topic: bool = True
    retired: tuple[ColumnInfo, ...] = ()

    def stored_columns(self) -> tuple[ColumnInfo, ...]:
        """The columns that are in the topic's records."""
        return tuple(c for c in self.columns if c.computed is None and c.metadata is None)

    @property
    def key_columns(self) -> frozenset[str]:
        """The columns of unique keys, of which a stream has none."""
        return frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(CatalogObject):
    """Mutable; its topic is its changelog.  Without a primary key a hidden row id stands in.

    `key_name`: of the primary key, None for PostgreSQL's; `key_added`: it was declared when the table was there
    already, so that rows are kept and written as those of a table without one: its history may have a key twice.
    `identity_next`: no number from here on has been given out to a row; `retired`: as of a stream; `virtual_columns`:
    so many of the last columns are no part of a row (only of what stands for a table of files in a plan).
    """

    kind: ClassVar[str] = "table"
    topic: str
    primary_key: tuple[str, ...] = ()
    key_name: str | None = None
    key_added: bool = False
    append_only: bool = False
    watermark: WatermarkInfo | None = None
    options: dict[str, str] = field(default_factory=dict)
    checks: tuple[CheckInfo, ...] = ()
    identity_next: int = 1
    retired: tuple[ColumnInfo, ...] = ()
    indexes: tuple[IndexInfo, ...] = ()
    virtual_columns: int = 0

    def stored_columns(self) -> tuple[ColumnInfo, ...]:
        """Every column that is not computed."""
        return tuple(c for c in self.columns if c.computed is None)

    def unique_keys(self) -> tuple[IndexInfo, ...]:
        """The primary key, if there is one, then what else no two rows may have in common."""
        found = tuple(index for index in self.indexes if index.unique)
        if not self.primary_key:
            return found
        return (IndexInfo(primary_key_name(self), self.primary_key, True, True, -1), *found)

    @property
    def key_columns(self) -> frozenset[str]:
        """The columns of its unique keys."""
        return frozenset(name for key in self.unique_keys() for name in key.columns)

    @property
    def row_key(self) -> tuple[str, ...]:
        """The columns by which its rows are kept and written; () for whole rows."""
        return () if self.key_added else self.primary_key


HiveColumns = tuple[tuple[str, str, str], ...]
"""Name, Hive's type text, comment."""
PartitionValues = tuple[str | None, ...]
"""A partition's values as texts, None for NULL."""
PartitionFormat = tuple[PartitionValues, str, str, tuple[tuple[str, str], ...]]
"""A partition's values, the file format, the SerDe's class or "", and the SerDe's properties."""
Skewed = tuple[tuple[str, ...], tuple[tuple[str, ...], ...], bool]
"""Columns, the rows of their values that many rows have, and whether each is to have a directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTable(CatalogObject):
    """A table of Hive's: rows in files below `location`, as `hive_columns` and `partition_columns` say;
    `columns` are both.

    `sort_columns`: (name, whether descending) of SORTED BY; `skewed`: of SKEWED BY, its columns, the rows of values,
    and whether STORED AS DIRECTORIES was said. `file_format`: a word of STORED AS; `serde`: the class of ROW FORMAT
    SERDE or "". `formats`: of partitions whose files are stored in another way. `located`: partitions that are not
    where their values say; `hidden`: partitions on disk that were dropped. `statistics`: of ANALYZE TABLE, by what was
    counted, as texts.
    """

    kind: ClassVar[str] = "table"
    stored_kind: ClassVar[str] = "file table"
    location: str
    hive_columns: HiveColumns
    partition_columns: HiveColumns = ()
    file_format: str = "textfile"
    serde: str = ""
    serde_properties: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    is_external: bool = False
    bucket_columns: tuple[str, ...] = ()
    num_buckets: int = 0
    sort_columns: tuple[tuple[str, bool], ...] = ()
    skewed: Skewed | None = None
    formats: tuple[PartitionFormat, ...] = ()
    located: tuple[tuple[PartitionValues, str], ...] = ()
    hidden: tuple[PartitionValues, ...] = ()
    statistics: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class View(CatalogObject):
    """A name for a query, expanded at use."""

    kind: ClassVar[str] = "view"
    query: str
    inputs: tuple[str, ...] = ()

    def depends_on(self) -> tuple[str, ...]:
        return self.inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class EmitInfo:
    """When a continuous query speaks; intervals in microseconds."""

    mode: str = "changes"
    every_us: int | None = None
    lateness_us: int | None = None
    timeout_us: int | None = None


@dataclass(frozen=True, slots=True)
class PlanningInfo:
    """What a plan depended on besides its query and the objects it reads: the rows these had, and the rules left out.

    Kept, because the plan must be the same when the database is opened again: state fits no other. `names` and `texts`
    are what it was made of before columns were renamed: by object the names of its columns by their stored ones, and
    the queries of views, the own one under "" (catalog/seen.py); `keys`: the primary keys of tables then.
    """

    rows: dict[str, int] = field(default_factory=dict)
    disabled_rules: str = ""
    names: dict[str, dict[str, str]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    keys: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterializedView(CatalogObject):
    """A continuous query whose contents can be read; `query_id` names it in SHOW QUERIES.

    `filling`: it was made in the background and has not been up to date yet.
    """

    kind: ClassVar[str] = "materialized view"
    query: str
    query_id: str
    emit: EmitInfo = field(default_factory=EmitInfo)
    inputs: tuple[str, ...] = ()
    options: dict[str, str] = field(default_factory=dict)
    planning: PlanningInfo = field(default_factory=PlanningInfo)
    filling: bool = False
    paused: bool = False
    indexes: tuple[IndexInfo, ...] = ()

    def depends_on(self) -> tuple[str, ...]:
        return self.inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Sink(CatalogObject):
    """A continuous query whose changes leave through a connector or into a topic; `filling` as of a view."""

    kind: ClassVar[str] = "sink"
    query: str
    query_id: str
    connector: str
    emit: EmitInfo = field(default_factory=EmitInfo)
    inputs: tuple[str, ...] = ()
    options: dict[str, str] = field(default_factory=dict)
    planning: PlanningInfo = field(default_factory=PlanningInfo)
    filling: bool = False
    paused: bool = False

    def depends_on(self) -> tuple[str, ...]:
        return self.inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription(Sink):
    """A sink into a topic of the engine's own: the changes of one materialized view or table, tick by tick.

    `retention_us`: how long changes are kept at least, None for ever; `columns`: those of the view when it was made.
    """

    kind: ClassVar[str] = "subscription"
    retention_us: int | None = None

    @property
    def of(self) -> str:
        """The name of the view or table."""
        return self.inputs[0]

    @property
    def topic(self) -> str:
        """The topic of its changes."""
        return self.options["topic"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSink(Sink):
    """A sink whose changes go into a table, by way of a topic of the engine's own.

    `into`: the table's name; `targets`: its columns that are written, by their stored names, in the order of the
    query's; `inserts_only`: rows that the query takes back stay.
    """

    stored_kind: ClassVar[str] = "table sink"
    into: str
    targets: tuple[str, ...]
    inserts_only: bool = False

    @property
    def topic(self) -> str:
        """Where its changes wait."""
        return self.options["topic"]

    def depends_on(self) -> tuple[str, ...]:
        return (*self.inputs, self.into)


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlFunction(CatalogObject):
    """CREATE FUNCTION ... LANGUAGE sql: `params` are (name, type), "" where it has no name, `body` an expression over
    them or SELECT of one; `inputs`: the functions it calls.  `name` ends in (): a relation may be called the same."""

    kind: ClassVar[str] = "function"
    params: tuple[tuple[str, str], ...]
    returns: str
    body: str
    strict: bool = False
    inputs: tuple[str, ...] = ()

    @property
    def called(self) -> str:
        """The name that calls it."""
        return self.name.removesuffix(CALL)

    def depends_on(self) -> tuple[str, ...]:
        return self.inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace(CatalogObject):
    """A schema. `location`: where tables of files are, "" for the usual place; `properties`: of WITH DBPROPERTIES."""

    kind: ClassVar[str] = "schema"
    location: str = ""
    properties: dict[str, str] = field(default_factory=dict)


OBJECT_TYPES: tuple[type[CatalogObject], ...] = (
    Stream,
    Table,
    FileTable,
    View,
    MaterializedView,
    Sink,
    Subscription,
    TableSink,
    SqlFunction,
    Namespace,
)
_BY_KIND = {getattr(cls, "stored_kind", cls.kind): cls for cls in OBJECT_TYPES}


def indexes_of(obj: CatalogObject) -> tuple[IndexInfo, ...]:
    """The secondary indexes of an object; () of what can have none."""
    return obj.indexes if isinstance(obj, (Table, MaterializedView)) else ()


def primary_key_name(table: Table) -> str:
    """What the primary key of a table is called, or would be."""
    return table.key_name or f"{table.name.rpartition('.')[2]}_pkey"


def kept_columns(new: CatalogObject, old: CatalogObject) -> ColumnGrants:
    """What was granted on columns that an object which takes another's place has as well."""
    names = {column.name for column in new.columns}
    return tuple((name, grants) for name, grants in old.column_grants if name in names)


def to_json(obj: CatalogObject) -> dict[str, Any]:
    """The JSON form; types as SQL text."""
    lists = {name: getattr(obj, name) for name in ("columns", "retired") if hasattr(obj, name)}
    record = {f.name: None if f.name in lists else _plain(getattr(obj, f.name)) for f in dataclasses.fields(obj)}
    record |= {name: [_column_to_json(column) for column in columns] for name, columns in lists.items()}
    for index in record.get("indexes") or ():
        if not index["nulls_equal"]:
            del index["nulls_equal"]
    for name in _ABSENT_WHEN_EMPTY:
        if not record.get(name, True):
            del record[name]
    planning = record.get("planning")
    for name in ("names", "texts", "keys"):
        if planning is not None and not planning[name]:
            del planning[name]
    record["kind"] = getattr(obj, "stored_kind", obj.kind)
    return record


def _plain(value: Any) -> Any:
    """As dataclasses.asdict has it, which copies every text and number, too."""
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return dict(value)
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return value


_ABSENT_WHEN_EMPTY = (
    "key_name",
    "key_added",
    "retired",
    "indexes",
    "location",
    "properties",
    "statistics",
    "virtual_columns",
    "sort_columns",
    "skewed",
    "formats",
)
"""Fields that came later: where they say nothing, versions that do not know them can go on."""


def _column_to_json(info: ColumnInfo) -> dict[str, Any]:
    record = {f.name: getattr(info, f.name) for f in dataclasses.fields(info)} | {"type": types.to_sql(info.type)}
    if not _is_spelt(info.type):
        record["arrow"] = base64.b64encode(pa.schema([("", info.type)]).serialize()).decode()
    record["limit"] = None if info.limit is None else info.limit.sql
    for name in ("stored", "reads", "limit", "comment"):
        if not record[name]:
            del record[name]
    return record


def _is_spelt(kind: pa.DataType) -> bool:
    """Whether the type's SQL text says all of it."""
    try:
        return types.from_sql(types.to_sql(kind)) == kind
    except UndefinedObject:
        return False


def _column_from_json(record: dict[str, Any]) -> ColumnInfo:
    reads = tuple((name, stored) for name, stored in record.get("reads", ()))
    fields = dict(record)
    arrow = fields.pop("arrow", None)
    if arrow is None:
        kind = types.from_sql(record["type"])
    else:
        kind = pa.ipc.read_schema(pa.BufferReader(base64.b64decode(arrow))).field(0).type
    limit = limit_of(record["limit"]) if record.get("limit") else None
    return ColumnInfo(**{**fields, "type": kind, "reads": reads, "limit": limit})


def from_json(record: dict[str, Any]) -> CatalogObject:
    """The inverse of `to_json`; unknown fields of newer versions are an error of the caller's format check."""
    fields = dict(record)
    cls = _BY_KIND[fields.pop("kind")]
    for name in ("columns", "retired"):
        if name in fields:
            fields[name] = tuple(_column_from_json(c) for c in fields[name])
    if fields.get("watermark"):
        fields["watermark"] = WatermarkInfo(**fields["watermark"])
    if "checks" in fields:
        fields["checks"] = tuple(CheckInfo(**c) for c in fields["checks"])
    if "indexes" in fields:
        fields["indexes"] = tuple(IndexInfo(**{**i, "columns": tuple(i["columns"])}) for i in fields["indexes"])
    if "emit" in fields:
        fields["emit"] = EmitInfo(**fields["emit"])
    if "planning" in fields:
        fields["planning"] = PlanningInfo(**fields["planning"])
    if "params" in fields:
        fields["params"] = tuple(tuple(p) for p in fields["params"])
    for name in ("primary_key", "inputs", "bucket_columns", "targets"):
        if name in fields:
            fields[name] = tuple(fields[name])
    if fields.get("skewed"):
        names, rows, as_directories = fields["skewed"]
        fields["skewed"] = (tuple(names), tuple(tuple(row) for row in rows), as_directories)
    if "formats" in fields:
        fields["formats"] = tuple(
            (tuple(values), stored, serde, tuple((key, value) for key, value in pairs))
            for values, stored, serde, pairs in fields["formats"]
        )
    for name in ("hive_columns", "partition_columns", "hidden", "sort_columns"):
        if name in fields:
            fields[name] = tuple(tuple(each) for each in fields[name])
    if "located" in fields:
        fields["located"] = tuple((tuple(values), path) for values, path in fields["located"])
    if fields.get("grants") is not None:
        fields["grants"] = grants_from_json(fields["grants"])
    given = fields.get("column_grants", ())
    fields["column_grants"] = tuple((name, grants_from_json(grants)) for name, grants in given)
    return cls(**fields)


def grants_from_json(records: list[dict[str, Any]]) -> Grants:
    """Grants as a journal keeps them."""
    return tuple(Grant(r["grantee"], r["grantor"], tuple(r["privileges"]), tuple(r["grantable"])) for r in records)
