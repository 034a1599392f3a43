"""`a op ANY (array)` and `a op ALL (array)`: three-valued, also of elements that are NULL and of a NULL array."""

from __future__ import annotations

from sqlglot import exp


def quantifier(node: exp.Expr) -> tuple[bool, exp.Expr] | None:
    """(whether it is ANY or SOME rather than ALL, what it is of) when a comparison's right side is one."""
    if isinstance(node, (exp.Any, exp.All)):
        return isinstance(node, exp.Any), node.this
    if isinstance(node, exp.Anonymous) and node.name.upper() in ("ALL", "SOME") and len(node.expressions) == 1:
        return node.name.upper() == "SOME", node.expressions[0]
    return None


def over_elements(node: exp.Expr, some: bool, array: exp.Expr) -> exp.Expr:
    """ANY or ALL over an array's elements: what decides, NULL if some comparison is, else the other answer."""
    element = exp.Var(this='"$e"')
    compared = type(node)(this=node.this.copy(), expression=element)
    answers = exp.Anonymous(
        this="list_transform", expressions=[array.copy(), exp.Lambda(this=compared, expressions=[element])]
    )

    def called(name: str, *args: exp.Expr) -> exp.Expr:
        return exp.Anonymous(this=name, expressions=[answers.copy(), *args])

    deciding, other = exp.Boolean(this=some), exp.Boolean(this=not some)
    known = called("list_aggr", exp.Literal.string("count"))
    return exp.Case(
        ifs=[
            exp.If(this=exp.Is(this=array.copy(), expression=exp.Null()), true=exp.Null()),
            exp.If(this=called("list_contains", deciding), true=deciding.copy()),
            exp.If(this=exp.LT(this=known, expression=called("len")), true=exp.Null()),
        ],
        default=other,
    )
