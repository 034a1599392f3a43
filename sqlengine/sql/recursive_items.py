"""Items of WITH RECURSIVE as the planner and DuckDB know them: `base UNION [ALL] step`, reading themselves and what
stands before them.

Several recursive branches, `base UNION s1 UNION s2`, become `base UNION (s1 UNION ALL s2)` (SQLite, SQL Server).  Items
are put in an order in which each stands behind those it reads (PostgreSQL).  Items that read each other become one,
with a column that tells whose a row is and the columns of all of them, and items that take their rows out of it.  Those
of WITH MUTUALLY RECURSIVE (sql/mutual.py) are made anew one after the other in each round (Materialize).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlglot import exp

from sqlengine.errors import NotSupportedError, SyntaxError  # noqa: A004 - SQL's word
from sqlengine.quick_dataclass import dataclass
from sqlengine.sql.lower_query import output_name
from sqlengine.sql.lower_values import alias_of, fold, position_of
from sqlengine.sql.mutual import ROUNDS_MARK, STEP
from sqlengine.sql.nodes import find_all

_TAG = "$item"
_ROWS = "$rows"


def recursive_items(tree: exp.Expr) -> None:
    """Rewrite every WITH RECURSIVE of a tree in place."""
    for with_ in find_all(tree, exp.With):
        if with_.args.get("recursive"):
            made: list[exp.Expr] = []
            for group in _in_order(with_.expressions):
                made += group if len(group) == 1 else _merged(group)
            with_.set("expressions", made)
            for item in made:
                _gather_branches(item)


def reads(query: exp.Expr, name: str) -> int:
    """How often a query reads a table of that plain name."""
    return sum(_is_named(table, name) for table in find_all(query, exp.Table))


def _is_named(table: exp.Table, name: str) -> bool:
    return isinstance(table.this, exp.Identifier) and not table.db and fold(table.this) == name


def _name(item: exp.Expr) -> str:
    name, _ = alias_of(item)
    return name or ""


# ---------------------------------------------------------------- branches


def _gather_branches(item: exp.Expr) -> None:
    """All branches that recur in the second half of the item's union."""
    union, name = item.this, _name(item)
    if not isinstance(union, exp.Union) or _has_tail(union) or not reads(union.this, name):
        return
    terms, kinds = _spine(union)
    first = next((i for i, term in enumerate(terms) if reads(term, name)), 0)
    distinct = kinds[-1]
    if first == 0 or (not distinct and any(kinds[first - 1 :])):
        return
    base, steps = terms[0], [term for term in terms[first:] if reads(term, name)]
    for i, term in enumerate(terms[1:], 1):
        if i < first or not reads(term, name):
            base = _union(base, term, kinds[i - 1] and i < first)
    made = _union(base, _all_of(steps), distinct)
    made.set("with_", union.args.get("with_"))
    item.set("this", made)


def _has_tail(union: exp.Expr) -> bool:
    return any(union.args.get(key) is not None for key in ("order", "limit", "offset"))


def _spine(union: exp.Expr) -> tuple[list[exp.Expr], list[bool]]:
    """The terms of a chain of unions, and of each union but the first term's whether its rows are distinct."""
    terms: list[exp.Expr] = []
    kinds: list[bool] = []
    node, top = union, union
    while isinstance(node, exp.Union) and not node.args.get("by_name") and (node is top or not _is_closed(node)):
        terms.append(node.expression)
        kinds.append(bool(node.args.get("distinct")))
        node = node.this
    return [node, *reversed(terms)], list(reversed(kinds))


def _is_closed(union: exp.Expr) -> bool:
    return _has_tail(union) or union.args.get("with_") is not None


def _union(left: exp.Expr, right: exp.Expr, distinct: bool) -> exp.Union:
    return exp.Union(this=_enclosed(left), expression=_enclosed(right), distinct=distinct)


def _enclosed(query: exp.Expr) -> exp.Expr:
    """A union as one term of another."""
    return exp.Subquery(this=query) if isinstance(query, exp.SetOperation) else query


def _all_of(queries: Sequence[exp.Expr]) -> exp.Expr:
    made = queries[0]
    for query in queries[1:]:
        made = exp.Union(this=made, expression=_enclosed(query), distinct=False)
    return made


