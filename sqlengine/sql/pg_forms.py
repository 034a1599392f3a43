"""What only queries of PostgreSQL's catalog say, put into words that DuckDB knows; on trees, in place.

Oids are numbers of 32 bits without sign, reg* types among them: text becomes one by `reg_in`, and one becomes text by
`reg_out`.  Vectors begin at 0, arrays at 1.  What a query answers keeps its PostgreSQL type in `outputs`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field

from sqlglot import exp

from sqlengine.quick_dataclass import dataclass
from sqlengine.sql.lower_values import fold, parts_of
from sqlengine.sql.nodes import find_all, nodes
from sqlengine.sql.pg_params import parameter_kinds
from sqlengine.sql.pg_types import Columns, Outputs, Typer, element, is_bare, type_name, user_type
from sqlengine.sql.rewrite_pg import PG_TYPE

REG = frozenset("regclass regtype regproc regprocedure regnamespace regrole".split())
OIDS = REG | frozenset(("oid", "xid", "cid", "regoper", "regoperator", "regconfig", "regdictionary", "regcollation"))
_VECTORS = {"int2vector": "int2", "oidvector": "oid"}
_DUCK = {
    "oid": "UINTEGER",
    "int2": "SMALLINT",
    "xid8": "BIGINT",
    **dict.fromkeys(OIDS, "UINTEGER"),
}
"""What carries a type in DuckDB; what is not here is text."""
_NAMES: dict[type[exp.Expr], str] = {
    exp.CurrentUser: "current_user",
    exp.SessionUser: "session_user",
    exp.CurrentCatalog: "current_catalog",
    exp.CurrentSchema: "current_schema",
}


@dataclass
class PgForms:
    """The rewriting of one query; `relation` says whether a name is one of PostgreSQL's system relations."""

    columns: Columns
    functions: Callable[[str, int], str | None]
    is_system: Callable[[tuple[str, ...]], bool]
    set_functions: Mapping[str, Mapping[str, str]]
    oid_of: Callable[[tuple[str, ...]], int | None]
    is_scalar: Callable[[str], bool]
    outputs: Outputs = field(default_factory=list)

    def typed(self, tree: exp.Expr) -> Outputs:
        """The columns of a query and their types; the tree stays as it is."""
        return Typer(self.columns, self.functions).outputs(tree)

    def parameters(self, tree: exp.Expr, argument: Callable[[str, int, int], str | None]) -> dict[int, str]:
        """The types of parameters that have no values yet, by number; the tree stays as it is."""
        typer = Typer(self.columns, self.functions)
        typer.outputs(tree)
        return parameter_kinds(tree, typer.known, argument)

    def wanted(self, tree: exp.Expr) -> bool:
        """Whether a query has anything of PostgreSQL's catalog in it."""
        return any(self._is_own(node) for node in nodes(tree))

    def _is_own(self, node: exp.Expr) -> bool:
        if isinstance(node, exp.Table):
            return isinstance(node.this, exp.Identifier) and self.is_system(
                tuple(fold(part) for part in node.parts if isinstance(part, exp.Identifier))
            )
        if isinstance(node, exp.Anonymous):
            name = node.name.lower()
            if name in _OWN_CALLS or name in self.set_functions or self.is_system((f"{name}()",)):
                return True
            return self.functions(name, len(node.expressions)) is not None
        if isinstance(node, exp.DataType):
            return user_type(node).startswith(PG_TYPE) or node.this == exp.DType.NAME
        if isinstance(node, exp.Column):
            return node.name.lower() in _HIDDEN or is_bare(node)
        return type(node) in _NAMES

    def apply(self, tree: exp.Expr) -> None:
        """Type the tree, then rewrite it."""
        self._tables_of_functions(tree)
        self._own_oids(tree)
        _sets_in_from(tree, self.set_functions)
        self._scalars_in_from(tree)
        typer = Typer(self.columns, self.functions)
        self.outputs = typer.outputs(tree)
        for node, kind, below in _typed_nodes(tree, typer.known):
            if isinstance(node, exp.Cast):
                _cast(node, below[0])
            elif isinstance(node, exp.Bracket):
                _subscript(node, below[0])
            elif isinstance(node, exp.Anonymous):
                _call(node, below)
            elif isinstance(node, exp.Substring):
                _substring(node)
            elif isinstance(node, exp.Column):
                _bare(node, kind)
            elif type(node) in _NAMES:
                node.replace(exp.Anonymous(this=_NAMES[type(node)], expressions=[]))
            elif isinstance(node, (exp.EQ, exp.NEQ)):
                _compared(node, below)
            elif isinstance(node, (exp.Unnest, exp.Table, exp.Lateral)):
                _named_set(node)

    def _scalars_in_from(self, tree: exp.Expr) -> None:
        """`FROM f(x) AS a`, where f gives one value: one row of one column called a."""
        for node in find_all(tree, exp.Table):
            call = node.this
            if isinstance(call, exp.Anonymous) and self.is_scalar(call.name.lower()):
                alias = node.args.get("alias") or exp.TableAlias(this=exp.to_identifier(call.name.lower()))
                names = alias.args.get("columns") or [alias.this]
                one = exp.Select(expressions=[exp.Alias(this=call, alias=names[0].copy())])
                node.replace(exp.Subquery(this=one, alias=exp.TableAlias(this=alias.this.copy())))

    def _own_oids(self, tree: exp.Expr) -> None:
        """Columns that every table has without showing them: `t.tableoid` is the number of t, `xmin` and its like 0."""
        for column in find_all(tree, exp.Column):
            kind = _HIDDEN.get(column.name.lower())
            found = next(self._tables_seen(column), None) if kind is not None else None
            if kind is not None and found is not None:
                value = found if kind == "oid" else 0
                made = exp.Cast(this=exp.Literal.number(value), to=_user_type(kind))
                named = isinstance(column.parent, exp.Select) and column.arg_key == "expressions"
                column.replace(exp.Alias(this=made, alias=exp.to_identifier(column.name)) if named else made)

    def _tables_seen(self, column: exp.Column) -> Iterator[int]:
        """The oids of the tables that a column may be of and that show none of its name, innermost first."""
        select = column.find_ancestor(exp.Select)
        while select is not None:
            first = select.args.get("from_")
            items = [first.this] if first is not None else []
            for item in [*items, *(j.this for j in select.args.get("joins") or ())]:
                if isinstance(item, exp.Table) and isinstance(item.this, exp.Identifier):
                    parts = tuple(parts_of(item))
                    oid = self.oid_of(parts)
                    shown = column.name.lower() in (self.columns(parts) or ())
                    if oid is not None and not shown and (not column.table or column.table in (item.alias, parts[-1])):
                        yield oid
            select = select.find_ancestor(exp.Select)

    def _tables_of_functions(self, tree: exp.Expr) -> None:
        """`FROM pg_get_keywords()` reads the relation of that name."""
        for node in find_all(tree, exp.Table):
            call = node.this
            if isinstance(call, exp.Anonymous) and self.is_system((f"{call.name.lower()}()",)):
                name = exp.to_identifier(call.name.lower())
                node.set("this", exp.to_identifier(f"{call.name.lower()}()", quoted=True))
                node.set("db", exp.to_identifier("pg_catalog"))
                if node.args.get("alias") is None:
                    node.set("alias", exp.TableAlias(this=name))


