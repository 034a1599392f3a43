"""PostgreSQL's catalog of this database as a session sees it: the facts its rows and functions are made of."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial

import pyarrow as pa

from sqlengine.catalog.authority import Authority, Target, function_target, schema_target, target_of
from sqlengine.catalog.objects import CatalogObject, MaterializedView, Stream, Table
from sqlengine.catalog.pg import oids
from sqlengine.catalog.pg.facts import Facts, FunctionFact
from sqlengine.catalog.pg.functions import PG_FUNCTIONS
from sqlengine.catalog.pg.relations import PgRelation
from sqlengine.catalog.pg.rows import CHANGING, fixed_rows, rows_of
from sqlengine.catalog.pg.types import BY_OID, type_of
from sqlengine.catalog.privileges import PUBLIC
from sqlengine.catalog.roles import SIGNAL
from sqlengine.catalog.system import SYSTEM_TABLES
from sqlengine.errors import InsufficientPrivilege
from sqlengine.functions import BUILTINS, aggregates
from sqlengine.functions.registry import Function
from sqlengine.functions.signature import Param, Signature
from sqlengine.functions.user import UserFunction
from sqlengine.settings import setting_names, setting_shown
from sqlengine.snapshot.pg import answering
from sqlengine.sql import ast
from sqlengine.statements.access import authorize
from sqlengine.statements.context import Context
from sqlengine.types import from_sql


def pg_rows(context: Context, relation: PgRelation) -> pa.Table:
    """The rows of a system relation; those that depend on the objects alone are kept until these change."""
    if relation.name in CHANGING:
        return _with_fixed(context, relation, rows_of(relation, pg_facts(context)))
    kept, state = context.instance.pg.tables, _state(context)
    found = kept.get(relation.name)
    if found is None or found[0] != state:
        found = kept[relation.name] = state, rows_of(relation, pg_facts(context))
    assert found[1] is not None
    return found[1]


def _with_fixed(context: Context, relation: PgRelation, rows: pa.Table) -> pa.Table:
    """The rows that change behind those that never do."""
    kept = context.instance.pg.tables
    name = f"{relation.name} fixed"
    if name not in kept:
        kept[name] = (None, fixed_rows(relation, pg_facts(context)))
    fixed = kept[name][1]
    return rows if fixed is None else pa.concat_tables([fixed, rows])


def _state(context: Context) -> tuple[object, ...]:
    """What the rows outside CHANGING depend on."""
    instance = context.instance
    return (instance.catalog.version, instance.functions.version, context.backend.database)


@contextmanager
def pg_answers(context: Context) -> Iterator[str]:
    """While it lasts, PostgreSQL's functions are answered for this session, under the number given."""
    with answering(pg_facts(context)) as number:
        yield number
    if context.transaction is None:
        context.instance.pg.locks.give_all(context.backend, of_transaction=True)


def pg_facts(context: Context) -> Facts:
    """This moment, as the session sees it."""
    instance = context.instance

    def set_setting(name: str, value: str, is_local: bool) -> None:
        authorize(ast.Set(name=name, value=value), context)
        if not is_local or context.transaction is not None:
            context.changes_setting(name, is_local)
            context.settings.set(name, value)

    return Facts(
        objects=[*instance.catalog],
        oid_of=instance.catalog.oid,
        backend=context.backend,
        user=instance.catalog.roles.name_of(context.role.current),
        session_user=instance.catalog.roles.name_of(context.role.session),
        settings=lambda name: setting_text(context, name),
        set_setting=set_setting,
        setting_number=lambda name: str(context.settings.get(name)),
        setting_names=setting_names(),
        roles=[*instance.catalog.roles],
        defaults=instance.catalog.defaults,
        settings_of_all=instance.catalog.roles.settings_of_all,
        functions=[*_built_in(), *map(_user_function, instance.functions.all())],
        rows=lambda obj: _rows(context, obj),
        bytes=lambda obj: _bytes(context, obj),
        check=context.check,
        wait=lambda seconds: _wait(context, seconds),
        now_us=instance.clock.now_us(),
        in_transaction=context.transaction is not None,
        tick=instance.scheduler.tick_number,
        system_tables=SYSTEM_TABLES,
        locks=instance.pg.locks,
        may=partial(_may, context),
        is_member=partial(_is_member, context),
        signal=partial(_signal, context),
        warn=context.warn,
    )


