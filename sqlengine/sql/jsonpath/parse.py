"""The text of a path -> its tree, with PostgreSQL's complaints (42601) where it is none."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from functools import cache, lru_cache
from pathlib import Path as File
from typing import Any

import lark

from sqlengine.errors import DataError, InvalidText, NotSupportedError, SyntaxError  # noqa: A004 - SQL's word
from sqlengine.sql.jsonpath import nodes

METHODS: dict[str, int] = {
    **dict.fromkeys("abs bigint boolean ceiling date double floor integer keyvalue number size string type".split(), 0),
    **dict.fromkeys("datetime time time_tz timestamp timestamp_tz".split(), 1),
    "decimal": 2,
}
"""Methods, and how many arguments each may have."""
_FLAGS = "ismxq"
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_PLAIN = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_LONE = re.compile("[\ud800-\udfff]")


@lru_cache(maxsize=1024)
def parse_path(text: str) -> nodes.Path:
    """The tree of a path.  SyntaxError (42601), InvalidText (22P02) or DataError (2201B: a wrong pattern)."""
    if not text.strip():
        raise InvalidText(f'invalid input syntax for type jsonpath: "{text}"')
    try:
        made = _Builder().transform(_parser().parse(text))
    except lark.UnexpectedInput as error:
        raise _unexpected(error, text) from None
    except lark.exceptions.VisitError as error:
        raise error.orig_exc from None
    assert isinstance(made, nodes.Path)
    _check(made.body, in_filter=False, in_subscript=False)
    return made


@cache
def _parser() -> lark.Lark:
    grammar = File(__file__).with_name("grammar.lark").read_text(encoding="utf-8")
    return lark.Lark(grammar, parser="lalr", maybe_placeholders=False)


def _unexpected(error: lark.UnexpectedInput, text: str) -> SyntaxError:
    token = getattr(error, "token", None)
    at = error.pos_in_stream or 0
    near = str(token) if token is not None and token.type != "$END" else text[at : at + 1] if token is None else ""
    if not near:
        return SyntaxError("syntax error at end of jsonpath input")
    return SyntaxError(f'syntax error at or near "{near}" of jsonpath input')


# ---------------------------------------------------------------- texts and numbers


def _unescaped(text: str) -> str:
    def one(found: re.Match[str]) -> str:
        wide, four, two, sign = found.groups()
        if sign is not None:
            if sign in "ux":
                kind = "Unicode escape" if sign == "u" else "hexadecimal character"
                raise SyntaxError(f'invalid {kind} sequence at or near "{found[0]}" of jsonpath input')
            return _PLAIN.get(sign, sign)
        code = int(wide or four or two, 16)
        if code == 0:
            raise DataError("unsupported Unicode escape sequence", sqlstate="22P05", detail="\\u0000 is no text")
        if code > 0x10FFFF:
            raise SyntaxError(f'invalid Unicode escape sequence at or near "{found[0]}" of jsonpath input')
        return chr(code)

    made = _ESCAPE.sub(one, text)
    made = _PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), made)
    if _LONE.search(made):
        raise InvalidText(
            "invalid input syntax for type json", detail="Unicode high and low surrogates must come in pairs"
        )
    return made


def _number(text: str) -> nodes.Number:
    plain = text.replace("_", "")
    if plain[:2].lower() in ("0x", "0o", "0b"):
        return int(plain, 0)
    if plain.isdigit():
        return int(plain)
    made = Decimal(plain)
    return int(made) if made.as_tuple().exponent >= 0 else made  # type: ignore[operator]


# ---------------------------------------------------------------- the tree


def _binary(of: Callable[..., Any], op: str) -> Callable[[Any, list[Any]], Any]:
    return lambda _self, parts: of(op, parts[0], parts[1])


class _Builder(lark.Transformer[Any, Any]):
    """lark's tree, from its leaves up, as ours; keywords come as tokens and are passed over."""

    def start(self, parts: list[Any]) -> nodes.Path:
        strict = len(parts) == 2 and parts[0] is True
        return nodes.Path(strict, parts[-1])

    def strict(self, _parts: list[Any]) -> bool:
        return True

    def lax(self, _parts: list[Any]) -> bool:
        return False

    either = _binary(nodes.Logic, "||")
    both = _binary(nodes.Logic, "&&")

    def negated(self, parts: list[Any]) -> nodes.Not:
        return nodes.Not(parts[0])

    def is_unknown(self, parts: list[Any]) -> nodes.IsUnknown:
        return nodes.IsUnknown(parts[0])

    def exists(self, parts: list[Any]) -> nodes.Exists:
        return nodes.Exists(parts[-1])

    def compared(self, parts: list[Any]) -> nodes.Compare:
        left, op, right = parts
        return nodes.Compare("!=" if op == "<>" else str(op), left, right)

    def starts_with(self, parts: list[Any]) -> nodes.StartsWith:
        return nodes.StartsWith(parts[0], parts[-1])

    def like_regex(self, parts: list[Any]) -> nodes.LikeRegex:
        text, _word, pattern, *rest = parts
        given = _unescaped(str(rest[-1])[1:-1]) if rest else ""
        for letter in given:
            if letter not in _FLAGS:
                raise SyntaxError(
                    "invalid input syntax for type jsonpath",
                    detail=f'unrecognized flag character "{letter}" in LIKE_REGEX predicate',
                )
        if "x" in given and "q" not in given:
            raise NotSupportedError('XQuery "x" flag (expanded regular expressions) is not implemented')
        flags = "".join(letter for letter in _FLAGS if letter in given)
        return nodes.LikeRegex(text, _unescaped(str(pattern)[1:-1]), flags)

    def binary(self, parts: list[Any]) -> nodes.Binary:
        left, op, right = parts
        return nodes.Binary(str(op), left, right)

    def unary(self, parts: list[Any]) -> nodes.Unary | nodes.Literal:
        op, operand = parts
        if isinstance(operand, nodes.Literal) and type(operand.value) in (int, Decimal):
            return operand if op == "+" else nodes.Literal(-operand.value)  # type: ignore[operator]
        return nodes.Unary(str(op), operand)

    def chained(self, parts: list[Any]) -> nodes.Chain:
        head, step = parts
        if isinstance(head, nodes.Chain):
            return nodes.Chain(head.head, (*head.steps, step))
        return nodes.Chain(head, (step,))

    def text(self, parts: list[Any]) -> nodes.Literal:
        return nodes.Literal(_unescaped(str(parts[0])[1:-1]))

    def variable(self, parts: list[Any]) -> nodes.Variable:
        name = str(parts[0])[1:]
        return nodes.Variable(_unescaped(name[1:-1] if name.startswith('"') else name))

    def number(self, parts: list[Any]) -> nodes.Literal:
        return nodes.Literal(_number(str(parts[0])))

    def null(self, _parts: list[Any]) -> nodes.Literal:
        return nodes.Literal(None)

    def true(self, _parts: list[Any]) -> nodes.Literal:
        return nodes.Literal(True)

    def false(self, _parts: list[Any]) -> nodes.Literal:
        return nodes.Literal(False)

    def root(self, _parts: list[Any]) -> nodes.Root:
        return nodes.Root()

    def current(self, _parts: list[Any]) -> nodes.Current:
        return nodes.Current()

    def last(self, _parts: list[Any]) -> nodes.Last:
        return nodes.Last()

    def member(self, parts: list[Any]) -> nodes.Member:
        return nodes.Member(parts[0])

    def any_member(self, _parts: list[Any]) -> nodes.AnyMember:
        return nodes.AnyMember()

    def any_element(self, _parts: list[Any]) -> nodes.AnyElement:
        return nodes.AnyElement()

    def elements(self, parts: list[Any]) -> nodes.Elements:
        return nodes.Elements(tuple(parts))

    def range(self, parts: list[Any]) -> tuple[Any, Any]:
        return parts[0], parts[-1] if len(parts) > 1 else None

    def level(self, parts: list[Any]) -> int:
        text = str(parts[0])
        if not text[:1].isdigit():
            return nodes.LAST_LEVEL
        level = _number(text)
        if not isinstance(level, int):
            raise SyntaxError(f'syntax error at or near "{text}" of jsonpath input')
        return level

    def descend(self, parts: list[Any]) -> nodes.Descend:
        levels = [part for part in parts if isinstance(part, int)]
        return nodes.Descend(levels[0], levels[-1]) if levels else nodes.Descend(0, nodes.LAST_LEVEL)

    def argument(self, parts: list[Any]) -> str | int:
        text = str(parts[-1])
        if text.startswith('"'):
            return _unescaped(text[1:-1])
        number = _number(text)
        if not isinstance(number, int):
            raise SyntaxError(f'syntax error at or near "{text}" of jsonpath input')
        return -number if len(parts) == 2 and parts[0] == "-" else number

    def method(self, parts: list[Any]) -> nodes.Method:
        written, *arguments = parts
        name = written.lower()
        most = METHODS.get(name)
        wanted: type = str if name == "datetime" else int
        if most is None or len(arguments) > most or not all(isinstance(a, wanted) for a in arguments):
            near = "(" if most is None else str(arguments[-1])
            raise SyntaxError(f'syntax error at or near "{near}" of jsonpath input')
        if name == "datetime" and arguments:
            raise NotSupportedError(
                "a template of .datetime() is not supported", hint="without one it reads ISO 8601's forms"
            )
        return nodes.Method(name, tuple(arguments))

    def filtered(self, parts: list[Any]) -> nodes.Filter:
        return nodes.Filter(parts[0])

    def key(self, parts: list[Any]) -> str:
        text = str(parts[0])
        return _unescaped(text[1:-1] if text.startswith('"') else text)


# ---------------------------------------------------------------- what stands where it means something


def _check(node: Any, *, in_filter: bool, in_subscript: bool) -> None:
    """`@` within filters only, `last` within subscripts only."""
    if isinstance(node, nodes.Current) and not in_filter:
        raise SyntaxError("@ is not allowed in root expressions")
    if isinstance(node, nodes.Last) and not in_subscript:
        raise SyntaxError("LAST is allowed only in array subscripts")
    if isinstance(node, nodes.Filter):
        _check(node.predicate, in_filter=True, in_subscript=in_subscript)
    elif isinstance(node, nodes.Elements):
        for place in (place for pair in node.ranges for place in pair):
            _check(place, in_filter=in_filter, in_subscript=True)
    elif isinstance(node, nodes.Chain):
        for part in (node.head, *node.steps):
            _check(part, in_filter=in_filter, in_subscript=in_subscript)
    else:
        for name in ("left", "right", "operand", "whole", "beginning", "text", "path"):
            if (below := getattr(node, name, None)) is not None:
                _check(below, in_filter=in_filter, in_subscript=in_subscript)
