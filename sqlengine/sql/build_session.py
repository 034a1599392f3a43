"""Statements that move data, read it and look inside: lark tree -> ast."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import lark

from sqlengine import errors
from sqlengine.settings import offset_text
from sqlengine.sql import ast
from sqlengine.sql.build import (
    Node,
    emit_of,
    expr_text,
    full_name,
    ident,
    key_text,
    kind_of,
    name_of,
    names_of,
    query_leaf,
    query_of,
    select_all,
    string_of,
    value_text,
)
from sqlengine.sql.build_assignments import assignments
from sqlengine.sql.interval import SECOND_US, parse_interval
from sqlengine.sql.lexer import lex
from sqlengine.sql.query import make_query

# ---------------------------------------------------------------- data in and out


_ALL_DEFAULTS = "VALUES (DEFAULT)"
"""What DEFAULT VALUES stands for: columns that are not named have their defaults, too."""


def insert(node: Node) -> ast.Statement:
    """INSERT INTO target [(columns)] query [ON CONFLICT ...] [RETURNING ...]."""
    query = query_of(node) or make_query(lex(_ALL_DEFAULTS), _ALL_DEFAULTS)
    conflict = node.node("conflict")
    values: dict[str, Any] = {}
    if conflict is not None:
        values["conflict"] = "nothing" if conflict.has("nothing") else "update"
        values["conflict_columns"] = names_of(conflict)
        values["conflict_set"] = assignments(conflict)
    return ast.Insert(target=name_of(node), columns=names_of(node), query=query, returning=_returning(node), **values)


def _first(node: Node) -> int | None:
    return next((leaf.start_pos for leaf in node.tree.scan_values(lambda value: isinstance(value, lark.Token))), None)


def _returning(node: Node) -> tuple[str, ...]:
    found = node.node("returning")
    if found is None:
        return ()
    return tuple(_returned(found))


def _returned(node: Node) -> list[str]:
    out: list[str] = []
    for child in node.tree.children:
        if isinstance(child, lark.Token):
            out.append(node.text_of(child))
        elif child.data == "returning":
            out += _returned(Node(child, node.text, node.tokens))
        else:
            out.append("*")
    return out


def _where(node: Node) -> str | None:
    found = node.node("where")
    leaf = found.leaf("EXPR") if found is not None else None
    return expr_text(found, leaf) if found is not None and leaf is not None else None


def _alias(node: Node) -> str | None:
    found = node.node("alias")
    leaf = found.leaf("IDENT") if found is not None else None
    return ident(found, leaf) if found is not None and leaf is not None else None


def _relations(node: Node, rule: str) -> str | None:
    found = node.node(rule)
    leaf = found.leaf("RELATIONS") if found is not None else None
    return found.text_of(leaf) if found is not None and leaf is not None else None


def update(node: Node) -> ast.Statement:
    """UPDATE target SET ... [FROM ...] [WHERE ...] [RETURNING ...]."""
    return ast.Update(
        target=name_of(node),
        assignments=assignments(node),
        where=_where(node),
        from_text=_relations(node, "relations_from"),
        alias=_alias(node),
        returning=_returning(node),
    )


def delete(node: Node) -> ast.Statement:
    """DELETE FROM target [USING ...] [WHERE ...] [RETURNING ...]."""
    return ast.Delete(
        target=name_of(node),
        where=_where(node),
        using_text=_relations(node, "relations_using"),
        alias=_alias(node),
        returning=_returning(node),
    )


_MATCH = {"matched": "matched", "not_matched": "not matched", "not_matched_by_source": "not matched by source"}
_ALLOWED = {
    "matched": ("update", "delete", "nothing"),
    "not matched": ("insert", "nothing"),
    "not matched by source": ("update", "delete", "nothing"),
}


def merge(node: Node) -> ast.Statement:
    """MERGE INTO target USING source ON condition WHEN ... THEN ... [RETURNING ...]."""
    source, condition, listed = node.leaf("RELATION"), node.leaf("EXPR"), node.node("merge_whens")
    assert source is not None and condition is not None and listed is not None
    whens = tuple(_merge_when(when) for when in listed.spread())
    for match in _ALLOWED:
        conditions = [when.condition for when in whens if when.match == match]
        if None in conditions[:-1]:
            raise errors.SyntaxError("unreachable WHEN clause specified after unconditional WHEN clause")
    return ast.Merge(
        target=name_of(node),
        alias=_alias(node),
        source=node.text_of(source),
        condition=expr_text(node, condition),
        whens=whens,
        returning=_returning(node),
    )


def _merge_when(node: Node) -> ast.MergeWhen:
    match = next(_MATCH[child.rule] for child in node.nodes() if child.rule in _MATCH)
    done = next(child for child in node.nodes() if child.rule.startswith("merge_") and child.rule != "merge_condition")
    action = done.rule.removeprefix("merge_")
    if action not in _ALLOWED[match]:
        hint = f"one of: {', '.join(_ALLOWED[match])}".upper()
        raise errors.SyntaxError(f"WHEN {match.upper()} cannot {action.upper()}", hint=hint, position=_first(node))
    said = node.node("merge_condition")
    leaf = said.leaf("CONDITION") if said is not None else None
    condition = expr_text(said, leaf) if said is not None and leaf is not None else None
    columns: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    if action == "update":
        assigned = assignments(done)
        columns, values = tuple(name for name, _ in assigned), tuple(text for _, text in assigned)
    given = done.node("merge_values")
    if given is not None:
        columns, values = names_of(done), tuple(expr_text(given, item) for item in given.flat())
        if columns and len(columns) != len(values):
            raise errors.SyntaxError(
                f"INSERT has {'more' if len(values) > len(columns) else 'fewer'} expressions than target columns",
                position=_first(given),
            )
    return ast.MergeWhen(match=match, condition=condition, action=action, columns=columns, values=values)


def copy_from(node: Node) -> ast.Statement:
    """COPY target [(columns)] FROM 'path' | STDIN."""
    return ast.CopyFrom(target=name_of(node), columns=names_of(node), path=_path(node), options=_settings(node))


def copy_to(node: Node) -> ast.Statement:
    """COPY target | (query | SUBSCRIBE ...) TO 'path' | STDOUT."""
    copied = node.node("copied")
    inner: ast.Statement
    if copied is None:
        inner = ast.SelectStatement(query=select_all(name_of(node), _first(node) or 0, names_of(node)))
    else:
        (given,) = copied.nodes()
        inner = select(given) if given.rule == "select" else subscribe(given)
    return ast.CopyTo(statement=inner, path=_path(node), options=_settings(node))


def _path(node: Node) -> str | None:
    found = node.node("path")
    return string_of(found) if found is not None else None


def _settings(node: Node) -> ast.Options:
    """`(FORMAT csv, HEADER, FORCE_QUOTE (a, b))`: a key without a value is true, names are a list in JSON."""
    listed = node.node("settings")
    made = []
    for item in listed.nodes("setting") if listed is not None else ():
        leaf, value = item.leaf("IDENT"), item.node("option_value")
        assert leaf is not None
        text = "true" if value is None else value_text(value)
        if item.has("names") or item.has("star"):
            text = json.dumps(names_of(item) or ["*"])
        made.append((ident(item, leaf).lower(), text))
    return (*made, *_old_settings(node.node("old_settings")))


_OLD_FORMATS = ("csv", "binary", "text")


def _old_settings(listed: Node | None) -> Iterator[tuple[str, str]]:
    """`CSV HEADER DELIMITER AS ';'`: what COPY's options were before PostgreSQL 9.0, and people still write."""
    for item in listed.spread() if listed is not None else ():
        force = item.node("force")
        if force is not None:
            yield _forced(force, item)
            continue
        leaf, value = item.leaf("IDENT"), item.leaf("STRING")
        name = "null" if leaf is None else ident(item, leaf).lower()
        name = "delimiter" if name == "delimiters" else name
        if name in _OLD_FORMATS and value is None:
            yield "format", name
        else:
            yield name, "true" if value is None else str(string_of(item))


