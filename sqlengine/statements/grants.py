"""GRANT and REVOKE of privileges, owners: ALTER ... OWNER TO, REASSIGN OWNED, DROP OWNED."""

from __future__ import annotations

from dataclasses import replace

from sqlengine.catalog.authority import (
    Authority,
    Target,
    function_target,
    owned_targets,
    schema_of,
    schema_target,
    target_of,
    topic_target,
)
from sqlengine.catalog.catalog import DEFAULT_SCHEMA, object_name
from sqlengine.catalog.objects import (
    STREAM_QUERY,
    Namespace,
    Stream,
    Table,
)
from sqlengine.catalog.privileges import (
    COLUMN_PRIVILEGES,
    PRIVILEGES,
    PUBLIC,
    Access,
    Grant,
    Grants,
    granted,
    has_privilege,
    revoked,
    with_owner,
    without_role,
)
from sqlengine.catalog.roles import Role
from sqlengine.errors import (
    InsufficientPrivilege,
    InvalidGrant,
    NotSupportedError,
    ObjectNotReady,
    UndefinedColumn,
    UndefinedFunction,
    UndefinedObject,
    WrongObjectType,
    did_you_mean,
)
from sqlengine.result import Result
from sqlengine.sql import ast
from sqlengine.statements.check import denied
from sqlengine.statements.context import Context
from sqlengine.statements.default_privileges import forget_role
from sqlengine.statements.drop import KINDS, drop, drop_object
from sqlengine.statements.roles import authority, require_rights_of, role_named
from sqlengine.statements.topics import get_topic, topic_names


def grant_privileges(statement: ast.GrantPrivileges, context: Context) -> Result:
    """GRANT ... ON ... TO and REVOKE ... ON ... FROM: on all the objects that are named, or on none."""
    verb = "REVOKE" if statement.revoke else "GRANT"
    with context.instance.lock:
        to = [PUBLIC if name == "public" else role_named(context, name).id for name in statement.roles]
        changed = [(target, _changed(statement, target, to, context)) for target in _targets(statement, context)]
        for target, access in changed:
            if access is not None:
                _store(context, target, access)
    return Result(verb)


def _changed(statement: ast.GrantPrivileges, target: Target, to: list[int], context: Context) -> Access | None:
    """A target's access afterwards; None: as it is."""
    access: Access | None = None
    if statement.privileges or not statement.on_columns:
        access = _changed_whole(statement, target, to, context)
    for column, wanted in _wanted_of_columns(statement, target, context).items():
        so_far = replace(target, access=access or target.access)
        access = _changed_column(statement, so_far, column, wanted, to, context) or access
    return access


def _warn(where: str, some: bool, revoke: bool, context: Context) -> None:
    """Less was done than asked for: the user has grant options for some of the privileges only, or for none."""
    done, sqlstate = ("could be revoked", "01006") if revoke else ("were granted", "01007")
    context.warn(f"{'not all' if some else 'no'} privileges {done} {where}", sqlstate)


def _changed_whole(statement: ast.GrantPrivileges, target: Target, to: list[int], context: Context) -> Access | None:
    wanted = _wanted(statement, target)
    if not wanted:
        return None
    me = authority(context)
    grantor, given = _by_whom(me, target, wanted)
    if not given and not any(me.may(target, p) for p in PRIVILEGES[target.kind]):
        raise denied(target.kind, target.name)
    if len(given) < len(wanted) and (statement.privileges or not given):
        _warn(f'for "{target.name}"', bool(given), statement.revoke, context)
    if PUBLIC in to and statement.option and not statement.revoke:
        raise InvalidGrant("grant options can only be granted to roles")
    if not given:
        return None
    option = given if statement.option and not statement.revoke else ()
    grants = [Grant(role, grantor, given, option) for role in dict.fromkeys(to)]
    if not statement.revoke:
        return granted(target.access, target.rule, grants, me.reach_of)
    made = revoked(target.access, target.rule, grants, statement.option, statement.cascade, me.reach_of)
    for name, _ in target.access.columns:  # what is taken back of the whole is taken back of each column
        own = made.of_column(name)
        left = revoked(own, target.rule, grants, statement.option, statement.cascade, me.reach_of)
        made = made.with_column(name, left.grants or ())
    return made


