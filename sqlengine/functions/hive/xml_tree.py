"""XML documents as trees of nodes, and the axes of XPath 1.0 along which one walks them.

A document that declares entities is refused, and nothing outside it is ever read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from typing import Any, NoReturn
from xml.parsers import expat

from sqlengine.quick_dataclass import dataclass


class BadXml(ValueError):
    """A text that is no XML document, or one with entities of its own."""


@dataclass(eq=False, slots=True)
class Node:
    """`kind`: root, element, attribute, text, comment, pi; `order` is the place in the document."""

    kind: str
    name: str
    value: str
    parent: Node | None
    order: int
    children: list[Node] = field(default_factory=list)
    attributes: list[Node] = field(default_factory=list)


DEPTH_MAX = 1000


def document(text: str) -> Node:
    """The root node of a document; BadXml."""
    builder = _Builder()
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.ordered_attributes = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    parser.CommentHandler = lambda value: builder.add("comment", "", value)
    parser.ProcessingInstructionHandler = lambda name, value: builder.add("pi", name, value)
    parser.EntityDeclHandler = _refuse
    parser.ExternalEntityRefHandler = _refuse
    try:
        parser.Parse(text.encode("utf-8", "surrogatepass"), True)
    except (expat.ExpatError, ValueError, LookupError) as err:
        raise BadXml(str(err)) from None
    return builder.root


def _refuse(*_: Any) -> NoReturn:
    raise BadXml("entities are not supported")


class _Builder:
    def __init__(self) -> None:
        self.count = 0
        self.root = Node("root", "", "", None, 0)
        self.at = self.root
        self.depth = 0

    def add(self, kind: str, name: str, value: str) -> Node:
        """A child of the open element."""
        self.count += 1
        node = Node(kind, name, value, self.at, self.count)
        self.at.children.append(node)
        return node

    def start(self, name: str, attributes: Sequence[str]) -> None:
        """An element begins."""
        self.depth += 1
        if self.depth > DEPTH_MAX:
            raise BadXml("elements are nested too deeply")
        element = self.add("element", name, "")
        for at in range(0, len(attributes), 2):
            self.count += 1
            element.attributes.append(Node("attribute", attributes[at], attributes[at + 1], element, self.count))
        self.at = element

    def end(self, name: str) -> None:
        """The open element ends."""
        self.depth -= 1
        assert self.at.parent is not None
        self.at = self.at.parent

    def text(self, value: str) -> None:
        """Text, one node with text before it."""
        last = self.at.children[-1] if self.at.children else None
        if last is not None and last.kind == "text":
            last.value += value
        else:
            self.add("text", "", value)


def string_value(node: Node) -> str:
    """A node's text: of elements all text within."""
    if node.kind not in ("root", "element"):
        return node.value
    return "".join(n.value for n in descendants(node) if n.kind == "text")


# ---------------------------------------------------------------- axes


def descendants(node: Node) -> Iterator[Node]:
    """All nodes within, in the order of the document."""
    stack = list(reversed(node.children))
    while stack:
        one = stack.pop()
        yield one
        stack.extend(reversed(one.children))


def ancestors(node: Node) -> Iterator[Node]:
    """The nodes around, the nearest first."""
    while node.parent is not None:
        node = node.parent
        yield node


def _siblings(node: Node, after: bool) -> list[Node]:
    if node.parent is None or node.kind == "attribute":
        return []
    kin = node.parent.children
    at = kin.index(node)
    return kin[at + 1 :] if after else kin[:at][::-1]


def _following(node: Node) -> Iterator[Node]:
    start = node.parent if node.kind == "attribute" else node
    assert start is not None
    if node.kind == "attribute":
        yield from descendants(start)
    for one in (start, *ancestors(start)):
        for kin in _siblings(one, True):
            yield kin
            yield from descendants(kin)


def _preceding(node: Node) -> Iterator[Node]:
    start = node.parent if node.kind == "attribute" else node
    assert start is not None
    for one in (start, *ancestors(start)):
        for kin in _siblings(one, False):
            yield from reversed([kin, *descendants(kin)])


AXES: dict[str, Callable[[Node], Iterator[Node]]] = {
    "child": lambda n: iter(n.children),
    "descendant": descendants,
    "descendant-or-self": lambda n: iter([n, *descendants(n)]),
    "parent": lambda n: iter([] if n.parent is None else [n.parent]),
    "ancestor": ancestors,
    "ancestor-or-self": lambda n: iter([n, *ancestors(n)]),
    "self": lambda n: iter([n]),
    "attribute": lambda n: iter(n.attributes),
    "following-sibling": lambda n: iter(_siblings(n, True)),
    "preceding-sibling": lambda n: iter(_siblings(n, False)),
    "following": _following,
    "preceding": _preceding,
}
"""Axis -> the nodes on it, the nearest first."""