def _forced(force: Node, item: Node) -> tuple[str, str]:
    """`FORCE QUOTE a, b`, `FORCE NOT NULL a`, `FORCE NULL *`."""
    leaf = force.leaf("IDENT")
    words = "not_null" if force.has("not_null") else "null" if leaf is None else ident(force, leaf).lower()
    if leaf is not None and words != "quote":
        raise errors.SyntaxError(f'syntax error at or near "{force.text_of(leaf)}"', position=leaf.start_pos)
    listed = item.node("forced_names")
    names = [ident(listed, name) for name in listed.flat()] if listed is not None else ["*"]
    return f"force_{words}", json.dumps(names)


# ---------------------------------------------------------------- reading and following


def select(node: Node) -> ast.Statement:
    """A query, followed when it has EMIT, as far as a LIMIT behind that; of the past when it has AS OF."""
    query = query_of(node)
    assert query is not None
    emit = emit_of(node, query) if node.has("emit") else None
    as_of, what = _as_of(node)
    return ast.SelectStatement(query=query, emit=emit, limit=_limit(node), as_of=as_of, as_of_what=what)


def _limit(node: Node) -> int | None:
    """The number of LIMIT."""
    found = node.node("limit")
    leaf = found.leaf("NUMBER") if found is not None else None
    return whole_number(leaf) if leaf is not None else None


