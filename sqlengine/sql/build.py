"""lark tree -> Statement: one function per statement, looked up by the grammar's rule names.

Functions see a `Node`, which finds children by rule name; stretches of text (queries, expressions, types) are
handed on to query.py.  Objects are in build_objects.py, everything else here and in build_session.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import lark

from sqlengine import errors
from sqlengine.errors import NotSupportedError
from sqlengine.sql import ast
from sqlengine.sql.dialect import OURS, Dialect
from sqlengine.sql.interval import fixed_us, parse_interval
from sqlengine.sql.lexer import STRING, Token
from sqlengine.sql.query import make_expr, make_query


class Node:
    """A lark tree with the statement's text, tokens and dialect."""

    def __init__(self, tree: lark.Tree[Any], text: str, tokens: Sequence[Token], dialect: Dialect = OURS) -> None:
        self.tree = tree
        self.text = text
        self.tokens = tokens
        self.dialect = dialect

    @property
    def rule(self) -> str:
        """The grammar rule this node was made by."""
        return str(self.tree.data)

    def nodes(self, rule: str | None = None) -> Iterator[Node]:
        """Direct children made by `rule`, in order; all of them without one."""
        for child in self.tree.children:
            if isinstance(child, lark.Tree) and (rule is None or child.data == rule):
                yield Node(child, self.text, self.tokens, self.dialect)

    def node(self, rule: str) -> Node | None:
        """The first child made by `rule`."""
        return next(self.nodes(rule), None)

    def has(self, rule: str) -> bool:
        """Whether a child was made by `rule`."""
        return self.node(rule) is not None

    def flat(self) -> Iterator[lark.Token]:
        """The terminals of this node, left-recursive lists flattened."""
        for child in self.tree.children:
            if isinstance(child, lark.Token):
                yield child
            elif child.data == self.tree.data:
                yield from Node(child, self.text, self.tokens, self.dialect).flat()

    def spread(self) -> Iterator[Node]:
        """The child nodes, left-recursive lists flattened."""
        for child in self.nodes():
            if child.rule == self.rule:
                yield from child.spread()
            else:
                yield child

    def leaf(self, kind: str) -> lark.Token | None:
        """The first terminal of that kind."""
        return next((token for token in self.flat() if token.type == kind), None)

    def source(self, leaf: lark.Token) -> list[Token]:
        """Our tokens behind a terminal."""
        return list(self.tokens[leaf.line : leaf.end_line])

    def text_of(self, leaf: lark.Token) -> str:
        """The text behind a terminal, as typed."""
        return self.text[leaf.start_pos : leaf.end_pos]


# ---------------------------------------------------------------- names and values


def ident(node: Node, leaf: lark.Token) -> str:
    """A folded name."""
    token = node.tokens[leaf.line or 0]
    return token.value.lower() if token.kind == "word" else token.value


def name_of(node: Node) -> ast.Name:
    """The name child of a statement."""
    found = node.node("name")
    assert found is not None
    return full_name(found)


def full_name(node: Node) -> ast.Name:
    """A dotted name."""
    return tuple(ident(node, leaf) for leaf in node.flat())


def names_of(node: Node) -> tuple[str, ...]:
    """The column list child, or ()."""
    found = node.node("names")
    return tuple(ident(found, leaf) for leaf in found.flat()) if found is not None else ()


def kind_of(node: Node) -> str:
    """`topic`, `materialized view`, ...; `database` is another word for schema."""
    found = node.node("kind")
    words = " ".join(str(leaf).lower() for leaf in found.flat()) if found is not None else ""
    return {"database": "schema"}.get(words, words)


def value_text(node: Node) -> str:
    """An option's value as text."""
    for child in node.nodes():
        if child.rule == "number":
            number = child.leaf("NUMBER")
            return ("-" if child.has("minus") else "") + str(number)
        if child.rule == "dotted":
            return ".".join(child.text_of(leaf).strip('"') for leaf in child.flat())
        if child.rule == "interval":
            return child.text[next(child.flat()).start_pos : list(child.flat())[-1].end_pos].replace("'", "")
    leaf = next(node.flat())
    return node.tokens[leaf.line or 0].value


def option_pairs(node: Node | None) -> ast.Options:
    """(lower-case key, value) pairs of an option_list."""
    return tuple(_option(item) for item in node.nodes("option")) if node is not None else ()


def _option(item: Node) -> tuple[str, str]:
    key, value = item.node("option_key"), item.node("option_value")
    assert key is not None and value is not None
    return key_text(key), value_text(value)


def key_text(node: Node) -> str:
    """`a.b` of an option key; quoted parts as they are, lower case."""
    return ".".join(node.tokens[leaf.line or 0].value for leaf in node.flat()).lower()


def options_of(node: Node) -> ast.Options:
    """All options of a statement: WITH (...) and what FORMAT x ENCODE y stands for; SyntaxError for a
    repeated key."""
    pairs: list[tuple[str, str]] = []
    for child in node.nodes():
        if child.rule == "options":
            pairs += option_pairs(child.node("option_list"))
        elif child.rule == "encoding":
            pairs += _encoding(child, {key for key, _ in pairs})
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise errors.SyntaxError(f'option "{key}" is given twice', position=next(iter(_positions(node))))
        seen.add(key)
    return tuple(pairs)


