"""Queries and expressions as DuckDB text of the same meaning.

`to_duckdb` works on the query's own tree, so it serves every query, also those without an AST; `render_expr`
turns one AST expression back into a tree and prints it.  Every base table becomes what the caller gives for
it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlglot import exp

from sqlengine.errors import NotSupportedError
from sqlengine.sql import ast, deep
from sqlengine.sql.column_kinds import Kinds, learn_kinds, remember
from sqlengine.sql.from_sqlglot import Lowering
from sqlengine.sql.lower_pivot import name_aggregates
from sqlengine.sql.lower_query import output_name, refuse_fetch_options
from sqlengine.sql.lower_relation import descriptor_column, window_arguments
from sqlengine.sql.lower_values import fold, position_of
from sqlengine.sql.marks import NOW
from sqlengine.sql.nodes import find_all, nodes
from sqlengine.sql.pg_forms import PgForms
from sqlengine.sql.references import find
from sqlengine.sql.render_aggregates import Aggregates, no_aggregates, spread_aggregates
from sqlengine.sql.render_approximate import exact_aggregates
from sqlengine.sql.render_array_texts import spell_array_texts
from sqlengine.sql.render_branches import guard_branches
from sqlengine.sql.render_from import spell_samples, spell_unpivots, type_literals, type_unions
from sqlengine.sql.render_functions import Functions, Spelling, as_written, raw, rewrite_calls, spell_rest, text
from sqlengine.sql.render_grouped import KeyedTable, group_dependents
from sqlengine.sql.render_grouping import no_own_time, rewrite_grouping
from sqlengine.sql.render_operators import kind_of, rewrite_operators, spell_quantified
from sqlengine.sql.render_recursion import spell_recursion
from sqlengine.sql.render_stars import merged_first
from sqlengine.sql.render_windows import windowed
from sqlengine.sql.rewrite import CHANGELOG, WINDOW_FUNCTIONS
from sqlengine.sql.select_checks import check_selects
from sqlengine.sql.to_sqlglot import to_tree
from sqlengine.sql.token_edit import ROWTIME
from sqlengine.sql.windows import GROUPING

Relation = Callable[[ast.TableRef], str]
TimeColumn = Callable[[ast.TableRef], str | None]
"""The column that is a table's own time."""


Columns = Callable[[ast.TableRef], Mapping[str, str]]


def _no_columns(ref: ast.TableRef) -> Mapping[str, str]:
    return {}


Key = Callable[[ast.TableRef], tuple[str, ...]]


def _no_key(ref: ast.TableRef) -> tuple[str, ...]:
    return ()


def _no_time(ref: ast.TableRef) -> str | None:
    return None


def to_duckdb(
    query: ast.Query,
    relation: Relation,
    *,
    now: str = NOW,
    time_column: TimeColumn = _no_time,
    columns: Columns = _no_columns,
    primary_key: Key = _no_key,
    functions: Functions = as_written,
    aggregates: Aggregates = no_aggregates,
    pg_forms: PgForms | None = None,
) -> str:
    """DuckDB text of a query.

    `relation` gives what stands for each base table (a quoted name or a sub-query in parentheses); `now` is
    the text of the statement's time, a named parameter unless said otherwise; `time_column` names the time
    column of an object, for FOR SYSTEM_TIME AS OF and for windows without a time of their own; `columns` gives its
    columns' SQL types, for operators that depend on them; `primary_key` its key's columns;
    `functions` gives DuckDB text for calls that DuckDB knows under another name, `aggregates` a scalar function over
    lists for aggregates that it does not know; `pg_forms` is for queries of PostgreSQL's catalog.  The connection runs
    with `integer_division` and `error_on_division_by_zero`.  Raises NotSupportedError for what DuckDB cannot say.
    """
    how = _Rendering(relation, Spelling(now, functions), time_column, columns, primary_key, aggregates, pg_forms)
    return deep.run(lambda: how.render(query.tree.copy()))


