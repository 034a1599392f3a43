"""What a role may do: its memberships, attributes and grants brought together.  `has_table_privilege` and its like ask
here, and so does everything that refuses (statements/access.py).
"""

from __future__ import annotations

from sqlengine.catalog.catalog import DEFAULT_SCHEMA, Catalog
from sqlengine.catalog.default_privileges import grants_of_new
from sqlengine.catalog.objects import REPLACEMENT, STREAM_QUERY, CatalogObject, Namespace, Stream, Table
from sqlengine.catalog.privileges import ALL_PRIVILEGES, PUBLIC, Access, Grants, default_grants, has_privilege
from sqlengine.catalog.roles import BOOTSTRAP_ID, MAINTAIN_ALL, PREDEFINED, READ_ALL, WRITE_ALL
from sqlengine.catalog.system import SYSTEM_SCHEMA, SystemTable
from sqlengine.errors import InvalidParameter
from sqlengine.quick_dataclass import dataclass

_PREDEFINED_GIVE = {
    READ_ALL: ("SELECT", "USAGE"),
    WRITE_ALL: ("INSERT", "UPDATE", "DELETE", "USAGE"),
    MAINTAIN_ALL: ("MAINTAIN",),
}
ANY_COLUMN = ""
"""For `has_any`: whichever column."""
_OTHERS = ("REFERENCES", "TRIGGER", "CONNECT", "TEMPORARY", "TEMP", "SET", "ALTER SYSTEM")
"""PostgreSQL's privileges that nothing here needs."""


@dataclass(frozen=True, slots=True)
class Target:
    """Something with an owner and grants; kind: of PRIVILEGES."""

    kind: str
    name: str
    access: Access

    @property
    def grants(self) -> Grants:
        """Its grants, those from the beginning included."""
        return self.access.grants if self.access.grants is not None else default_grants(self.rule, self.access.owner)

    @property
    def rule(self) -> str:
        """Which default grants it has (see `default_grants`)."""
        return "public schema" if (self.kind, self.name) == ("schema", DEFAULT_SCHEMA) else self.kind


def target_of(obj: CatalogObject) -> Target:
    """An object of the catalog; system tables can be read by everybody."""
    return Target(obj.kind, obj.name, obj.access)


def schema_target(catalog: Catalog, name: str) -> Target | None:
    """A schema, or None when there is none of that name."""
    if name == DEFAULT_SCHEMA:
        return Target("schema", name, catalog.access_of("schema", name) or Access(BOOTSTRAP_ID))
    found = catalog.find((name,))
    return target_of(found) if isinstance(found, Namespace) else None


def function_target(catalog: Catalog, name: str) -> Target:
    """A function of the program's own."""
    made = grants_of_new(catalog.defaults, "function", BOOTSTRAP_ID, DEFAULT_SCHEMA)
    return Target("function", name, catalog.access_of("function", name) or Access(BOOTSTRAP_ID, made))


def topic_target(catalog: Catalog, name: str) -> Target:
    """A topic; one that was made for an object, or is written on its behalf, is its owner's."""
    own = catalog.access_of("topic", name)
    return Target("topic", name, own or Access(_topic_owner(catalog, name)))


def _topic_owner(catalog: Catalog, name: str) -> int:
    for obj in catalog:
        options = getattr(obj, "options", {})
        if isinstance(obj, (Stream, Table)) and obj.topic == name and getattr(obj, "owns_topic", True):
            return obj.owner
        if name in (options.get("late_topic"), options.get("error_topic", f"{obj.name}_errors")):
            return obj.owner
    return BOOTSTRAP_ID


def owned_targets(catalog: Catalog) -> list[Target]:
    """Everything of the users that has an owner of its own, what is read before what reads it."""
    objects = [o for o in catalog.in_order() if not o.name.endswith((STREAM_QUERY, REPLACEMENT))]
    made = [target_of(obj) for obj in objects if not catalog.is_held(obj.name)]
    return made + [Target(kind, name, access) for kind, name, access in catalog.accesses()]