STEP_SECONDS = 0.05
"""How often a session that sleeps looks at the time it has."""


def _wait(context: Context, seconds: float) -> None:
    for _ in range(math.ceil(seconds / STEP_SECONDS)):
        context.cancelled.wait(min(seconds, STEP_SECONDS))
        context.check()


# ---------------------------------------------------------------- roles


def setting_text(context: Context, name: str) -> str:
    """A setting's value as SHOW and current_setting tell it; those of the session's roles are no stored ones."""
    roles, role = context.instance.catalog.roles, context.role
    plain = name.lower()
    if plain == "session_authorization":
        return roles.name_of(role.session)
    if plain == "role":
        return "none" if role.current == role.session else roles.name_of(role.current)
    if plain == "is_superuser":
        return "on" if roles.is_superuser(role.current) else "off"
    return setting_shown(name, context.settings.get(name))


def _may(context: Context, role: str, kind: str, oid: int, privileges: str, column: str | None = None) -> bool | None:
    """Whether a role has one of some privileges, on a column too; None of what is not there."""
    catalog = context.instance.catalog
    authority = Authority(catalog, PUBLIC if role == "public" else catalog.roles.get(role).id)
    words = {item.strip().upper().removesuffix("WITH GRANT OPTION").strip() for item in privileges.split(",")}
    facts = pg_facts(context)
    if kind == "database":
        by_role = authority.role != PUBLIC and catalog.roles.by_id(authority.role).create_db
        return authority.is_superuser or by_role or not words <= {"CREATE"}
    if kind == "other":
        return True
    target, is_there = _target(context, facts, kind, oid)
    if target is not None:
        return authority.has_any(target, privileges, column)
    if not is_there:
        return None
    return authority.is_superuser or not words.isdisjoint(_OF_EVERYBODY[kind])


_OF_EVERYBODY = {
    "table": frozenset(("SELECT",)),
    "column": frozenset(("SELECT",)),
    "schema": frozenset(("USAGE",)),
    "function": frozenset(("EXECUTE",)),
    "sequence": frozenset[str](),
}
"""By kind what everybody may do with what is the system's."""


def _target(context: Context, facts: Facts, kind: str, oid: int) -> tuple[Target | None, bool]:
    """(what has an owner and grants, None of the system's own; whether there is anything of that number)."""
    catalog = context.instance.catalog
    if kind == "schema":
        name = facts.namespace_names.get(oid)
        return (None if name is None else schema_target(catalog, name)), name is not None
    if kind == "function":
        function = next((f for f in facts.functions if f.oid == oid), None)
        is_own = function is not None and function.schema == "public"
        return (function_target(catalog, function.name) if function and is_own else None), function is not None
    relation = facts.by_oid.get(oid - (oids.sequence(0) if kind == "sequence" else 0))
    if relation is None:
        return None, False
    return (None if facts.is_system(relation) else target_of(relation.obj)), True


def _is_member(context: Context, member: str, role: str, inherited: bool) -> bool:
    roles = context.instance.catalog.roles
    known = roles.get(member)
    reach = roles.privileges_of(known.id) if inherited else roles.memberships_of(known.id)
    return known.superuser or roles.get(role).id in reach


def _signal(context: Context, pid: int) -> None:
    """InsufficientPrivilege (42501) when the user may not end what the session of that number runs."""
    roles, authority = context.instance.catalog.roles, Authority(context.instance.catalog, context.role.current)
    if authority.is_superuser or context.backend.activity is None:
        return
    user = next((a.user for a in context.backend.activity() if a.pid == pid), None)
    known = roles.find(user) if user is not None else None
    if known is not None and known.superuser:
        raise InsufficientPrivilege("must be a superuser to terminate superuser process")
    if known is not None and known.id not in authority.reach and not authority.is_in(SIGNAL):
        raise InsufficientPrivilege(
            "must be a member of the role whose process is being terminated or member of pg_signal_backend"
        )


# ---------------------------------------------------------------- sizes