def _wanted_of_columns(statement: ast.GrantPrivileges, target: Target, context: Context) -> dict[str, tuple[str, ...]]:
    """The privileges by column, in the columns' order.

    InvalidGrant (0LP01) where there are none, UndefinedColumn (42703) for a column that is not there.
    """
    if not statement.on_columns:
        return {}
    obj = context.instance.catalog.find(tuple(target.name.split(".")))
    if obj is None or target.kind in ("topic", "function") or "SELECT" not in PRIVILEGES[target.kind]:
        raise InvalidGrant("column privileges are only valid for relations")
    possible = tuple(p for p in COLUMN_PRIVILEGES if p in PRIVILEGES[target.kind])
    found: dict[str, set[str]] = {column.name: set() for column in obj.columns}
    for privilege, columns in statement.on_columns:
        if privilege not in (*possible, "ALL"):
            raise InvalidGrant(
                f"invalid privilege type {privilege} for column", hint="there are " + ", ".join(possible)
            )
        for name in columns:
            if name not in found:
                hint = did_you_mean(name, list(found))
                raise UndefinedColumn(f'column "{name}" of relation "{target.name}" does not exist', hint=hint)
            found[name].update(possible if privilege == "ALL" else (privilege,))
    return {name: tuple(p for p in possible if p in wanted) for name, wanted in found.items() if wanted}


def _changed_column(
    statement: ast.GrantPrivileges,
    target: Target,
    column: str,
    wanted: tuple[str, ...],
    to: list[int],
    context: Context,
) -> Access | None:
    """The target's access when one column's grants have changed; None: as it is."""
    me, own = authority(context), target.access.of_column(column)
    grantor, given = _by_whom(me, target, wanted, own.grants or ())
    if not given and not any(me.may_column(target, column, p) for p in COLUMN_PRIVILEGES):
        raise InsufficientPrivilege(f'permission denied for column "{column}" of relation "{target.name}"')
    if len(given) < len(wanted):
        _warn(f'for column "{column}" of relation "{target.name}"', bool(given), statement.revoke, context)
    if PUBLIC in to and statement.option and not statement.revoke:
        raise InvalidGrant("grant options can only be granted to roles")
    if not given:
        return None
    grants = [Grant(r, grantor, given, given if statement.option else ()) for r in dict.fromkeys(to)]
    if statement.revoke:
        made = revoked(own, target.rule, grants, statement.option, statement.cascade, me.reach_of)
    else:
        made = granted(own, target.rule, grants, me.reach_of)
    return target.access.with_column(column, made.grants or ())


def _wanted(statement: ast.GrantPrivileges, target: Target) -> tuple[str, ...]:
    """The privileges as they apply to a target; InvalidGrant (0LP01) for one its kind does not have."""
    known = PRIVILEGES[target.kind]
    if not statement.privileges:
        return known
    wrong = [p for p in statement.privileges if p not in known]
    if wrong and not (statement.in_schemas and statement.kind == "table" and wrong[0] in PRIVILEGES["table"]):
        hint = f"a {target.kind} has " + ", ".join(known)
        raise InvalidGrant(f"invalid privilege type {wrong[0]} for {target.kind}", hint=hint)
    return tuple(p for p in known if p in statement.privileges)


def _by_whom(me: Authority, target: Target, wanted: tuple[str, ...], also: Grants = ()) -> tuple[int, tuple[str, ...]]:
    """(the role that counts as grantor, the privileges it may give by the target's grants or others), chosen as
    PostgreSQL's select_best_grantor does: the owner for a superuser, else the role itself or the one of its roles that
    may give most."""
    owner = target.access.owner
    if me.is_superuser or me.role == owner:
        return owner, wanted
    best, given = me.role, tuple[str, ...]()
    for role in (me.role, *sorted(me.reach - {me.role})):
        may = tuple(p for p in wanted if role == owner or has_privilege((*target.grants, *also), (role,), p, True))
        if len(may) > len(given):
            best, given = role, may
    return best, given


def _store(context: Context, target: Target, access: Access) -> None:
    """Have the catalog know a target's owner and grants."""
    catalog = context.instance.catalog
    obj = None if target.kind == "topic" else catalog.find(tuple(target.name.split(".")))
    if target.kind in ("topic", "function") or obj is None:
        catalog.set_access(target.kind, target.name, access)
        return
    written = catalog.find(tuple((obj.name + STREAM_QUERY).split("."))) if isinstance(obj, Stream) else None
    for each in (obj, written):
        if each is not None and each.access != access:
            catalog.update(each, owner=access.owner, grants=access.grants, column_grants=access.columns)


# ---------------------------------------------------------------- what is named


def _targets(statement: ast.GrantPrivileges, context: Context) -> list[Target]:
    if statement.in_schemas:
        return [target for name in statement.names for target in _all_in(statement.kind, name, context)]
    return [_target(statement.kind, name, context) for name in dict.fromkeys(statement.names)]