# ---------------------------------------------------------------- order


def _in_order(items: Sequence[exp.Expr]) -> list[list[exp.Expr]]:
    """The items in groups of those that read each other, each group behind what it reads, else as they are written
    (Tarjan, "Depth-First Search and Linear Graph Algorithms", 1972)."""
    names = [_name(item) for item in items]
    below = [[j for j, name in enumerate(names) if reads(item.this, name)] for item in items]
    if not any(j > i for i, found in enumerate(below) for j in found):
        return [[item] for item in items]
    if all(_step_of(item) is not None for item in items):
        _late_items(below)
    groups: list[list[exp.Expr]] = []
    number: dict[int, int] = {}
    lowest: dict[int, int] = {}
    stack: list[int] = []

    def visit(i: int) -> None:
        number[i] = lowest[i] = len(number)
        stack.append(i)
        for j in below[i]:
            if j not in number:
                visit(j)
                lowest[i] = min(lowest[i], lowest[j])
            elif j in stack:
                lowest[i] = min(lowest[i], number[j])
        if lowest[i] == number[i]:
            at = stack.index(i)
            groups.append([items[j] for j in sorted(stack[at:])])
            del stack[at:]

    for i in range(len(items)):
        if i not in number:
            visit(i)
    return groups


def _late_items(below: list[list[int]]) -> None:
    """Of WITH MUTUALLY RECURSIVE: what an item that recurs reads of one behind it are the rows of the round before, so
    that one is made in the same rounds, as if it read the other."""
    changed = True
    while changed:
        late = [
            (i, j) for i, found in enumerate(below) for j in found if j > i and i not in below[j] and _recurs(below, i)
        ]
        for i, j in late:
            below[j].append(i)
        changed = bool(late)


def _recurs(below: list[list[int]], item: int) -> bool:
    """Whether an item reads itself, in however many steps."""
    seen: set[int] = set()
    todo = list(below[item])
    while todo:
        at = todo.pop()
        if at not in seen:
            seen.add(at)
            todo += below[at]
    return item in seen


# ---------------------------------------------------------------- items that read each other


@dataclass(frozen=True)
class _Member:
    """One item of a group: its place, name, columns, and the terms of its query."""

    place: int
    name: str
    columns: tuple[str, ...]
    item: exp.Expr
    bases: list[exp.Expr]
    steps: list[exp.Expr]
    kinds: set[bool]


def _merged(group: Sequence[exp.Expr]) -> list[exp.Expr]:
    """The items of a group as one, and what takes each item's rows out of it."""
    names = [_name(item) for item in group]
    whole = "$items " + " ".join(names)
    replaced = [_step_of(item) for item in group]
    if all(step is not None for step in replaced):
        members = [_member(i, item, [], [step]) for i, (item, step) in enumerate(zip(group, replaced, strict=True))]
        query = _replacing(whole, members)
    else:
        members = [_split(i, item, names) for i, item in enumerate(group)]
        query = _growing(whole, members)
    columns = [_TAG, *(f"{m.name}.{c}" for m in members for c in m.columns)]
    made = [exp.CTE(this=query, alias=_alias(whole, columns))]
    for member in members:
        made.append(exp.CTE(this=_rows_of(whole, member), alias=_alias(member.name, member.columns)))
    return [*made]


def _member(place: int, item: exp.Expr, bases: list[exp.Expr], steps: list[Any]) -> _Member:
    name, columns = alias_of(item)
    return _Member(place, name or "", tuple(columns), item, bases, steps, set())


def _step_of(item: exp.Expr) -> exp.Expr | None:
    """What makes the rows of an item of WITH MUTUALLY RECURSIVE anew; None for any other item."""
    query = item.this
    if isinstance(query, exp.Union) and isinstance(query.this, exp.Select):
        where = query.this.args.get("where")
        if where is not None and isinstance(where.this, exp.Anonymous) and where.this.name == ROUNDS_MARK:
            return query.expression
    source = query.args.get("from_") if isinstance(query, exp.Select) else None
    inner = source.this if source is not None else None
    return query if isinstance(inner, exp.Subquery) and inner.alias.split(" ")[0] == STEP else None