def _as_of(node: Node) -> tuple[str, ast.AsOf]:
    """(the text behind AS OF, "" without it; what it names)."""
    found = node.node("as_of")
    leaf = found.leaf("EXPR") if found is not None else None
    if found is None or leaf is None:
        return "", "tick"
    return expr_text(found, leaf), "timestamp" if found.has("of_time") else "tick"


def subscribe(node: Node) -> ast.Statement:
    """SUBSCRIBE [TO] view | (query) [WITH (name [[=] value], ...)] [AS OF TICK n | AS OF TIMESTAMP t]."""
    query = query_of(node)
    if query is None:
        query = select_all(name_of(node), _first(node) or 0)
    as_of, what = _as_of(node)
    options = tuple(_wish(wish) for wish in node.nodes("wish"))
    return ast.Subscribe(query=query, options=options, as_of=as_of, as_of_what=what)


def _wish(node: Node) -> tuple[str, str]:
    """(name, value) of an option; one without a value is wished for."""
    key, value = node.node("option_key"), node.node("option_value")
    assert key is not None
    return key_text(key), "true" if value is None else value_text(value)


def whole_number(leaf: lark.Token) -> int:
    """The number of a NUMBER that counts something; SyntaxError (42601) for a fraction, or more than 18 digits."""
    text = str(leaf)
    if not text.isdigit() or len(text) > 18:
        raise errors.SyntaxError(f"a whole number is expected, not {text}", position=leaf.start_pos)
    return int(text)


def print_topic(node: Node) -> ast.Statement:
    """PRINT 'topic' [FROM BEGINNING] [LIMIT n]."""
    leaf = next(node.flat())
    return ast.Print(
        topic=ident(node, leaf),
        from_beginning=node.has("from_beginning"),
        limit=_limit(node),
    )


def assert_(node: Node) -> ast.Statement:
    """ASSERT [ORDERED] [ROWS] (query) = (query)."""
    left, right = (query_leaf(node, leaf) for leaf in node.flat() if leaf.type == "QUERY")
    return ast.Assert(left=left, right=right, ordered=node.has("ordered"))


# ---------------------------------------------------------------- looking inside


def explain(node: Node) -> ast.Statement:
    """EXPLAIN [ANALYZE] [(options)] object; statements inside are built by parse.py."""
    return ast.Explain(statement=None, target=name_of(node), **explain_head(node))


def explain_head(node: Node) -> dict[str, Any]:
    """analyze and options of EXPLAIN; `(stage x)` is another spelling of `(x)`."""
    options = tuple((value.lower(), "true") if key == "stage" else (key, value) for key, value in _settings(node))
    return {"analyze": node.has("analyze"), "options": options}


