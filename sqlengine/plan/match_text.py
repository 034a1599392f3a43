"""MATCH_RECOGNIZE for EXPLAIN: the program as a pattern again, its conditions and measures."""

from __future__ import annotations

from sqlengine.expr.text import to_text
from sqlengine.expr.tree import Expr, InputRef
from sqlengine.plan.exprs import map_refs
from sqlengine.plan.match_node import MatchRecognize, Slot


def match_text(node: MatchRecognize) -> str:
    """What the node does, without its name."""
    names = node.input.schema.names
    order = ", ".join(names[c] + (" desc" if d else "") for c, d, _ in node.order)
    parts = [f"by [{', '.join(names[p] for p in node.partition)}]"]
    parts += [f"order by {order}"] if order else []
    conditions = (
        f"{label}: {_text(node, condition)}"
        for label, condition in zip(node.program.labels, node.defines, strict=True)
        if condition is not None
    )
    parts.append(f"pattern ({node.program.text}) [{', '.join(conditions)}]")
    parts.append(f"skip {node.skip.kind}" + "".join(f" {node.program.labels[v]}" for v in node.skip.variables))
    parts += [f"within {node.within_us / 1e6:g} s"] if node.within_us is not None else []
    parts += ["all rows"] if node.all_rows else []
    parts += ["once"] if node.closing else []
    return " ".join(parts)


def _text(node: MatchRecognize, expr: Expr) -> str:
    return to_text(map_refs(expr, lambda ref: InputRef(ref.type, ref.index, slot_text(node, node.slots[ref.index]))))


def slot_text(node: MatchRecognize, slot: Slot) -> str:
    """A slot as one writes it."""
    names = node.input.schema.names
    of = "" if slot.variables is None else "|".join(node.program.labels[v] for v in slot.variables) + "."
    if slot.kind == "number":
        return "MATCH_NUMBER()"
    if slot.call is not None:
        args = ", ".join(of + names[a] for a in slot.call.args) or of + "*"
        return f"{slot.call.function}({args})"
    text = of + names[slot.column]
    if not slot.last or slot.offset:
        text = f"{'LAST' if slot.last else 'FIRST'}({text}{f', {slot.offset}' if slot.offset else ''})"
    if slot.step:
        count = f", {abs(slot.step)}" if abs(slot.step) > 1 else ""
        text = f"{'PREV' if slot.step < 0 else 'NEXT'}({text}{count})"
    return text
