"""Queries that select `*` of what gets another column: the star is spelt out, so that they keep the columns they have.

PostgreSQL spells a star out when a view is made; here the text stays as it was written until something is added.  What
is put in a star's place is tried: the names the object had, else `* EXCEPT (the new one)`.  It counts only if the plan
is the same as before, over the catalog there will be: so a star of something else, or one that cannot be told apart,
leaves the query as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

from sqlengine import sql
from sqlengine.catalog.objects import CatalogObject, MaterializedView, PlanningInfo, Sink, View
from sqlengine.catalog.seen import unseen
from sqlengine.errors import Error
from sqlengine.pg_words import quote_ident
from sqlengine.plan.fingerprint import fingerprint
from sqlengine.runtime.planning import Planning, emit_of
from sqlengine.sql import ast
from sqlengine.sql.lexer import QUOTED, WORD, Token, lex
from sqlengine.sql.token_edit import edited

STARS_MAX = 4
"""So many stars of one query are tried in every way."""
_BEFORE = frozenset(["SELECT", "DISTINCT", "ALL", ",", ".", ")"])
_Edit = tuple[int, int, str]
"""Start, end, what is there then."""


def plan_of(planning: Planning, obj: CatalogObject) -> str | None:
    """What the plan of a view's or sink's query is equal by; None for what has none."""
    if not isinstance(obj, (View, MaterializedView, Sink)):
        return None
    emit, info = ast.Emit(), PlanningInfo()
    if isinstance(obj, (MaterializedView, Sink)):
        emit, info = emit_of(obj), unseen(obj.planning)
    return fingerprint(planning.plan(sql.parse_query(obj.query), emit, info).physical)


def spelt_out(
    obj: View | MaterializedView | Sink, names: Sequence[str], added: str, wanted: str, then: Planning
) -> View | MaterializedView | Sink | None:
    """The object with a query that has the plan `wanted` also when what it reads, which has columns of these `names`,
    has the one `added` as well; None where no way is found. `then`: planning over the catalog there will be."""
    head, found, tail = obj.sql.rpartition(obj.query)
    if not found:
        return None
    tokens = lex(obj.query)
    stars = [at for at, token in enumerate(tokens) if _may_be_star(tokens, at)]
    if not stars or len(stars) > STARS_MAX:
        return None
    for edits in product(*(_ways(tokens, at, names, added) for at in stars)):
        text = edited(obj.query, [edit for edit in edits if edit is not None])
        new = replace(obj, query=text, sql=f"{head}{text}{tail}")
        try:
            if plan_of(then, new) == wanted:
                return new
        except Error:
            continue
    return None


def with_stars_spelt(text: str, names: Sequence[str]) -> Iterator[str]:
    """The text with stars replaced by these names: all of them, then each alone."""
    tokens = lex(text)
    stars = [at for at in range(len(tokens)) if _may_be_star(tokens, at)]
    edits = [_named(tokens, at, names) for at in stars]
    if edits and len(edits) <= STARS_MAX:
        yield edited(text, edits)
        if len(edits) > 1:
            yield from (edited(text, [edit]) for edit in edits)


def _may_be_star(tokens: Sequence[Token], at: int) -> bool:
    return tokens[at].upper == "*" and at > 0 and tokens[at - 1].upper in _BEFORE


def _ways(tokens: Sequence[Token], at: int, names: Sequence[str], added: str) -> Iterator[_Edit | None]:
    """What may stand in the place of a star, with its EXCEPT if it has one."""
    yield None
    start, end, spelt = _named(tokens, at, names)
    yield start, end, spelt
    without = ", ".join(quote_ident(name) for name in [*_left_out(tokens, at), added])
    yield start, end, f"{_owner(tokens, at)[1]}* EXCEPT ({without})"


def _named(tokens: Sequence[Token], at: int, names: Sequence[str]) -> _Edit:
    """The names in the place of a star, but for those its EXCEPT has."""
    start, owner = _owner(tokens, at)
    without = _left_out(tokens, at)
    end = tokens[at + 2 + 2 * len(without)].end if without else tokens[at].end
    return start, end, ", ".join(owner + quote_ident(name) for name in names if name not in without)


def _owner(tokens: Sequence[Token], at: int) -> tuple[int, str]:
    """Where a star begins with the name before it, and that name with its dot."""
    if tokens[at - 1].upper == "." and at > 1:
        return tokens[at - 2].start, quote_ident(tokens[at - 2].value) + "."
    return tokens[at].start, ""


def _left_out(tokens: Sequence[Token], at: int) -> list[str]:
    """The names that a star's EXCEPT has."""
    found: list[str] = []
    if [token.upper for token in tokens[at + 1 : at + 3]] not in (["EXCEPT", "("], ["EXCLUDE", "("]):
        return found
    for place in range(at + 3, len(tokens) - 1, 2):
        if tokens[place].kind not in (WORD, QUOTED) or tokens[place + 1].upper not in (",", ")"):
            return []
        found.append(tokens[place].value)
        if tokens[place + 1].upper == ")":
            break
    return found
