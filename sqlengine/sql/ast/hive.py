"""Statements that Hive has and we do not, or that say more there. Names are whole: the database is in them already."""

from __future__ import annotations

from sqlengine.quick_dataclass import dataclass
from sqlengine.sql.ast.queries import Query
from sqlengine.sql.ast.statements import CreateView, Name, Options, Statement

PartitionTest = tuple[str, str, str | None]
"""Of PARTITION (...): column, comparison ("" where only the column is named), text of the value (None for NULL)."""

PartitionSpec = tuple[PartitionTest, ...]


@dataclass(frozen=True, slots=True)
class HiveColumn:
    """A column of a table's definition: `type_text` as Hive writes it, None where a query says it."""

    name: str
    type_text: str | None
    comment: str = ""
    not_null: bool = False
    default: str | None = None
    primary_key: bool = False
    position: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLayout:
    """ROW FORMAT and STORED AS: `file_format` and `input_format` at most one, "" where nothing is said."""

    file_format: str = ""
    input_format: str = ""
    serde: str = ""
    serde_properties: Options = ()
    handler: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """USING of Spark: a format, and what OPTIONS say of its files, by lower-case name."""

    format: str
    options: Options = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateDatabase(Statement):
    """CREATE DATABASE with what CREATE SCHEMA does not have."""

    name: str
    if_not_exists: bool = False
    comment: str | None = None
    location: str = ""
    properties: Options = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterDatabase(Statement):
    """ALTER DATABASE ... SET: one of the fields is given."""

    name: str
    properties: Options | None = None
    location: str | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Buckets:
    """CLUSTERED BY (columns) SORTED BY (sorted) INTO number BUCKETS; `sorted`: names and whether descending."""

    columns: tuple[str, ...] = ()
    sorted: tuple[tuple[str, bool], ...] = ()
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Skewed:
    """SKEWED BY (columns) ON (rows) [STORED AS DIRECTORIES]; values as texts."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    as_directories: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateFileTable(Statement):
    """CREATE TABLE as Hive says it. `words`: external, temporary, transactional, managed; `query`: of AS SELECT;
    `like`: a table, `like_file`: (format, path) whose columns it takes; `source`: USING, in place of a layout."""

    name: Name
    words: frozenset[str] = frozenset()
    if_not_exists: bool = False
    columns: tuple[HiveColumn, ...] = ()
    partition_columns: tuple[HiveColumn, ...] = ()
    primary_key: tuple[str, ...] = ()
    comment: str = ""
    layout: FileLayout = FileLayout()
    location: str = ""
    properties: Options = ()
    buckets: Buckets = Buckets()
    skewed: Skewed | None = None
    query: Query | None = None
    like: Name | None = None
    like_file: tuple[str, str] | None = None
    source: Source | None = None
    or_replace: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DropTable(Statement):
    """DROP TABLE of Hive: a table that does not exist is no error there."""

    name: Name
    if_exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TableChange:
    """What ALTER TABLE changes. `verb` names the form, the other fields are what it says."""

    verb: str
    new_name: Name | None = None
    columns: tuple[HiveColumn, ...] = ()
    column: str = ""
    place: str | None = None
    partitions: tuple[tuple[PartitionSpec, str], ...] = ()
    if_exists: bool = False
    if_not_exists: bool = False
    properties: Options = ()
    layout: FileLayout = FileLayout()
    text: str = ""
    buckets: Buckets = Buckets()
    skewed: Skewed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterFileTable(Statement):
    """ALTER TABLE name [PARTITION (...)] change; of a view too."""

    name: Name
    partition: PartitionSpec | None = None
    change: TableChange


@dataclass(frozen=True, slots=True, kw_only=True)
class Msck(Statement):
    """MSCK REPAIR TABLE name [ADD | DROP | SYNC PARTITIONS], ALTER TABLE name RECOVER PARTITIONS."""

    name: Name
    adds: bool = True
    drops: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TruncateFiles(Statement):
    """TRUNCATE TABLE name [PARTITION (...)]."""

    name: Name
    partition: PartitionSpec | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Analyze(Statement):
    """ANALYZE TABLE name [PARTITION (...)] COMPUTE STATISTICS [FOR COLUMNS ...]; `columns` () means all of them."""

    name: Name
    partition: PartitionSpec | None = None
    columns: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HiveDescribe(Statement):
    """DESCRIBE [EXTENDED | FORMATTED] a table, a column of it, a partition; or a database or function (`kind`)."""

    kind: str
    name: Name
    column: str | None = None
    partition: PartitionSpec | None = None
    extended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HiveShow(Statement):
    """SHOW with Hive's answers: databases, tables, views, materialized views, partitions, create, create database,
    columns, tblproperties, table status, conf."""

    what: str
    name: Name | None = None
    database: str | None = None
    like: str | None = None
    partition: PartitionSpec | None = None
    key: str | None = None
    extended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Use(Statement):
    """USE database."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HiveSet(Statement):
    """SET name=value, SET name (`value` None), SET and SET -v (`name` None)."""

    name: str | None
    value: str | None = None
    verbose: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HiveReset(Statement):
    """RESET [name]."""

    name: str | None