def render_expr(
    expr: ast.Expr,
    column: Callable[[ast.Column], str],
    *,
    now: str = NOW,
    functions: Functions = as_written,
) -> str:
    """DuckDB text of one AST expression; `column` gives the text of each column, the rest is as in `to_duckdb`."""
    return deep.run(lambda: text(rewrite_calls(exact_aggregates(to_tree(expr, column)), Spelling(now, functions))))


class _Rendering:
    """One rendering: the caller's answers and the steps, each in place on a copy of the tree."""

    def __init__(
        self,
        relation: Relation,
        how: Spelling,
        time_column: TimeColumn,
        columns: Columns,
        primary_key: Key,
        aggregates: Aggregates,
        pg_forms: PgForms | None,
    ) -> None:
        self.relation = relation
        self.how = how
        self.time_column = time_column
        self.columns = columns
        self.primary_key = primary_key
        self.types: Kinds = {}
        self.aggregates = aggregates
        self.pg_forms = pg_forms
        self.replaced: set[tuple[str, ...]] = set()
        self.base: dict[int, ast.TableRef] = {}

    def render(self, tree: exp.Expr) -> str:
        """All steps; `tree` is consumed."""
        for fetch in find_all(tree, exp.Fetch):
            refuse_fetch_options(fetch)
        for pivot in find_all(tree, exp.Pivot):
            name_aggregates(pivot)
        _name_outputs(tree)
        if self.pg_forms is not None:
            self.pg_forms.apply(tree)
        type_literals(tree)
        tree = _name_values(tree)
        self._time_travel(tree)
        self._replace_tables(tree)
        _quote_names(tree)
        spell_unpivots(tree)
        self._own_times(tree)
        merged_first(tree, self._columns_of)
        self._group_dependents(tree)
        self._strip_schemas(tree)
        type_unions(tree, lambda column: self.types.get((column.table, column.name)))
        learn_kinds(tree, self.types, lambda e, kinds: kind_of(e, lambda c: kinds.get((c.table, c.name))))
        check_selects(tree)
        spell_array_texts(tree, lambda column: self.types.get((column.table, column.name)))
        guard_branches(tree)
        spell_recursion(tree)
        tree = exact_aggregates(tree)
        spread_aggregates(tree, self.aggregates)
        _unnest_series(tree)
        _spell_apply(tree)
        spell_quantified(tree)
        rewrite_operators(tree, lambda column: self.types.get((column.table, column.name)))
        tree = rewrite_calls(tree, self.how)
        _side_by_side(tree)
        self._windows(tree)
        spell_rest(tree, self.how)
        spell_samples(tree)
        _drop_locks(tree)
        return text(tree)

    # ------------------------------------------------------------ base tables

    def _replace_tables(self, tree: exp.Expr) -> None:
        for node, ref in list(find(tree)):
            if not isinstance(ref, ast.TableRef):
                continue
            made = raw(self.relation(ref))
            self.replaced.add(ref.parts)
            self._remember_types(node, ref)
            if isinstance(node, exp.Table):
                node.set("this", made)
                node.set("db", None)
                node.set("catalog", None)
                if node.args.get("alias") is None or node.args["alias"].this is None:
                    _set_alias(node, ref.parts[-1])
                self.base[id(node)] = ref
            else:
                self._window_input(node, ref, made)

    def _window_input(self, node: exp.Expr, ref: ast.TableRef, made: exp.Expr) -> None:
        """The table inside a window function: wrapped, so that the window knows its name and time."""
        wrapped = exp.Table(this=made, alias=exp.TableAlias(this=exp.Identifier(this=ref.parts[-1], quoted=True)))
        self.base[id(wrapped)] = ref
        node.replace(wrapped)

    def _columns_of(self, node: exp.Expr) -> list[str] | None:
        """The columns of a base table in FROM under the names they have there."""
        ref = self.base.get(id(node))
        if ref is None:
            return None
        names = list(self.columns(ref))
        return [*ref.column_aliases, *names[len(ref.column_aliases) :]] if names else None

    def _own_time(self, node: exp.Expr) -> str | None:
        """The time column of a relation in FROM: asked for only where a window does not name one."""
        ref = self.base.get(id(node))
        return None if ref is None else self.time_column(ref)

    def _own_times(self, tree: exp.Expr) -> None:
        """`t.$rowtime`, which ksqlDB's WITHIN compares, is the time column of t."""
        for column in find_all(tree, exp.Column):
            if column.name != ROWTIME or not column.table:
                continue
            block = column.find_ancestor(exp.Select)
            joins = [block.args.get("from_"), *(block.args.get("joins") or ())] if block is not None else []
            read = next((j.this for j in joins if j is not None and j.this.alias_or_name == column.table), None)
            own = self._own_time(read) if read is not None else None
            if own is None:
                raise no_own_time(position_of(column.this), column.table)
            column.set("this", exp.Identifier(this=own, quoted=True))

    def _group_dependents(self, tree: exp.Expr) -> None:
        """GROUP BY a primary key, and other columns of its table."""
        for select in find_all(tree, exp.Select):
            if select.args.get("group") is None or select.args.get("from_") is None:
                continue
            tables = []
            for source in (select.args["from_"], *(select.args.get("joins") or ())):
                ref = self.base.get(id(source.this))
                if ref is not None:
                    names = tuple(self.columns(ref))
                    shown = (*ref.column_aliases, *names[len(ref.column_aliases) :])
                    key = tuple(shown[names.index(part)] for part in self.primary_key(ref))
                    tables.append(KeyedTable(source.this.alias, shown, key))
            group_dependents(select, tables)

    def _remember_types(self, node: exp.Expr, ref: ast.TableRef) -> None:
        table = fold(alias.this) if (alias := node.args.get("alias")) is not None and alias.this else ref.parts[-1]
        remember(self.types, table, self.columns(ref))

    def _strip_schemas(self, tree: exp.Expr) -> None:
        """`public.t.a` -> `t.a`: the schema went away with the table's name.  `t.c.*` is then a row's fields."""
        for node in find_all(tree, exp.Column):
            parts = tuple(part.name for part in node.parts)
            if len(parts) > 2 and _of_schema(parts[:-1]) in map(_of_schema, self.replaced):
                node.set("db", None)
                node.set("catalog", None)
            elif isinstance(node.this, exp.Star) and len(parts) == 3:
                column = exp.Column(this=node.args["table"].copy(), table=node.args["db"].copy())
                node.replace(raw(f"unnest({text(column)})"))

    def _time_travel(self, tree: exp.Expr) -> None:
        """FOR SYSTEM_TIME AS OF x -> an ASOF join on the table's time; AS OF PROCTIME() -> the table as it
        is."""
        for node, ref in list(find(tree)):
            if not isinstance(ref, ast.TableRef) or ref.as_of is None or not isinstance(node, exp.Table):
                continue
            moment = node.args["version"].expression
            node.set("version", None)
            if ref.as_of == "proctime":
                continue
            own, join = self.time_column(ref), node.parent
            if own is None:
                raise NotSupportedError(
                    f'"{ref.parts[-1]}" has no versions: it has no time column', position=ref.position
                )
            if not isinstance(join, exp.Join) or join.args.get("on") is None:
                raise NotSupportedError("FOR SYSTEM_TIME AS OF stands in a join with ON", position=ref.position)
            column = exp.Column(
                this=exp.Identifier(this=own, quoted=True),
                table=exp.Identifier(this=ref.alias or ref.parts[-1], quoted=True),
            )
            join.set("method", "ASOF")
            join.set(
                "on",
                exp.And(
                    this=exp.Paren(this=join.args["on"]),
                    expression=exp.GTE(this=moment.copy(), expression=column),
                ),
            )

    # ------------------------------------------------------------ windows

    def _windows(self, tree: exp.Expr) -> None:
        """Window table functions innermost first, then grouping window functions."""
        for node in reversed(nodes(tree)):
            if isinstance(node, exp.Table) and _is_window(node.this):
                self._table_function(node)
            elif isinstance(node, exp.Table) and isinstance(node.this, exp.Anonymous) and node.this.name == CHANGELOG:
                node.set("this", raw(_as_inserted(node.this.expressions[0])))
        for node in reversed(find_all(tree, exp.Select)):
            if any(call.name.lower() in GROUPING for call in find_all(node, exp.Anonymous)):
                rewrite_grouping(node, self.how.now, self._own_time)

    def _table_function(self, node: exp.Table) -> None:
        call: Any = node.this
        given, keys = window_arguments(call)
        spec = Lowering().window_spec(call)
        data, time = given["DATA"], given["TIMECOL"]
        if isinstance(time, exp.Anonymous):
            time = descriptor_column(time)
        if isinstance(data, exp.Anonymous) and _is_window(data):
            inner = exp.Table(this=data.copy())
            self._table_function(inner)
            data = inner
        if isinstance(time, exp.Column) and time.name == ROWTIME:
            time = self._own_column(data, call)
        name = _relation_name(data)
        made = windowed(_relation_text(data), text(time), spec, [text(key) for key in keys])
        node.set("this", raw(made))
        if node.args.get("alias") is None:
            _set_alias(node, name or call.name.lower())

    def _own_column(self, data: exp.Expr, call: exp.Expr) -> exp.Expr:
        own = self._own_time(data)
        if own is None:
            raise no_own_time(position_of(call))
        return exp.Column(this=exp.Identifier(this=own, quoted=True))


