"""Forms that sqlglot reads into classes of their own, or not at all, as the plain calls that mean the same, in place.

`x IS JSON OBJECT`, `j ?| keys`, `(a, b) OVERLAPS (c, d)`, `some(x)`, arrows of JSON among arguments, and PostgreSQL's
functions of JSON that give rows, which are UNNEST of the arrays they go through.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlglot import exp

from sqlengine.errors import NotSupportedError
from sqlengine.sql.hypothetical import hypothetical
from sqlengine.sql.lambdas import takes_lambda
from sqlengine.sql.lower_values import fold, position_of
from sqlengine.sql.nodes import find_all, nodes
from sqlengine.sql.ties import with_ties

_ROWS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
"""Function of JSON -> (functions of the arrays it goes through, names of its columns; none: the function's own)."""
for _prefix in ("json", "jsonb"):
    _ROWS[f"{_prefix}_array_elements"] = (("json_elements",), ("value",))
    _ROWS[f"{_prefix}_array_elements_text"] = (("json_elements_text",), ("value",))
    _ROWS[f"{_prefix}_object_keys"] = (("json_keys",), ())
    _ROWS[f"{_prefix}_each"] = (("json_keys", "json_values"), ("key", "value"))
    _ROWS[f"{_prefix}_each_text"] = (("json_keys", "json_values_text"), ("key", "value"))
_ROWS["jsonb_path_query"] = (("jsonb_path_items",), ())
_ROWS["regexp_matches"] = (("regexp_matches_all",), ())
_ARGUMENTS = {"jsonb_path_query": (2, 3, 4), "regexp_matches": (2, 3)}
"""How many arguments such a function has, where not one."""


def plain_forms(tree: exp.Expr) -> None:
    """Rewrite all of them; the root stays."""
    for node in nodes(tree):
        rule = _RULES.get(type(node))
        if rule is not None and node.parent is not None:
            rule(node)


def json_arrows(lambdas: Sequence[exp.Lambda], mark: str) -> None:
    """Of what is read as lambdas, `f(j -> 'a')` as an arrow of JSON where f takes no lambda; `mark` stands before
    names of functions."""
    for found in lambdas:
        around = found.parent
        names = found.expressions
        if not isinstance(around, exp.Anonymous) or takes_lambda(around.name.removeprefix(mark)) or len(names) != 1:
            continue
        first = found.this
        while isinstance(first, (exp.Binary, exp.Cast, exp.Is, exp.Between, exp.In)):
            first = first.this
        arrow = exp.JSONExtract(this=exp.Column(this=names[0].copy()), expression=first.copy())
        if first is found.this:
            found.replace(arrow)
        else:
            first.replace(arrow)
            found.replace(found.this)


def call(name: str, *arguments: Any) -> exp.Anonymous:
    """A plain call."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def _is_json(node: exp.Expr) -> None:
    kind = node.expression
    if isinstance(kind, exp.JSON):
        if kind.args.get("unique"):
            raise NotSupportedError("IS JSON WITH UNIQUE KEYS is not supported", position=position_of(node.this))
        word = str(kind.this).lower() if isinstance(kind.this, str) else "value"
        node.replace(call("is_json", node.this, exp.Literal.string(word)))


def _has_keys(name: str) -> Callable[[exp.Expr], None]:
    def rule(node: exp.Expr) -> None:
        node.replace(call(name, node.this, node.expression))

    return rule


def _leads_to_something(node: exp.Expr) -> None:
    """`j @? path`: errors in the document's shape make it NULL."""
    silent = (exp.Literal.string("{}"), exp.Boolean(this=True))
    node.replace(call("jsonb_path_exists", node.this, node.expression, *silent))


def _matches_path(node: exp.Expr) -> None:
    """`j @@ path`, whose sides sqlglot has the other way round."""
    silent = (exp.Literal.string("{}"), exp.Boolean(this=True))
    node.replace(call("jsonb_path_match", node.expressions[0], node.this, *silent))


def _as_path(node: exp.Expr) -> None:
    """`x::jsonpath`."""
    kind = node.args["to"]
    if str(kind.args.get("kind")).lower() == "jsonpath":
        node.replace(call("jsonpath", node.this))


def _overlaps(node: exp.Expr) -> None:
    """Each pair in order, (start, end) or (start, length); a moment counts as part of itself."""
    sides = [side.expressions if isinstance(side, exp.Tuple) else [] for side in (node.this, node.expression)]
    if any(len(side) != 2 for side in sides):
        raise NotSupportedError("OVERLAPS compares two pairs of moments", position=position_of(node.this))
    (a, b), (c, d) = ((call("least", *_span(side)), call("greatest", *_span(side))) for side in sides)
    same = exp.EQ(this=a.copy(), expression=c.copy())
    apart = exp.And(this=exp.LT(this=a, expression=d), expression=exp.LT(this=c, expression=b))
    node.replace(exp.Paren(this=exp.Or(this=same, expression=apart)))


def _span(side: list[exp.Expr]) -> list[exp.Expr]:
    start, end = side
    until = exp.Add(this=start.copy(), expression=end.copy()) if isinstance(end, exp.Interval) else end.copy()
    return [start.copy(), until]


def _called(node: exp.Expr) -> None:
    """A plain call: of a function that gives rows, of the aggregate `some`, of unix_timestamp without a moment."""
    name = node.name.lower()
    if name in _ROWS and (name != "regexp_matches" or _gives_matches(node)):
        _as_rows(node, name)
    elif name == "array_fill":
        _filled(node)
    elif name in _CHARSET_CALLS:
        _by_charset(node, name)
    elif name == "map_union" and len(node.expressions) > 2:
        first, *others = node.expressions
        for other in others[:-1]:
            first = call("map_union", first, other)
        node.set("expressions", [first, others[-1]])
    elif name == "some" and len(node.expressions) == 1 and not _is_compared_with(node):
        node.set("this", "bool_or")
    elif name == "unix_timestamp" and not node.expressions:
        node.set("expressions", [call("now")])


_CHARSET_CALLS = {"encode": "charset_encode", "decode": "charset_decode"}
CHARSETS = frozenset(("US-ASCII", "ISO-8859-1", "UTF-8", "UTF-16BE", "UTF-16LE", "UTF-16"))
"""What Flink's ENCODE and DECODE know; PostgreSQL's of these names take hex, base64 and escape."""


def _by_charset(node: exp.Expr, name: str) -> None:
    form = node.expressions[1] if len(node.expressions) == 2 else None
    if isinstance(form, exp.Literal) and form.is_string and form.name.upper() in CHARSETS:
        node.set("this", _CHARSET_CALLS[name])


def _gives_matches(node: exp.Expr) -> bool:
    """Whether regexp_matches is PostgreSQL's, a row for each match, not DuckDB's condition: in FROM, or with `g`."""
    in_from = isinstance(node.parent, (exp.Table, exp.Lateral)) and node.parent.this is node
    flags = node.expressions[2] if len(node.expressions) == 3 else None
    return in_from or (isinstance(flags, exp.Literal) and flags.is_string and "g" in flags.name)


def _filled(node: exp.Expr) -> None:
    """array_fill with its dimensions written out: an array of one dimension after the other."""
    given = node.expressions
    if len(given) < 2 or not isinstance(given[1], exp.Array):
        return
    if len(given) == 3:
        bounds = given[2].expressions if isinstance(given[2], exp.Array) else []
        if len(bounds) != len(given[1].expressions) or any(b.name != "1" for b in bounds):
            raise NotSupportedError("arrays begin with 1 here: array_fill with other bounds is not supported")
    value = given[0]
    for size in reversed(given[1].expressions):
        value = call("array_fill", value.copy(), exp.Array(expressions=[size.copy()]))
    node.set("expressions", value.expressions)


def _is_compared_with(node: exp.Expr) -> bool:
    """Whether the call is the quantifier of `x = SOME (array)`."""
    return isinstance(node.parent, (exp.Predicate, exp.Binary)) and node.arg_key == "expression"


# ---------------------------------------------------------------- functions of JSON that give rows


def _as_rows(node: exp.Expr, name: str) -> None:
    functions, columns = _ROWS[name]
    if len(node.expressions) not in _ARGUMENTS.get(name, (1,)):
        return
    lists = [call(function, *(given.copy() for given in node.expressions)) for function in functions]
    above = node.parent
    if isinstance(above, (exp.Table, exp.Lateral)) and above.this is node:
        _in_from(above, lists, columns or (name,), name)
    elif len(lists) > 1:
        raise NotSupportedError(
            f"{name} in a select list is not supported",
            hint=f"write it in FROM: FROM t, {name}(t.j)",
            position=position_of(node),
        )
    else:
        made = exp.Explode(this=lists[0])
        named = isinstance(above, exp.Select) and node.arg_key == "expressions"
        node.replace(exp.Alias(this=made, alias=exp.to_identifier(name, quoted=True)) if named else made)


def _in_from(item: exp.Expr, lists: list[exp.Anonymous], columns: tuple[str, ...], name: str) -> None:
    """FROM f(j) [WITH ORDINALITY] [AS a [(b, ...)]] as UNNEST of its arrays under the names f's columns have."""
    alias = item.args.get("alias")
    table = alias.this if alias is not None and alias.this is not None else exp.to_identifier(name, quoted=True)
    given = [c.copy() for c in (alias.args.get("columns") or ())] if alias is not None else []
    single = len(lists) == 1 and not given
    if single and columns == (name,) and alias is not None and alias.this is not None:
        columns = (fold(table),)
    ordinality = bool(item.args.get("ordinality"))
    names = [*columns, "ordinality"] if ordinality else list(columns)
    names_made = [*given, *(exp.to_identifier(n, quoted=True) for n in names[len(given) :])]
    if single and fold(table) != columns[0]:
        _value_of_alias(item, fold(table), columns[0])
    offset = names_made.pop() if ordinality else None
    made = exp.Unnest(expressions=lists, alias=exp.TableAlias(this=table.copy(), columns=names_made), offset=offset)
    item.replace(made)


def _value_of_alias(item: exp.Expr, table: str, column: str) -> None:
    """The alias of such a function by itself is its value: `e ->> 'a'` of `jsonb_array_elements(t.j) AS e`."""
    block = item.find_ancestor(exp.Select)
    if block is None:
        return
    for found in find_all(block, exp.Column):
        if not found.table and fold(found.this) == table:
            found.set("this", exp.to_identifier(column, quoted=True))
            found.set("table", exp.to_identifier(table, quoted=True))


_RULES: dict[type[exp.Expr], Callable[[exp.Expr], None]] = {
    exp.Is: _is_json,
    exp.JSONBContainsAnyTopKeys: _has_keys("json_has_any"),
    exp.JSONBContainsAllTopKeys: _has_keys("json_has_all"),
    exp.JSONBDeleteAtPath: _has_keys("jsonb_delete_path"),
    exp.JSONBPathExists: _leads_to_something,
    exp.MatchAgainst: _matches_path,
    exp.Cast: _as_path,
    exp.Overlaps: _overlaps,
    exp.WithinGroup: hypothetical,
    exp.Fetch: with_ties,
    exp.Anonymous: _called,
}
