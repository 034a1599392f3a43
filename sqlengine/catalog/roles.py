"""Roles: who there is, who is a member of whom, and what that makes of their privileges.

A role is a number, so that it can be renamed; PostgreSQL's numbers are used where it has some.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import field, replace
from typing import Any

from sqlengine.errors import InvalidAuthorization, UndefinedObject, did_you_mean
from sqlengine.quick_dataclass import dataclass

BOOTSTRAP_NAME = "sqlengine"
BOOTSTRAP_ID = 10
_FIRST_ID = 16_384
NO_LIMIT = -1

SettingPairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Membership:
    """Of one role in another; `admin`: with the right to let others in; `grantor` gave it; `full` False: that right is
    all there is, as whoever has made a role has it (PostgreSQL 16)."""

    role: int
    admin: bool = False
    grantor: int = BOOTSTRAP_ID
    full: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """`password` is a SCRAM verifier's text, not shown by repr; `valid_until_us`: when it ends to be accepted."""

    id: int
    name: str
    login: bool = False
    superuser: bool = False
    create_role: bool = False
    create_db: bool = False
    inherit: bool = True
    connection_limit: int = NO_LIMIT
    valid_until_us: int | None = None
    password: str | None = field(default=None, repr=False)
    member_of: tuple[Membership, ...] = ()
    settings: SettingPairs = ()
    """What its sessions begin with: names and values, as ALTER ROLE ... SET has given them."""

    @property
    def is_predefined(self) -> bool:
        """Whether it is one of PostgreSQL's predefined roles, which cannot be changed."""
        return self.name.startswith("pg_")


READ_FILES, WRITE_FILES, SAVE = "pg_read_server_files", "pg_write_server_files", "pg_checkpoint"
READ_ALL, WRITE_ALL, MAINTAIN_ALL = "pg_read_all_data", "pg_write_all_data", "pg_maintain"
SIGNAL, EXECUTE_PROGRAMS = "pg_signal_backend", "pg_execute_server_program"
PREDEFINED = {
    SIGNAL: 4200,
    SAVE: 4544,
    READ_FILES: 4569,
    WRITE_FILES: 4570,
    EXECUTE_PROGRAMS: 4571,
    READ_ALL: 6181,
    WRITE_ALL: 6182,
    MAINTAIN_ALL: 6337,
}
"""Roles that are always there; being a member of one allows what its name says."""


def to_json(role: Role) -> dict[str, Any]:
    """What the journal keeps of a role."""
    return dataclasses.asdict(role)


def from_json(record: dict[str, Any]) -> Role:
    """The inverse of `to_json`."""
    members = tuple(Membership(**m) for m in record["member_of"])
    return Role(**{**record, "member_of": members, "settings": _pairs(record.get("settings", ()))})


def _pairs(listed: Iterable[Sequence[str]]) -> SettingPairs:
    return tuple((name, value) for name, value in listed)