def show(node: Node) -> ast.Statement:
    """SHOW what [FOR target] [LIKE pattern]; SHOW CREATE target."""
    create = node.node("show_create")
    like = node.node("like")
    pattern = string_of(like) if like is not None else None
    if create is not None:
        kind = kind_of(create)
        what = f"create {kind}" if kind in ("function", "index") else "create"
        return ast.Show(what=what, target=name_of(create), like=pattern)
    key, words = node.node("show_key"), node.node("show_words")
    if key is not None:
        return ast.Show(what=key_text(key), target=None, like=None)
    assert words is not None
    spelt = [ident(words, leaf) for leaf in words.flat()]
    what = " ".join(spelt)
    return ast.Show(what=_SHOWN.get(what, what), target=name_of(node) if node.has("name") else None, like=pattern)


_SHOWN = {
    "time zone": "timezone",
    "transaction isolation level": "transaction_isolation",
    "sources": "streams",
    "databases": "schemas",
    "session authorization": "session_authorization",
}


def describe(node: Node) -> ast.Statement:
    """DESCRIBE [EXTENDED] name [EXTENDED]."""
    return ast.Describe(target=name_of(node), extended=node.has("extended"))


def set_(node: Node) -> ast.Statement:
    """SET name = value; SET TIME ZONE value; SET NAMES value, the client's encoding."""
    name, value = set_pair(node)
    return ast.Set(name=name, value=value, local=node.has("local"))


def set_pair(node: Node) -> tuple[str, str | None]:
    """The name and value of `name = value` or TIME ZONE value; None: DEFAULT, or no value."""
    key, value = node.node("option_key"), node.node("set_value")
    if key is None and (interval := _zone_interval(node)) is not None:
        return "timezone", interval
    text = "default" if value is None else ", ".join(value_text(item) for item in value.spread())
    unnamed = "client_encoding" if node.has("names_word") else "timezone"
    return key_text(key) if key is not None else unnamed, None if text.lower() in _DEFAULTS else text


def _zone_interval(node: Node) -> str | None:
    """`SET TIME ZONE INTERVAL '+02:00' HOUR TO MINUTE` as the offset it means; None where something else is said."""
    found, value = node.node("zone_interval"), node.node("set_value")
    if found is None and value is not None:
        found = next((child for item in value.nodes("option_value") for child in item.nodes("interval")), None)
    if found is None:
        return None
    leaves = list(found.flat())
    amount, units = found.tokens[leaves[0].line or 0], [str(leaf).upper() for leaf in leaves[1:]]
    if units not in ([], ["HOUR"], ["HOUR", "MINUTE"]):
        raise errors.SyntaxError("time zone interval must be HOUR or HOUR TO MINUTE", position=leaves[1].start_pos)
    bare = units[0] if units and ":" not in amount.value else None
    parsed = parse_interval(amount.value, bare, amount.start)
    if parsed.months or parsed.days:
        raise errors.InvalidParameter(
            'invalid value for parameter "TimeZone"', hint="a time zone is hours and minutes", position=amount.start
        )
    return offset_text(parsed.microseconds / SECOND_US)


_DEFAULTS = ("default", "local")
"""What stands for a setting's default; SET TIME ZONE knows both words."""

_LEVELS = ("serializable", "repeatable read", "read committed", "read uncommitted")
_MODES: dict[str, tuple[str, str]] = {
    **{f"isolation level {level}": ("isolation", level) for level in _LEVELS},
    "read only": ("read_only", "on"),
    "read write": ("read_only", "off"),
    "deferrable": ("deferrable", "on"),
    "not deferrable": ("deferrable", "off"),
}
"""Words of a transaction's mode -> the setting's ending and its value."""


def set_transaction(node: Node) -> ast.Statement:
    """SET TRANSACTION modes; SET SESSION CHARACTERISTICS AS TRANSACTION modes."""
    words = node.node("mode_words")
    assert words is not None
    session = node.has("characteristics")
    head = "default_transaction_" if session else "transaction_"
    spelt = [ident(words, leaf) for leaf in words.flat() if leaf.type == "IDENT"]
    values: list[tuple[str, str]] = []
    while spelt:
        found = next((n for n in (4, 3, 2, 1) if " ".join(spelt[:n]) in _MODES), 0)
        if not found:
            raise errors.SyntaxError(f'syntax error at or near "{spelt[0]}"', hint="one of: " + ", ".join(_MODES))
        ending, value = _MODES[" ".join(spelt[:found])]
        values.append((head + ending, value))
        del spelt[:found]
    return ast.SetTransaction(values=tuple(values), session=session)


