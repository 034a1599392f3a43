"""lark tree -> Hive's statements: tables and databases. What all builders need is here as well; see build_more.py."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import lark

from sqlengine import errors
from sqlengine.sql import ast
from sqlengine.sql.build import Node, expr_text, full_name, ident, query_leaf, string_of
from sqlengine.sql.dialect import DEFAULT_DATABASE
from sqlengine.sql.hive.lexer import lex_hive
from sqlengine.sql.lexer import STRING

PUBLIC = "public"
"""The schema that Hive calls `default`."""
_DELIMITERS = {
    "fields_by": "field.delim",
    "escaped_by": "escape.delim",
    "items_by": "collection.delim",
    "keys_by": "mapkey.delim",
    "lines_by": "line.delim",
    "null_as": "serialization.null.format",
}

# ---------------------------------------------------------------- shared


def schema_name(database: str) -> str:
    """The schema behind the name of a database."""
    return PUBLIC if database.lower() in (DEFAULT_DATABASE, "") else database.lower()


def whole_name(node: Node) -> ast.Name:
    """A `name` node with its database: the one it says, else the session's."""
    parts = tuple(part.lower() for part in full_name(node))
    database = parts[0] if len(parts) > 1 else node.dialect.database
    return (schema_name(database), parts[-1])


def name_child(node: Node) -> ast.Name:
    """The name of what a statement is about."""
    found = node.node("name")
    assert found is not None, "the grammar asks for a name"
    return whole_name(found)


def first_ident(node: Node) -> str:
    """The first name among a node's own words."""
    leaf = node.leaf("IDENT")
    assert leaf is not None, "the grammar asks for a name"
    return ident(node, leaf).lower()


def idents(node: Node | None) -> tuple[str, ...]:
    """All names among a node's own words."""
    return () if node is None else tuple(ident(node, leaf).lower() for leaf in node.flat() if leaf.type == "IDENT")


def strings(node: Node) -> list[str]:
    """All strings among a node's own words."""
    return [node.tokens[leaf.line or 0].value for leaf in node.flat() if leaf.type == "STRING"]


def child_text(node: Node, rule: str) -> str | None:
    """The string of a child node, None without one."""
    found = node.node(rule)
    return None if found is None else string_of(found)


def properties(node: Node | None) -> ast.Options:
    """The pairs of a property_list below a node; the value of a key alone is empty."""
    found = None if node is None else node.node("property_list")
    if found is None:
        return ()
    pairs = [(*strings(item), "")[:2] for item in found.nodes("property")]
    return tuple((key, value) for key, value in pairs)


def only_query(node: Node) -> ast.Query:
    """The query of a node."""
    leaf = node.leaf("QUERY")
    assert leaf is not None, "the grammar asks for a query"
    return query_leaf(node, leaf)


def partition_spec(node: Node | None) -> ast.PartitionSpec | None:
    """What PARTITION (...) says."""
    return None if node is None else tuple(_spec(spec) for spec in node.nodes("spec"))


def _spec(spec: Node) -> ast.PartitionTest:
    compare = spec.node("compare")
    operator = "" if compare is None else {"<>": "!="}.get(str(next(compare.flat())), str(next(compare.flat())))
    return first_ident(spec), operator, _constant(spec)


def _constant(spec: Node) -> str | None:
    return next(iter(_constants(spec)), None)


def _constants(node: Node) -> Iterator[str]:
    """The texts of the constants of a node, NULL left out."""
    for child in node.nodes():
        if child.rule == "constant":
            if child.has("true_word") or child.has("false_word"):
                yield "true" if child.has("true_word") else "false"
                continue
            leaf = next(leaf for leaf in child.flat() if leaf.type in ("STRING", "NUMBER"))
            token = child.tokens[leaf.line or 0]
            yield token.value if token.kind == STRING else token.value.rstrip("LSYDBlsydb")
        if child.rule == "negative":
            yield "-" + str(child.leaf("NUMBER")).rstrip("LSYDBlsydb")


# ---------------------------------------------------------------- columns and layout


def columns_of(node: Node) -> tuple[ast.HiveColumn, ...]:
    """The columns of a `columns` child."""
    found = node.node("columns")
    return () if found is None else tuple(column_of(item) for item in found.nodes("column"))


