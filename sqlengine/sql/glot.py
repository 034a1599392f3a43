"""The door to sqlglot: our tokens in, its tree out, its errors as ours.

sqlglot is used unmodified (never subclassed).  It is given tokens instead of text, so that everything it
would reshape or reject is settled before: strings are decoded, backquotes are identifiers, rewritten clauses
keep their positions, and ordinary function names are marked so that they come out as `Anonymous` calls under
the name the user wrote.  Positions in a tree (`meta["start"]`) are those of our tokens.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ErrorLevel, SqlglotError
from sqlglot.tokenizer_core import Token as GlotToken
from sqlglot.tokenizer_core import TokenType

from sqlengine import errors
from sqlengine.errors import NotSupportedError
from sqlengine.quick_dataclass import dataclass
from sqlengine.sql.forms import json_arrows, plain_forms
from sqlengine.sql.hints import keyword_hint
from sqlengine.sql.join_conditions import check_join_conditions
from sqlengine.sql.lambda_forms import settle_lambda
from sqlengine.sql.lexer import BIT, HEX, NUMBER, OP, QUERY_STARTS, QUOTED, STRING, WORD, Token, lex
from sqlengine.sql.literal_casts import spell_literals
from sqlengine.sql.lower_values import FILE, position_of
from sqlengine.sql.nodes import find_all, nodes, of_types
from sqlengine.sql.recursive_items import recursive_items
from sqlengine.sql.rewrite import rewrite
from sqlengine.sql.token_edit import matching

# sqlglot logs what it could not parse; our errors say it instead, and a library writes nothing to stderr.
logging.getLogger("sqlglot").addHandler(logging.NullHandler())

MARK = "\u0192"
"""Stands before function names in the tokens sqlglot sees; stripped from the tree."""

_SPLIT = {">>": ">>", "<<": "<<", "!~": "!~", "!~*": ("!", "~*"), "!~~": ("!", "~~"), "!~~*": ("!", "~~*")}
"""Operators that sqlglot wants as several tokens (`>>` also closes nested types)."""

_OWN_SYNTAX = frozenset(
    "CAST TRY_CAST EXTRACT TRIM SUBSTRING POSITION OVERLAY MATERIALIZED EXCLUDE BERNOULLI SYSTEM RESERVOIR "
    "REPEATABLE "
    "WITHIN SETS TIES".split()
)
"""Words before a parenthesis that are not plain function names: their arguments have a syntax of their
own."""
KEYWORD_FUNCTIONS = frozenset(
    "LEFT RIGHT REPLACE ROW WINDOW FORMAT FIRST RANGE LIST MAP STRUCT TRUNCATE INSERT DATE TIME TIMESTAMP "
    "TIMESTAMPTZ TEXT "
    "CHAR JSON JSONB UUID NAME YEAR SESSION NEXT GLOB XOR REGEXP".split()
)
"""Keywords of sqlglot that name a function when an opening parenthesis follows."""
_INCOMPLETE = frozenset(("BY", ","))
"""Words sqlglot accepts at the end of a query though something must follow."""
_BEFORE_EXPRESSION = frozenset("BY TO ZONE PLACING".split())
"""Words, not keywords to sqlglot, after which an expression may begin."""


@dataclass(frozen=True, slots=True)
class Grammar:
    """What one of sqlglot's dialects makes of words: keywords, operators, phrases by their first word, and its parser.

    `callable`: keywords that name a function when an opening parenthesis follows; `prepare` rewrites our tokens before
    they are converted.
    """

    dialect: Dialect
    keywords: dict[str, TokenType]
    single: dict[str, TokenType]
    phrases: dict[str, dict[tuple[str, ...], TokenType]]
    callable: frozenset[str]
    prepare: Callable[[Sequence[Token]], list[Token]]


def make_grammar(
    name: str, prepare: Callable[[Sequence[Token]], list[Token]], callable_words: frozenset[str] = KEYWORD_FUNCTIONS
) -> Grammar:
    """The Grammar of a dialect of sqlglot."""
    dialect = Dialect.get_or_raise(name)
    tokenizer: Any = dialect.tokenizer_class
    phrases: dict[str, dict[tuple[str, ...], TokenType]] = {}
    for words, kind in tokenizer.KEYWORDS.items():
        if " " in words:
            phrases.setdefault(words.split()[0], {})[tuple(words.split()[1:])] = kind
    keywords = {w: kind for w, kind in tokenizer.KEYWORDS.items() if not set(w) & set(" {}")}
    single = {**tokenizer.SINGLE_TOKENS, "?": TokenType.PLACEHOLDER}
    return Grammar(dialect, keywords, single, phrases, callable_words, prepare)


_POSTGRES = make_grammar("postgres", rewrite)


def parse_query(tokens: Sequence[Token], text: str, grammar: Grammar = _POSTGRES) -> exp.Expr:
    """The tree of a query (SELECT, WITH, VALUES, TABLE, FROM, set operations).

    Raises SyntaxError (42601) with the position of the offending token.
    """
    if not (tokens[0].upper in QUERY_STARTS or tokens[0].value == "("):
        raise _not_a_query(tokens)
    tree = _parse(tokens, text, grammar)
    if not isinstance(tree, exp.Query) and not isinstance(tree, exp.Values):
        raise _not_a_query(tokens)
    return tree


def _not_a_query(tokens: Sequence[Token]) -> errors.SyntaxError:
    hint = keyword_hint(tokens, 0, tuple(QUERY_STARTS)) or "it begins with SELECT, WITH, VALUES or FROM"
    return errors.SyntaxError("a query is expected here", hint=hint, position=tokens[0].start)


def parse_expression(tokens: Sequence[Token], text: str, grammar: Grammar = _POSTGRES) -> exp.Expr:
    """The tree of one scalar expression; same errors as `parse_query`."""
    start = tokens[0].start
    tree = _parse([Token(WORD, "SELECT", start, start), *tokens], text, grammar)
    if not isinstance(tree, exp.Select) or len(tree.expressions) != 1 or set(_present(tree)) != {"expressions"}:
        raise errors.SyntaxError("a single expression is expected here", position=start)
    only = tree.expressions[0]
    if isinstance(only, exp.Alias):
        raise errors.SyntaxError("an expression without a name is expected here", position=tokens[-1].start)
    return only.pop()


def has_own_form(function: str) -> bool:
    """Whether sqlglot reads calls of this name into a class of its own, so that the name itself is lost."""
    parser = _POSTGRES.dialect.parser_class
    return function.upper() in parser.FUNCTIONS or function.upper() in parser.FUNCTION_PARSERS


def parse_type(name: str) -> exp.Expr:
    """The tree of a type name."""
    text = f"CAST(NULL AS {name})"
    made = parse_expression(lex(text), text)
    return made.args["to"]  # type: ignore[no-any-return]


def _present(tree: exp.Expr) -> list[str]:
    return [key for key, value in tree.args.items() if value]


def _parse(tokens: Sequence[Token], text: str, grammar: Grammar) -> exp.Expr:
    rewritten = grammar.prepare(tokens)
    foreign = _convert(rewritten, grammar)
    try:
        trees = grammar.dialect.parser(error_level=ErrorLevel.IMMEDIATE).parse(foreign, text)
    except SqlglotError as err:
        raise _translate(err, tokens) from None
    except RecursionError:
        raise
    except (ValueError, AttributeError, TypeError, IndexError, KeyError) as err:
        raise errors.SyntaxError(
            "syntax error", detail=f"the query parser gave up: {err}", position=tokens[0].start
        ) from err
    if tokens[-1].upper in _INCOMPLETE:
        raise errors.SyntaxError(
            "syntax error at end of input", detail="expected an expression", position=tokens[-1].end
        )
    if grammar is _POSTGRES:
        check_join_conditions(tokens)
    if len(trees) != 1 or trees[0] is None:
        raise errors.SyntaxError("a query is expected here", position=tokens[0].start if tokens else 0)
    tree = trees[0]
    found = nodes(tree)
    if lambdas := of_types(found, exp.Lambda):
        json_arrows(lambdas, MARK)
        found = nodes(tree)
    _settle(found, {token.start for token in rewritten if token.kind == STRING})
    if grammar is not _POSTGRES:  # whose calls keep their names, and whose forms are its own business
        return tree
    for node in find_all(tree, exp.Anonymous):
        if any(isinstance(a, exp.Lambda) for a in node.expressions):
            settle_lambda(node)
    plain_forms(tree)
    recursive_items(tree)
    spell_literals(tree)
    return tree


# ---------------------------------------------------------------- tokens


def _convert(tokens: Sequence[Token], grammar: Grammar) -> list[GlotToken]:
    """Our tokens as sqlglot's; keyword phrases such as ORDER BY become one, as its tokenizer does."""
    out: list[GlotToken] = []
    at, count = 0, len(tokens)
    while at < count:
        token = tokens[at]
        phrase = _phrase(tokens, at, grammar) if token.kind == WORD else None
        if phrase is not None:
            kind, length = phrase
            words = " ".join(part.value for part in tokens[at : at + length])
            out.append(GlotToken(kind, words, 1, token.start, token.start, tokens[at + length - 1].end - 1))
            at += length
            continue
        if token.value in _SPLIT and token.kind == OP:
            out += [
                GlotToken(_single(part, token, grammar), part, 1, token.start, token.start, token.end - 1)
                for part in _SPLIT[token.value]
            ]
        else:
            kind, value = _kind_and_text(tokens, at, grammar)
            out.append(GlotToken(kind, value, 1, token.start, token.start, token.end - 1))
        at += 1
    return out


