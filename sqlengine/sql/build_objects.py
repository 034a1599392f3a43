"""Statements that make, change and drop objects: lark tree -> ast."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlengine import errors
from sqlengine.errors import NotSupportedError
from sqlengine.sql import ast
from sqlengine.sql.build import (
    Node,
    emit_of,
    expr_text,
    ident,
    kind_of,
    make_checked,
    name_of,
    names_of,
    option_pairs,
    options_of,
    query_of,
    string_of,
)
from sqlengine.sql.build_indexes import add_primary_key, constraint_name, unique
from sqlengine.sql.rowtime import timed_by_option

# ---------------------------------------------------------------- columns


def _columns(node: Node) -> dict[str, Any]:
    """columns, watermark and primary_key of a column list."""
    listed = node.node("columns")
    columns: list[ast.ColumnDef] = []
    watermark: ast.WatermarkDef | None = None
    key: tuple[str, ...] = ()
    key_name: str | None = None
    checks: list[ast.CheckDef] = []
    uniques: list[ast.UniqueDef] = []
    for item in listed.nodes() if listed is not None else ():
        if item.rule == "watermark":
            if watermark is not None:
                raise errors.SyntaxError("WATERMARK FOR is given twice", position=watermark.position)
            watermark = _watermark(item)
        elif item.rule == "primary_key":
            key, key_name = names_of(item), constraint_name(item)
        elif item.rule == "check":
            checks.append(_check(item))
        elif item.rule == "unique":
            uniques.append(unique(item))
        elif item.rule == "computed":
            columns.append(_computed(item))
        else:
            columns.append(_column(item))
    inline = tuple(column.name for column in columns if column.primary_key)
    if inline and key:
        raise errors.SyntaxError("PRIMARY KEY is given twice", position=columns[0].position, sqlstate="42P16")
    checks += [check for column in columns for check in column.checks]
    uniques += [made for column in columns for made in column.uniques]
    return {
        "columns": tuple(columns),
        "watermark": watermark,
        "primary_key": key or inline,
        "key_name": key_name,
        "checks": tuple(checks),
        "uniques": tuple(uniques),
    }


def _watermark(node: Node) -> ast.WatermarkDef:
    """WATERMARK FOR ts AS expr; without AS the column itself."""
    leaf, expr = node.leaf("IDENT"), node.leaf("EXPR")
    assert leaf is not None
    column = ident(node, leaf)
    if expr is None:
        return ast.WatermarkDef(column, ast.Column((column,), leaf.start_pos), node.text_of(leaf), leaf.start_pos)
    made = make_checked(node, expr)
    if made is None:
        raise NotSupportedError(
            "this watermark expression is not supported",
            hint="write column - INTERVAL '5 seconds'",
            position=expr.start_pos,
        )
    return ast.WatermarkDef(column, made, node.text_of(expr), leaf.start_pos)


def _check(node: Node) -> ast.CheckDef:
    """[CONSTRAINT name] CHECK (expr)."""
    named, expr = node.node("constraint"), node.leaf("EXPR")
    assert expr is not None
    leaf = named.leaf("IDENT") if named is not None else None
    name = ident(named, leaf) if named is not None and leaf is not None else None
    return ast.CheckDef(name, expr_text(node, expr), expr.start_pos)


def _computed(node: Node) -> ast.ColumnDef:
    leaf, expr = node.leaf("IDENT"), node.leaf("EXPR")
    assert leaf is not None and expr is not None
    return ast.ColumnDef(
        ident(node, leaf),
        None,
        expr=make_checked(node, expr),
        expr_text=node.text_of(expr),
        position=leaf.start_pos,
    )


def _column(node: Node) -> ast.ColumnDef:
    leaf, type_leaf = node.leaf("IDENT"), node.leaf("TYPE")
    assert leaf is not None and type_leaf is not None
    values: dict[str, Any] = {
        "name": ident(node, leaf),
        "type_name": node.text_of(type_leaf),
        "position": leaf.start_pos,
    }
    for clause in node.spread():
        if clause.rule == "check":
            check = replace(_check(clause), column=values["name"])
            values["checks"] = (*values.get("checks", ()), check)
        elif clause.rule == "is_unique":
            values["uniques"] = (*values.get("uniques", ()), unique(clause, values["name"]))
        else:
            values.update(_CLAUSES[clause.rule](clause, values["name"]))
    serial = _SERIALS.get(str(values["type_name"]).lower())
    if serial is not None:
        values.update(type_name=serial, not_null=True, identity="by default")
    return ast.ColumnDef(**values)


_SERIALS = {
    "serial": "integer",
    "serial4": "integer",
    "bigserial": "bigint",
    "serial8": "bigint",
    "smallserial": "smallint",
    "serial2": "smallint",
}
"""PostgreSQL's names of a column that numbers its rows -> its type."""