@dataclass(frozen=True, slots=True)
class InsertTarget:
    """Where the rows of one query go: a table, or a `directory` with the layout of its files; `by_name`: columns are
    found by what the query calls its own."""

    query: Query
    name: Name = ()
    overwrite: bool = False
    partition: PartitionSpec = ()
    if_not_exists: bool = False
    columns: tuple[str, ...] = ()
    directory: str | None = None
    layout: FileLayout = FileLayout()
    by_name: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheTable(Statement):
    """CACHE TABLE of Spark: of what there is, or of a query under a new name."""

    name: Name
    query: Query | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UncacheTable(Statement):
    """UNCACHE TABLE of Spark; without a name CLEAR CACHE."""

    name: Name = ()
    if_exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshTable(Statement):
    """REFRESH [TABLE] of Spark: of a relation, or of files at a path."""

    name: Name = ()
    path: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HiveInsert(Statement):
    """INSERT INTO | OVERWRITE: one target, or several whose queries read the same source."""

    targets: tuple[InsertTarget, ...]

    @property
    def query(self) -> Query:
        """The first query: what EXPLAIN explains."""
        return self.targets[0].query


@dataclass(frozen=True, slots=True, kw_only=True)
class Load(Statement):
    """LOAD DATA [LOCAL] INPATH path [OVERWRITE] INTO TABLE name [PARTITION (...)]."""

    path: str
    name: Name
    local: bool = False
    overwrite: bool = False
    partition: PartitionSpec = ()
    serde: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Export(Statement):
    """EXPORT TABLE name [PARTITION (...)] TO directory."""

    name: Name
    path: str
    partition: PartitionSpec | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Import(Statement):
    """IMPORT [[EXTERNAL] TABLE name [PARTITION (...)]] FROM directory [LOCATION path]."""

    path: str
    name: Name | None = None
    partition: PartitionSpec | None = None
    external: bool = False
    location: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateMacro(Statement):
    """CREATE TEMPORARY MACRO name(parameters) expression: calls are replaced where text is read."""

    name: str
    parameters: tuple[str, ...]
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DropMacro(Statement):
    """DROP TEMPORARY MACRO [IF EXISTS] name."""

    name: str
    if_exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateHiveFunction(Statement):
    """CREATE [TEMPORARY] FUNCTION name AS 'class'; `implementation`: the text behind AS."""

    name: Name
    implementation: str
    temporary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DropHiveFunction(Statement):
    """DROP [TEMPORARY] FUNCTION [IF EXISTS] name."""

    name: Name
    if_exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AddResource(Statement):
    """ADD FILE | JAR path, and LIST and DELETE of the same; `verb` in lower case."""

    verb: str
    kind: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentedView(Statement):
    """CREATE [MATERIALIZED] VIEW with a COMMENT."""

    view: CreateView
    comment: str
