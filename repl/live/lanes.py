"""Draws a graph without circles as text, as version histories are: a node a line, and lanes that lead to what is below.

Every node stands once; who several lead to, their lanes join above it.  Pure, knows nothing of queries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlengine.quick_dataclass import dataclass

_UNICODE = {"node": "●", "bar": "│", "out": "┬", "end": "╮", "join": "┴", "last": "╯", "from": "├", "cross": "┼",
            "dash": "─"}  # fmt: skip
_ASCII = {"node": "*", "bar": "|", "out": "-", "end": ".", "join": "-", "last": "'", "from": "|", "cross": "-",
          "dash": "-"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """`lead` is drawn in front of what is told of `node`; `is_head`: its first line."""

    node: str
    lead: str
    is_head: bool


def draw(inputs: Mapping[str, Sequence[str]], first: str, unicode: bool = True) -> list[Row]:
    """Two rows a node, and one where lanes join: `inputs[n]` are the nodes below n; `first` stands on top."""
    marks = _UNICODE if unicode else _ASCII
    lanes: list[str | None] = [first]
    rows: list[Row] = []
    for node in _in_order(inputs, first):
        at = [number for number, awaited in enumerate(lanes) if awaited == node]
        here, others = at[0], at[1:]
        if others:
            rows.append(Row(node, _joining(lanes, here, others, marks), False))
            for number in others:
                lanes[number] = None
        _trim(lanes)
        rows.append(Row(node, _bars(lanes, marks, here), True))
        below = list(dict.fromkeys(inputs.get(node, ())))
        lanes[here] = below[0] if below else None
        opened = [_opened(lanes, one) for one in below[1:]]
        rows.append(Row(node, _opening(lanes, here, opened, marks), False))
        _trim(lanes)
    return rows


def _in_order(inputs: Mapping[str, Sequence[str]], first: str) -> list[str]:
    """Every node behind all that lead to it; first inputs right below, so that lanes are few."""
    waits: dict[str, int] = {}
    todo, seen = [first], {first}
    while todo:
        for one in dict.fromkeys(inputs.get(todo.pop(), ())):
            waits[one] = waits.get(one, 0) + 1
            if one not in seen:
                seen.add(one)
                todo.append(one)
    order, ready = [], [first]
    while ready:
        node = ready.pop()
        order.append(node)
        for one in reversed(list(dict.fromkeys(inputs.get(node, ())))):
            waits[one] -= 1
            if not waits[one]:
                ready.append(one)
    return order


def _opened(lanes: list[str | None], node: str) -> int:
    """A lane to a node: a free one, or a new one at the end."""
    for number in range(len(lanes)):
        if lanes[number] is None and number > 0:
            lanes[number] = node
            return number
    lanes.append(node)
    return len(lanes) - 1


def _trim(lanes: list[str | None]) -> None:
    while len(lanes) > 1 and lanes[-1] is None:
        lanes.pop()


def _bars(lanes: Sequence[str | None], marks: Mapping[str, str], node: int | None = None) -> str:
    cells = [marks["node"] if n == node else marks["bar"] if lane else " " for n, lane in enumerate(lanes)]
    return " ".join(cells)


def _joining(lanes: Sequence[str | None], here: int, others: Sequence[int], marks: Mapping[str, str]) -> str:
    """The lanes `others` end in lane `here`, which is left of them."""
    return _across(lanes, here, others, marks["join"], marks["last"], marks)


def _opening(lanes: Sequence[str | None], here: int, opened: Sequence[int], marks: Mapping[str, str]) -> str:
    """The lanes `opened` begin at the node in lane `here`."""
    if not opened:
        return _bars(lanes, marks)
    return _across(lanes, here, opened, marks["out"], marks["end"], marks)


def _across(
    lanes: Sequence[str | None], here: int, others: Sequence[int], inner: str, last: str, marks: Mapping[str, str]
) -> str:
    left, right = min(here, *others), max(here, *others)
    text = ""
    for number, lane in enumerate(lanes):
        is_inside = left < number < right
        if number == here:
            cell = marks["from"] if here == left else "┤" if marks is _UNICODE and here == right else marks["cross"]
        elif number in others:
            cell = last if number == right else ("╭" if inner == "┬" else "╰") if number == left else inner
            cell = cell if marks is _UNICODE else "." if inner == marks["out"] and last == "." else "'"
        else:
            cell = (
                marks["cross"] if is_inside and lane else marks["dash"] if is_inside else marks["bar"] if lane else " "
            )
        text += cell + (marks["dash"] if left <= number < right else " ")
    return text.rstrip()