def _typed_nodes(
    tree: exp.Expr, kinds: Mapping[int, str | None]
) -> list[tuple[exp.Expr, str | None, list[str | None]]]:
    """(node, its type, the types of what it is made of), innermost first; taken before anything is replaced."""
    found = []
    for node in nodes(tree):
        if isinstance(node, exp.Anonymous):
            parts = node.expressions
        else:
            parts = [node.args.get("this"), node.args.get("expression")]
        found.append((node, kinds.get(id(node)), [kinds.get(id(part)) for part in parts]))
    return found[::-1]


# ---------------------------------------------------------------- casts


def _cast(node: exp.Cast, source: str | None) -> None:
    target = type_name(node.to)
    if target in ("text", "varchar") and source in REG:
        node.replace(_reg_out(str(source), node.this))
    elif target in ("text[]", "varchar[]") and source is not None and element(source) in REG:
        node.replace(_each(node.this, lambda item: _reg_out(str(element(source)), item)))
    elif target in REG:
        made = node.this if source in OIDS else _reg_in(target, node.this)
        node.replace(_typed(made, "UINTEGER"))
    elif target is not None and (target.endswith("[]") or target in _VECTORS):
        inner = _DUCK.get(_VECTORS.get(target, target.removesuffix("[]")), "VARCHAR")
        if target not in ("text[]", "varchar[]") or isinstance(node.this, exp.Literal):
            node.replace(_typed(_list_of(node.this), f"{inner}[]"))
    elif user_type(node.to).startswith(PG_TYPE) or target == "name":
        first = exp.Anonymous(this="left", expressions=[node.this, exp.Literal.number(1)])
        made = first if target == "char" else node.this
        node.replace(_typed(made, _DUCK.get(str(target), "VARCHAR")))


def _typed(node: exp.Expr, kind: str) -> exp.Expr:
    return exp.Cast(this=node, to=exp.DataType.build(kind, dialect="duckdb"))


