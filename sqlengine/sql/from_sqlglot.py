"""sqlglot tree -> our AST: the entry points; the rules are in lower_*.py.

Expressions without a word become `ast.Opaque`; a relation without a word raises NotSupportedError, upon which
the planner recomputes the whole query on DuckDB.
"""

from __future__ import annotations

from sqlglot import exp

from sqlengine.sql import ast, lower_calls, lower_expr, lower_query, lower_relation
from sqlengine.sql.lower_expr import Rule, opaque

_RULES: dict[type[exp.Expr], Rule] = {**lower_expr.RULES, **lower_calls.RULES}


class Lowering:
    """One lowering: `windows` are the named windows of the SELECT block being lowered."""

    def __init__(self) -> None:
        self.windows: dict[str, exp.Expr] = {}

    def expr(self, node: exp.Expr) -> ast.Expr:
        """Lower a scalar expression."""
        rule = _RULES.get(type(node))
        return rule(node, self) if rule is not None else opaque(node)

    def query(self, node: exp.Expr) -> ast.Select | ast.SetOperation:
        """Lower a query."""
        return lower_query.query(node, self)

    def window_spec(self, node: exp.Expr) -> ast.WindowSpec:
        """The window of a window table function's call."""
        return lower_relation.window_spec(node, self)


def lower_tree(tree: exp.Expr) -> ast.Select | ast.SetOperation:
    """The AST of a whole query."""
    return Lowering().query(tree)


def lower_expression(tree: exp.Expr) -> ast.Expr:
    """The AST of a stand-alone expression (computed column, watermark, default)."""
    return Lowering().expr(tree)