def _generated(clause: Node, name: str) -> dict[str, Any]:
    leaf = clause.leaf("EXPR")
    assert leaf is not None
    return {"expr": make_checked(clause, leaf), "expr_text": clause.text_of(leaf)}


def _default(clause: Node, name: str) -> dict[str, Any]:
    leaf = clause.leaf("EXPR")
    assert leaf is not None
    return {"default_text": expr_text(clause, leaf)}


def _metadata(clause: Node, name: str) -> dict[str, Any]:
    return {"metadata": (string_of(clause) or name).lower()}


_CLAUSES: dict[str, Callable[[Node, str], dict[str, Any]]] = {
    "is_key": lambda clause, name: {"primary_key": True},
    "is_stream_key": lambda clause, name: {"stream_key": True},
    "identity": lambda clause, name: {
        "identity": "always" if clause.has("always") else "by default",
        "not_null": True,
    },
    "is_required": lambda clause, name: {"not_null": True},
    "is_plain": lambda clause, name: {},
    "remark": lambda clause, name: {"comment": string_of(clause) or None},
    "default": _default,
    "metadata": _metadata,
    "generated": _generated,
}


# ---------------------------------------------------------------- CREATE


def _create(node: Node) -> dict[str, Any]:
    """What all CREATE statements share."""
    create = node.node("create")
    return {
        "name": name_of(node),
        "if_not_exists": node.has("if_not_exists"),
        "or_replace": create is not None and create.has("or_replace"),
        "temporary": create is not None and create.has("temporary"),
    }


def _only(values: dict[str, Any], *keys: str) -> dict[str, Any]:
    """Without the flags a statement has no field for; a set flag among them is an error."""
    for key in ("or_replace", "temporary", "if_not_exists"):
        if key not in keys and values.pop(key, False):
            raise NotSupportedError(f"{key.replace('_', ' ').upper()} is not supported here")
    return values


def create_topic(node: Node) -> ast.Statement:
    """CREATE TOPIC."""
    return ast.CreateTopic(**_only(_create(node), "if_not_exists"), options=options_of(node))


def create_stream(node: Node) -> ast.Statement:
    """CREATE STREAM | SOURCE, with columns or AS a query."""
    values = _only({**_create(node), **_columns(node)}, "if_not_exists", "or_replace")
    if values.pop("checks"):
        raise NotSupportedError("a stream has no CHECK constraints", hint="a view with WHERE leaves rows out")
    if values.pop("uniques"):
        raise NotSupportedError("a stream has no UNIQUE constraints", hint="CREATE TABLE has")
    if any(column.identity for column in values["columns"]):
        raise NotSupportedError("a stream has no identity columns", hint="METADATA gives each row's offset")
    values.pop("key_name")
    if values.pop("primary_key"):
        raise errors.SyntaxError(
            "a stream has no primary key",
            hint="CREATE TABLE makes a keyed object",
            position=0,
            sqlstate="42P16",
        )
    query, emit = _as_query(node)
    options = _keyed_by(options_of(node), [c.name for c in values["columns"] if c.stream_key] or _partitioned_by(node))
    made = ast.CreateStream(**values, options=options, query=query, emit=emit)
    return timed_by_option(made)


def _keyed_by(options: ast.Options, key: list[str]) -> ast.Options:
    """The options with the columns that ksqlDB marks KEY or names in PARTITION BY as the option `key`."""
    return options if not key or any(k == "key" for k, _ in options) else (*options, ("key", ",".join(key)))


def _partitioned_by(node: Node) -> list[str]:
    found = node.node("as_query")
    keys = found.node("partition_by") if found is not None else None
    return [ident(keys, leaf) for leaf in keys.flat()] if keys is not None else []


def _as_query(node: Node) -> tuple[ast.Query | None, ast.Emit | None]:
    found = node.node("as_query")
    if found is None:
        return None, None
    query = query_of(found)
    return query, emit_of(found, query)