def _rows(context: Context, obj: CatalogObject) -> int:
    """Rows of a stream, table or view as far as they are known without looking."""
    instance = context.instance
    if isinstance(obj, MaterializedView):
        query = instance.scheduler.by_name(obj.name)
        return 0 if query is None or query.store is None else query.store.num_rows
    if isinstance(obj, Table):
        source = instance.scheduler.sources.get(obj.name)
        return 0 if source is None or source.store is None else source.store.num_rows
    if isinstance(obj, Stream):
        return sum(log.last_stable_offset - log.start_offset for log in instance.topic_of(obj).partitions)
    return 0


def _bytes(context: Context, obj: CatalogObject) -> int:
    """What a stream or table takes in its topic."""
    if not isinstance(obj, (Stream, Table)):
        return 0
    return sum(log.size_bytes for log in context.instance.topic_of(obj).partitions)


# ---------------------------------------------------------------- functions


_PSEUDO = {
    "anyelement": "anyelement",
    "anyarray": "anyarray",
    "anynumber": "anyelement",
    "anyint": "int8",
    "numeric": "numeric",
    "any": "any",
}
"""The pseudo types of our signatures in PostgreSQL's words."""


@cache
def _built_in() -> tuple[FunctionFact, ...]:
    """The functions of SQL, then PostgreSQL's own."""
    found = [
        _fact(function.name, signature, function)
        for function in BUILTINS.functions()
        if function.operator is None
        for signature in function.signatures
    ]
    for name in aggregates.names():
        known = aggregates.aggregate(name)
        assert known is not None
        kinds = ("any",) * (known.arguments.count(",") + 1) if known.arguments.strip() not in ("", "*") else ()
        found.append(replace(_made(known.name, kinds, (), "any"), kind="a", description=known.description))
    for overloads in PG_FUNCTIONS.values():
        for f in overloads:
            kinds = tuple("oid" if p == "regclass" else p for p in f.params)
            volatility = "v" if f.volatile else "s"
            found.append(
                replace(
                    _made(f.name, kinds, f.names, f.result),
                    strict=f.strict,
                    volatility=volatility,
                    description=f.description,
                )
            )
    unique = {(f.name, f.arguments): f for f in found}
    return tuple(replace(f, oid=oids.SQL_FUNCTIONS + i) for i, f in enumerate(unique.values()))


def _made(name: str, kinds: tuple[str, ...], names: tuple[str, ...], result: str) -> FunctionFact:
    """A function that has no number yet."""
    arguments = tuple(map(_stored, kinds))
    return FunctionFact(oid=0, name=name, arguments=arguments, argument_names=names, result=_stored(result))


def _stored(kind: str) -> str:
    """A type by its name in pg_type."""
    return f"_{kind[:-2]}" if kind.endswith("[]") else kind


def _fact(name: str, signature: Signature, function: Function) -> FunctionFact:
    volatility = {"immutable": "i", "stable": "s"}.get(function.volatility, "v")
    kinds = tuple(_param(p) for p in signature.params)
    if signature.variadic:
        kinds = (*kinds[:-1], "any" if kinds[-1] in _PSEUDO.values() else f"_{kinds[-1]}")
    return replace(
        _made(name, kinds, tuple(p.name for p in signature.params), _result(signature.result)),
        strict=function.strict,
        volatility=volatility,
        variadic=signature.variadic,
        description=function.description,
    )


def _param(param: Param) -> str:
    return _result(param.type_name)


def _result(name: str) -> str:
    """One of our types, or pseudo types, by its name in pg_type."""
    return _PSEUDO[name] if name in _PSEUDO else BY_OID[type_of(from_sql(name))[0]].name


def _user_function(user: UserFunction) -> FunctionFact:
    kinds = tuple(BY_OID[type_of(p)[0]].name for p in user.params)
    return replace(
        _made(
            user.name,
            kinds,
            tuple(p.name for p in user.signature.params),
            BY_OID[type_of(user.returns)[0]].name,
        ),
        kind="f" if user.function is not None else "a",
        volatility="v" if user.body is None or user.function is None else user.function.volatility[0],
        description=user.description,
        oid=oids.USER_FUNCTIONS + zlib.crc32(user.signature.text.encode()) % 2**24,
        schema="public",
        strict=user.function is None or user.function.strict,
        language="python" if user.body is None else "sql",
        source=None if user.body is None else user.body.source,
    )
