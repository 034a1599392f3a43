"""The catalog proper: objects by name, look-ups that explain themselves, dependents, durability through a journal."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, TypeVar

from sqlengine.catalog.default_privileges import DefaultKey
from sqlengine.catalog.objects import (
    REPLACEMENT,
    STREAM_QUERY,
    CatalogObject,
    FileTable,
    MaterializedView,
    Namespace,
    Sink,
    Stream,
    Table,
    TableSink,
    View,
    from_json,
    grants_from_json,
    to_json,
)
from sqlengine.catalog.pg.relations import PG_RELATIONS, pg_relation
from sqlengine.catalog.privileges import Access, Grants
from sqlengine.catalog.roles import Roles
from sqlengine.catalog.system import SYSTEM_TABLES
from sqlengine.catalog.verifier import unguessable
from sqlengine.errors import (
    DependentObjects,
    DuplicateTable,
    UndefinedObject,
    UndefinedTable,
    WrongObjectType,
    did_you_mean,
)

T = TypeVar("T", bound=CatalogObject)
Journal = Callable[[dict[str, Any]], None]
DEFAULT_SCHEMA = "public"
FIRST_OID = 16384
"""PostgreSQL gives lower ones to what it is born with."""
OIDS_PER_OBJECT = 2048
"""An object's own oid and those of what belongs to it, its row type, indexes and defaults: catalog/pg/oids.py."""


def object_name(parts: tuple[str, ...]) -> str:
    """The catalog key of a possibly qualified name: schema public is not spelt out."""
    kept = parts[-2:]
    return kept[-1] if len(kept) == 1 or kept[0] == DEFAULT_SCHEMA else ".".join(kept)


def _written_stream(obj: CatalogObject) -> str:
    """The stream that a query of CREATE STREAM ... AS writes; "" for anything else."""
    return obj.name.removesuffix(STREAM_QUERY) if obj.name.endswith(STREAM_QUERY) else ""