def _phrase(tokens: Sequence[Token], at: int, grammar: Grammar) -> tuple[TokenType, int] | None:
    """The keyword phrase that begins at a token, the longest first, and how many tokens it takes."""
    candidates = grammar.phrases.get(tokens[at].value.upper())
    if candidates is None:
        return None
    for length in (2, 1):
        rest = tuple(token.upper for token in tokens[at + 1 : at + 1 + length])
        if len(rest) == length and rest in candidates:
            return candidates[rest], length + 1
    return None


def _kind_and_text(tokens: Sequence[Token], at: int, grammar: Grammar) -> tuple[TokenType, str]:
    token = tokens[at]
    if token.kind == WORD:
        return _word(tokens, at, grammar)
    if token.kind == QUOTED:
        call = at + 1 < len(tokens) and tokens[at + 1].value == "(" and _may_begin_call(tokens, at, grammar)
        return TokenType.IDENTIFIER, MARK + token.value if call else token.value
    if token.kind == STRING:
        return TokenType.STRING, token.value
    if token.kind == NUMBER:
        return TokenType.NUMBER, str(int(token.value, 16)) if token.value[:2] in ("0x", "0X") else token.value
    if token.kind in (HEX, BIT):
        return TokenType.HEX_STRING if token.kind == HEX else TokenType.BIT_STRING, token.value
    return _single(token.value, token, grammar), token.value


