"""Graphs drawn as lanes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from repl.live.lanes import draw
from tests.depth import rounds

DIAMOND = {"view": ["join"], "join": ["left", "right"], "left": ["base"], "right": ["base"], "base": []}


def text(inputs: dict[str, list[str]], first: str, unicode: bool = True) -> str:
    rows = draw(inputs, first, unicode)
    return "\n".join(f"{row.lead}  {row.node}" if row.is_head else row.lead.rstrip() for row in rows).rstrip()


def test_a_shared_part_stands_once() -> None:
    assert (
        text(DIAMOND, "view")
        == """\
●  view
│
●  join
├─╮
● │  left
│ │
│ ●  right
│ │
├─╯
●  base"""
    )
    assert text(DIAMOND, "view", unicode=False).splitlines()[3:9] == [
        "|-.",
        "* |  left",
        "| |",
        "| *  right",
        "| |",
        "|-'",
    ]


def test_lanes_cross_those_between() -> None:
    graph = {"a": ["b", "c"], "b": ["d", "e"], "c": ["d"], "d": [], "e": []}
    assert (
        text(graph, "a")
        == """\
●  a
├─╮
● │  b
├─┼─╮
│ │ ●  e
│ │
│ ●  c
│ │
├─╯
●  d"""
    )


@settings(max_examples=rounds(80, 200), deadline=None)
@given(st.integers(1, 12), st.data())
def test_every_node_once_and_below_all_that_lead_to_it(count: int, data: st.DataObject) -> None:
    graph = {
        str(n): data.draw(st.lists(st.sampled_from([str(m) for m in range(n + 1, count)]), max_size=4)) if n + 1 < count
        else []
        for n in range(count)
    }  # fmt: skip
    rows = draw(graph, "0")
    heads = [row.node for row in rows if row.is_head]
    reached, todo = {"0"}, ["0"]
    while todo:
        for one in graph[todo.pop()]:
            if one not in reached:
                reached.add(one)
                todo.append(one)
    assert sorted(heads) == sorted(reached)
    assert all(heads.index(node) < heads.index(one) for node in heads for one in graph[node])
    assert all(row.lead.count("●") == int(row.is_head) for row in rows)
    widths = {len(row.lead.rstrip()) % 2 for row in rows if row.lead.strip()}
    assert widths <= {1}, "lanes stand in every second cell"