class Catalog:
    """All objects; every change is first written to `journal` (which may raise), then visible.

    Not thread-safe by itself: the engine's lock guards it.
    """

    def __init__(self, journal: Journal | None = None) -> None:
        self._objects: dict[str, CatalogObject] = {}
        self._held: set[str] = set()
        self._unowned: set[str] = set()
        self._journal = journal
        self._access: dict[tuple[str, str], Access] = {}
        self._defaults: dict[DefaultKey, Grants] = {}
        self._secret: bytes | None = None
        self.roles = Roles(self._write)
        self._oids: dict[str, int] = {}
        self._next_oid = FIRST_OID
        self.version = 0

    @classmethod
    def load(cls, records: list[dict[str, Any]], journal: Journal) -> Catalog:
        """Rebuild from journal records (`put` and `drop`), then go on journaling."""
        catalog = cls()
        for record in records:
            if record["op"] == "put":
                obj = from_json(record["object"])
                catalog._number(obj.name, record.get("oid"))
                catalog._objects[obj.name] = obj
                catalog._unowned.discard(getattr(obj, "topic", ""))
            elif record["op"] == "drop":
                catalog._forget(record["name"])
            elif record["op"] == "change":
                catalog._take_change(record)
            elif record["op"] == "topic":
                (catalog._unowned.add if record["unowned"] else catalog._unowned.discard)(record["name"])
            elif record["op"] == "roles":
                catalog.roles.replay(record)
            elif record["op"] == "access":
                catalog._take_access(record["kind"], record["name"], _access_from_json(record["access"]))
            elif record["op"] == "default":
                catalog._take_default(_key_from_json(record["key"]), _grants_or_none(record["grants"]))
            elif record["op"] == "secret":
                catalog._secret = bytes.fromhex(record["secret"])
        catalog._journal = journal
        return catalog

    def oid(self, name: str) -> int:
        """The number PostgreSQL's catalog knows an object by: the same as long as the object lives, under any name."""
        return self._oids[name]

    def _number(self, name: str, given: int | None = None) -> None:
        """Give an object its number; one that takes another's place under the same name has that one's."""
        if given is not None:
            self._oids[name] = given
        elif name not in self._oids:
            self._oids[name] = self._next_oid
        self._next_oid = max(self._next_oid, self._oids[name] + OIDS_PER_OBJECT)

    def _forget(self, name: str) -> None:
        self._objects.pop(name, None)
        self._oids.pop(name, None)
        self._defaults = {key: grants for key, grants in self._defaults.items() if key[1] != name}

    def __iter__(self) -> Iterator[CatalogObject]:
        return iter(list(self._objects.values()))

    def __contains__(self, name: str) -> bool:
        return name in self._objects

    def find(self, parts: tuple[str, ...]) -> CatalogObject | None:
        """The object of that name, or None."""
        return self._objects.get(object_name(parts))

    def get(self, parts: tuple[str, ...], position: int | None = None) -> CatalogObject:
        """The object or system table of that name; UndefinedTable (42P01) with the nearest names."""
        name = object_name(parts)
        found = self._objects.get(name) or SYSTEM_TABLES.get(name) or pg_relation(name)
        if found is None:
            near = did_you_mean(name, [*self._objects, *SYSTEM_TABLES, *(PG_RELATIONS if "pg_" in name else ())])
            raise UndefinedTable(f'relation "{name}" does not exist', hint=near, position=position)
        return found

    def get_as(self, cls: type[T], parts: tuple[str, ...], position: int | None = None) -> T:
        """`get`, and the object must be of class `cls`: WrongObjectType (42809) or, if absent, 42P01 / 42704."""
        name = object_name(parts)
        found = self._objects.get(name)
        if found is None:
            near = [o.name for o in self._objects.values() if o.kind == cls.kind]
            error = UndefinedObject if cls.kind in ("sink", "subscription", "function", "schema") else UndefinedTable
            sqlstate = "3F000" if cls.kind == "schema" else None
            raise error(
                f'{cls.kind} "{name}" does not exist',
                hint=did_you_mean(name, near),
                position=position,
                sqlstate=sqlstate,
            )
        if isinstance(found, FileTable) and cls.kind == found.kind and not isinstance(found, cls):
            raise WrongObjectType(
                f'"{name}" is a table over files, whose rows cannot be changed one by one',
                hint="INSERT OVERWRITE writes them anew; a table with 'transactional'='true' or a primary key can be "
                "changed",
                position=position,
            )
        if not isinstance(found, cls) or found.kind != cls.kind:
            raise WrongObjectType(
                f'"{name}" is not a {cls.kind}',
                hint=f"it is a {found.kind}: use DROP {found.kind.upper()}",
                position=position,
            )
        return found

    def add(self, obj: CatalogObject, *, replace_existing: bool = False) -> None:
        """Register; DuplicateTable (42P07) when the name is taken, UndefinedObject (3F000) for an unknown schema."""
        if obj.name in self._objects and not replace_existing:
            raise DuplicateTable(f'relation "{obj.name}" already exists')
        schema, dot, _ = obj.name.rpartition(".")
        if dot and not isinstance(obj, Namespace) and not isinstance(self._objects.get(schema), Namespace):
            raise UndefinedObject(f'schema "{schema}" does not exist', sqlstate="3F000")
        self._number(obj.name)
        self._write({"op": "put", "object": to_json(obj), "oid": self._oids[obj.name]})
        self._held.discard(obj.name)
        self._objects[obj.name] = obj
        self._unowned.discard(getattr(obj, "topic", ""))

    def hold(self, obj: CatalogObject) -> None:
        """Register what is only being made: known like any other, but not journaled; raises as `add` does."""
        journal, self._journal = self._journal, None
        unowned = set(self._unowned)
        try:
            self.add(obj)
        finally:
            self._journal, self._unowned = journal, unowned
        self._held.add(obj.name)

    def release(self, obj: CatalogObject) -> None:
        """Forget what was being made and did not come about; nothing when it has been added or dropped."""
        if obj.name in self._held and self._objects.get(obj.name) is obj:
            self._held.discard(obj.name)
            self._forget(obj.name)

    def is_held(self, name: str) -> bool:
        """Whether an object is only being made."""
        return name in self._held

    def update(self, obj: T, **changes: Any) -> T:
        """Replace fields of an object (not its name)."""
        new = replace(obj, **changes)
        self._write({"op": "put", "object": to_json(new), "oid": self._oids[new.name]})
        self._objects[new.name] = new
        return new

    def change(
        self, objects: Sequence[CatalogObject], without: Collection[str] = (), unowned: Collection[str] = ()
    ) -> None:
        """Add or replace several objects, forget those of the names `without`, and note that the topics `unowned`
        outlive theirs for a moment, in one step that happens or does not.
        """
        for obj in objects:
            self._number(obj.name)
        self._change(objects, {obj.name: self._oids[obj.name] for obj in objects}, without, unowned)

    def rename(self, renamed: Mapping[str, CatalogObject]) -> None:
        """Give the objects of some names others, in one step; their numbers stay."""
        self._change(tuple(renamed.values()), {new.name: self._oids[old] for old, new in renamed.items()}, renamed, ())

    def _change(
        self,
        objects: Sequence[CatalogObject],
        oids: Mapping[str, int],
        without: Collection[str],
        unowned: Collection[str],
    ) -> None:
        told = [name for name in without if name not in self._held]
        if objects or told or unowned:
            record = {"op": "change", "objects": [to_json(obj) for obj in objects], "oids": dict(oids)}
            self._write({**record, "without": told, "unowned": list(unowned)})
        self._take(objects, oids, without, unowned)

    def _take(
        self,
        objects: Sequence[CatalogObject],
        oids: Mapping[str, int],
        without: Collection[str],
        unowned: Collection[str],
    ) -> None:
        for name in without:
            self._forget(name)
            self._held.discard(name)
        for obj in objects:
            self._number(obj.name, oids.get(obj.name))
            self._objects[obj.name] = obj
            self._held.discard(obj.name)
            self._unowned.discard(getattr(obj, "topic", ""))
        self._unowned.update(unowned)

    def _take_change(self, record: Mapping[str, Any]) -> None:
        """One that is read again; in older ones one object at most is forgotten, whose number its new name has."""
        objects, without, oids = [from_json(one) for one in record["objects"]], record["without"], record.get("oids")
        if oids is None:
            renamed = [obj.name for obj in objects if obj.name not in self._objects and without in self._oids]
            oids, without = dict.fromkeys(renamed, self._oids.get(without, 0)), [without]
        self._take(objects, oids, without, record.get("unowned", ()))

    def with_object(self, obj: CatalogObject) -> Catalog:
        """A catalog that has `obj` as well or in another's place, and is kept nowhere."""
        other = Catalog()
        other._objects = {**self._objects, obj.name: obj}
        other._access, other._defaults, other.roles = self._access, self._defaults, self.roles
        other._oids = dict(self._oids)
        other._number(obj.name)
        return other

    def in_order(self) -> list[CatalogObject]:
        """All objects, each behind what it reads; a stream AS behind the query that writes it."""
        ordered: dict[str, CatalogObject] = {}

        def visit(obj: CatalogObject) -> None:
            if obj.name not in ordered:
                for name in (*obj.depends_on(), obj.name + STREAM_QUERY):
                    if name in self._objects:
                        visit(self._objects[name])
                ordered[obj.name] = obj

        for obj in self:
            visit(obj)
        return list(ordered.values())

    def way(self, start: str, names: Collection[str]) -> list[str]:
        """How rows of an object come to one of `names`, through views, streams AS and sinks into tables: the names of
        all that they come through, ends included; [] where they do not."""
        ways = {name: [name] for name in names}
        todo = list(ways)
        while todo and start not in ways:
            name = todo.pop()
            for above in self._feeds(name):
                if above not in ways:
                    ways[above] = [above, *ways[name]]
                    todo.append(above)
        return ways.get(start, [])

    def _feeds(self, name: str) -> list[str]:
        """The names of what an object gets its rows from."""
        obj = self._objects.get(name)
        if isinstance(obj, Table):
            return [o.name for o in self._objects.values() if isinstance(o, TableSink) and o.into == name]
        if isinstance(obj, Stream):
            return [name + STREAM_QUERY] if name + STREAM_QUERY in self._objects else []
        return list(obj.inputs) if isinstance(obj, (View, MaterializedView, Sink)) else []

    def dependents(self, name: str) -> list[CatalogObject]:
        """Everything that reads `name`, directly or not, nearest last: the order to drop in is this list's.  Who reads
        what a stream AS is written from reads the stream."""
        direct = [o for o in self._objects.values() if name in o.depends_on()]
        written = [self._objects[n] for o in direct if (n := _written_stream(o)) in self._objects]
        found: list[CatalogObject] = []
        for obj in (*written, *direct):
            for indirect in [*self.dependents(obj.name), obj]:
                if indirect not in found:
                    found.append(indirect)
        return found

    def dependencies(self, name: str, kind: str) -> list[str]:
        """What depends on an object and on what that depends, nearest first: "view b depends on table a"."""
        kinds = {name: kind}
        lines = []
        for obj in reversed(self.dependents(name)):
            shown = _written_stream(obj) or obj.name.removesuffix(REPLACEMENT)
            kinds[obj.name] = kinds[shown] = "stream" if shown != obj.name and _written_stream(obj) else obj.kind
            on = [n for n in obj.depends_on() if n in kinds]
            lines += [f"{kinds[shown]} {shown} depends on {kinds[n]} {n}" for n in on]
        return list(dict.fromkeys(lines))

    def refuse_if_needed(self, name: str, kind: str, what: str = "drop") -> None:
        """DependentObjects (2BP01) naming what still reads `name`."""
        lines = self.dependencies(name, kind)
        if lines:
            raise DependentObjects(
                f"cannot {what} {kind} {name} because other objects depend on it",
                detail="\n".join(lines),
                hint="use DROP ... CASCADE to drop the dependent objects too" if what == "drop" else "drop them first",
            )

    # ------------------------------------------------------------ what is no object of its own

    @property
    def unowned_topics(self) -> frozenset[str]:
        """Topics that belong to an object that is being made or dropped: left behind by a crash, they go."""
        return frozenset(self._unowned)

    def note_unowned(self, topic: str) -> None:
        """A topic is made for an object to come, or outlives its object for a moment."""
        self._write({"op": "topic", "name": topic, "unowned": True})
        self._unowned.add(topic)

    def forget_unowned(self, topic: str) -> None:
        """It is gone, or somebody wants it as it is; nothing for others."""
        if topic in self._unowned:
            self._write({"op": "topic", "name": topic, "unowned": False})
            self._unowned.discard(topic)

    def access_of(self, kind: str, name: str) -> Access | None:
        """Owner and grants of a topic, of a function of the program or of the schema public; None: none were set."""
        return self._access.get((kind, name))

    def has_access_of(self, kind: str) -> bool:
        """Whether `access_of` knows anything of a kind."""
        return any(known == kind for known, _ in self._access)

    def accesses(self) -> list[tuple[str, str, Access]]:
        """(kind, name, access) of everything `access_of` knows."""
        return [(kind, name, access) for (kind, name), access in sorted(self._access.items())]

    def set_access(self, kind: str, name: str, access: Access | None) -> None:
        """Set or forget what `access_of` answers."""
        if access != self._access.get((kind, name)):
            kept = None if access is None else asdict(access)
            self._write({"op": "access", "kind": kind, "name": name, "access": kept})
            self._take_access(kind, name, access)

    def _take_access(self, kind: str, name: str, access: Access | None) -> None:
        if access is None:
            self._access.pop((kind, name), None)
        else:
            self._access[kind, name] = access

    @property
    def defaults(self) -> Mapping[DefaultKey, Grants]:
        """What ALTER DEFAULT PRIVILEGES has said."""
        return self._defaults

    def set_default(self, key: DefaultKey, grants: Grants | None) -> None:
        """Set or forget what new objects allow."""
        if grants != self._defaults.get(key):
            kept = None if grants is None else [asdict(grant) for grant in grants]
            self._write({"op": "default", "key": list(key), "grants": kept})
            self._take_default(key, grants)

    def _take_default(self, key: DefaultKey, grants: Grants | None) -> None:
        if grants is None:
            self._defaults.pop(key, None)
        else:
            self._defaults[key] = grants

    def secret(self) -> bytes:
        """Bytes nobody else knows, the same for the life of the database."""
        if self._secret is None:
            made = unguessable(32)
            self._write({"op": "secret", "secret": made.hex()})
            self._secret = made
        return self._secret

    def records(self) -> list[dict[str, Any]]:
        """The journal that would rebuild the present state, for compaction."""
        kept = (o for o in self._objects.values() if o.name not in self._held)
        records: list[dict[str, Any]] = [{"op": "put", "object": to_json(o), "oid": self._oids[o.name]} for o in kept]
        records += [{"op": "topic", "name": name, "unowned": True} for name in sorted(self._unowned)]
        records.append(self.roles.record())
        for (kind, name), access in self._access.items():
            records.append({"op": "access", "kind": kind, "name": name, "access": asdict(access)})
        for key, grants in self._defaults.items():
            records.append({"op": "default", "key": list(key), "grants": [asdict(grant) for grant in grants]})
        if self._secret is not None:
            records.append({"op": "secret", "secret": self._secret.hex()})
        return records

    def _write(self, record: dict[str, Any]) -> None:
        if self._journal is not None:
            self._journal(record)
        self.version += 1


def _access_from_json(record: dict[str, Any] | None) -> Access | None:
    if record is None:
        return None
    return Access(record["owner"], _grants_or_none(record["grants"]))


def _grants_or_none(records: list[dict[str, Any]] | None) -> Grants | None:
    return None if records is None else grants_from_json(records)


def _key_from_json(key: list[Any]) -> DefaultKey:
    role, schema, family = key
    return role, schema, family