def _split(place: int, item: exp.Expr, names: Sequence[str]) -> _Member:
    """An item of WITH RECURSIVE: its columns' names, its terms that read no item of the group, and those that do."""
    query = item.this
    name, columns = alias_of(item)
    while isinstance(query, exp.Subquery) and not query.alias:
        query = query.this
    if _has_tail(query):
        raise NotSupportedError(
            f'ORDER BY or LIMIT in "{name}", which is read by an item that it reads, is not supported',
            position=position_of(item),
        )
    terms, kinds = _spine(query)
    around = query.args.get("with_") if isinstance(query, exp.Union) else None
    if around is not None:
        for term in terms:
            _put_with(term, around)
    recurs = [any(reads(term, other) for other in names) for term in terms]
    bases = [term for term, yes in zip(terms, recurs, strict=True) if not yes]
    steps = [term for term, yes in zip(terms, recurs, strict=True) if yes]
    return _Member(place, name or "", tuple(columns) or _names_of(terms[0], item), item, bases, steps, set(kinds))


def _put_with(term: exp.Expr, around: exp.Expr) -> None:
    own = term.args.get("with_")
    made = around.copy()
    made.set("expressions", [*made.expressions, *(own.expressions if own is not None else ())])
    term.set("with_", made)


def _names_of(term: exp.Expr, item: exp.Expr) -> tuple[str, ...]:
    while isinstance(term, exp.Subquery):
        term = term.this
    names = [output_name(e) for e in term.expressions] if isinstance(term, exp.Select) else ["*"]
    if "*" in names:
        raise NotSupportedError(
            f'the columns of "{_name(item)}", which is read by an item that it reads, have no names',
            hint="write them behind its name: name (a, b) AS (...)",
            position=position_of(item),
        )
    return tuple(names)


def _growing(whole: str, members: Sequence[_Member]) -> exp.Expr:
    """The group of items of WITH RECURSIVE: their bases, then their steps over its own rows."""
    kinds = set().union(*(m.kinds for m in members))
    if len(kinds) != 1:
        raise NotSupportedError(
            "items that read each other by UNION and by UNION ALL are not supported",
            hint="write UNION in all of them",
            position=position_of(members[0].item),
        )
    for member in members:
        if len(set(member.columns)) < len(member.columns):
            raise SyntaxError(f'"{member.name}" has two columns of one name', position=position_of(member.item))
    bases: list[exp.Expr] = [_tagged(base, member, members) for member in members for base in member.bases]
    bases += _types(members)
    steps = [_tagged(_over(step, whole, members), m, members) for m in members for step in m.steps]
    return _union(_all_of(bases), _all_of(steps), kinds.pop())


def _types(members: Sequence[_Member]) -> list[exp.Expr]:
    """For items without a base, no rows of the types of a step over items whose types are known."""
    known = {m.name: m.bases[0] for m in members if m.bases}
    made: list[exp.Expr] = []
    todo = [m for m in members if not m.bases]
    while todo:
        names = [m.name for m in members]
        ready = [(m, step) for m in todo for step in m.steps if all(n in known or not reads(step, n) for n in names)]
        if not ready:
            raise SyntaxError(
                f'no part of "{todo[0].name}" reads neither it nor the items that read it',
                hint="begin it with a query of other tables, and UNION",
                sqlstate="42P19",
                position=position_of(todo[0].item),
            )
        member, step = ready[0]
        typed = step.copy()
        for table in find_all(typed, exp.Table):
            other = next((m for m in members if m.name in known and _is_named(table, m.name)), None)
            if other is not None:
                _replace(table, exp.Subquery(this=known[other.name].copy()), other)
        known[member.name] = typed
        empty: Any = _tagged(typed, member, members)
        empty.set("where", exp.Where(this=exp.Boolean(this=False)))
        made.append(empty)
        todo.remove(member)
    return made


def _over(step: exp.Expr, whole: str, members: Sequence[_Member]) -> exp.Expr:
    """A step that reads the items out of the group's rows."""
    made = step.copy()
    for table in find_all(made, exp.Table):
        member = next((m for m in members if _is_named(table, m.name)), None)
        if member is not None:
            _replace(table, exp.Subquery(this=_rows_of(whole, member)), member)
    return made