def _is_window(node: Any) -> bool:
    return isinstance(node, exp.Anonymous) and node.name.upper() in WINDOW_FUNCTIONS


def _as_inserted(data: exp.Expr) -> str:
    """The present rows in the shape of a changelog: what its columns are, not what it tells."""
    columns = "CAST(1 AS SMALLINT) AS changelog_op, row_number() OVER () AS _changelog_row_id"
    return f"(SELECT *, {columns} FROM {_relation_text(data)})"


def _relation_text(data: exp.Expr) -> str:
    """What stands in FROM for a window function's input."""
    if isinstance(data, exp.Column):  # a CTE
        return text(exp.Table(this=data.this.copy()))
    if isinstance(data, exp.Anonymous):
        return text(exp.Table(this=data.copy()))
    return text(data)


def _relation_name(data: exp.Expr) -> str | None:
    if isinstance(data, exp.Column):
        return data.name
    return str(data.alias) or None


def _set_alias(node: exp.Expr, name: str) -> None:
    alias = node.args.get("alias")
    identifier = exp.Identifier(this=name, quoted=True)
    if alias is None:
        node.set("alias", exp.TableAlias(this=identifier))
    else:
        alias.set("this", identifier)


# ---------------------------------------------------------------- names


def _name_outputs(tree: exp.Expr) -> None:
    """Columns without a name get PostgreSQL's, which DuckDB would name otherwise."""
    for select in find_all(tree, exp.Select):
        items = []
        for item in select.expressions:
            name = output_name(item)
            plain = isinstance(item, (exp.Alias, exp.Column, exp.Star)) or name == "*"
            items.append(item if plain else exp.Alias(this=item, alias=exp.Identifier(this=name, quoted=True)))
        select.set("expressions", items)


