"""ALTER: what changes columns, constraints, options and names of objects; CREATE INDEX."""

from __future__ import annotations

from sqlengine.quick_dataclass import dataclass
from sqlengine.sql.ast.constraints import CheckDef, UniqueDef
from sqlengine.sql.ast.statements import ColumnDef, Name, Options, Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class AddColumn(Statement):
    """ALTER TABLE | STREAM name ADD [COLUMN] [IF NOT EXISTS] definition; `kind`: table or stream, as it is said."""

    kind: str = "table"
    table: Name
    column: ColumnDef
    if_not_exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AddCheck(Statement):
    """ALTER TABLE name ADD [CONSTRAINT name] CHECK (...)."""

    table: Name
    check: CheckDef


@dataclass(frozen=True, slots=True, kw_only=True)
class AddUnique(Statement):
    """ALTER TABLE name ADD [CONSTRAINT name] UNIQUE (columns)."""

    table: Name
    unique: UniqueDef


@dataclass(frozen=True, slots=True, kw_only=True)
class AddPrimaryKey(Statement):
    """ALTER TABLE name ADD [CONSTRAINT constraint] PRIMARY KEY (columns), with the columns' places in the text."""

    table: Name
    columns: tuple[str, ...]
    positions: tuple[int, ...]
    constraint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateIndex(Statement):
    """CREATE [UNIQUE] INDEX [IF NOT EXISTS] [index] ON name (columns), with the columns' places in the text; `carried`:
    the columns, and their places, that it says it has beside them."""

    name: Name
    columns: tuple[str, ...]
    positions: tuple[int, ...]
    carried: tuple[tuple[str, int], ...] = ()
    index: str | None = None
    unique: bool = False
    nulls_equal: bool = False
    if_not_exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DropConstraint(Statement):
    """ALTER TABLE name DROP CONSTRAINT [IF EXISTS] name."""

    table: Name
    constraint: str
    if_exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDefault(Statement):
    """ALTER TABLE | STREAM name ALTER [COLUMN] column SET DEFAULT expression, or DROP DEFAULT (`default` None)."""

    kind: str = "table"
    table: Name
    column: str
    default: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterColumn(Statement):
    """Base: ALTER kind name ... of one column; `kind`: "table" or "stream", as it was written."""

    kind: str
    name: Name
    column: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameColumn(AlterColumn):
    """ALTER ... RENAME [COLUMN] column TO new_name."""

    new_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DropColumn(AlterColumn):
    """ALTER ... DROP [COLUMN] [IF EXISTS] column [CASCADE]."""

    if_exists: bool = False
    cascade: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SetType(AlterColumn):
    """ALTER ... ALTER [COLUMN] column [SET DATA] TYPE type [USING expression]; positions of both in the statement."""

    type_name: str
    type_position: int
    using: str | None = None
    using_position: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SetNotNull(AlterColumn):
    """ALTER ... ALTER [COLUMN] column SET NOT NULL, or DROP NOT NULL (`not_null` false)."""

    not_null: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterTable(Statement):
    """ALTER TABLE name action, action, ...: `actions` are statements of one action each."""

    name: Name
    actions: tuple[Statement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTableOptions(Statement):
    """ALTER TABLE ... SET (...)."""

    name: Name
    options: Options


@dataclass(frozen=True, slots=True, kw_only=True)
class Rename(Statement):
    """ALTER kind name RENAME TO new_name."""

    kind: str
    name: Name
    new_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSchema(Statement):
    """ALTER kind name SET SCHEMA schema."""

    kind: str
    name: Name
    schema: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapWith(Statement):
    """ALTER kind name SWAP WITH other."""

    kind: str
    name: Name
    other: Name
