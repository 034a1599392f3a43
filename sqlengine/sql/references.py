"""Which objects a query reads: base names, files and table functions, however deeply nested; CTE names left
out.

Works on the tree, so it also answers for queries that have no AST.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from sqlengine.sql import ast, deep
from sqlengine.sql.from_sqlglot import Lowering
from sqlengine.sql.lower_relation import window_arguments
from sqlengine.sql.lower_values import FILE, STATE, alias_of, fold, parts_of, position_of, state_arguments
from sqlengine.sql.nodes import find_all, nodes
from sqlengine.sql.rewrite import CHANGELOG, WINDOW_FUNCTIONS
from sqlengine.sql.rewrite_match import MATCH
from sqlengine.sql.rewrite_match import WORD_OF_IT as MATCH_RECOGNIZE

Reference = ast.TableRef | ast.FileRef | ast.FunctionRef


def tables(query: ast.Query) -> list[ast.TableRef]:
    """Every named object the query reads, once each, in order of appearance."""
    found = (ref for ref in named_in(query) if isinstance(ref, ast.TableRef))
    return list({ref.parts: ref for ref in found}.values())


def named_in(query: ast.Query) -> list[Reference]:
    """Every base table, file and table function, once for each place it stands in."""
    return deep.run(lambda: [reference for _, reference in find(query.tree)])


def called_functions(query: ast.Query) -> list[str]:
    """Lower-case names of the functions the query calls, once each; what the views it names call is not looked at."""
    calls = deep.run(lambda: [call.name.lower() for call in find_all(query.tree, exp.Anonymous)])
    return list(dict.fromkeys(calls))


def runs_scripts(query: ast.Query) -> bool:
    """Whether the query itself gives rows to a program; no view does."""
    return query.tree is not None and deep.run(lambda: query.tree.find(exp.QueryTransform) is not None)


def reads_changes(query: ast.Query) -> bool:
    """Whether the query itself reads a CHANGELOG; what the views it names read is not looked at."""
    return deep.run(lambda: any(call.name == CHANGELOG for call in find_all(query.tree, exp.Anonymous)))


def matches_rows(query: ast.Query) -> bool:
    """Whether the query itself has a MATCH_RECOGNIZE."""
    if MATCH_RECOGNIZE not in query.text.upper():
        return False
    return deep.run(lambda: any(call.name == MATCH for call in find_all(query.tree, exp.Anonymous)))


def find(tree: exp.Expr) -> Iterator[tuple[exp.Expr, Reference]]:
    """(node, reference) of each: the node is the Table, or the Column that names a window function's
    input."""
    for node in nodes(tree):
        if isinstance(node, exp.Table):
            yield from _of_table(node)
        elif isinstance(node, exp.Unnest) and isinstance(node.parent, (exp.From, exp.Join, exp.Lateral)):
            yield node, ast.FunctionRef("unnest", (), *alias_of(node))
        elif isinstance(node, exp.Lateral) and isinstance(node.this, exp.Func):
            yield node, ast.FunctionRef(_called(node.this), (), *alias_of(node))


def _of_table(node: exp.Table) -> Iterator[tuple[exp.Expr, Reference]]:
    this = node.this
    state = state_arguments(node)
    if state is not None:
        yield node, ast.StateRef(("system", STATE), *alias_of(node), position=_start(node), arguments=state)
    elif isinstance(this, exp.Anonymous):
        yield from _of_function(node, this)
    elif isinstance(this, exp.Identifier) and this.meta.get(FILE):
        yield node, ast.FileRef(str(this.this), alias_of(node)[0])
    elif isinstance(this, exp.Identifier):
        parts = parts_of(node)
        if len(parts) > 1 or not is_cte(parts[0], node):
            yield node, ast.TableRef(parts, *alias_of(node), as_of=as_of(node), position=_start(node))
    elif isinstance(this, exp.Func):
        yield node, ast.FunctionRef(_called(this), (), *alias_of(node))


def _called(call: exp.Func) -> str:
    """The lower-case name of a function, however sqlglot knows it."""
    return str(call.name if isinstance(call, exp.Anonymous) else call.sql_name()).lower()


def _start(node: exp.Expr) -> int | None:
    first = next(node.args[key] for key in ("catalog", "db", "this") if node.args.get(key) is not None)
    return position_of(first)


def _of_function(node: exp.Table, call: exp.Anonymous) -> Iterator[tuple[exp.Expr, Reference]]:
    if call.name == CHANGELOG:
        data = call.expressions[0]
    elif call.name.upper() in WINDOW_FUNCTIONS:
        data = window_arguments(call)[0].get("DATA")
    else:
        yield node, ast.FunctionRef(call.name.lower(), (), *alias_of(node))
        return
    if isinstance(data, exp.Column):
        parts = parts_of(data)
        if len(parts) > 1 or not is_cte(parts[0], node):
            yield data, ast.TableRef(parts, position=position_of(data.this))
    elif isinstance(data, exp.Anonymous):
        yield data, ast.FunctionRef(data.name.lower(), ())


def as_of(node: exp.Expr) -> ast.Expr | str | None:
    """The time of FOR SYSTEM_TIME AS OF; "proctime" for PROCTIME()."""
    version = node.args.get("version")
    if version is None:
        return None
    time = version.expression
    if isinstance(time, exp.Anonymous) and time.name.lower() == "proctime":
        return "proctime"
    return Lowering().expr(time)


def is_cte(name: str, node: exp.Expr) -> bool:
    """Whether a plain name means a WITH query there: one defined in an enclosing query, before the place
    if in the same WITH."""
    below: exp.Expr = node
    above = node.parent
    while above is not None:
        with_ = above.args.get("with_")
        if with_ is not None and with_ is not below and any(_cte_name(cte) == name for cte in with_.expressions):
            return True
        if isinstance(above, exp.With) and _defined_before(name, above, below):
            return True
        below, above = above, above.parent
    return False


def _defined_before(name: str, with_: exp.Expr, inside: exp.Expr) -> bool:
    """A CTE sees those before it, and itself when the WITH is recursive."""
    for cte in with_.expressions:
        if cte is inside:
            return bool(with_.args.get("recursive")) and any(_cte_name(other) == name for other in with_.expressions)
        if _cte_name(cte) == name:
            return True
    return False


def _cte_name(cte: exp.Expr) -> str | None:
    alias = cte.args.get("alias")
    return fold(alias.this) if alias is not None and alias.this is not None else None