def _name_values(tree: exp.Expr) -> exp.Expr:
    """VALUES gets PostgreSQL's column names, and becomes a SELECT where it stands as a query."""
    for node in find_all(tree, exp.Values):
        first = node.expressions[0] if node.expressions else None
        width = len(first.expressions) if isinstance(first, exp.Tuple) else 1
        columns = [exp.Identifier(this=f"column{number + 1}", quoted=True) for number in range(width)]
        in_from = isinstance(node.parent, (exp.From, exp.Join))
        alias = node.args.get("alias")
        if alias is None or alias.this is None:
            node.set("alias", exp.TableAlias(this=exp.Identifier(this="$values", quoted=True), columns=columns))
        elif not alias.args.get("columns"):
            alias.set("columns", columns)
        if not in_from:
            tail = {
                key: node.args.pop(key)
                for key in ("order", "limit", "offset", "with_")
                if node.args.get(key) is not None
            }
            made = exp.Select(expressions=[exp.Star()], **tail)
            if node is tree:
                tree = made
            else:
                node.replace(made)
            made.set("from_", exp.From(this=node))
    return tree


def _quote_names(tree: exp.Expr) -> None:
    """Unquoted names fold to lower case, and every name is quoted: DuckDB keeps what it is given."""
    for node in find_all(tree, exp.Identifier):
        node.set("this", fold(node))
        node.set("quoted", True)


