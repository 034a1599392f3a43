"""What the rows of PostgreSQL's catalog are made of: the database's objects, the session, and who else is there."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from functools import cached_property
from typing import Any

from sqlengine.catalog.default_privileges import DefaultKey
from sqlengine.catalog.objects import (
    CatalogObject,
    ColumnInfo,
    FileTable,
    MaterializedView,
    Sink,
    Stream,
    Table,
    View,
    indexes_of,
    primary_key_name,
)
from sqlengine.catalog.pg import oids
from sqlengine.catalog.pg.locks import AdvisoryLocks
from sqlengine.catalog.pg.relations import PG_RELATIONS, PgRelation
from sqlengine.catalog.privileges import Grants
from sqlengine.catalog.roles import BOOTSTRAP_ID, BOOTSTRAP_NAME, Role, SettingPairs
from sqlengine.catalog.system import SystemTable
from sqlengine.errors import UndefinedObject, UndefinedTable
from sqlengine.pg_words import quote_ident
from sqlengine.quick_dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """One session as pg_stat_activity shows it; times in microseconds since 1970 UTC, None where there is none."""

    pid: int
    user: str
    database: str
    application_name: str = ""
    client_addr: str | None = None
    client_port: int | None = None
    backend_start_us: int | None = None
    xact_start_us: int | None = None
    query_start_us: int | None = None
    state_change_us: int | None = None
    state: str = "active"
    query: str = ""


def _nobody(pid: int) -> bool:
    return False


@dataclass(kw_only=True)
class Backend:
    """What a session is to PostgreSQL's functions; the defaults are those of a session within the program.

    `terminate` and `cancel` end another session, or its statement, by pid and say whether there was one; `activity`
    tells of every session of the server.
    """

    pid: int = field(default_factory=os.getpid)
    database: str = BOOTSTRAP_NAME
    client_addr: str | None = None
    client_port: int | None = None
    server_addr: str | None = None
    server_port: int | None = None
    start_us: int | None = None
    terminate: Callable[[int], bool] = _nobody
    cancel: Callable[[int], bool] = _nobody
    activity: Callable[[], Sequence[Activity]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionFact:
    """A row of pg_proc: types by their names in pg_type, `kind` f, a or w, `volatility` i, s or v."""

    oid: int
    name: str
    arguments: tuple[str, ...]
    argument_names: tuple[str, ...]
    result: str
    kind: str = "f"
    volatility: str = "i"
    strict: bool = True
    variadic: bool = False
    returns_set: bool = False
    schema: str = "pg_catalog"
    description: str | None = None
    language: str = "internal"
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Relation:
    """Something with columns: what pg_class has a row for."""

    oid: int
    schema: str
    name: str
    kind: str
    obj: CatalogObject
    columns: tuple[ColumnInfo, ...]

    def sequence_name(self, column: ColumnInfo) -> str:
        """What the sequence of an identity column is called."""
        return f"{self.name}_{column.name}_seq"

    @property
    def sequence_names(self) -> list[str]:
        """The sequences of its identity columns."""
        return [self.sequence_name(column) for column in self.columns if column.identity is not None]


NAMESPACES = {"pg_catalog": 11, "pg_toast": 99, "public": 2200, "information_schema": 13000, "system": 13001}
"""Schemas that are always there, and their oids."""

KINDS: tuple[tuple[type[CatalogObject], str], ...] = (
    (Stream, "r"),
    (Table, "r"),
    (FileTable, "r"),
    (View, "v"),
    (MaterializedView, "m"),
    (SystemTable, "v"),
)
"""The relkind of each class of objects; what is not here (sinks, functions, schemas) is no relation."""


def _anything(role: str, kind: str, oid: int, privileges: str, column: str | None = None) -> bool | None:
    return True


def _same(member: str, role: str, inherited: bool) -> bool:
    return member == role


def _nobody_refused(pid: int) -> None:
    return None


def _nobody_told(text: str) -> None:
    return None


@dataclass(frozen=True)
class Index:
    """An index on a relation; `constraint`: the oid of the constraint it is for, None for CREATE INDEX."""

    oid: int
    on: Relation
    name: str
    columns: tuple[str, ...]
    unique: bool
    primary: bool
    constraint: int | None
    nulls_equal: bool = False

    @property
    def numbers(self) -> list[int]:
        """The attribute numbers of its columns."""
        names = [c.name for c in self.on.columns]
        return [names.index(column) + 1 for column in self.columns]


def indexes_on(relation: Relation) -> list[Index]:
    """The primary key's index, then the secondary ones."""
    found, oid = [], relation.oid
    if isinstance(relation.obj, Table) and relation.obj.primary_key:
        name = primary_key_name(relation.obj)
        found.append(Index(oids.index(oid), relation, name, relation.obj.primary_key, True, True, oids.key(oid)))
    for i in indexes_of(relation.obj):
        constraint = oids.unique(oid, i.serial) if i.constraint else None
        found.append(
            Index(
                oids.secondary(oid, i.serial), relation, i.name, i.columns, i.unique, False, constraint, i.nulls_equal
            )
        )
    return found


