"""What follows an item of FROM: TABLESAMPLE ... REPEATABLE by the hash that views sample by (without a seed each SELECT
takes another sample), and the columns of UNPIVOT, which are no rows of values."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlglot import exp

from sqlengine.errors import NotSupportedError
from sqlengine.sql.literal_casts import array_of_text
from sqlengine.sql.lower_pivot import sample_of
from sqlengine.sql.nodes import find_all
from sqlengine.sql.render_functions import raw, text
from sqlengine.sql.sampling import sampled_share

ROW = '"$sampled"'
_JOINED = "row(*COLUMNS(*))"


def spell_samples(tree: exp.Expr) -> None:
    """Every repeatable sample of FROM as a subquery, in place."""
    for node in find_all(tree, exp.Table, exp.Subquery):
        sample = node.args.get("sample")
        if sample is None or sample.args.get("seed") is None:
            continue
        percent, rows, seed = sample_of(sample)
        alias = node.args.get("alias")
        node.set("sample", None)
        node.set("alias", exp.TableAlias(this=exp.Identifier(this="$sampled", quoted=True)))
        share = sampled_share(ROW, seed)
        kept = f"WHERE {share} < {percent / 100!r}" if percent is not None else f"ORDER BY {share} LIMIT {rows}"
        node.replace(exp.Table(this=raw(f"(SELECT * FROM {text(node)} {kept})"), alias=alias))
    for select in find_all(tree, exp.Select):
        sample = select.args.get("sample")
        if sample is not None and sample.args.get("seed") is not None:
            _sample_join(select, sample)


def _sample_join(select: exp.Select, sample: exp.Expr) -> None:
    """`FROM a JOIN b ... USING SAMPLE`, which comes before WHERE, as one more condition."""
    percent, _, seed = sample_of(sample)
    if percent is None:
        raise NotSupportedError(
            "a sample of ROWS of a join is not supported by SELECT with REPEATABLE",
            hint="take it of a sub-query: FROM (SELECT ...) AS j TABLESAMPLE (n ROWS) REPEATABLE (seed)",
        )
    select.set("sample", None)
    kept = raw(f"{sampled_share(_JOINED, seed)} < {percent / 100!r}")
    where = select.args.get("where")
    both = kept if where is None else exp.And(this=kept, expression=exp.Paren(this=where.this))
    select.set("where", exp.Where(this=both))


def spell_unpivots(tree: exp.Expr) -> None:
    """`UNPIVOT ((a, b) FOR name IN ((x, y)))`: its lists as they are, names folded already."""
    for pivot in find_all(tree, exp.Pivot):
        if pivot.args.get("unpivot"):
            for columns in find_all(pivot, exp.Tuple):
                columns.replace(raw(f"({', '.join(text(column) for column in columns.expressions)})"))


def type_unions(tree: exp.Expr, column_type: Callable[[exp.Column], str | None]) -> None:
    """The same of the queries of a UNION, INTERSECT or EXCEPT: `SELECT id FROM t UNION SELECT '3'`."""
    for operation in find_all(tree, exp.SetOperation):
        if isinstance(operation.parent, exp.SetOperation) or operation.args.get("by_name"):
            continue
        columns = zip(*(select.expressions for select in _branches(operation)), strict=False)
        for column in columns:
            items = [item.this if isinstance(item, exp.Alias) else item for item in column]
            stated = next((found for item in items if (found := _known_type(item, column_type)) is not None), None)
            if stated is not None:
                _cast_all([item for item in items if isinstance(item, exp.Literal) and item.is_string], stated)


def _cast_all(items: Iterable[exp.Expr], kind: exp.DataType) -> None:
    for item in items:
        item.replace(exp.Cast(this=item.copy(), to=kind.copy()))


def _branches(query: exp.Expr) -> list[exp.Select]:
    """The blocks that a set operation is made of; none where one of them is something else."""
    found, todo = [], [query]
    while todo:
        part = todo.pop()
        if isinstance(part, exp.SetOperation):
            todo += [part.expression, part.this]
        elif isinstance(part, exp.Subquery):
            todo.append(part.this)
        elif not isinstance(part, exp.Select) or any(item.find(exp.Star) for item in part.expressions):
            return []
        else:
            found.append(part)
    return found


def _known_type(item: exp.Expr, column_type: Callable[[exp.Column], str | None]) -> exp.DataType | None:
    """The type of an item that is not text: one it states, a whole number's, or its column's."""
    if isinstance(item, exp.Literal) and not item.is_string and str(item.this).isdigit():
        return exp.DataType.build("INTEGER" if int(str(item.this)) < 2**31 else "BIGINT")
    if isinstance(item, exp.Column):
        named = column_type(item)
        plain = named in ("smallint", "integer", "bigint", "double precision", "date", "timestamp", "timestamptz")
        return exp.DataType.build(named, dialect="postgres") if plain and named is not None else None
    return _stated_type(item)


_MOMENTS = {"now": "TIMESTAMPTZ", "localtimestamp": "TIMESTAMP", "transaction_timestamp": "TIMESTAMPTZ"}


def type_literals(tree: exp.Expr) -> None:
    """Texts in a column of VALUES take the type that another row states, as PostgreSQL's unknown literals do:
    `VALUES (now()), ('2024-01-01')`, `VALUES (ARRAY[1]), ('{}')`. DuckDB combines texts with numbers only.
    """
    for values in find_all(tree, exp.Values):
        rows = [row.expressions for row in values.expressions if isinstance(row, exp.Tuple)]
        for column in zip(*rows, strict=False):
            stated = next((found for item in column if (found := _stated_type(item)) is not None), None)
            texts = [item for item in column if isinstance(item, exp.Literal) and item.is_string]
            if stated is not None:
                _cast_all(texts, stated)
            arrays = [item for item in column if isinstance(item, exp.Array) and item.expressions]
            for item in texts if stated is None and arrays else ():
                item.replace(array_of_text(item.name, arrays[0].expressions[0]) or item)


def _stated_type(item: exp.Expr) -> exp.DataType | None:
    """The type that an expression names or cannot but have."""
    if isinstance(item, exp.Cast):
        return item.to
    if isinstance(item, exp.Interval):
        return exp.DataType.build("INTERVAL")
    if isinstance(item, exp.CurrentDate):
        return exp.DataType.build("DATE")
    if isinstance(item, exp.CurrentTimestamp):
        return exp.DataType.build("TIMESTAMPTZ")
    name = _MOMENTS.get(str(item.this).lower()) if isinstance(item, exp.Anonymous) else None
    return None if name is None else exp.DataType.build(name)
