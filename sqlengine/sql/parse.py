"""SQL text -> statements: lex, split, guard, and send each statement to the parser it needs.

A plain query needs neither the shell grammar nor lark; everything else goes through shell.py and build*.py.
Known statements that are not there yet become `ast.Unsupported`.  Errors carry their position in the text
that was given.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sqlengine import errors
from sqlengine.errors import Error
from sqlengine.settings import Settings
from sqlengine.sql import ast, deep, guard
from sqlengine.sql.alterations import alterations
from sqlengine.sql.dialect import OURS, POSTGRES, Dialect, dialect_of
from sqlengine.sql.lexer import QUERY_STARTS, Piece, Token, lex, pieces
from sqlengine.sql.plain_insert import plain_insert
from sqlengine.sql.scripts import Part, parts
from sqlengine.sql.statement_sets import without_statement_sets
from sqlengine.sql.token_edit import words_of
from sqlengine.sql.unsupported import unsupported_feature
from sqlengine.sql.with_clause import refuse_writing_items, with_clause, writes_elsewhere, writes_under_with

if TYPE_CHECKING:
    from sqlengine.sql.build import Node
    from sqlengine.sql.shell import Shell


def parse(text: str, settings: Settings | None = None) -> list[ast.Statement]:
    """All statements of a script, in order; empty ones are skipped.

    Raises SyntaxError (42601), TooComplex (54001) and other errors.Error with the position in `text`.
    """
    settings = settings or Settings()
    guard.check_length(text, settings)
    if settings.dialect == POSTGRES and (plain := plain_insert(text)) is not None:
        return [plain]
    pieces_by_dialect = parts(text, settings.dialect, settings.begun.get("dialect", POSTGRES))
    if len(pieces_by_dialect) > 1:
        return _in_dialects(pieces_by_dialect, settings)
    return _in_one_dialect(text, settings)


def _in_dialects(scripts: Sequence[Part], settings: Settings) -> list[ast.Statement]:
    """The statements of a script that says where it goes on in another dialect."""
    made: list[ast.Statement] = []
    for part in scripts:
        settings = dataclasses.replace(settings, dialect=part.dialect)
        try:
            found = _in_one_dialect(part.text, settings)
        except Error as error:
            if error.position is not None:
                error.position += part.start
            raise
        made += [dataclasses.replace(one, position=one.position + part.start) for one in found]
        settings = _settings_after(part, found, settings)
    return made


def _settings_after(part: Part, found: Sequence[ast.Statement], settings: Settings) -> Settings:
    """What text in Hive's dialect depends on, as a part of the script leaves it."""
    if part.dialect != POSTGRES:
        from sqlengine.sql.hive.parse import words_after  # only who speaks it pays for it

        words = words_after(part.text, settings)
        return dataclasses.replace(
            settings,
            hive=dict(words.variables),
            macros=dict(words.macros),
            search_path=words.database or "public",
        )
    paths = [one.value for one in found if isinstance(one, ast.Set) and one.name == "search_path"]
    return dataclasses.replace(settings, search_path=paths[-1] or "public") if paths else settings


def _in_one_dialect(text: str, settings: Settings) -> list[ast.Statement]:
    if settings.dialect != POSTGRES:
        from sqlengine.sql.hive.parse import parse_script  # only who speaks it pays for it

        return parse_script(text, settings)
    found = without_statement_sets(pieces(text, lex(text)))
    for _, tokens in found:
        guard.check(tokens, settings)
    if not found:
        return []
    return deep.run(_statements, found)


def parse_one(text: str, settings: Settings | None = None) -> ast.Statement:
    """The only statement of `text`; SyntaxError when there is none or more than one."""
    statements = parse(text, settings)
    if len(statements) == 1:
        return statements[0]
    if not statements:
        raise errors.SyntaxError("a statement is expected here", position=len(text))
    raise errors.SyntaxError("only one statement is expected here", position=statements[1].position)


def parse_query(text: str) -> ast.Query:
    """The Query of a text that is one query, without EMIT, in the dialect it says it is in."""
    dialect, bare = dialect_of(text)
    if dialect.is_hive:
        from sqlengine.sql.hive.parse import parse_query_text  # only who speaks it pays for it

        return parse_query_text(bare, dialect)
    statement = parse_one(bare)
    if isinstance(statement, ast.SelectStatement) and statement.emit is None:
        return statement.query
    if isinstance(statement, ast.With):
        raise writes_elsewhere(statement.position)
    raise errors.SyntaxError("a query is expected here", position=0)