def _positions(node: Node) -> Iterator[int]:
    found = node.node("options") or node.node("encoding") or node
    for leaf in found.tree.scan_values(lambda value: isinstance(value, lark.Token)):
        yield leaf.start_pos
    yield 0


_ENVELOPES = {"plain": "append", "upsert": "upsert", "debezium": "debezium"}


def _encoding(node: Node, given: set[str]) -> list[tuple[str, str]]:
    """`FORMAT UPSERT ENCODE JSON` -> format = json, envelope = upsert."""
    envelope, encoding = (str(leaf).lower() for leaf in list(node.flat())[:2])
    pairs = [] if "format" in given else [("format", encoding)]
    if envelope not in _ENVELOPES:
        leaf = next(node.flat())
        raise errors.SyntaxError(
            f"FORMAT {envelope.upper()} is not known",
            hint="one of: PLAIN, UPSERT, DEBEZIUM",
            position=leaf.start_pos,
        )
    if envelope != "plain" and "envelope" not in given:
        pairs.append(("envelope", _ENVELOPES[envelope]))
    return pairs + list(option_pairs(node.node("option_list")))


# ---------------------------------------------------------------- stretches


def query_leaf(node: Node, leaf: lark.Token) -> ast.Query:
    """The Query behind a QUERY terminal."""
    return make_query(node.source(leaf), node.text, node.dialect)


def query_of(node: Node) -> ast.Query | None:
    """The Query of a node's QUERY terminal, or None."""
    leaf = node.leaf("QUERY")
    return query_leaf(node, leaf) if leaf is not None else None


def expr_text(node: Node, leaf: lark.Token) -> str:
    """The checked text of an EXPR terminal."""
    make_checked(node, leaf)
    return node.text_of(leaf)


def make_checked(node: Node, leaf: lark.Token) -> ast.Expr | None:
    """The expression of an EXPR terminal; None when only DuckDB has words for it (its syntax is right)."""
    try:
        return make_expr(node.source(leaf), node.text)
    except NotSupportedError:
        return None


def select_all(name: ast.Name, position: int, columns: Sequence[str] = ()) -> ast.Query:
    """`SELECT * FROM name` standing where the name stands."""
    words = [('"' + part.replace('"', '""') + '"') for part in name]
    items = ", ".join('"' + column.replace('"', '""') + '"' for column in columns) or "*"
    text = f"SELECT {items} FROM {'.'.join(words)}"
    tokens: list[Token] = []
    for kind, value in _spelt(name, columns):
        tokens.append(Token(kind, value, position, position + 1))
    query = make_query(tokens, text)
    return ast.Query(text, query.tree, position)


def _spelt(name: ast.Name, columns: Sequence[str]) -> Iterator[tuple[str, str]]:
    yield "word", "SELECT"
    for number, column in enumerate(columns):
        if number:
            yield "op", ","
        yield "quoted", column
    if not columns:
        yield "op", "*"
    yield "word", "FROM"
    for number, part in enumerate(name):
        if number:
            yield "op", "."
        yield "quoted", part


def emit_of(node: Node, query: ast.Query | None = None) -> ast.Emit | None:
    """The EMIT clause; a GRACE PERIOD of the query's window counts as allowed lateness."""
    found = node.node("emit")
    grace = query.grace_us if query is not None else None
    if found is None:
        return ast.Emit(lateness_us=grace) if grace is not None else None
    values: dict[str, Any] = {"mode": "changes", "lateness_us": grace}
    modes = 0
    for item in found.spread():
        key = item.rule.removeprefix("emit_")
        if key in ("changes", "final", "every"):
            values["mode"] = key
            modes += 1
        if item.node("interval") is not None:
            values[f"{key}_us"] = _interval_us(item)
    if modes > 1:
        raise errors.SyntaxError("EMIT says one of CHANGES, ON WINDOW CLOSE and EVERY", position=_start(found))
    return ast.Emit(**values)


def _interval_us(item: Node) -> int:
    interval = item.node("interval")
    assert interval is not None
    leaves = list(interval.flat())
    unit = str(leaves[1]) if len(leaves) > 1 else None
    amount = interval.tokens[leaves[0].line or 0]
    value = fixed_us(parse_interval(amount.value, unit, amount.start), amount.start)
    if value < 0 or (value == 0 and item.rule == "emit_every"):
        raise errors.SyntaxError("an interval of EMIT must be positive", position=amount.start)
    return value


def _start(node: Node) -> int:
    return next((leaf.start_pos for leaf in node.tree.scan_values(lambda value: isinstance(value, lark.Token))), 0)


def string_of(node: Node) -> str | None:
    """The value of a node's STRING terminal, or None."""
    leaf = node.leaf("STRING")
    return node.tokens[leaf.line or 0].value if leaf is not None else None


def is_string(token: Token) -> bool:
    """Whether a token is a string literal."""
    return token.kind == STRING