def create_table(node: Node) -> ast.Statement:
    """CREATE TABLE, with columns or AS a query; ksqlDB's continuous CTAS (with EMIT) is a materialized
    view."""
    values = {**_create(node), **_columns(node)}
    if not values["primary_key"]:
        values["primary_key"] = tuple(c.name for c in values["columns"] if c.stream_key)
    query, emit = _as_query(node)
    append_only, options = _appended_only(options_of(node))
    aliases = names_of(node)
    if query is not None and emit is not None:
        return ast.CreateView(
            name=values["name"],
            query=query,
            column_aliases=aliases,
            emit=emit,
            options=options,
            materialized=True,
            if_not_exists=values["if_not_exists"],
            or_replace=values["or_replace"],
        )
    if query is not None and values["columns"]:
        raise NotSupportedError(
            "CREATE TABLE with columns and a query is not supported", hint="name the columns in the query"
        )
    append_only = append_only or node.has("append_only")
    return ast.CreateTable(**values, append_only=append_only, options=options, query=query, column_aliases=aliases)


def _appended_only(options: ast.Options) -> tuple[bool, ast.Options]:
    """Whether RisingWave's option `appendonly` says APPEND ONLY, and the other options."""
    said = dict(options).get("appendonly", "false").lower()
    if said not in ("true", "false"):
        raise errors.InvalidParameter(f'appendonly is true or false, not "{said}"')
    return said == "true", tuple(pair for pair in options if pair[0] != "appendonly")


def create_view(node: Node) -> ast.Statement:
    """CREATE [MATERIALIZED] VIEW; a temporary view is a plain one.  EMIT stands before AS (RisingWave) or behind."""
    values = _create(node)
    values.pop("temporary")
    query, emit = _as_query(node)
    assert query is not None
    materialized, late = node.has("materialized"), node.node("as_query").has("emit")  # type: ignore[union-attr]
    if not materialized and (late or node.has("emit")):
        raise _no_emit()
    if node.has("emit"):
        if late:
            raise errors.SyntaxError("EMIT is given twice", position=query.position)
        emit = emit_of(node, query)
    return ast.CreateView(
        **values,
        query=query,
        column_aliases=names_of(node),
        emit=emit if materialized else None,
        options=options_of(node),
        materialized=materialized,
    )


def create_sink(node: Node) -> ast.Statement:
    """CREATE SINK [INTO a table] FROM a view or AS a query."""
    values = _only(_create(node), "if_not_exists")
    source, into = node.node("from_name"), node.node("into_table")
    query, emit = _as_query(node)
    values |= {"from_name": name_of(source) if source is not None else None, "query": query, "emit": emit}
    if into is not None:
        into_columns = names_of(into)
        return ast.CreateSinkInto(**values, into=name_of(into), into_columns=into_columns, options=options_of(node))
    return ast.CreateSink(**values, options=options_of(node))


def create_subscription(node: Node) -> ast.Statement:
    """CREATE SUBSCRIPTION FROM a view."""
    source = node.node("from_name")
    assert source is not None
    values = _only(_create(node), "if_not_exists")
    return ast.CreateSubscription(**values, from_name=name_of(source), options=options_of(node))


def create_schema(node: Node) -> ast.Statement:
    """CREATE SCHEMA | DATABASE."""
    return ast.CreateSchema(**_only(_create(node), "if_not_exists"))


# ---------------------------------------------------------------- ALTER, DROP and the rest