def column_of(node: Node) -> ast.HiveColumn:
    """One column with all that is said of it."""
    parts = {part.rule: part for part in node.spread()}
    leaves = list(node.flat())
    name, kind = leaves[0], leaves[1]
    checked = parts.get("check")
    if checked is not None:
        expr_text(checked, _leaf(checked, "EXPR"))
    default = parts.get("default")
    return ast.HiveColumn(
        ident(node, name).lower(),
        node.text_of(kind),
        string_of(parts["remark"]) or "" if "remark" in parts else "",
        "not_null" in parts,
        None if default is None else expr_text(default, _leaf(default, "EXPR")),
        "primary_key" in parts,
        name.start_pos or 0,
    )


def _leaf(node: Node, kind: str) -> lark.Token:
    found = node.leaf(kind)
    assert found is not None, f"the grammar asks for {kind}"
    return found


def _partition_column(node: Node) -> ast.HiveColumn:
    leaves = list(node.flat())
    remark = next((child for child in node.spread() if child.rule == "remark"), None)
    kind = node.text_of(leaves[1]) if len(leaves) > 1 else None
    comment = string_of(remark) if remark is not None else ""
    return ast.HiveColumn(ident(node, leaves[0]).lower(), kind, comment or "", position=leaves[0].start_pos or 0)


def layout_of(node: Node) -> ast.FileLayout:
    """ROW FORMAT, STORED AS and STORED BY among a statement's clauses."""
    said: dict[str, Any] = {}
    serde_properties: list[tuple[str, str]] = []
    for child in _clauses(node):
        if child.rule == "row_format":
            said["serde"] = string_of(child) or ""
            serde_properties += properties(child)
            serde_properties += [(_DELIMITERS[part.rule], string_of(part) or "") for part in _delimiters(child)]
        elif child.rule == "stored_as":
            said |= format_of(child)
        elif child.rule == "stored_by":
            said["handler"] = string_of(child) or first_ident(child)
            serde_properties += properties(child)
    return ast.FileLayout(**said, serde_properties=tuple(serde_properties))


def _delimiters(node: Node) -> Iterator[Node]:
    for child in node.nodes():
        if child.rule in _DELIMITERS:
            yield child


def _clauses(node: Node) -> Iterator[Node]:
    for child in node.nodes():
        if child.rule == "mv_storage":
            yield from child.nodes()
        else:
            yield child


def format_of(node: Node) -> dict[str, Any]:
    """Which files a STORED AS or SET FILEFORMAT names; DIRECTORIES of SKEWED BY name none."""
    classes = node.node("classes")
    if classes is not None:
        return {"input_format": strings(classes)[0]}
    word = first_ident(node)
    return {} if word == "directories" else {"file_format": word}


# ---------------------------------------------------------------- databases


def create_database(node: Node) -> ast.Statement:
    """CREATE DATABASE."""
    return ast.CreateDatabase(
        name=schema_name(first_ident(node)),
        if_not_exists=node.has("if_not_exists"),
        comment=child_text(node, "remark"),
        location=child_text(node, "location") or child_text(node, "managed_location") or "",
        properties=properties(node.node("db_properties")),
    )


def alter_database(node: Node) -> ast.Statement:
    """ALTER DATABASE."""
    changed = node.node("set_db_properties")
    owner = node.node("owner")
    return ast.AlterDatabase(
        name=schema_name(first_ident(node)),
        properties=None if changed is None else properties(changed),
        location=child_text(node, "location") or child_text(node, "managed_location"),
        owner=None if owner is None else idents(owner)[-1],
    )


def drop_database(node: Node) -> ast.Statement:
    """DROP DATABASE."""
    return ast.Drop(
        kind="schema",
        name=(schema_name(first_ident(node)),),
        if_exists=node.has("if_exists"),
        cascade=node.has("cascade"),
    )


def use(node: Node) -> ast.Statement:
    """USE."""
    return ast.Use(name=schema_name(first_ident(node)))


# ---------------------------------------------------------------- tables


