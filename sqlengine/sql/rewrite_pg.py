"""Token rewriting for what only PostgreSQL's own catalog queries say, before sqlglot; positions are kept.

`OPERATOR(pg_catalog.~)` becomes `~`, `pg_catalog.f(x)` becomes `f(x)`, `COLLATE` with PostgreSQL's own collations goes
away (texts are ordered by their bytes in any case), and types that sqlglot does not know, such as `"char"`, `oid[]` and
`regclass`, become user types whose names begin with PG_TYPE.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlengine.sql.lexer import OP, QUOTED, WORD, Token

PG_TYPE = "pg$"
"""Before the names of PostgreSQL's own types in a tree."""
ARRAY_SUFFIX = "$array"
"""Behind those of arrays of them."""

PG_TYPES = frozenset(
    "oid regclass regproc regprocedure regoper regoperator regtype regnamespace regrole regconfig regdictionary "
    "regcollation xid xid8 cid tid int2vector oidvector aclitem pg_node_tree pg_lsn inet cidr macaddr anyarray "
    "cstring unknown record void".split()
)
_DOMAINS = {
    "sql_identifier": "name",
    "character_data": "varchar",
    "yes_or_no": "varchar",
    "cardinal_number": "int4",
    "time_stamp": "timestamptz",
}
"""information_schema's own types -> what they are."""
_COLLATIONS = frozenset(("default", "C", "POSIX", "ucs_basic", "c", "posix", "en_US", "en_us"))
_SCHEMAS = ("PG_CATALOG", "INFORMATION_SCHEMA")
TRIGGERS = frozenset((*_SCHEMAS, "OPERATOR", "COLLATE", "::", "CAST"))


def pg_forms(tokens: list[Token]) -> list[Token]:
    """All of them."""
    out: list[Token] = []
    at = 0
    while at < len(tokens):
        made, at = _form(tokens, at, out)
        out += made
    return out


def _form(tokens: Sequence[Token], at: int, before: Sequence[Token]) -> tuple[list[Token], int]:
    """(what stands for the tokens from `at`, where to go on)."""
    token = tokens[at]
    if token.kind == OP:
        return [token], at + 1
    if token.upper == "OPERATOR" and _value(tokens, at + 1) == "(" and _value(tokens, at + 5) == ")":
        return [Token(OP, tokens[at + 4].value, token.start, tokens[at + 5].end)], at + 6
    if token.upper == "COLLATE":
        name, end = _name(tokens, at + 1)
        if name in _COLLATIONS:
            return [], end
    if before and before[-1].upper == "AS" and _is_label(tokens, at):
        return [Token(QUOTED, token.value.lower(), token.start, token.end)], at + 1
    if before and before[-1].upper in ("::", "AS") and _is_type(tokens, at, before):
        return _type(tokens, at)
    if token.upper in _SCHEMAS and _value(tokens, at + 1) == "." and _value(tokens, at + 3) == "(":
        return [tokens[at + 2]], at + 3
    return [token], at + 1


_STATEMENT_WORDS = frozenset("SELECT INSERT UPDATE DELETE TABLE USER FROM WHERE ORDER GROUP".split())


def _is_label(tokens: Sequence[Token], at: int) -> bool:
    """Whether a keyword behind AS is a column's name: any may be one there."""
    follows = tokens[at + 1] if at + 1 < len(tokens) else None
    ends = follows is None or follows.upper in ("FROM", ",", ")")
    return ends and tokens[at].upper in _STATEMENT_WORDS


def _value(tokens: Sequence[Token], at: int) -> str:
    return tokens[at].value if at < len(tokens) and tokens[at].kind == OP else ""


def _is_schema(token: Token) -> bool:
    return token.kind in (WORD, QUOTED) and token.value.upper() in _SCHEMAS


def _name(tokens: Sequence[Token], at: int) -> tuple[str, int]:
    """(last part, one past it) of a name that may have a schema before it."""
    if at >= len(tokens) or tokens[at].kind not in (WORD, QUOTED):
        return "", at
    if _is_schema(tokens[at]) and _value(tokens, at + 1) == "." and at + 2 < len(tokens):
        return tokens[at + 2].value, at + 3
    return tokens[at].value, at + 1


def _is_type(tokens: Sequence[Token], at: int, before: Sequence[Token]) -> bool:
    """Whether a type stands here: behind `::`, or behind the AS of a CAST, which its parenthesis ends."""
    if before[-1].upper == "::":
        return True
    name, end = _name(tokens, at)
    while _value(tokens, end) in ("[", "]"):
        end += 1
    special = _is_schema(tokens[at]) or name.lower() in PG_TYPES
    return special and _value(tokens, end) in (")", "(") and _in_cast(before)


def _in_cast(before: Sequence[Token]) -> bool:
    """Whether the innermost open parenthesis is CAST's."""
    depth = 0
    for at in range(len(before) - 1, 0, -1):
        if before[at].kind == OP and before[at].value == ")":
            depth += 1
        elif before[at].kind == OP and before[at].value == "(":
            if depth == 0:
                return before[at - 1].upper in ("CAST", "TRY_CAST")
            depth -= 1
    return False


def _type(tokens: Sequence[Token], at: int) -> tuple[list[Token], int]:
    first = tokens[at]
    name, end = _name(tokens, at)
    quoted = tokens[end - 1].kind == QUOTED
    plain = name if quoted else name.lower()
    plain = _DOMAINS.get(plain, plain)
    if plain[:1] == "_" and plain[1:].isidentifier():  # an array's own name
        place = (first.start, tokens[end - 1].end)
        return [Token(WORD, plain[1:], *place), Token(OP, "[", *place), Token(OP, "]", *place)], end
    if not (plain in PG_TYPES or (quoted and plain == "char")):
        known = plain if plain != name.lower() or end != at + 1 else ""
        return ([Token(WORD, plain, first.start, tokens[end - 1].end)] if known else [first]), end if known else at + 1
    is_array = _value(tokens, end) == "[" and _value(tokens, end + 1) == "]"
    while is_array and _value(tokens, end) == "[" and _value(tokens, end + 1) == "]":
        end += 2
    made = PG_TYPE + plain + (ARRAY_SUFFIX if is_array else "")
    return [Token(WORD, made, first.start, tokens[end - 1].end)], end