def alter(node: Node) -> ast.Statement:
    """ALTER ... AS query | RENAME TO | SET SCHEMA | SWAP WITH | OWNER TO; ALTER TOPIC ... SET (...) | ADD PARTITIONS n;
    ALTER TABLE, ALTER MATERIALIZED VIEW and ALTER SUBSCRIPTION ... SET (...).
    """
    kind, name = kind_of(node), name_of(node)
    if node.node("as_query") is not None:
        return _alter_query(kind, name, node)
    rename = node.node("rename")
    if rename is not None:
        leaf = rename.leaf("IDENT")
        assert leaf is not None
        return ast.Rename(kind=kind, name=name, new_name=ident(rename, leaf))
    if (swap := node.node("swap")) is not None:
        return ast.SwapWith(kind=kind, name=name, other=name_of(swap))
    if (moved := node.node("set_schema")) is not None:
        leaf = moved.leaf("IDENT")
        assert leaf is not None
        return ast.SetSchema(kind=kind, name=name, schema=ident(moved, leaf))
    if kind in ("table", "stream", "source") and (change := _alter_column(kind, name, node)) is not None:
        return change
    owner = node.node("set_owner")
    if owner is not None:
        (role,) = owner.nodes("role")
        leaf = role.leaf("IDENT")
        assert leaf is not None
        return ast.SetOwner(kind=kind, name=name, role=ident(role, leaf))
    column = node.node("add_column")
    if column is not None and kind in ("table", "stream", "source"):
        plain, computed = column.node("column"), column.node("computed")
        made = _column(plain) if plain is not None else _computed(computed)  # type: ignore[arg-type]
        kind = "table" if kind == "table" else "stream"
        return ast.AddColumn(kind=kind, table=name, column=made, if_not_exists=column.has("if_not_exists"))
    if kind == "table" and (change := _alter_table(name, node)) is not None:
        return change
    if kind in ("stream", "source") and (default := _alter_default("stream", name, node)) is not None:
        return default
    if kind == "topic" and node.node("repair") is not None:
        return ast.AlterReplicas(topic=name, action="repair")
    replica = node.node("more_replicas") or node.node("fewer_replicas")
    if kind == "topic" and replica is not None:
        return _alter_number(name, replica)
    partition = node.node("of_partition")
    if kind == "topic" and partition is not None:
        return _alter_partition(name, partition)
    added, changed = node.node("add_partitions"), node.node("set_options")
    options = () if changed is None else option_pairs(changed.node("option_list") or changed)
    if kind == "materialized view" and changed is not None:
        return ast.AlterMaterializedView(name=name, options=options)
    if kind == "table" and changed is not None:
        return ast.SetTableOptions(name=name, options=options)
    if kind == "subscription" and changed is not None:
        return ast.AlterSubscription(name=name, options=options)
    if kind != "topic" or column is not None:
        adds = added is not None or column is not None or node.node("more_replicas") is not None
        drops = node.node("fewer_replicas") is not None
        verb = "SET" if changed is not None else "ADD" if adds else "DROP" if drops else "REPAIR"
        return ast.Unsupported(feature=f"ALTER {kind.upper()} ... {verb}")
    count = added.leaf("NUMBER") if added is not None else None
    if count is not None and not (str(count).isdigit() and 0 < int(count) < 10**6):
        raise errors.SyntaxError(f"invalid number of partitions: {count}", position=count.start_pos)
    return ast.AlterTopic(
        name=name,
        options=options,
        add_partitions=int(count) if count is not None else 0,
    )


def _alter_table(table: ast.Name, node: Node) -> ast.Statement | None:
    """ADD CHECK, ADD UNIQUE, ADD PRIMARY KEY, DROP CONSTRAINT, ALTER COLUMN ... DEFAULT; None for any other change."""
    if (found := node.node("add_unique")) is not None:
        given = found.node("unique")
        assert given is not None
        return ast.AddUnique(table=table, unique=unique(given))
    if (found := node.node("add_primary_key")) is not None:
        given = found.node("primary_key")
        assert given is not None
        return add_primary_key(table, given)
    added, dropped = node.node("add_check"), node.node("drop_constraint")
    if added is not None:
        check = added.node("check")
        assert check is not None
        return ast.AddCheck(table=table, check=_check(check))
    if dropped is not None:
        leaf = dropped.leaf("IDENT")
        assert leaf is not None
        return ast.DropConstraint(table=table, constraint=ident(dropped, leaf), if_exists=dropped.has("if_exists"))
    return _alter_default("table", table, node)


def _alter_default(kind: str, name: ast.Name, node: Node) -> ast.Statement | None:
    """ALTER COLUMN ... DEFAULT; None for any other change."""
    changed = node.node("alter_column")
    if changed is None:
        return None
    leaf, default = changed.leaf("IDENT"), changed.node("default")
    assert leaf is not None
    expr = default.leaf("EXPR") if default is not None else None
    text = expr_text(default, expr) if default is not None and expr is not None else None
    return ast.SetDefault(kind=kind, table=name, column=ident(changed, leaf), default=text)


def _alter_column(kind: str, name: ast.Name, node: Node) -> ast.Statement | None:
    """RENAME COLUMN, DROP COLUMN, ALTER COLUMN ... TYPE and NOT NULL; None for any other change."""
    found = node.node("rename_column") or node.node("drop_column") or node.node("alter_column")
    if found is None:
        return None
    names = [ident(found, leaf) for leaf in found.flat() if leaf.type == "IDENT"]
    given: dict[str, Any] = {"kind": "stream" if kind == "source" else kind, "name": name, "column": names[0]}
    if found.rule == "rename_column":
        return ast.RenameColumn(**given, new_name=names[1])
    if found.rule == "drop_column":
        return ast.DropColumn(**given, if_exists=found.has("if_exists"), cascade=found.has("cascade"))
    if (kind_of_value := found.node("set_type")) is not None:
        leaf, using = kind_of_value.leaf("TYPE"), kind_of_value.leaf("EXPR")
        assert leaf is not None
        text = expr_text(kind_of_value, using) if using is not None else None
        position = using.start_pos if using is not None else 0
        given |= {"type_name": node.text_of(leaf), "type_position": leaf.start_pos}
        return ast.SetType(**given, using=text, using_position=position)
    if found.has("set_required") or found.has("drop_required"):
        return ast.SetNotNull(**given, not_null=found.has("set_required"))
    return None


