"""Statements about roles and privileges."""

from __future__ import annotations

from dataclasses import field

from sqlengine.quick_dataclass import dataclass
from sqlengine.sql.ast.statements import Name, Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleOptions:
    """What CREATE and ALTER ROLE say; None: nothing was said.

    `password`: a password or a verifier, "" for PASSWORD NULL; `valid_until`: text of a time.  `in_roles`: roles it
    becomes a member of; `members`, `admins`: roles that become its members.
    """

    login: bool | None = None
    superuser: bool | None = None
    create_role: bool | None = None
    create_db: bool | None = None
    inherit: bool | None = None
    connection_limit: int | None = None
    password: str | None = field(default=None, repr=False)
    valid_until: str | None = None
    valid_until_position: int | None = None
    in_roles: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    admins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRole(Statement):
    """CREATE ROLE | USER | GROUP: `word` is which, in upper case."""

    word: str
    name: str
    options: RoleOptions
    if_not_exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterRole(Statement):
    """ALTER ROLE | USER ...; name: as written, so perhaps current_user."""

    word: str
    name: str
    options: RoleOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterRoleSetting(Statement):
    """ALTER ROLE role | ALL [IN DATABASE database] SET name = value, or RESET it: `role` None means all roles, `name`
    None all settings, `value` None reset; `from_current`: as the session has it now."""

    word: str
    role: str | None
    database: str | None
    name: str | None
    value: str | None
    from_current: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameRole(Statement):
    """ALTER ROLE name RENAME TO new_name."""

    word: str
    name: str
    new_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DropRole(Statement):
    """DROP ROLE | USER [IF EXISTS] name, ...: all or none."""

    word: str
    names: tuple[str, ...]
    if_exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantRoles(Statement):
    """GRANT roles TO members, or REVOKE roles FROM members; `option`: WITH ADMIN OPTION, ADMIN OPTION FOR."""

    roles: tuple[str, ...]
    members: tuple[str, ...]
    revoke: bool = False
    option: bool = False
    cascade: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantPrivileges(Statement):
    """GRANT privileges ON objects TO roles, or REVOKE ... FROM.

    `privileges`: in upper case; () = all.  `on_columns`: (privilege, columns) of what is given on columns alone, "ALL"
    for all of them.  `kind`: of the objects; "" = whatever has the name, "table" any relation.  `in_schemas`: names are
    schemas, all of whose objects of the kind are meant.  `option`: WITH GRANT OPTION, GRANT OPTION FOR.
    """

    privileges: tuple[str, ...]
    on_columns: tuple[tuple[str, tuple[str, ...]], ...] = ()
    kind: str
    names: tuple[Name, ...]
    roles: tuple[str, ...]
    in_schemas: bool = False
    revoke: bool = False
    option: bool = False
    cascade: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultPrivileges(Statement):
    """ALTER DEFAULT PRIVILEGES [FOR ROLE roles] [IN SCHEMA schemas] GRANT ... | REVOKE ...

    `roles`: () = the current one; `schemas`: () = any.  `change`: privileges and roles of a GRANT, without names; its
    kind is the family of the objects: table, function or schema.
    """

    roles: tuple[str, ...]
    schemas: tuple[Name, ...]
    change: GrantPrivileges


@dataclass(frozen=True, slots=True, kw_only=True)
class SetOwner(Statement):
    """ALTER kind name OWNER TO role."""

    kind: str
    name: Name
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReassignOwned(Statement):
    """REASSIGN OWNED BY roles TO role."""

    roles: tuple[str, ...]
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DropOwned(Statement):
    """DROP OWNED BY roles [CASCADE]: their objects and what was granted to them."""

    roles: tuple[str, ...]
    cascade: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRole(Statement):
    """SET ROLE, RESET ROLE: None = NONE."""

    role: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSessionAuthorization(Statement):
    """SET SESSION AUTHORIZATION, RESET SESSION AUTHORIZATION: None = DEFAULT."""

    role: str | None