def create_table(node: Node) -> ast.Statement:
    """CREATE TABLE, with columns or AS a query."""
    query_node = node.node("as_query")
    partitioned = node.node("partitioned")
    named = tuple(_partition_column(c) for c in _partition_columns(partitioned))
    given, partitions = partitioned_by_names(columns_of(node), named)
    return ast.CreateFileTable(
        **_table_head(node),
        columns=given,
        partition_columns=partitions,
        primary_key=_table_key(node) or tuple(column.name for column in given if column.primary_key),
        buckets=_buckets(node.node("clustered")),
        skewed=_skewed(node, any(first_ident(c) == "directories" for c in node.nodes("stored_as") if c.leaf("IDENT"))),
        query=None if query_node is None else only_query(query_node),
        source=source_of(node),
    )


def _buckets(node: Node | None) -> ast.Buckets:
    """What CLUSTERED BY says."""
    if node is None:
        return ast.Buckets()
    by = tuple((first_ident(item), item.has("descending")) for item in node.nodes("sort_column"))
    return ast.Buckets(columns=idents(node.node("names")), sorted=by, number=_number_of(node))


def _number_of(node: Node) -> int:
    return int(str(node.leaf("NUMBER")))


def _skewed(node: Node, as_directories: bool) -> ast.Skewed | None:
    """What SKEWED BY says."""
    found = node.node("skewed")
    if found is None:
        return None
    columns = idents(found.node("names"))
    rows = tuple(tuple(_constants(item)) for item in found.nodes("skew_value"))
    return ast.Skewed(columns=columns, rows=rows, as_directories=as_directories)


def partitioned_by_names(
    columns: tuple[ast.HiveColumn, ...], partitions: tuple[ast.HiveColumn, ...]
) -> tuple[tuple[ast.HiveColumn, ...], tuple[ast.HiveColumn, ...]]:
    """(columns, partition columns) where PARTITIONED BY only names some of the columns, as Spark has it."""
    known = {column.name: column for column in columns}
    if not columns or any(column.type_text is not None or column.name not in known for column in partitions):
        return columns, partitions
    named = {column.name for column in partitions}
    return tuple(c for c in columns if c.name not in named), tuple(known[column.name] for column in partitions)


def source_of(node: Node) -> ast.Source | None:
    """USING format [OPTIONS (...)] of a statement; None without it."""
    using, options = node.node("using"), node.node("options")
    if using is None and options is not None:
        raise errors.SyntaxError("OPTIONS belongs to USING", hint="USING csv OPTIONS (header 'true')")
    return None if using is None else ast.Source(first_ident(using), tuple(_options(options)))


def _options(node: Node | None) -> Iterator[tuple[str, str]]:
    for option in () if node is None else node.nodes("option"):
        key, value = option.node("option_key"), option.node("option_value")
        if key is None or value is None:
            yield _joined_option(option)
        else:
            yield _option_key(key), _option_value(value)


_STRING = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)


def _joined_option(option: Node) -> tuple[str, str]:
    """`'key' 'value'`, which the lexer has made one string, as Hive has it."""
    token = option.tokens[next(option.flat()).line or 0]
    parts = [lex_hive(found)[0].value for found in _STRING.findall(option.text[token.start : token.end])]
    if len(parts) != 2:
        raise errors.SyntaxError("an option has a name and a value", position=token.start)
    return parts[0].lower(), parts[1]


def _option_key(node: Node) -> str:
    inner = node.node("option_key")
    words = [node.tokens[leaf.line or 0].value for leaf in node.flat() if leaf.type in ("IDENT", "STRING")]
    return ".".join([*([_option_key(inner)] if inner is not None else []), *words]).lower()


def _option_value(node: Node) -> str:
    if node.has("true_word") or node.has("false_word"):
        return "true" if node.has("true_word") else "false"
    return node.tokens[next(node.flat()).line or 0].value


def table_words(node: Node) -> frozenset[str]:
    """EXTERNAL, TEMPORARY and the like before TABLE or VIEW, in lower case."""
    words = (str(next(word.flat())).lower() for word in node.nodes("table_word"))
    return frozenset("temporary" if word == "temp" else word for word in words)


def _partition_columns(node: Node | None) -> list[Node]:
    return [] if node is None else list(node.nodes("partition_column"))


def _table_head(node: Node) -> dict[str, Any]:
    return {
        "name": name_child(node),
        "words": table_words(node),
        "if_not_exists": node.has("if_not_exists"),
        "comment": child_text(node, "remark") or "",
        "layout": layout_of(node),
        "location": child_text(node, "location") or "",
        "properties": properties(node.node("properties")),
    }