@dataclass
class Facts:
    """One moment of the database as a session sees it.

    `user` is the session's current role, `session_user` whom it began as; `settings` gives a setting's text by name and
    raises UndefinedObject, `setting_number` the same without a unit; `rows` estimates a relation's rows, `bytes` what
    it takes; `check` raises when the statement was cancelled, `wait` lets seconds pass and checks.
    `may(role, kind, oid, privileges, column)` says whether a role has one of some privileges on an object, or a column
    of it ("": any), None when it is not there; the kinds are table, column, schema, database, sequence, function and
    other.  `is_member(member, role, inherited)` asks for memberships;
    `signal(pid)` raises when the user may not end what another session runs; `warn` tells the user something.
    """

    objects: Sequence[CatalogObject]
    oid_of: Callable[[str], int]
    backend: Backend
    user: str
    session_user: str
    settings: Callable[[str], str]
    setting_number: Callable[[str], str]
    set_setting: Callable[[str, str, bool], None]
    setting_names: Sequence[str] = ()
    roles: Sequence[Role] = ()
    settings_of_all: SettingPairs = ()
    defaults: Mapping[DefaultKey, Grants] = field(default_factory=dict)
    functions: Sequence[FunctionFact] = ()
    rows: Callable[[CatalogObject], int] = lambda obj: 0
    bytes: Callable[[CatalogObject], int] = lambda obj: 0
    check: Callable[[], None] = lambda: None
    wait: Callable[[float], None] = lambda seconds: None
    now_us: int = 0
    in_transaction: bool = False
    tick: int = 0
    system_tables: Mapping[str, SystemTable] = field(default_factory=dict)
    locks: AdvisoryLocks = field(default_factory=AdvisoryLocks)
    may: Callable[[str, str, int, str, str | None], bool | None] = _anything
    is_member: Callable[[str, str, bool], bool] = _same
    signal: Callable[[int], None] = _nobody_refused
    warn: Callable[[str], None] = _nobody_told

    _kept: dict[str, Any] = field(default_factory=dict, repr=False)

    # ------------------------------------------------------------ schemas and roles

    @cached_property
    def namespaces(self) -> dict[str, int]:
        """Schema -> oid."""
        return NAMESPACES | {o.name: self.oid_of(o.name) for o in self.objects if o.kind == "schema"}

    @cached_property
    def namespace_names(self) -> dict[int, str]:
        """Oid -> schema."""
        return {oid: name for name, oid in self.namespaces.items()}

    @cached_property
    def search_path(self) -> list[str]:
        """The schemas that are looked into, those of the system left out."""
        named = (part.strip().strip('"') for part in self.settings("search_path").split(","))
        found = (self.user if name == "$user" else name for name in named)
        return [name for name in dict.fromkeys(found) if name in self.namespaces]

    @cached_property
    def role_oids(self) -> dict[str, int]:
        """Role -> oid."""
        return {role.name: role.id for role in self.roles}

    @cached_property
    def role_names(self) -> dict[int, str]:
        """Oid -> role."""
        return {role.id: role.name for role in self.roles}

    @property
    def owner(self) -> int:
        """The oid of the role that owns what no user has made."""
        return BOOTSTRAP_ID

    def owner_name(self, relation: Relation) -> str:
        """The owner of a relation by name."""
        return self.role_names.get(relation.obj.owner, str(relation.obj.owner))

    # ------------------------------------------------------------ relations

    @cached_property
    def user_relations(self) -> list[Relation]:
        """Streams, tables and views, by name; helpers that the engine makes for itself left out."""
        found = []
        for obj in sorted(self.objects, key=lambda o: o.name):
            kind = next((k for cls, k in KINDS if isinstance(obj, cls)), None)
            if kind is not None and "$" not in obj.name:
                schema, _, name = obj.name.rpartition(".")
                found.append(Relation(self.oid_of(obj.name), schema or "public", name, kind, obj, obj.columns))
        return found

    @cached_property
    def system_relations(self) -> list[Relation]:
        """The system catalogs, and the tables of the schema `system`."""
        catalogs = [
            Relation(r.oid, r.schema, r.plain_name, r.relkind, r, r.columns)
            for r in PG_RELATIONS.values()
            if r.relkind != "f"
        ]
        own = [
            Relation(oids.SYSTEM_TABLES + i * oids.STEP, "system", t.name.partition(".")[2], "v", t, t.columns)
            for i, t in enumerate(self.system_tables.values())
        ]
        return catalogs + own

    @cached_property
    def relations(self) -> list[Relation]:
        """All of them."""
        return [*self.system_relations, *self.user_relations]

    @cached_property
    def by_oid(self) -> dict[int, Relation]:
        """Relations by oid; for indexes see `indexes`."""
        return {r.oid: r for r in self.relations}

    @cached_property
    def by_name(self) -> dict[tuple[str, str], Relation]:
        """Relations by (schema, name)."""
        return {(r.schema, r.name): r for r in self.relations}

    @cached_property
    def indexes(self) -> dict[int, Index]:
        """Primary keys' and secondary indexes by their oids."""
        return {index.oid: index for relation in self.user_relations for index in indexes_on(relation)}

    def visible(self, schema: str, name: str) -> bool:
        """Whether a plain name means the relation of that schema."""
        for found in ("pg_catalog", *self.search_path):
            if (found, name) in self.by_name or (found, name) in self.index_names:
                return found == schema
        return False

    @cached_property
    def index_names(self) -> dict[tuple[str, str], int]:
        """Indexes by (schema, name)."""
        return {(index.on.schema, index.name): oid for oid, index in self.indexes.items()}

    def relation_oid(self, text: str) -> int:
        """What `'name'::regclass` means: a number as it is, a name that may be qualified; UndefinedTable (42P01)."""
        if text.isdigit():
            return int(text)
        if text == "-":
            return 0
        found = self.find_relation(text)
        if found is None:
            raise UndefinedTable(f'relation "{text}" does not exist')
        return found

    def find_relation(self, text: str) -> int | None:
        """The oid of a relation or index by its name, None when there is none."""
        parts = split_name(text)
        schemas = [parts[-2]] if len(parts) > 1 else ["pg_catalog", *self.search_path]
        for schema in schemas:
            if (schema, parts[-1]) in self.by_name:
                return self.by_name[schema, parts[-1]].oid
            if (schema, parts[-1]) in self.index_names:
                return self.index_names[schema, parts[-1]]
            for relation in self.user_relations:
                if relation.schema == schema and parts[-1] in relation.sequence_names:
                    return oids.sequence(relation.oid)
        return None

    def relation_text(self, oid: int) -> str:
        """What a regclass prints as: the name, qualified where it is not visible; the number of an unknown one."""
        if oid == 0:
            return "-"
        if oid in self.indexes:
            schema, name = self.indexes[oid].on.schema, self.indexes[oid].name
        elif oid in self.by_oid:
            schema, name = self.by_oid[oid].schema, self.by_oid[oid].name
        else:
            return str(oid)
        plain = quote_ident(name)
        return plain if self.visible(schema, name) else f"{quote_ident(schema)}.{plain}"

    def namespace_oid(self, text: str) -> int:
        """What `'name'::regnamespace` means; UndefinedObject (3F000)."""
        name = split_name(text)[-1]
        if text.isdigit():
            return int(text)
        if name not in self.namespaces:
            raise UndefinedObject(f'schema "{name}" does not exist', sqlstate="3F000")
        return self.namespaces[name]

    def role_oid(self, text: str) -> int:
        """What `'name'::regrole` means; UndefinedObject (42704)."""
        name = split_name(text)[-1]
        if text.isdigit():
            return int(text)
        if name not in self.role_oids:
            raise UndefinedObject(f'role "{name}" does not exist')
        return self.role_oids[name]

    @cached_property
    def row_types(self) -> dict[int, tuple[int, bool]]:
        """Row types and their arrays by oid: (relation, whether it is the array)."""
        found = {oids.row_type(r.oid): (r.oid, False) for r in self.relations}
        return found | {oids.row_array(r.oid): (r.oid, True) for r in self.relations}

    def kept(self, name: str, make: Callable[[], Any]) -> Any:
        """What is worked out once for these facts."""
        if name not in self._kept:
            self._kept[name] = make()
        return self._kept[name]

    def depends(self, obj: CatalogObject) -> list[Relation]:
        """The relations that an object reads."""
        names = set(obj.depends_on()) if isinstance(obj, (View, MaterializedView, Sink)) else set()
        return [r for r in self.user_relations if r.obj.name in names]

    def is_system(self, relation: Relation) -> bool:
        """Whether it is one of PostgreSQL's own or of the schema `system`."""
        return isinstance(relation.obj, (PgRelation, SystemTable))


def split_name(text: str) -> list[str]:
    """The parts of a dotted name as PostgreSQL reads them: quoted ones as they are, others in lower case."""
    parts, at = [], 0
    while at <= len(text):
        at += len(text[at:]) - len(text[at:].lstrip())
        if text[at : at + 1] == '"':
            end = at + 1
            while end < len(text) and (text[end] != '"' or text[end : end + 2] == '""'):
                end += 2 if text[end] == '"' else 1
            parts.append(text[at + 1 : end].replace('""', '"'))
            dot = text.find(".", end)
            at = dot + 1 if dot >= 0 else len(text) + 1
        else:
            end = text.find(".", at)
            end = len(text) if end < 0 else end
            parts.append(text[at:end].strip().lower())
            at = end + 1
    return parts
