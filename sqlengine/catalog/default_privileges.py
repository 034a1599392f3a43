"""What new objects allow from the beginning: ALTER DEFAULT PRIVILEGES.

A role's entry for all schemas stands in place of what is built in, those for single schemas add to it (PostgreSQL's
get_user_default_acl).
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlengine.catalog.privileges import PRIVILEGES, PUBLIC, Access, Grant, Grants, default_grants, joined, without_role

DefaultKey = tuple[int, str, str]
"""The role that makes the objects, the schema they are made in ("": any), their family (of FAMILIES)."""

ANY_SCHEMA = ""

FAMILIES: dict[str, tuple[str, ...]] = {
    "table": ("table", "stream", "view", "materialized view"),
    "function": ("function",),
    "schema": ("schema",),
}
"""The kinds of objects that are spoken of as one."""


def privileges_of(family: str) -> tuple[str, ...]:
    """What can be granted on some object of a family."""
    return tuple(dict.fromkeys(p for kind in FAMILIES[family] for p in PRIVILEGES[kind]))


def built_in(family: str, owner: int) -> Grants:
    """What objects of a family allow when nobody has said otherwise."""
    public = [grant for grant in default_grants(family, owner) if grant.grantee == PUBLIC]
    return (*public, Grant(owner, owner, privileges_of(family)))


def initial(key: DefaultKey) -> Grants:
    """What an entry begins with: the built-in grants, for a single schema none."""
    role, schema, family = key
    return built_in(family, role) if schema == ANY_SCHEMA else ()


def grants_of_new(entries: Mapping[DefaultKey, Grants], kind: str, owner: int, schema: str) -> Grants | None:
    """The grants of a new object; None: those it has anyway."""
    family = next((name for name, kinds in FAMILIES.items() if kind in kinds), None)
    if family is None:
        return None
    everywhere, here = entries.get((owner, ANY_SCHEMA, family)), entries.get((owner, schema, family), ())
    if everywhere is None and not here:
        return None
    found = everywhere if everywhere is not None else built_in(family, owner)
    for grant in here:
        found = joined(found, grant)
    kept = tuple(_only(grant, PRIVILEGES[kind]) for grant in found)
    made = tuple(grant for grant in kept if grant.privileges)
    return None if set(made) == set(default_grants(kind, owner)) else made


def _only(grant: Grant, possible: tuple[str, ...]) -> Grant:
    privileges = tuple(p for p in possible if p in grant.privileges)
    return Grant(grant.grantee, grant.grantor, privileges, tuple(p for p in possible if p in grant.grantable))


def left_without(entries: Mapping[DefaultKey, Grants], role: int) -> dict[DefaultKey, Grants | None]:
    """The entries that change when a role goes: its own are None, in others it is not named any more."""
    changed: dict[DefaultKey, Grants | None] = {}
    for key, grants in entries.items():
        left = without_role(Access(key[0], grants), role).grants or ()
        if key[0] == role:
            changed[key] = None
        elif left != grants:
            changed[key] = left if left or key[1] == ANY_SCHEMA else None
    return changed