def _list_of(node: exp.Expr) -> exp.Expr:
    """The text of an array as a list: `'{a,b}'`, or `'1 2'` of a vector."""
    if isinstance(node, exp.Literal) and node.is_string:
        return exp.Array(expressions=_literals(node.name))
    return node


def _literals(text: str) -> list[exp.Expr]:
    return [exp.Null() if item is None else exp.Literal.string(item) for item in array_items(text)]


def array_items(text: str) -> list[str | None]:
    """The elements of an array of one dimension, or of a vector, as text."""
    body = text.strip()
    if not body.startswith("{"):
        return [*body.split()]
    items: list[str | None] = []
    at, body = 0, body[1:-1]
    while at < len(body):
        if body[at] == '"':
            end, item = at + 1, ""
            while end < len(body) and body[end] != '"':
                end += body[end] == "\\"
                item += body[end : end + 1]
                end += 1
            items.append(item)
            at = end + 2
        else:
            end = body.find(",", at)
            end = len(body) if end < 0 else end
            word = body[at:end].strip()
            items.append(None if word.upper() == "NULL" else word)
            at = end + 1
    return items


def _reg_in(kind: str, node: exp.Expr) -> exp.Expr:
    as_text = node if isinstance(node, exp.Literal) else _typed(node, "VARCHAR")
    return exp.Anonymous(this="reg_in", expressions=[exp.Literal.string(kind), as_text])


def _reg_out(kind: str, node: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this="reg_out", expressions=[exp.Literal.string(kind), node])


def _each(array: exp.Expr, make: Callable[[exp.Expr], exp.Expr]) -> exp.Expr:
    item = exp.Var(this='"$e"')
    return exp.Anonymous(
        this="list_transform", expressions=[array, exp.Lambda(this=make(item), expressions=[item.copy()])]
    )


# ---------------------------------------------------------------- operators


def _compared(node: exp.Expr, below: Sequence[str | None]) -> None:
    """`x = ANY (array)`; a reg* value beside a text constant, which is a name."""
    left, right = node.this, node.expression
    if isinstance(right, exp.Any):
        _any_of(node, right.this)
        return
    for kind, other in ((below[0], right), (below[-1], left)):
        if kind in REG and isinstance(other, exp.Literal) and other.is_string:
            other.replace(_typed(_reg_in(str(kind), other.copy()), "UINTEGER"))


def _any_of(node: exp.Expr, array: exp.Expr) -> None:
    while isinstance(array, exp.Paren):
        array = array.this
    if isinstance(array, (exp.Select, exp.SetOperation, exp.Subquery)) or not isinstance(node, exp.EQ):
        return
    if isinstance(array, exp.Literal) and array.is_string:
        node.replace(exp.In(this=node.this, expressions=_literals(array.name) or [exp.Null()]))
    elif isinstance(array, exp.Array) and array.expressions and not isinstance(array.expressions[0], exp.Select):
        node.replace(exp.In(this=node.this, expressions=array.expressions))
    else:
        node.replace(exp.Anonymous(this="list_contains", expressions=[array, node.this]))


def _subscript(node: exp.Bracket, kind: str | None) -> None:
    """Vectors begin at 0, lists of DuckDB at 1; `(array)[a:b]` stays."""
    if kind in _VECTORS and len(node.expressions) == 1 and not isinstance(node.expressions[0], exp.Slice):
        node.set("expressions", [exp.Paren(this=exp.Add(this=node.expressions[0], expression=exp.Literal.number(1)))])


# ---------------------------------------------------------------- functions


_HIDDEN = {"tableoid": "oid", "xmin": "xid", "xmax": "xid", "cmin": "cid", "cmax": "cid"}
"""Columns that every table has without showing them, and their types."""


def _user_type(name: str) -> exp.DataType:
    return exp.DataType(this=exp.DType.USERDEFINED, kind=exp.to_identifier(PG_TYPE + name))


_OWN_CALLS = frozenset(("generate_subscripts", "_pg_expandarray", "array_lower", "pg_typeof"))


def _call(node: exp.Anonymous, below: Sequence[str | None]) -> None:
    name, args = node.name.lower(), node.expressions
    if name == "generate_subscripts" and args:
        node.set("this", "generate_series")
        node.set("expressions", [exp.Literal.number(1), exp.Anonymous(this="len", expressions=[args[0]])])
    elif name == "_pg_expandarray" and args:
        pair = exp.Var(this='lambda "$e", "$i": {\'x\': "$e", \'n\': CAST("$i" AS INTEGER)}')
        made = exp.Anonymous(this="list_transform", expressions=[args[0], pair])
        node.replace(exp.Explode(this=made))
    elif name == "age" and below[:1] == ["xid"]:
        node.replace(_typed(exp.Literal.number(0), "INTEGER"))
    elif name == "format":
        node.set("this", "pg_format")
    elif name == "pg_typeof" and args:
        known = below[0] if below else None
        named = exp.Anonymous(this="typeof", expressions=args) if known is None else exp.Literal.string(known)
        node.replace(exp.Anonymous(this="type_named", expressions=[named]))