def _table_key(node: Node) -> tuple[str, ...]:
    for constraint in (node.node("columns") or node).nodes("table_constraint"):
        key = constraint.node("table_key")
        if key is not None:
            return idents(key.node("names"))
    return ()


def create_like(node: Node) -> ast.Statement:
    """CREATE TABLE ... LIKE."""
    what = node.node("like_what")
    assert what is not None, "the grammar asks for it"
    named = what.node("name")
    path = string_of(what)
    return ast.CreateFileTable(
        **_table_head(node),
        like=None if named is None else whole_name(named),
        like_file=None if path is None else (first_ident(what), path),
    )


def drop_table(node: Node) -> ast.Statement:
    """DROP TABLE; PURGE says what happens here in any case: there is no trash."""
    return ast.DropTable(name=name_child(node), if_exists=node.has("if_exists"))


def msck(node: Node) -> ast.Statement:
    """MSCK REPAIR TABLE."""
    word = node.node("repaired")
    what = "ADD" if word is None else str(next(word.flat())).upper()
    return ast.Msck(name=name_child(node), adds=what != "DROP", drops=what != "ADD")


def truncate(node: Node) -> ast.Statement:
    """TRUNCATE TABLE."""
    return ast.TruncateFiles(name=name_child(node), partition=partition_spec(node.node("partition")))


def analyze(node: Node) -> ast.Statement:
    """ANALYZE TABLE."""
    columns = node.node("for_columns")
    return ast.Analyze(
        name=name_child(node),
        partition=partition_spec(node.node("partition")),
        columns=None if columns is None else idents(columns),
    )


# ---------------------------------------------------------------- ALTER TABLE


def alter_table(node: Node) -> ast.Statement:
    """ALTER TABLE in any of its forms."""
    *_, form = node.nodes()
    if form.rule == "recover":
        return ast.Msck(name=name_child(node))
    partition = partition_spec(node.node("partition"))
    return ast.AlterFileTable(name=name_child(node), partition=partition, change=change_of(form))


def change_of(form: Node) -> ast.TableChange:
    """The change a form asks for."""
    return ast.TableChange(verb=form.rule, **_said(form))


def _said(form: Node) -> dict[str, Any]:
    """The fields of a form that are the same in all of them."""
    said: dict[str, Any] = {
        "if_exists": form.has("if_exists"),
        "if_not_exists": form.has("if_not_exists"),
        "properties": properties(form.node("properties") or form),
        "text": string_of(form) or "",
    }
    if form.rule in ("set_serde", "set_format"):
        said["layout"] = (
            ast.FileLayout(serde=string_of(form) or "")
            if form.rule == "set_serde"
            else ast.FileLayout(**format_of(form))
        )
    elif form.rule == "clustered":
        said["buckets"] = _buckets(form)
    elif form.rule == "buckets":
        said["buckets"] = ast.Buckets(number=_number_of(form))
    elif form.rule == "skewed_by":
        said["skewed"] = _skewed(form, form.leaf("IDENT") is not None and first_ident(form) == "directories")
    elif form.rule in ("add_columns", "replace_columns"):
        said["columns"] = columns_of(form)
    elif form.rule == "change_column":
        said |= _changed_column(form)
    elif form.rule == "rename_to" or form.rule == "exchange":
        said["new_name"] = name_child(form)
    elif form.rule == "set_owner":
        said["text"] = idents(form)[-1]
    elif form.rule == "drop_constraint":
        said["text"] = first_ident(form)
    if form.rule in ("add_partitions", "drop_partitions", "rename_partition", "exchange"):
        said["partitions"] = tuple(_partitions(form))
    return said


def _changed_column(form: Node) -> dict[str, Any]:
    column = form.node("column")
    assert column is not None, "the grammar asks for it"
    after = form.node("after")
    place = "" if form.has("first") else None if after is None else first_ident(after)
    return {"column": first_ident(form), "columns": (column_of(column),), "place": place}


def _partitions(form: Node) -> Iterator[tuple[ast.PartitionSpec, str]]:
    added = list(form.nodes("added_partition"))
    for item in added or [form]:
        for partition in item.nodes("partition"):
            yield partition_spec(partition) or (), (string_of(item) or "") if added else ""
