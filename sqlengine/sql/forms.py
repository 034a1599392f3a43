"""Forms that sqlglot reads into classes of their own, or not at all, as the plain calls that mean the same, in place.

`x IS JSON OBJECT`, `j ?| keys`, `(a, b) OVERLAPS (c, d)`, `some(x)`, arrows of JSON among arguments, and PostgreSQL's
functions of JSON, texts and arrays that give rows, which are UNNEST of the arrays they go through.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlglot import exp

from sqlengine.errors import NotSupportedError
from sqlengine.sql.hypothetical import hypothetical
from sqlengine.sql.lambdas import takes_lambda
from sqlengine.sql.lower_values import position_of
from sqlengine.sql.nodes import nodes
from sqlengine.sql.quantified import quantifier
from sqlengine.sql.row_functions import ROWS, as_rows, call, rows_from
from sqlengine.sql.ties import with_ties


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


def _path_as_text(node: exp.Expr) -> None:
    """`j #> ARRAY['a', '0']` and `j #> '{a,0}'::text[]` as `j #> '{a,0}'`; with NULL for a key there is nothing."""
    path = node.expression
    if isinstance(path, exp.Cast) and path.to.this == exp.DType.ARRAY:
        path = path.this
    if isinstance(path, exp.Array):
        if any(isinstance(key, exp.Null) for key in path.expressions):
            kind = exp.DType.TEXT if isinstance(node, exp.JSONBExtractScalar) else exp.DType.JSONB
            node.replace(exp.Cast(this=exp.Null(), to=exp.DataType(this=kind)))
            return
        keys = [key.name for key in path.expressions if isinstance(key, exp.Literal) and key.is_string]
        if len(keys) < len(path.expressions) or any(set(key) & set('{},"\\ ') or not key for key in keys):
            return
        path = exp.Literal.string("{" + ",".join(keys) + "}")
    if isinstance(path, exp.Literal):
        node.set("expression", path)


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
    if name in ROWS and (name != "regexp_matches" or _gives_matches(node)):
        as_rows(node, name)
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


def _not_like_some(node: exp.Expr) -> None:
    """`x NOT LIKE ANY (a)`: not all match.  sqlglot notes NOT at the comparison, which belongs to each element."""
    found = quantifier(node.expression)
    if found is None or not node.args.get("negate"):
        return
    some, over = found
    matches = type(node)(this=node.this, expression=(exp.All if some else exp.Any)(this=over))
    node.replace(exp.Paren(this=exp.Not(this=exp.Paren(this=matches))))


_RULES: dict[type[exp.Expr], Callable[[exp.Expr], None]] = {
    exp.Is: _is_json,
    exp.JSONBContainsAnyTopKeys: _has_keys("json_has_any"),
    exp.JSONBContainsAllTopKeys: _has_keys("json_has_all"),
    exp.JSONBDeleteAtPath: _has_keys("jsonb_delete_path"),
    exp.JSONBPathExists: _leads_to_something,
    exp.MatchAgainst: _matches_path,
    exp.Cast: _as_path,
    exp.JSONBExtract: _path_as_text,
    exp.JSONBExtractScalar: _path_as_text,
    exp.Overlaps: _overlaps,
    exp.WithinGroup: hypothetical,
    exp.Fetch: with_ties,
    exp.Like: _not_like_some,
    exp.ILike: _not_like_some,
    exp.Anonymous: _called,
    exp.Unnest: rows_from,
}