def schema_of(name: str) -> str:
    """The schema of an object's name."""
    return name.rpartition(".")[0] or DEFAULT_SCHEMA


@dataclass(frozen=True, slots=True)
class Authority:
    """A role's, or everybody's (PUBLIC); raises InvalidAuthorization (28000) when it has been dropped."""

    catalog: Catalog
    role: int

    @property
    def is_superuser(self) -> bool:
        """Whether nothing is refused."""
        return self.role != PUBLIC and self.catalog.roles.is_superuser(self.role)

    @property
    def reach(self) -> frozenset[int]:
        """The roles whose privileges it has."""
        return self.catalog.roles.privileges_of(self.role)

    def reach_of(self, role: int) -> frozenset[int]:
        """The roles whose privileges another role has: everybody's of a superuser, none of one that is gone."""
        roles = self.catalog.roles
        everybody = role in roles and roles.is_superuser(role)
        return frozenset(r.id for r in roles) if everybody else roles.privileges_of(role)

    def is_in(self, predefined: str) -> bool:
        """Whether it may do what one of PostgreSQL's predefined roles may."""
        return self.is_superuser or PREDEFINED[predefined] in self.reach

    def owns(self, target: Target) -> bool:
        """Whether it has the rights of the owner."""
        return self.is_superuser or target.access.owner in self.reach

    def may(self, target: Target, privilege: str, grantable: bool = False) -> bool:
        """Whether it has a privilege; grantable: and may give it on."""
        if self.is_superuser or (target.kind == SystemTable.kind and privilege == "SELECT" and not grantable):
            return True
        reach = self.reach
        if not grantable and any(
            privilege in given and PREDEFINED[r] in reach for r, given in _PREDEFINED_GIVE.items()
        ):
            return True
        if grantable and target.access.owner in reach:
            return True
        return target.kind != SystemTable.kind and has_privilege(target.grants, reach, privilege, grantable)

    def may_column(self, target: Target, column: str, privilege: str, grantable: bool = False) -> bool:
        """Whether it has a privilege on a column of something, by itself or because it has it on the whole."""
        given = target.access.of_column(column).grants or ()
        return self.may(target, privilege, grantable) or has_privilege(given, self.reach, privilege, grantable)

    def may_any_column(self, target: Target, privilege: str, grantable: bool = False) -> bool:
        """Whether it has a privilege on at least one column."""
        names = [name for name, _ in target.access.columns]
        return self.may(target, privilege, grantable) or any(
            self.may_column(target, name, privilege, grantable) for name in names
        )

    def may_use_schema(self, name: str, privilege: str = "USAGE") -> bool:
        """Whether it has a privilege on the schema of that name; everybody uses the engine's own."""
        target = schema_target(self.catalog, name)
        return target is None or name == SYSTEM_SCHEMA or self.may(target, privilege)

    def has_any(self, target: Target, privileges: str, column: str | None = None) -> bool:
        """What `has_table_privilege(role, object, 'SELECT, INSERT WITH GRANT OPTION')` answers: whether it has one; on
        the whole, or on a column (ANY_COLUMN: one of them).

        InvalidParameter (22023) for a word that is no privilege.
        """
        answer = False
        for item in privileges.split(","):
            word = item.strip().upper()
            plain = word.removesuffix("WITH GRANT OPTION").strip()
            if plain not in (*ALL_PRIVILEGES, *_OTHERS):
                raise InvalidParameter(f'unrecognized privilege type: "{item.strip()}"')
            known = plain in ALL_PRIVILEGES
            answer = answer or (self._has(target, plain, word != plain, column) if known else self.owns(target))
        return answer

    def _has(self, target: Target, privilege: str, grantable: bool, column: str | None) -> bool:
        if column is None:
            return self.may(target, privilege, grantable)
        if column == ANY_COLUMN:
            return self.may_any_column(target, privilege, grantable)
        return self.may_column(target, column, privilege, grantable)