def _replace(table: exp.Table, rows: exp.Subquery, member: _Member) -> None:
    name, columns = alias_of(table)
    rows.set("alias", _alias(name or member.name, columns or member.columns))
    for key in ("joins", "laterals", "pivots", "sample"):
        rows.set(key, table.args.get(key))
    table.replace(rows)


def _replacing(whole: str, members: Sequence[_Member]) -> exp.Expr:
    """The group of items of WITH MUTUALLY RECURSIVE: one after the other, over what stands before it in this round and
    over what was behind it in the round before."""
    values = [_named(_literal(0), _TAG)]
    values += [_named(_null(m, i), f"{m.name}.{c}") for m in members for i, c in enumerate(m.columns)]
    empty = exp.Select(expressions=values)
    _, *limit = members[0].steps[0].args["from_"].this.alias.split(" ")
    mark = exp.Anonymous(this=ROUNDS_MARK, expressions=[exp.Literal.number(n) for n in limit])
    empty.set("where", exp.Where(this=mark))
    items = [exp.CTE(this=_rows_of(whole, m), alias=_alias(m.name, m.columns)) for m in members]
    for member in members:
        step: Any = member.steps[0].copy()
        earlier = [m for m in members[: member.place] if reads(step, m.name)]
        now = [exp.CTE(this=_star(f"$new {m.name}"), alias=_alias(m.name, m.columns)) for m in earlier]
        if now:
            step.set("with_", exp.With(expressions=now))
        items.append(exp.CTE(this=step, alias=_alias(f"$new {member.name}", member.columns)))
    rows = _all_of([_tagged(_star(f"$new {m.name}"), m, members) for m in members])
    rows.set("with_", exp.With(expressions=items))
    return exp.Union(this=empty, expression=exp.Subquery(this=rows), distinct=False)


def _null(member: _Member, column: int) -> exp.Expr:
    """A NULL of a typed column."""
    cast = member.steps[0].expressions[column].copy()
    while isinstance(cast, exp.Alias):
        cast = cast.this
    cast.set("this", exp.Null())
    return cast  # type: ignore[no-any-return]


def _tagged(query: exp.Expr, member: _Member, members: Sequence[_Member]) -> exp.Select:
    """A member's rows as the group's: its number, its own columns, and NULLs for those of the others."""
    while isinstance(query, exp.Subquery) and not query.alias:
        query = query.this
    values: list[exp.Expr] = [_literal(member.place)]
    for other in members:
        for column in other.columns:
            own = exp.column(exp.to_identifier(column, quoted=True), table=exp.to_identifier(_ROWS, quoted=True))
            values.append(own if other is member else exp.Null())
    source = exp.Subquery(this=query, alias=_alias(_ROWS, member.columns))
    return exp.Select(expressions=values, from_=exp.From(this=source))


def _rows_of(whole: str, member: _Member) -> exp.Select:
    """A member's rows out of the group's."""
    columns: list[exp.Expr] = []
    for column in member.columns:
        held = exp.column(exp.to_identifier(f"{member.name}.{column}", quoted=True))
        columns.append(_named(held, column))
    chosen = exp.EQ(this=exp.column(exp.to_identifier(_TAG, quoted=True)), expression=_literal(member.place))
    made: Any = _star(whole)
    made.set("expressions", columns)
    made.set("where", exp.Where(this=chosen))
    return made  # type: ignore[no-any-return]


def _named(value: exp.Expr, name: str) -> exp.Expr:
    return exp.Alias(this=value, alias=exp.to_identifier(name, quoted=True))


def _star(name: str) -> exp.Select:
    table = exp.Table(this=exp.to_identifier(name, quoted=True))
    return exp.Select(expressions=[exp.Star()], from_=exp.From(this=table))


def _literal(number: int) -> exp.Expr:
    return exp.Literal.number(number)


def _alias(name: str, columns: Sequence[str]) -> exp.TableAlias:
    names = [exp.to_identifier(column, quoted=True) for column in columns]
    return exp.TableAlias(this=exp.to_identifier(name, quoted=True), columns=names)