def _substring(node: exp.Substring) -> None:
    """`substring(x FROM 'regex')` is what the first group matches, or the whole where there is none."""
    pattern = node.args.get("start")
    if isinstance(pattern, exp.Literal) and pattern.is_string and node.args.get("length") is None:
        group = exp.Literal.number(1 if re.search(r"(?<!\\)\((?!\?)", pattern.name) else 0)
        node.replace(exp.Anonymous(this="regexp_extract", expressions=[node.this, pattern, group]))


def _bare(node: exp.Column, kind: str | None) -> None:
    """`current_role` and `user` are functions without parentheses where no column has the name."""
    if kind in (None, "name") and is_bare(node):
        name = node.name.lower()
        made = exp.Anonymous(this=name, expressions=[])
        listed = isinstance(node.parent, exp.Select) and node.arg_key == "expressions"
        node.replace(exp.Alias(this=made, alias=exp.to_identifier(name, quoted=True)) if listed else made)


def _named_set(node: exp.Expr) -> None:
    """In FROM the alias of a function that gives one column is the column's name, too."""
    inner = node.this if isinstance(node, (exp.Lateral, exp.Table)) else node
    one = isinstance(inner, exp.Unnest) and len(inner.expressions) == 1 and not inner.args.get("offset")
    series = isinstance(inner, exp.Anonymous) and inner.name.lower() in ("generate_series", "unnest")
    alias = node.args.get("alias")
    if (one or series) and alias is not None and alias.this is not None and not alias.args.get("columns"):
        alias.set("columns", [alias.this.copy()])


def _explode_acl(node: exp.Anonymous, columns: Mapping[str, str]) -> None:
    """aclexplode(items): the answer of `_acl_privileges` as rows."""
    shape = json.dumps([dict(columns)])
    joined = exp.Anonymous(
        this="array_to_string",
        expressions=[node.expressions[0].copy(), exp.Anonymous(this="chr", expressions=[exp.Literal.number(10)])],
    )
    asked = exp.Anonymous(this="_acl_privileges", expressions=[joined])
    listed = exp.Anonymous(this="from_json", expressions=[asked, exp.Literal.string(shape)])
    made = exp.Explode(this=listed)
    if not isinstance(node.parent, (exp.Table, exp.Lateral)):
        node.replace(made)
        return
    row = exp.Select(expressions=[exp.Alias(this=made, alias=exp.to_identifier("item"))])
    fields = [exp.Alias(this=exp.column(name, table="item"), alias=exp.to_identifier(name)) for name in columns]
    rows = exp.Select(expressions=fields).from_(
        exp.Subquery(this=row, alias=exp.TableAlias(this=exp.to_identifier("one")))
    )
    alias = node.parent.args.get("alias") or exp.TableAlias(this=exp.to_identifier(node.name.lower()))
    node.parent.replace(exp.Lateral(this=exp.Subquery(this=rows), alias=alias))


def _sets_in_from(tree: exp.Expr, functions: Mapping[str, Mapping[str, str]]) -> None:
    """Functions that give rows: aclexplode's are those of the list that another function makes of its argument; of the
    others there is nothing here: no rows, with their columns."""
    for node in find_all(tree, exp.Anonymous):
        columns = functions.get(node.name.lower())
        if columns is None:
            continue
        if node.name.lower() == "aclexplode" and len(node.expressions) == 1:
            _explode_acl(node, columns)
        elif isinstance(node.parent, (exp.Table, exp.Lateral)):
            typed = {name: _typed(exp.Null(), kind) for name, kind in columns.items()}
            nulls = [exp.Alias(this=null, alias=exp.to_identifier(name)) for name, null in typed.items()]
            empty = exp.Select(expressions=nulls, where=exp.Where(this=exp.Boolean(this=False)))
            alias = node.parent.args.get("alias") or exp.TableAlias(this=exp.to_identifier(node.name.lower()))
            node.parent.replace(exp.Subquery(this=empty, alias=alias))
        else:
            row = ", ".join(f'"{n}" {kind}' for n, kind in columns.items())
            node.replace(exp.Explode(this=exp.Var(this=f"CAST([] AS STRUCT({row})[])")))
