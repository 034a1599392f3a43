"""Who may do what with an object: its grants, and how GRANT and REVOKE change them.

PostgreSQL's rules (acl.c): each grant remembers who gave it, what was granted on the strength of a grant option goes
with that option, and the owner has every grant option.  Nothing here knows names or sessions: roles are numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from sqlengine.errors import DependentObjects, InvalidGrant
from sqlengine.quick_dataclass import dataclass

PUBLIC = 0
"""Everybody, where a role is expected."""

PRIVILEGES: dict[str, tuple[str, ...]] = {
    "table": ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE"),
    "stream": ("SELECT", "INSERT", "MAINTAIN"),
    "topic": ("SELECT", "INSERT", "TRUNCATE"),
    "view": ("SELECT",),
    "materialized view": ("SELECT", "MAINTAIN"),
    "sink": ("MAINTAIN",),
    "subscription": ("SELECT", "MAINTAIN"),
    "function": ("EXECUTE",),
    "schema": ("USAGE", "CREATE"),
}
"""By the kind of an object, what can be granted on it.  MAINTAIN, from PostgreSQL 17, is PAUSE and RESUME here."""

COLUMN_PRIVILEGES = ("SELECT", "INSERT", "UPDATE")
"""Those that can be granted on single columns."""

ALL_PRIVILEGES = tuple(dict.fromkeys(p for each in PRIVILEGES.values() for p in each))

ACL_LETTERS = {
    "INSERT": "a",
    "SELECT": "r",
    "UPDATE": "w",
    "DELETE": "d",
    "TRUNCATE": "D",
    "EXECUTE": "X",
    "USAGE": "U",
    "CREATE": "C",
    "MAINTAIN": "m",
}
"""PostgreSQL's letters, in the order in which an ACL has them."""

_OF_EVERYBODY = {"function": ("EXECUTE",), "public schema": ("USAGE",)}
"""What PUBLIC has from the beginning."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What `grantor` has given to `grantee` (PUBLIC: everybody); `grantable`: with the right to give it on."""

    grantee: int
    grantor: int
    privileges: tuple[str, ...]
    grantable: tuple[str, ...] = ()


Grants = tuple[Grant, ...]
ColumnGrants = tuple[tuple[str, Grants], ...]
"""Grants on single columns, by their names."""

Reach = Callable[[int], Collection[int]]
"""The roles whose privileges a role has; a superuser has everybody's."""


@dataclass(frozen=True, slots=True)
class Access:
    """An object's owner and grants; `grants` None: those it has from the beginning; `columns`: on single columns."""

    owner: int
    grants: Grants | None = None
    columns: ColumnGrants = ()

    def of_column(self, name: str) -> Access:
        """A column's: what is granted on it alone."""
        return Access(self.owner, dict(self.columns).get(name, ()))

    def with_column(self, name: str, grants: Grants) -> Access:
        """With other grants on a column."""
        left = {**dict(self.columns), name: grants}
        return replace(self, columns=tuple((column, some) for column, some in left.items() if some))

    def mapped(self, change: Callable[[Grants], Grants]) -> Access:
        """With what is made of its grants, and of those on each column."""
        columns = tuple((name, change(grants)) for name, grants in self.columns)
        grants = None if self.grants is None else change(self.grants)
        return replace(self, grants=grants, columns=tuple((name, some) for name, some in columns if some))


def default_grants(kind: str, owner: int) -> Grants:
    """Grants of an object that nobody has granted anything on; kind: of PRIVILEGES, or "public schema"."""
    everything = PRIVILEGES[kind.removeprefix("public ")]
    mine = Grant(owner, owner, everything)
    public = _OF_EVERYBODY.get(kind)
    return (mine,) if public is None else (Grant(PUBLIC, owner, public), mine)


def has_privilege(grants: Grants, roles: Collection[int], privilege: str, grantable: bool = False) -> bool:
    """Whether one of these roles, or everybody, has a privilege; grantable: and may give it on."""
    for grant in grants:
        held = grant.grantable if grantable else grant.privileges
        if privilege in held and (grant.grantee in roles or (grant.grantee == PUBLIC and not grantable)):
            return True
    return False


def granted(access: Access, kind: str, grants: Iterable[Grant], reach: Reach) -> Access:
    """The object's access with more grants; InvalidGrant (0LP01) when grant options would go round in a circle."""
    present = access.grants if access.grants is not None else default_grants(kind, access.owner)
    for new in grants:
        if new.grantable and new.grantee == access.owner:
            new = replace(new, grantable=())
        if new.grantable and new.grantor != access.owner:
            _refuse_circle(present, access.owner, new, reach)
        present = joined(present, new)
    return replace(access, grants=present)