def _alter_query(kind: str, name: ast.Name, node: Node) -> ast.Statement:
    """ALTER [MATERIALIZED] VIEW name AS query [EMIT ...]."""
    query, emit = _as_query(node)
    found = node.node("as_query")
    assert query is not None and found is not None
    has_emit = found.has("emit")
    if kind not in ("view", "materialized view"):
        return ast.Unsupported(feature=f"ALTER {kind.upper()} ... AS")
    if kind == "view" and has_emit:
        raise _no_emit()
    materialized, emit = kind == "materialized view", emit if has_emit else None
    if_exists = node.has("if_exists")
    return ast.AlterView(name=name, query=query, emit=emit, materialized=materialized, if_exists=if_exists)


def _no_emit() -> errors.SyntaxError:
    return errors.SyntaxError(
        "a view without MATERIALIZED has no EMIT clause",
        hint="CREATE MATERIALIZED VIEW keeps its result up to date",
    )


def _alter_number(topic: ast.Name, node: Node) -> ast.Statement:
    """ADD | DROP REPLICA 'directory'."""
    leaf = node.leaf("STRING")
    assert leaf is not None
    action = "add" if node.rule == "more_replicas" else "drop"
    at = leaf.start_pos or 0
    return ast.AlterReplicas(topic=topic, action=action, directories=(string_of(node) or "",), positions=(at,), at=at)


def _alter_partition(topic: ast.Name, node: Node) -> ast.Statement:
    """PARTITION n REPAIR | SET REPLICAS ('directory', ...) | ELECT UNCLEAN LEADER."""
    number, assigned = node.leaf("NUMBER"), node.node("set_replicas")
    assert number is not None
    if not (str(number).isdigit() and int(number) < 10**6):
        raise errors.SyntaxError(f"invalid partition: {number}", position=number.start_pos)
    leaves = [leaf for leaf in assigned.flat() if leaf.type == "STRING"] if assigned is not None else []
    return ast.AlterReplicas(
        topic=topic,
        action="assign" if assigned is not None else "repair" if node.node("repair") is not None else "elect",
        partition=int(number),
        directories=tuple(node.tokens[leaf.line or 0].value for leaf in leaves),
        positions=tuple(leaf.start_pos or 0 for leaf in leaves),
        at=number.start_pos,
    )


def alter_group(node: Node) -> ast.Statement:
    """ALTER CONSUMER GROUP name RESET TO place [FOR TOPIC topic]."""
    (place,) = (child for child in node.nodes() if child.rule.startswith("to_"))
    (group,) = node.nodes("group_name")
    topic, number = node.node("for_topic"), place.leaf("NUMBER")
    if number is not None and not str(number).isdigit():
        raise errors.SyntaxError(f"invalid offset: {number}", position=number.start_pos)
    return ast.AlterConsumerGroup(
        group=_group_name(group),
        to=place.rule.removeprefix("to_"),
        value=str(number) if number is not None else string_of(place),
        topic=name_of(topic) if topic is not None else None,
    )


def alter_system(node: Node) -> ast.Statement:
    """ALTER SYSTEM ADD | DROP REPLICA 'directory'."""
    leaf = node.leaf("STRING")
    assert leaf is not None
    return ast.AlterSystem(
        action="add" if node.node("add_replica") is not None else "drop",
        directory=string_of(node) or "",
        at=leaf.start_pos,
    )


def drop_group(node: Node) -> list[ast.Statement]:
    """DROP CONSUMER GROUP name, ...: one statement for each name."""
    if_exists = node.has("if_exists")
    return [ast.DropConsumerGroup(group=_group_name(n), if_exists=if_exists) for n in node.nodes("group_name")]


def _group_name(node: Node) -> str:
    """A group's name, as a name or as a string: many have dashes."""
    leaf = node.leaf("IDENT")
    return ident(node, leaf) if leaf is not None else string_of(node) or ""


def truncate(node: Node) -> ast.Statement:
    """TRUNCATE [TABLE | TOPIC | STREAM] name."""
    return ast.Truncate(kind=kind_of(node) or "table", name=name_of(node))