def _single(operator: str, token: Token, grammar: Grammar) -> TokenType:
    kind = grammar.keywords.get(operator) or grammar.single.get(operator)
    if kind is None:
        raise errors.SyntaxError(f'operator "{token.value}" is not known', position=token.start)
    return kind


def _word(tokens: Sequence[Token], at: int, grammar: Grammar) -> tuple[TokenType, str]:
    token = tokens[at]
    upper = token.value.upper()
    kind = grammar.keywords.get(upper, TokenType.VAR)
    if at + 1 >= len(tokens) or tokens[at + 1].value != "(" or tokens[at + 1].kind != "op":
        return kind, token.value
    if upper == "MATCH_RECOGNIZE":
        raise NotSupportedError("MATCH_RECOGNIZE is not supported", position=token.start)
    names_function = upper not in _OWN_SYNTAX if kind is TokenType.VAR else upper in grammar.callable
    if names_function and _may_begin_call(tokens, at, grammar) and not (upper == "TRANSFORM" and _runs(tokens, at)):
        return TokenType.VAR, MARK + token.value.lower()
    return kind, token.value


def _runs(tokens: Sequence[Token], at: int) -> bool:
    """Whether a TRANSFORM with its parenthesis is Hive's clause of a script, not the function."""
    end = matching(tokens, at + 1) + 1
    return end < len(tokens) and tokens[end].upper in ("USING", "ROW", "RECORDWRITER")


def _may_begin_call(tokens: Sequence[Token], at: int, grammar: Grammar) -> bool:
    """False where a name before a parenthesis is an alias with columns or a type with arguments."""
    if at == 0:
        return True
    before = tokens[at - 1]
    if before.kind == QUOTED or before.kind == STRING:
        return False
    if before.kind == WORD:
        upper = before.value.upper()
        is_word = upper in grammar.keywords and upper != "AS" and upper not in grammar.callable
        return is_word or upper in _BEFORE_EXPRESSION
    if before.value == "*" and tokens[at].upper == "REPLACE":
        return at > 1 and tokens[at - 2].upper not in ("SELECT", ",", ".", "DISTINCT", "ALL")
    return before.value != "::" and (before.value != ")" or _ends_distinct_on(tokens, at - 1))


def _ends_distinct_on(tokens: Sequence[Token], closer: int) -> bool:
    """Whether a parenthesis closes the keys of `SELECT DISTINCT ON (...)`, which the select list follows."""
    depth = 0
    for at in range(closer, 1, -1):
        if tokens[at].kind == OP:
            depth += (tokens[at].value == ")") - (tokens[at].value == "(")
        if depth == 0:
            return tokens[at - 1].upper == "ON" and tokens[at - 2].upper == "DISTINCT"
    return False


