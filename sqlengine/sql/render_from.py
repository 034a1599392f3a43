"""What follows an item of FROM: TABLESAMPLE ... REPEATABLE by the hash that views sample by (without a seed each SELECT
takes another sample), and the columns of UNPIVOT, which are no rows of values."""

from __future__ import annotations

from sqlglot import exp

from sqlengine.errors import NotSupportedError
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


_MOMENTS = {"now": "TIMESTAMPTZ", "localtimestamp": "TIMESTAMP", "transaction_timestamp": "TIMESTAMPTZ"}


def type_literals(tree: exp.Expr) -> None:
    """Texts in a column of VALUES take the type that another row states, as PostgreSQL's unknown literals do:
    `VALUES (now()), ('2024-01-01')`. DuckDB combines texts with numbers only.
    """
    for values in find_all(tree, exp.Values):
        rows = [row.expressions for row in values.expressions if isinstance(row, exp.Tuple)]
        for column in zip(*rows, strict=False):
            stated = next((found for item in column if (found := _stated_type(item)) is not None), None)
            if stated is None:
                continue
            for item in column:
                if isinstance(item, exp.Literal) and item.is_string:
                    item.replace(exp.Cast(this=item.copy(), to=stated.copy()))


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