def parse_expr(text: str) -> ast.Expr:
    """The expression a text spells; same errors as `parse`."""
    settings = Settings()
    guard.check_length(text, settings)
    tokens = lex(text)
    guard.check(tokens, settings)
    return deep.run(_expression, tokens, text)


def _expression(tokens: Sequence[Token], text: str) -> ast.Expr:
    from sqlengine.sql.query import make_expr  # sqlglot: heavy

    return make_expr(tokens, text)


# ---------------------------------------------------------------- one statement


def _statements(found: Sequence[tuple[Piece, list[Token]]]) -> list[ast.Statement]:
    made: list[ast.Statement] = []
    for piece, tokens in found:
        try:
            built = statements_of(piece.text, _moved(tokens, piece.position), OURS)
        except Error as err:
            if err.position is not None:
                err.position += piece.position
            raise
        except RecursionError:
            raise
        for one in built:
            made.append(dataclasses.replace(one, text=piece.text, position=piece.position))
    return made


def _moved(tokens: list[Token], by: int) -> list[Token]:
    """Tokens with positions in the statement instead of the script."""
    return [Token(kind, value, start - by, end - by) for kind, value, start, end in tokens] if by else tokens


def statements_of(text: str, tokens: list[Token], dialect: Dialect) -> list[ast.Statement]:
    """What one statement of our own grammar says, its queries in the given dialect; most are one statement here."""
    feature = unsupported_feature(tokens)
    if feature is not None:
        return [ast.Unsupported(feature=feature)]
    clause = with_clause(tokens) if tokens[0].upper == "WITH" and not dialect.is_hive else None
    if clause is not None and writes_under_with(clause):
        from sqlengine.sql.build_with import statement_under  # sqlglot: heavy

        return [statement_under(clause, text, lambda part: statements_of(text, part, dialect))]
    refuse_writing_items(tokens)
    if tokens[0].upper in QUERY_STARTS or tokens[0].upper == "(":
        from sqlengine.sql.query import make_query  # sqlglot: heavy

        if not _has_clause_after(tokens):
            return [ast.SelectStatement(query=make_query(tokens, text, dialect))]
    from sqlengine.sql import shell  # lark: heavy

    several = alterations(text, tokens, lambda part: statements_of(text, part, dialect))
    if several is not None:
        return [several]
    return _build(shell.parse_shell(tokens), text, dialect)


_CLAUSE_WORDS = frozenset(("EMIT", "RETURNING"))
_MOMENTS = frozenset(("TICK", "TIMESTAMP"))


def _has_clause_after(tokens: Sequence[Token]) -> bool:
    """Whether a clause of ours may follow the query; only then is the shell grammar needed."""
    words = words_of(tokens)
    if words & _CLAUSE_WORDS:
        return True
    return bool(words & _MOMENTS) and any(_is_as_of(tokens, at) for at in range(len(tokens)))


def _is_as_of(tokens: Sequence[Token], at: int) -> bool:
    return tokens[at].upper in _MOMENTS and [token.upper for token in tokens[at - 2 : at]] == ["AS", "OF"]


def _build(shell: Shell, text: str, dialect: Dialect) -> list[ast.Statement]:
    from sqlengine.sql.build import Node  # lark: heavy

    node = next(Node(shell.tree, text, shell.tokens, dialect).nodes())
    leaf = node.leaf("STATEMENT")
    if leaf is not None:
        around = {"prepare": _prepare, "declare_query": _declare_query}.get(node.rule, _explain)
        return [around(node, text, list(shell.tokens[leaf.line : leaf.end_line]))]
    built = _builders()[node.rule](node)
    return built if isinstance(built, list) else [built]


def _prepare(node: Node, text: str, tokens: list[Token]) -> ast.Statement:
    from sqlengine.sql import build_session  # lark: heavy

    return ast.Prepare(statement=_inner(text, tokens, node.dialect), **build_session.prepare_head(node))