def revoked(
    access: Access, kind: str, revokes: Iterable[Grant], option_only: bool, cascade: bool, reach: Reach
) -> Access:
    """The object's access without what each of `revokes` names; option_only: the right to give it on alone.

    DependentObjects (2BP01) when something was granted on the strength of what goes, unless `cascade`.
    """
    present = access.grants if access.grants is not None else default_grants(kind, access.owner)
    for gone in revokes:
        present = _without(present, gone, option_only, _Revoking(access.owner, cascade, reach))
    return replace(access, grants=present)


def with_owner(access: Access, owner: int) -> Access:
    """Another owner, who takes the old one's place in the grants."""
    if owner == access.owner:
        return access

    def moved(role: int) -> int:
        return owner if role == access.owner else role

    def all_moved(grants: Grants) -> Grants:
        made: Grants = ()
        for grant in grants:
            made = joined(made, replace(grant, grantee=moved(grant.grantee), grantor=moved(grant.grantor)))
        return made

    return replace(access.mapped(all_moved), owner=owner)


def without_role(access: Access, role: int) -> Access:
    """Without anything a role has or has given."""
    return access.mapped(lambda grants: tuple(g for g in grants if role not in (g.grantee, g.grantor)))


def mentions(access: Access, role: int) -> bool:
    """Whether a role has or has given something (its being the owner aside)."""
    every = (access.grants or (), *(grants for _, grants in access.columns))
    return any(role in (g.grantee, g.grantor) and g.grantee != access.owner for grants in every for g in grants)


def joined(grants: Grants, new: Grant) -> Grants:
    """Grants with one more: one grant for each pair of grantor and grantee."""
    for i, old in enumerate(grants):
        if (old.grantee, old.grantor) == (new.grantee, new.grantor):
            both = Grant(
                old.grantee,
                old.grantor,
                _in_order({*old.privileges, *new.privileges}),
                _in_order({*old.grantable, *new.grantable}),
            )
            return (*grants[:i], both, *grants[i + 1 :])
    return (*grants, new)


def _in_order(privileges: Collection[str]) -> tuple[str, ...]:
    return tuple(p for p in ALL_PRIVILEGES if p in privileges)


@dataclass(frozen=True, slots=True)
class _Revoking:
    """What stays the same while grants are taken back."""

    owner: int
    cascade: bool
    reach: Reach

    def has_option(self, grants: Grants, role: int, privilege: str) -> bool:
        """Whether a role may give a privilege on."""
        roles = self.reach(role)
        return self.owner in roles or has_privilege(grants, roles, privilege, grantable=True)


def _without(grants: Grants, gone: Grant, option_only: bool, how: _Revoking) -> Grants:
    for i, old in enumerate(grants):
        if (old.grantee, old.grantor) != (gone.grantee, gone.grantor):
            continue
        options = set(old.grantable) - set(gone.privileges)
        privileges = set(old.privileges) if option_only else set(old.privileges) - set(gone.privileges)
        left = Grant(old.grantee, old.grantor, _in_order(privileges), _in_order(options))
        kept = (left,) if privileges else ()
        grants = (*grants[:i], *kept, *grants[i + 1 :])
        lost = set(old.grantable) - options
        return _without_dependent(grants, old.grantee, lost, how) if lost else grants
    return grants


def _without_dependent(grants: Grants, role: int, lost: Collection[str], how: _Revoking) -> Grants:
    """What a role has given on the strength of options it has lost, and has from nobody else."""
    if role == how.owner:
        return grants
    really = [p for p in lost if not how.has_option(grants, role, p)]
    for other in [g for g in grants if g.grantor == role and not set(really).isdisjoint(g.privileges)]:
        if not how.cascade:
            raise DependentObjects("dependent privileges exist", hint="use CASCADE to revoke them too")
        grants = _without(grants, Grant(other.grantee, role, tuple(really)), False, how)
    return grants


def _refuse_circle(grants: Grants, owner: int, new: Grant, reach: Reach) -> None:
    """The grantor must have its options from somebody else than the one it gives them to."""
    how = _Revoking(owner, True, reach)
    without = grants
    for old in [g for g in grants if g.grantee == new.grantee and g.grantable]:
        without = _without(without, replace(old, privileges=old.grantable), True, how)
    if not all(how.has_option(without, new.grantor, p) for p in new.grantable):
        raise InvalidGrant("grant options cannot be granted back to your own grantor")
