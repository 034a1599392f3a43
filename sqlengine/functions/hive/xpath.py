"""XPath 1.0 (W3C Recommendation of 1999) over XML texts, without namespaces: what javax.xml.xpath answers by default.

`compiled` makes an expression of a text; documents are those of xml_tree.py.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from sqlengine.functions.hive.xml_tree import AXES, Node, ancestors, string_value
from sqlengine.quick_dataclass import dataclass


class BadXPath(ValueError):
    """A text that is no XPath expression."""


NodeSet = list[Node]
Result = Any
"""NodeSet, str, float or bool."""


# ---------------------------------------------------------------- values


def to_string(value: Result) -> str:
    """string()."""
    if isinstance(value, list):
        return string_value(value[0]) if value else ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _number_text(value)
    return str(value)


def _number_text(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == int(value):
        return str(int(value))
    text = repr(value)
    return text if "e" not in text else f"{value:.340f}".rstrip("0")


_NUMBER = re.compile(r"[ \t\r\n]*-?(?:\d+(?:\.\d*)?|\.\d+)[ \t\r\n]*")


def to_number(value: Result) -> float:
    """number()."""
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, float):
        return value
    text = to_string(value)
    return float(text) if _NUMBER.fullmatch(text) else math.nan


def to_boolean(value: Result) -> bool:
    """boolean()."""
    if isinstance(value, float):
        return value != 0 and not math.isnan(value)
    return bool(value)


def _compare(op: str, left: Result, right: Result) -> bool:
    if isinstance(left, list) and isinstance(right, list):
        return any(_plain(op, string_value(a), string_value(b)) for a in left for b in right)
    for sets, other, turned in ((left, right, False), (right, left, True)):
        if not isinstance(sets, list):
            continue
        if isinstance(other, bool):
            one: Result = to_boolean(sets)
            return _plain(op, other, one) if turned else _plain(op, one, other)
        values = [to_number(string_value(n)) if isinstance(other, float) else string_value(n) for n in sets]
        return any(_plain(op, other, v) if turned else _plain(op, v, other) for v in values)
    return _plain(op, left, right)


def _plain(op: str, a: Result, b: Result) -> bool:
    if op in ("=", "!="):
        if isinstance(a, bool) or isinstance(b, bool):
            same = to_boolean(a) == to_boolean(b)
        elif isinstance(a, float) or isinstance(b, float):
            same = to_number(a) == to_number(b)
        else:
            same = a == b
        return same if op == "=" else not same
    x, y = to_number(a), to_number(b)
    return {"<": x < y, "<=": x <= y, ">": x > y, ">=": x >= y}[op]


# ---------------------------------------------------------------- expressions


@dataclass(frozen=True, slots=True)
class Context:
    """Where an expression is evaluated."""

    node: Node
    position: int = 1
    size: int = 1


Expr = Callable[[Context], Result]
Test = Callable[[Node], bool]


def _nodes(value: Result) -> NodeSet:
    if not isinstance(value, list):
        raise BadXPath("a set of nodes is expected")
    return value


def _ordered(nodes: Sequence[Node]) -> NodeSet:
    return sorted({id(n): n for n in nodes}.values(), key=lambda n: n.order)


def _filtered(nodes: NodeSet, predicates: Sequence[Expr]) -> NodeSet:
    for predicate in predicates:
        kept = []
        for at, node in enumerate(nodes, 1):
            value = predicate(Context(node, at, len(nodes)))
            if value == at if isinstance(value, float) else to_boolean(value):
                kept.append(node)
        nodes = kept
    return nodes


def _step(axis: str, test: Test, predicates: Sequence[Expr]) -> Callable[[NodeSet], NodeSet]:
    walk = AXES[axis]

    def step(nodes: NodeSet) -> NodeSet:
        out: NodeSet = []
        for node in nodes:
            out += _filtered([n for n in walk(node) if test(n)], predicates)
        return _ordered(out)

    return step


_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d*)?|\.\d+)|(?P<literal>\"[^\"]*\"|'[^']*')"
    r"|(?P<op>::|//|\.\.|!=|<=|>=|[()\[\].@,/|+\-=<>*$])"
    r"|(?P<name>[^\W\d][\w.\-]*(?::(?!:)(?:\*|[^\W\d][\w.\-]*))?))"
)
_WORDS = ("and", "or", "div", "mod")
_NODE_TYPES = ("text", "node", "comment", "processing-instruction")


@lru_cache(maxsize=256)
def compiled(text: str) -> Expr:
    """The expression of a text; BadXPath."""
    parser = _Parser(text)
    try:
        made = parser.either("or")
    except RecursionError:
        raise BadXPath("the expression is nested too deeply") from None
    if parser.at < len(parser.tokens):
        raise BadXPath(f"unexpected {parser.tokens[parser.at][1]}")
    return made


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        self.at = 0
        place, end = 0, len(text.rstrip())
        while place < end:
            found = _TOKEN.match(text, place)
            if found is None:
                raise BadXPath(f"unexpected {text[place]}")
            kind = str(found.lastgroup)
            self.tokens.append((self._settled(kind, found[kind]), found[kind]))
            place = found.end()

    def _settled(self, kind: str, value: str) -> str:
        """A name or a star behind an operand is an operator (section 3.7)."""
        if kind not in ("name", "op"):
            return kind
        before = self.tokens[-1] if self.tokens else ("", "")
        operand = before[0] in ("number", "literal", "name", "star") or before[1] in (")", "]", ".", "..")
        if kind == "name":
            return "op" if operand and value in _WORDS else kind
        return kind if value != "*" or operand else "star"

    def _peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def _kind(self, ahead: int = 0) -> str:
        return self.tokens[self.at + ahead][0] if self.at + ahead < len(self.tokens) else ""

    def _is(self, *ops: str) -> bool:
        return self._kind() == "op" and self._peek() in ops

    def _take(self) -> str:
        if self.at >= len(self.tokens):
            raise BadXPath("unexpected end")
        self.at += 1
        return self.tokens[self.at - 1][1]

    def _expect(self, op: str) -> None:
        if self._take() != op:
            raise BadXPath(f"{op} is expected")

    def either(self, op: str) -> Expr:
        """OrExpr and AndExpr."""
        left = self._below(op)
        while self._is(op):
            self._take()
            left = self._logic(op, left, self._below(op))
        return left

    def _below(self, op: str) -> Expr:
        return self.either("and") if op == "or" else self._binary(0)

    def _logic(self, op: str, a: Expr, b: Expr) -> Expr:
        if op == "or":
            return lambda c: to_boolean(a(c)) or to_boolean(b(c))
        return lambda c: to_boolean(a(c)) and to_boolean(b(c))

    _LEVELS = (("=", "!="), ("<", "<=", ">", ">="), ("+", "-"), ("*", "div", "mod"))

    def _binary(self, level: int) -> Expr:
        if level == len(self._LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while self._is(*self._LEVELS[level]):
            left = _operation(self._take(), left, self._binary(level + 1))
        return left

    def _unary(self) -> Expr:
        if self._is("-"):
            self._take()
            inner = self._unary()
            return lambda c: -to_number(inner(c))
        return self._union()

    def _union(self) -> Expr:
        parts = [self._path()]
        while self._is("|"):
            self._take()
            parts.append(self._path())
        if len(parts) == 1:
            return parts[0]
        return lambda c: _ordered([n for part in parts for n in _nodes(part(c))])

    def _path(self) -> Expr:
        primary = self._primary()
        if primary is None:
            return self._location()
        predicates = self._predicates()
        start = primary if not predicates else _filter_of(primary, predicates)
        if not self._is("/", "//"):
            return start
        return _walk(start, self._more([]))

    def _primary(self) -> Expr | None:
        kind, value = self._kind(), self._peek()
        if kind == "op" and value == "(":
            self._take()
            inner = self.either("or")
            self._expect(")")
            return inner
        if kind == "literal":
            text = self._take()[1:-1]
            return lambda c: text
        if kind == "number":
            number = float(self._take())
            return lambda c: number
        called = kind == "name" and self.at + 1 < len(self.tokens) and self.tokens[self.at + 1][1] == "("
        if called and value not in _NODE_TYPES:
            return self._call()
        if kind == "op" and value == "$":
            raise BadXPath("variables are not supported")
        return None

    def _call(self) -> Expr:
        name = self._take()
        self._expect("(")
        args: list[Expr] = []
        while not self._is(")"):
            if args:
                self._expect(",")
            args.append(self.either("or"))
        self._take()
        least, most, made = _FUNCTIONS.get(name, (1, 0, None))
        if made is None:
            raise BadXPath(f"there is no function {name}")
        if not least <= len(args) <= most:
            raise BadXPath(f"{name} does not take {len(args)} arguments")
        return lambda c: made(c, *[arg(c) for arg in args])

    def _location(self) -> Expr:
        steps: list[Callable[[NodeSet], NodeSet]] = []
        if self._is("/"):
            self._take()
            if self._kind() in ("name", "star") or self._is(".", "..", "@"):
                steps.append(self._one_step())
            return _walk(_root, self._more(steps))
        if self._is("//"):
            return _walk(_root, self._more(steps))
        steps.append(self._one_step())
        return _walk(lambda c: [c.node], self._more(steps))

    def _more(self, steps: list[Callable[[NodeSet], NodeSet]]) -> list[Callable[[NodeSet], NodeSet]]:
        while self._is("/", "//"):
            if self._take() == "//":
                steps.append(_step("descendant-or-self", lambda n: True, ()))
            steps.append(self._one_step())
        return steps

    def _one_step(self) -> Callable[[NodeSet], NodeSet]:
        if self._is("."):
            self._take()
            return _step("self", lambda n: True, ())
        if self._is(".."):
            self._take()
            return _step("parent", lambda n: True, ())
        axis = "child"
        if self._is("@"):
            self._take()
            axis = "attribute"
        elif self._kind() == "name" and self.at + 1 < len(self.tokens) and self.tokens[self.at + 1][1] == "::":
            axis = self._take()
            self._take()
            if axis not in AXES:
                raise BadXPath(f"there is no axis {axis}")
        return _step(axis, self._test(axis), self._predicates())

    def _test(self, axis: str) -> Test:
        principal = "attribute" if axis == "attribute" else "element"
        kind, name = self._kind(), self._take()
        if kind == "star":
            return lambda n: n.kind == principal
        if kind != "name":
            raise BadXPath(f"unexpected {name}")
        if name in _NODE_TYPES and self._is("("):
            return self._node_type(name)
        if name.endswith(":*"):
            return lambda n: n.kind == principal and n.name.startswith(name[:-1])
        return lambda n: n.kind == principal and n.name == name

    def _node_type(self, name: str) -> Test:
        self._take()
        target = self._take()[1:-1] if self._kind() == "literal" and name.startswith("processing") else None
        self._expect(")")
        if name == "node":
            return lambda n: True
        kind = "pi" if name.startswith("processing") else name
        return lambda n: n.kind == kind and target in (None, n.name)

    def _predicates(self) -> list[Expr]:
        found = []
        while self._is("["):
            self._take()
            found.append(self.either("or"))
            self._expect("]")
        return found


def _root(context: Context) -> NodeSet:
    node = context.node
    while node.parent is not None:
        node = node.parent
    return [node]


def _walk(start: Expr, steps: Sequence[Callable[[NodeSet], NodeSet]]) -> Expr:
    def path(context: Context) -> NodeSet:
        nodes = _nodes(start(context))
        for step in steps:
            nodes = step(nodes)
        return nodes

    return path


def _filter_of(primary: Expr, predicates: Sequence[Expr]) -> Expr:
    return lambda c: _filtered(_nodes(primary(c)), predicates)


def _operation(op: str, a: Expr, b: Expr) -> Expr:
    if op in ("=", "!=", "<", "<=", ">", ">="):
        return lambda c: _compare(op, a(c), b(c))
    return lambda c: _arithmetic(op, to_number(a(c)), to_number(b(c)))


def _arithmetic(op: str, x: float, y: float) -> float:
    if op == "+":
        return x + y
    if op == "-":
        return x - y
    if op == "*":
        return x * y
    if op == "mod":
        return math.nan if y == 0 or math.isinf(x) or math.isnan(x + y) else math.fmod(x, y)
    if y == 0:
        return math.nan if x == 0 or math.isnan(x) else math.copysign(math.inf, x) * math.copysign(1, y)
    return x / y


# ---------------------------------------------------------------- functions


def _text_or_self(context: Context, args: Sequence[Result]) -> str:
    return to_string(args[0]) if args else string_value(context.node)


def _named(context: Context, args: Sequence[Result], local: bool) -> str:
    nodes = _nodes(args[0]) if args else [context.node]
    name = nodes[0].name if nodes else ""
    return name.rpartition(":")[2] if local else name


def _rounded(value: float) -> float:
    return value if math.isnan(value) or math.isinf(value) else float(math.floor(value + 0.5))


def _substring(text: str, start: float, length: float | None = None) -> str:
    first = _rounded(start)
    end = math.inf if length is None else first + _rounded(length)
    return "".join(c for at, c in enumerate(text, 1) if first <= at < end)


def _beside(text: str, part: str) -> tuple[str, str]:
    """What is before and behind the first occurrence, both empty without one."""
    at = text.find(part)
    return ("", "") if at < 0 else (text[:at], text[at + len(part) :])


def _lang(context: Context, wanted: str) -> bool:
    for node in (context.node, *ancestors(context.node)):
        for attribute in node.attributes:
            if attribute.name == "xml:lang":
                have = attribute.value.lower()
                return have == wanted.lower() or have.startswith(wanted.lower() + "-")
    return False


def _exchanged(text: str, old: str, new: str) -> str:
    table: dict[int, str] = {}
    for at, letter in enumerate(old):
        table.setdefault(ord(letter), new[at : at + 1])
    return text.translate(table)


def _whole(value: float, way: Callable[[float], int]) -> float:
    return float(way(value)) if math.isfinite(value) else value


_MANY = 1000
_FUNCTIONS: dict[str, tuple[int, int, Callable[..., Result] | None]] = {
    "last": (0, 0, lambda c: float(c.size)),
    "position": (0, 0, lambda c: float(c.position)),
    "count": (1, 1, lambda c, s: float(len(_nodes(s)))),
    "id": (1, 1, lambda c, s: []),
    "local-name": (0, 1, lambda c, *a: _named(c, a, True)),
    "namespace-uri": (0, 1, lambda c, *a: ""),
    "name": (0, 1, lambda c, *a: _named(c, a, False)),
    "string": (0, 1, lambda c, *a: _text_or_self(c, a)),
    "concat": (2, _MANY, lambda c, *a: "".join(map(to_string, a))),
    "starts-with": (2, 2, lambda c, a, b: to_string(a).startswith(to_string(b))),
    "contains": (2, 2, lambda c, a, b: to_string(b) in to_string(a)),
    "substring-before": (2, 2, lambda c, a, b: _beside(to_string(a), to_string(b))[0]),
    "substring-after": (2, 2, lambda c, a, b: _beside(to_string(a), to_string(b))[1]),
    "substring": (2, 3, lambda c, s, a, *n: _substring(to_string(s), to_number(a), *map(to_number, n))),
    "string-length": (0, 1, lambda c, *a: float(len(_text_or_self(c, a)))),
    "normalize-space": (0, 1, lambda c, *a: " ".join(re.split(r"[ \t\r\n]+", _text_or_self(c, a).strip(" \t\r\n")))),
    "translate": (3, 3, lambda c, s, a, b: _exchanged(to_string(s), to_string(a), to_string(b))),
    "boolean": (1, 1, lambda c, v: to_boolean(v)),
    "not": (1, 1, lambda c, v: not to_boolean(v)),
    "true": (0, 0, lambda c: True),
    "false": (0, 0, lambda c: False),
    "lang": (1, 1, lambda c, v: _lang(c, to_string(v))),
    "number": (0, 1, lambda c, *a: to_number(a[0] if a else [c.node])),
    "sum": (1, 1, lambda c, s: math.fsum(to_number(string_value(n)) for n in _nodes(s)) if _nodes(s) else 0.0),
    "floor": (1, 1, lambda c, v: _whole(to_number(v), math.floor)),
    "ceiling": (1, 1, lambda c, v: _whole(to_number(v), math.ceil)),
    "round": (1, 1, lambda c, v: _rounded(to_number(v))),
}
"""name -> (fewest arguments, most, body)."""