def _declare_query(node: Node, text: str, tokens: list[Token]) -> ast.Statement:
    from sqlengine.sql import build_subscriptions  # lark: heavy

    return ast.DeclareQueryCursor(
        statement=_inner(text, tokens, node.dialect), **build_subscriptions.declare_query_head(node)
    )


def _inner(text: str, tokens: list[Token], dialect: Dialect) -> ast.Statement:
    """A statement within another."""
    made = statements_within(text, tokens, dialect)
    if len(made) != 1:
        raise errors.SyntaxError("only one statement is expected here", position=tokens[0].start)
    start, end = tokens[0].start, tokens[-1].end
    return dataclasses.replace(made[0], text=text[start:end], position=start)


def statements_within(text: str, tokens: list[Token], dialect: Dialect) -> list[ast.Statement]:
    """What a statement within another says."""
    if dialect.is_hive:
        from sqlengine.sql.hive.parse import hive_statements  # only who speaks it pays for it

        return hive_statements(text, tokens, dialect)
    return statements_of(text, tokens, dialect)


def _explain(node: Node, text: str, tokens: list[Token]) -> ast.Statement:
    from sqlengine.sql import build_session  # lark: heavy

    inner = _inner(text, tokens, node.dialect)
    return ast.Explain(statement=inner, **build_session.explain_head(node))


def _builders() -> dict[str, Callable[[Node], ast.Statement | list[ast.Statement]]]:
    from sqlengine.sql import build_functions as functions  # lark: heavy
    from sqlengine.sql import build_indexes as indexes  # lark: heavy
    from sqlengine.sql import build_objects as objects
    from sqlengine.sql import build_session as session
    from sqlengine.sql import build_subscriptions as subscriptions

    return {
        "create_index": indexes.create_index,
        "create_topic": objects.create_topic,
        "create_stream": objects.create_stream,
        "create_table": objects.create_table,
        "create_view": objects.create_view,
        "create_sink": objects.create_sink,
        "create_subscription": objects.create_subscription,
        "create_schema": objects.create_schema,
        "create_function": functions.create_function,
        "alter": objects.alter,
        "drop": functions.drop,
        "truncate": objects.truncate,
        "alter_group": objects.alter_group,
        "alter_system": objects.alter_system,
        "drop_group": objects.drop_group,
        "comment_on": functions.comment_on,
        "insert": session.insert,
        "update": session.update,
        "delete": session.delete,
        "merge": session.merge,
        "copy_from": session.copy_from,
        "copy_to": session.copy_to,
        "select": session.select,
        "subscribe": session.subscribe,
        "declare": subscriptions.declare,
        "fetch": subscriptions.fetch,
        "move": subscriptions.fetch,
        "close": subscriptions.close,
        "acknowledge": subscriptions.acknowledge,
        "explain": session.explain,
        "show": session.show,
        "describe": session.describe,
        "set": session.set_,
        "set_transaction": session.set_transaction,
        "discard": session.discard,
        "reset": session.reset,
        "begin": session.begin,
        "commit": session.commit,
        "rollback": session.rollback,
        "listen": session.listen,
        "unlisten": session.unlisten,
        "notify": session.notify,
        "rollback_to": session.rollback_to,
        "savepoint": session.savepoint,
        "release": session.release,
        "control": session.control,
        "print": session.print_topic,
        "assert": session.assert_,
        "wait": session.wait,
        "refresh": session.refresh,
        "execute": session.execute,
        "deallocate": session.deallocate,
        "checkpoint": session.checkpoint,
        "vacuum": session.maintain("VACUUM"),
        "analyze_names": session.maintain("ANALYZE"),
        **_access_builders(),
    }


def _access_builders() -> dict[str, Callable[[Node], ast.Statement | list[ast.Statement]]]:
    from sqlengine.sql import build_access as access  # lark: heavy

    return {
        "create_role": access.create_role,
        "alter_role": access.alter_role,
        "alter_role_setting": access.alter_role_setting,
        "drop_role": access.drop_role,
        "grant": access.grant,
        "revoke": access.revoke,
        "default_privileges": access.default_privileges,
        "reassign_owned": access.reassign_owned,
        "drop_owned": access.drop_owned,
        "set_role": access.set_role,
        "set_authorization": access.set_authorization,
        "reset_role": access.reset_role,
        "reset_authorization": access.reset_authorization,
    }