def _unnest_series(tree: exp.Expr) -> None:
    """generate_series in a select list gives rows, for DuckDB a list."""
    for call in find_all(tree, exp.Anonymous):
        if call.name.lower() != "generate_series" or isinstance(call.parent, (exp.Table, exp.Lateral)):
            continue
        item: exp.Expr = call
        while isinstance(item.parent, (exp.Alias, exp.Binary, exp.Cast, exp.Paren)):
            item = item.parent
        if isinstance(item.parent, exp.Select) and item.arg_key == "expressions":
            _give_rows(item.parent, item, call)


def _give_rows(select: exp.Select, item: exp.Expr, call: exp.Anonymous) -> None:
    """A series that is all a SELECT reads is a table, which DuckDB makes row by row; another one a list it unnests."""
    alone = len(select.expressions) == 1 and not select.args.get("from_") and not call.find(exp.Column)
    if not alone or len(call.expressions) not in (2, 3):
        made = exp.Anonymous(this="series_list", expressions=[each.copy() for each in call.expressions])
        call.replace(exp.Explode(this=made))
        return
    name, value = exp.to_identifier("series_rows"), exp.to_identifier("generate_series")
    alias = exp.TableAlias(this=name, columns=[value])
    select.set("from_", exp.From(this=exp.Table(this=call.copy(), alias=alias)))
    column = exp.column(value.copy(), name.copy())
    call.replace(column if call is not item else exp.alias_(column, "generate_series"))


def _side_by_side(tree: exp.Expr) -> None:
    """UNNEST of several lists in FROM is several calls in a select list to DuckDB; WITH ORDINALITY is one list more."""
    for node in find_all(tree, exp.Unnest):
        alias, offset = node.args.get("alias"), node.args.get("offset")
        if len(node.expressions) < 2 or not isinstance(node.parent, (exp.Join, exp.From, exp.Lateral)):
            continue
        lists = [text(exp.Explode(this=item)) for item in node.expressions]
        if offset:
            longest = ", ".join(f"coalesce(len({text(item)}), 0)" for item in node.expressions)
            lists.append(f"unnest(range(1, greatest({longest}) + 1))")
            name = offset if isinstance(offset, exp.Identifier) else exp.to_identifier("ordinality", quoted=True)
            if alias is not None:
                alias.set("columns", [*(alias.args.get("columns") or ()), name])
        node.replace(exp.Table(this=raw(f"(SELECT {', '.join(lists)})"), alias=alias))


def _spell_apply(tree: exp.Expr) -> None:
    """CROSS APPLY and OUTER APPLY as joins with LATERAL."""
    for lateral in find_all(tree, exp.Lateral):
        crosses, join = lateral.args.get("cross_apply"), lateral.parent
        if crosses is None or not isinstance(join, exp.Join):
            continue
        lateral.set("cross_apply", None)
        if crosses:
            join.set("kind", "CROSS")
        else:
            join.set("side", "LEFT")
            join.set("on", exp.Boolean(this=True))


def _drop_locks(tree: exp.Expr) -> None:
    """FOR UPDATE has no meaning for a snapshot."""
    for select in find_all(tree, exp.Select):
        select.set("locks", None)


def _of_schema(parts: tuple[str, ...]) -> tuple[str, ...]:
    """A table's name without its database, of which there is one, and with its schema."""
    return parts[-2:] if len(parts) > 1 else ("public", *parts)