def _settle(found: Sequence[exp.Expr], strings: set[int]) -> None:
    """Take the marks off function names and the padding out of array indexes of a tree, and mark file names."""
    brackets: list[exp.Bracket] = []
    for node in found:
        if isinstance(node, (exp.Anonymous, exp.Identifier)):
            this = node.args.get("this")
            if isinstance(this, str) and this.startswith(MARK):
                node.set("this", this[1:])
        elif isinstance(node, exp.Bracket):
            brackets.append(node)
        elif isinstance(node, exp.Group):
            _settle_group(node)
        elif isinstance(node, exp.Select) and node.args.get("sample") is not None:
            _settle_sample(node)
        elif isinstance(node, exp.Table):
            if position_of(node.this) in strings:
                node.this.meta[FILE] = True
        elif isinstance(node, exp.Command) or (
            isinstance(node, exp.Version) and not isinstance(node.expression, exp.Expr)
        ):
            raise errors.SyntaxError(
                "syntax error in FOR SYSTEM_TIME" if isinstance(node, exp.Version) else "a query is expected in WITH"
            )
    for bracket in brackets:
        if len(bracket.expressions) > 2:
            raise errors.SyntaxError("one index is expected", position=position_of(bracket.expressions[1]))
        bracket.set("expressions", bracket.expressions[:1])
        bracket.set("offset", 1)


def _settle_sample(select: exp.Select) -> None:
    """`FROM t USING SAMPLE 10%` (DuckDB), which samples before WHERE, is `FROM t TABLESAMPLE (10 PERCENT)`."""
    read = select.args["from_"].this if select.args.get("from_") is not None else None
    alone = not select.args.get("joins") and not select.args.get("laterals")
    if alone and isinstance(read, (exp.Table, exp.Subquery)) and read.args.get("sample") is None:
        read.set("sample", select.args["sample"])
        select.set("sample", None)


def _settle_group(group: exp.Group) -> None:
    """`GROUP BY a, b WITH ROLLUP` (Spark, MySQL) is `GROUP BY ROLLUP (a, b)`; ALL before grouping sets says nothing."""
    if not group.expressions:
        return
    if group.args.get("all") is False:
        raise NotSupportedError(
            "GROUP BY DISTINCT is not supported",
            hint="write each set once in GROUPING SETS (...)",
            position=next((at for node in nodes(group) if (at := position_of(node)) is not None), None),
        )
    group.set("all", None)
    for kind in ("rollup", "cube"):
        bare = group.args.get(kind)
        if bare and not bare[0].expressions:
            group.set(kind, None)
            group.set("expressions", [type(bare[0])(expressions=group.expressions)])


# ---------------------------------------------------------------- errors


def _translate(err: SqlglotError, tokens: Sequence[Token]) -> errors.SyntaxError:
    """42601 in PostgreSQL's words: `syntax error at or near "x"`."""
    details = getattr(err, "errors", None) or [{}]
    description = str(details[0].get("description") or "")
    position = details[0].get("col")
    at = next((i for i, token in enumerate(tokens) if token.start == position), None)
    expected = _expected(description)
    if at is not None and tokens[at].kind == WORD:
        at = _misspelt_from(tokens, at)
    if at is None or (at == len(tokens) - 1 and expected is not None and tokens[at].value != ")"):
        last = tokens[-1]
        hint = keyword_hint(tokens, len(tokens) - 1)
        return errors.SyntaxError("syntax error at end of input", detail=expected, hint=hint, position=last.end)
    token = tokens[at]
    near = token.value if token.kind != STRING else f"'{token.value}'"
    return errors.SyntaxError(
        f'syntax error at or near "{near}"',
        detail=expected,
        hint=keyword_hint(tokens, at),
        position=token.start,
    )


def _misspelt_from(tokens: Sequence[Token], at: int) -> int:
    """Where the error is: `SELECT * FORM t` is one at FORM, which the parser takes for a name."""
    before = [token.upper for token in tokens[max(0, at - 3) : at]]
    is_star = before[-2:-1] == ["*"] and before[:1] in (["SELECT"], [","], ["."])
    return at - 1 if is_star and tokens[at - 1].kind == WORD else at


def _expected(description: str) -> str | None:
    """What sqlglot says it wanted, without the names of its classes."""
    if description.startswith("Expecting "):
        return f"expected {description.removeprefix('Expecting ')}"
    if description.startswith(("Required keyword", "Expected ")):
        return (
            "expected an expression" if description.startswith("Required") else description[0].lower() + description[1:]
        )
    return None