class Roles:
    """All roles.  Changes are first written to `journal`; the engine's lock guards them, reading needs none."""

    def __init__(self, journal: Callable[[dict[str, Any]], None]) -> None:
        self._journal = journal
        first = Role(id=BOOTSTRAP_ID, name=BOOTSTRAP_NAME, login=True, superuser=True, create_role=True, create_db=True)
        self._by_id = {first.id: first, **{n: Role(id=n, name=name) for name, n in PREDEFINED.items()}}
        self._reach: dict[tuple[int, bool], frozenset[int]] = {}
        self.settings_of_all: SettingPairs = ()
        """What all sessions begin with."""
        self._last = _FIRST_ID - 1

    def __iter__(self) -> Iterator[Role]:
        return iter(sorted(self._by_id.values(), key=lambda role: role.name))

    def __contains__(self, number: int) -> bool:
        return number in self._by_id

    def find(self, name: str) -> Role | None:
        """The role of that name, or None."""
        return next((role for role in self._by_id.values() if role.name == name), None)

    def get(self, name: str, position: int | None = None) -> Role:
        """The role of that name; UndefinedObject (42704) with the nearest names."""
        found = self.find(name)
        if found is None:
            near = did_you_mean(name, [role.name for role in self])
            raise UndefinedObject(f'role "{name}" does not exist', hint=near, position=position)
        return found

    def by_id(self, number: int) -> Role:
        """The role of that number; InvalidAuthorization (28000) when it has been dropped."""
        found = self._by_id.get(number)
        if found is None:
            raise InvalidAuthorization(f"role with OID {number} does not exist", hint="it has been dropped")
        return found

    def name_of(self, number: int) -> str:
        """The name of a role, "public" of everybody, or the number of one that is gone."""
        return "public" if number == 0 else self._by_id[number].name if number in self._by_id else str(number)

    def next_id(self) -> int:
        """A number no role has ever had: sessions of one that was dropped may still be there."""
        return self._last + 1

    def is_superuser(self, number: int) -> bool:
        """Whether a role is a superuser."""
        return self.by_id(number).superuser

    def privileges_of(self, number: int) -> frozenset[int]:
        """The roles whose privileges a role has: itself and, by INHERIT, those it is a member of."""
        return self._reached(number, inherited=True)

    def memberships_of(self, number: int) -> frozenset[int]:
        """The roles a role is or can become by SET ROLE."""
        return self._reached(number, inherited=False)

    def _reached(self, number: int, inherited: bool) -> frozenset[int]:
        reach = self._reach
        found = reach.get((number, inherited))
        if found is None:
            seen = [number]
            for role in seen:
                if role in self._by_id and (self._by_id[role].inherit or not inherited):
                    seen += [m.role for m in self._by_id[role].member_of if m.full and m.role not in seen]
            found = reach[number, inherited] = frozenset(seen)
        return found

    def is_admin_of(self, number: int, role: int) -> bool:
        """Whether one may let others into a role: by an admin option of its own or of a role it is in."""
        mine = self.memberships_of(number)
        return any(m.role == role and m.admin for r in mine if r in self._by_id for m in self._by_id[r].member_of)

    def members(self, role: int) -> list[Role]:
        """Direct members of a role."""
        return [r for r in self if any(m.role == role and m.full for m in r.member_of)]

    def has_password(self) -> bool:
        """Whether anybody can log in with a password."""
        return any(role.login and role.password is not None for role in self)

    def change(self, put: Sequence[Role], drop: Iterable[Role] = ()) -> None:
        """Add or replace roles and forget others, in one step that happens or does not."""
        gone = [role.id for role in drop]
        self._journal(self._record(put, gone))
        self._take(put, gone)

    def change_settings_of_all(self, settings: SettingPairs) -> None:
        """Other settings for all sessions to begin with."""
        self._journal({**self._record((), ()), "settings": settings})
        self.settings_of_all = settings

    def replay(self, record: dict[str, Any]) -> None:
        """Take a change from the journal."""
        self._take([from_json(role) for role in record["put"]], record["drop"])
        self._last = max(self._last, record["last"])
        self.settings_of_all = _pairs(record.get("settings", self.settings_of_all))

    def record(self) -> dict[str, Any]:
        """One change that brings back all roles."""
        return {**self._record([r for r in self if not r.is_predefined], ()), "settings": self.settings_of_all}

    def _record(self, put: Sequence[Role], gone: Sequence[int]) -> dict[str, Any]:
        last = max([self._last, *(role.id for role in put)])
        return {"op": "roles", "put": [to_json(role) for role in put], "drop": list(gone), "last": last}

    def _take(self, put: Sequence[Role], gone: Sequence[int]) -> None:
        self._last = max([self._last, *(role.id for role in put)])
        by_id = {**self._by_id, **{role.id: role for role in put}}
        for number in gone:
            by_id.pop(number, None)
        for role in list(by_id.values()):
            if any(m.role in gone for m in role.member_of):
                by_id[role.id] = replace(role, member_of=tuple(m for m in role.member_of if m.role not in gone))
        self._by_id, self._reach = by_id, {}


@dataclass(frozen=True, slots=True)
class SessionRole:
    """Whose privileges a session has: `current` decides; SET ROLE changes it, SET SESSION AUTHORIZATION both it and
    `session`; `authenticated` came in and stays."""

    authenticated: int = BOOTSTRAP_ID
    session: int = BOOTSTRAP_ID
    current: int = BOOTSTRAP_ID

    @classmethod
    def of(cls, role: int) -> SessionRole:
        """Of a session that has just begun."""
        return cls(role, role, role)