def _target(kind: str, name: ast.Name, context: Context) -> Target:
    """What GRANT and ALTER ... OWNER name; kind "" and "table": any relation, and for "" a topic as well."""
    catalog, key = context.instance.catalog, object_name(name)
    if kind == "schema":
        schema = schema_target(catalog, key)
        if schema is None:
            raise UndefinedObject(f'schema "{key}" does not exist', sqlstate="3F000")
        return schema
    if kind == "function":
        functions = context.instance.functions
        if functions.find(key) is None:
            hint = did_you_mean(key, [f.name for f in functions.all()])
            raise UndefinedFunction(f"function {key} does not exist", hint=hint)
        return function_target(catalog, key)
    found = catalog.find(context.prefer_path(name))
    if kind == "topic" or (kind == "" and found is None and key in topic_names(context)):
        get_topic(context, key)
        return topic_target(catalog, key)
    if kind not in ("", "table") and kind not in KINDS:
        raise NotSupportedError(f"a {kind} has no privileges")
    obj = catalog.get(context.prefer_path(name)) if kind in ("", "table") else catalog.get_as(KINDS[kind], name)
    if obj.kind not in PRIVILEGES or isinstance(obj, Namespace):
        raise WrongObjectType(f'"{obj.name}" is a {obj.kind}', hint="system tables can be read by everybody")
    if catalog.is_held(obj.name):
        raise ObjectNotReady(f'{obj.kind} "{obj.name}" is being made')
    return target_of(obj)


def _all_in(kind: str, schema: ast.Name, context: Context) -> list[Target]:
    """All objects of a kind in a schema; "table" means every relation."""
    catalog, name = context.instance.catalog, _target("schema", schema, context).name
    if kind == "topic":
        return [topic_target(catalog, topic) for topic in sorted(topic_names(context)) if schema_of(topic) == name]
    if kind == "function":
        known = context.instance.functions.all() if name == DEFAULT_SCHEMA else []
        return [function_target(catalog, f.name) for f in known]
    inside = [t for t in owned_targets(catalog) if schema_of(t.name) == name]
    if kind == "table":
        return [t for t in inside if t.kind != "topic" and "SELECT" in PRIVILEGES[t.kind]]
    return [t for t in inside if t.kind == kind]


# ---------------------------------------------------------------- owners


def set_owner(statement: ast.SetOwner, context: Context) -> Result:
    """ALTER kind name OWNER TO role: by its owner, to a role the owner can become, which may make objects there."""
    with context.instance.lock:
        me, role = authority(context), role_named(context, statement.role)
        target = _target(statement.kind, statement.name, context)
        if not me.owns(target):
            raise InsufficientPrivilege(f"must be owner of {target.kind} {target.name}")
        if not me.is_superuser:
            _require_membership(context, role)
            schema = schema_of(target.name)
            if target.kind != "schema" and not replace(me, role=role.id).may_use_schema(schema, "CREATE"):
                raise denied("schema", schema)
        _give(context, target, role)
    return Result(f"ALTER {statement.kind.upper()}")


def _require_membership(context: Context, role: Role) -> None:
    if role.id not in context.instance.catalog.roles.memberships_of(context.role.current):
        raise InsufficientPrivilege(f'must be member of role "{role.name}"')


def _give(context: Context, target: Target, role: Role) -> None:
    """Another owner, also of the topic that belongs to an object."""
    _store(context, target, with_owner(target.access, role.id))
    catalog = context.instance.catalog
    obj = catalog.find(tuple(target.name.split("."))) if target.kind in ("stream", "table") else None
    if isinstance(obj, (Stream, Table)) and getattr(obj, "owns_topic", True):
        own = catalog.access_of("topic", obj.topic)
        if own is not None and own.owner == target.access.owner:
            catalog.set_access("topic", obj.topic, with_owner(own, role.id))


def reassign_owned(statement: ast.ReassignOwned, context: Context) -> Result:
    """REASSIGN OWNED BY roles TO role: by whoever is a member of all of them."""
    with context.instance.lock:
        roles, to = [role_named(context, name) for name in statement.roles], role_named(context, statement.to)
        require_rights_of(context, [*roles, to])
        for target in owned_targets(context.instance.catalog):
            if target.access.owner in {role.id for role in roles}:
                _give(context, target, to)
    return Result("REASSIGN OWNED")


def drop_owned(statement: ast.DropOwned, context: Context) -> Result:
    """DROP OWNED BY roles: their objects, and what was granted to them or by them."""
    with context.instance.lock:
        roles = [role_named(context, name) for name in statement.roles]
        require_rights_of(context, roles)
        numbers = {role.id for role in roles}
        for target in reversed(owned_targets(context.instance.catalog)):
            if target.access.owner in numbers:
                _drop(context, target, statement.cascade)
        for target in owned_targets(context.instance.catalog):
            access = target.access
            for number in numbers:
                access = without_role(access, number)
            if access != target.access:
                _store(context, target, access)
        for number in numbers:
            forget_role(context, number)
    return Result("DROP OWNED")


def _drop(context: Context, target: Target, cascade: bool) -> None:
    """Drop one of a role's objects, unless it went with another."""
    parts = tuple(target.name.split("."))
    if target.kind == "topic":
        if target.name in topic_names(context):
            drop(ast.Drop(kind="topic", name=parts, cascade=cascade), context)
    elif target.kind == "function":
        context.instance.catalog.set_access(target.kind, target.name, None)
    elif (obj := context.instance.catalog.find(parts)) is not None:
        drop_object(context, obj, cascade)