def discard(node: Node) -> ast.Statement:
    """DISCARD ALL | PLANS | SEQUENCES | TEMP | TEMPORARY."""
    leaf = node.leaf("IDENT")
    assert leaf is not None
    what = ident(node, leaf)
    if what not in ("all", "plans", "sequences", "temp", "temporary"):
        raise errors.SyntaxError(f'syntax error at or near "{what}"', hint="DISCARD ALL", position=leaf.start_pos)
    return ast.Discard(what=what)


def reset(node: Node) -> ast.Statement:
    """RESET name | ALL."""
    key = node.node("option_key")
    return ast.Reset(name=key_text(key) if key is not None else None)


def _transaction(action: str) -> Callable[[Node], ast.Statement]:
    return lambda node: ast.Transaction(action=action)


def control(node: Node) -> ast.Statement:
    """PAUSE | RESUME | CANCEL QUERY id."""
    verb = node.node("control_verb")
    assert verb is not None
    leaf = next(node.flat())
    return ast.ControlQuery(action=str(next(verb.flat())).lower(), query_id=ident(node, leaf))


def listen(node: Node) -> ast.Statement:
    """LISTEN channel."""
    return ast.Listen(channel=_channel(node) or "")


def unlisten(node: Node) -> ast.Statement:
    """UNLISTEN channel | *."""
    return ast.Unlisten(channel=_channel(node))


def notify(node: Node) -> ast.Statement:
    """NOTIFY channel [, payload]."""
    payload = node.leaf("STRING")
    return ast.Notify(channel=_channel(node) or "", payload="" if payload is None else str(string_of(node)))


def _channel(node: Node) -> str | None:
    leaf = node.leaf("IDENT")
    return None if leaf is None else ident(node, leaf)


def wait(node: Node) -> ast.Statement:
    """FLUSH and WAIT."""
    return ast.Wait()


def refresh(node: Node) -> ast.Statement:
    """REFRESH MATERIALIZED VIEW [CONCURRENTLY] name [WITH DATA]."""
    return ast.Refresh(name=name_of(node))


def checkpoint(node: Node) -> ast.Statement:
    """CHECKPOINT."""
    return ast.Checkpoint()


def maintain(command: str) -> Callable[[Node], ast.Statement]:
    """VACUUM [(options)] [FULL] [FREEZE] [VERBOSE] [ANALYZE] [name [(columns)], ...]; ANALYZE likewise."""

    def make(node: Node) -> ast.Statement:
        return ast.Maintain(command=command, names=tuple(map(full_name, node.nodes("name"))))

    return make


def _savepoint(action: str) -> Callable[[Node], ast.Statement]:
    def make(node: Node) -> ast.Statement:
        named = [leaf for leaf in node.flat() if leaf.type == "IDENT"][-1]
        return ast.Transaction(action=action, savepoint=ident(node, named))

    return make


begin, commit, rollback = _transaction("begin"), _transaction("commit"), _transaction("rollback")
savepoint, release, rollback_to = _savepoint("savepoint"), _savepoint("release"), _savepoint("rollback to")


# ---------------------------------------------------------------- prepared statements


def prepare_head(node: Node) -> dict[str, Any]:
    """Name and types of PREPARE name [(types)] AS ..."""
    leaf, types = node.leaf("IDENT"), node.node("parameter_types")
    assert leaf is not None
    given = tuple(types.text_of(t) for t in types.flat()) if types is not None else ()
    return {"name": ident(node, leaf), "types": given}


def execute(node: Node) -> ast.Statement:
    """EXECUTE name [(value, ...)]."""
    leaf, given = node.leaf("IDENT"), node.node("arguments")
    assert leaf is not None
    arguments = tuple(expr_text(given, item) for item in given.flat()) if given is not None else ()
    return ast.Execute(name=ident(node, leaf), arguments=arguments)


def deallocate(node: Node) -> ast.Statement:
    """DEALLOCATE [PREPARE] name | ALL."""
    leaf = node.leaf("IDENT")
    return ast.Deallocate(name=None if leaf is None else ident(node, leaf))
