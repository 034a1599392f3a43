"""The documents keep their word: every name of the code is in them, every example runs, generated pages are
current."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import sqlengine
import sqlengine.errors
from docs import generate
from sqlengine import functions, types
from sqlengine.connectors import CONNECTORS
from sqlengine.functions import aggregates
from sqlengine.runtime.clock import VirtualClock
from sqlengine.settings import setting_names
from sqlengine.sql import ast
from tests.collectors.clock import START_US
from tests.collectors.executor import Answer, Failure, answer_of, failures
from tests.collectors.expected_error import ExpectedError
from tests.markdown_blocks import Block, blocks, differs
from tests.source_tree import ROOT

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


def all_text() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in PAGES if path.exists())


# ---------------------------------------------------------------- every name of the code is in the documents

STATEMENT_WORDS = {
    "DeclareQueryCursor": "DECLARE",
    "AddResource": "ADD FILE", "AlterFileTable": "ALTER TABLE", "Analyze": "ANALYZE TABLE", "CommentedView": "COMMENT",
    "CreateFileTable": "CREATE TABLE", "CreateHiveFunction": "CREATE FUNCTION", "CreateMacro": "TEMPORARY MACRO",
    "DropHiveFunction": "DROP FUNCTION", "DropMacro": "DROP TEMPORARY MACRO", "HiveDescribe": "DESCRIBE",
    "HiveInsert": "INSERT OVERWRITE", "HiveReset": "RESET", "HiveSet": "SET", "HiveShow": "SHOW", "Load": "LOAD DATA",
    "Msck": "MSCK REPAIR", "TruncateFiles": "TRUNCATE",
    "SelectStatement": "SELECT", "CopyFrom": "COPY", "CopyTo": "COPY", "Transaction": "BEGIN", "Drop": "DROP",
    "ControlQuery": "PAUSE", "Rename": "RENAME TO", "Comment": "COMMENT ON", "Wait": "WAIT",
    "AlterColumn": "ALTER [COLUMN] column", "RenameColumn": "RENAME [COLUMN]", "SetType": "[SET DATA] TYPE",
    "AlterReplicas": "SET REPLICAS", "RenameRole": "ALTER ROLE", "GrantRoles": "GRANT", "GrantPrivileges": "GRANT",
    "AlterRoleSetting": "ALTER ROLE", "Maintain": "VACUUM",
    "SetOwner": "OWNER TO", "SetTableOptions": "ALTER TABLE name SET", "SetSessionAuthorization": "AUTHORIZATION",
    "DeclareCursor": "SUBSCRIPTION CURSOR FOR", "CloseCursor": "CLOSE cursor",
}  # fmt: skip
"""Where the words of a class's name are not the statement's own."""


def words_of(statement: type[ast.Statement]) -> str:
    name = statement.__name__
    return STATEMENT_WORDS.get(name) or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).upper()


STATEMENTS = [
    cls
    for cls in vars(ast).values()
    if isinstance(cls, type) and issubclass(cls, ast.Statement) and cls not in (ast.Statement, ast.Unsupported)
]


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda cls: cls.__name__)
def test_every_statement_is_documented(statement: type[ast.Statement]) -> None:
    page = "hql.md" if statement.__module__ == "sqlengine.sql.ast.hive" else "statements.md"
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert words_of(statement) in text, f"docs/{page} does not tell of {words_of(statement)}"


def named_in(text: str, names: list[str]) -> list[str]:
    return [name for name in names if re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", text) is None]


def test_every_function_is_documented() -> None:
    names = [name for name in functions.names() if re.fullmatch(r"\w+", name)]
    assert not named_in(all_text(), [*names, *aggregates.names()])


def test_every_setting_is_documented() -> None:
    assert not named_in(all_text(), setting_names())


def test_every_error_is_documented() -> None:
    classes = generate.error_classes(sqlengine.errors, sqlengine.errors.Error)
    names, states = [cls.__name__ for cls in classes], [cls.sqlstate for cls in classes]
    assert not named_in(all_text(), names + states)


def test_every_connector_and_option_is_documented() -> None:
    text = all_text()
    for connector in CONNECTORS:
        assert not named_in(text, [connector.name, *(spec.name for spec in fields(connector.options))])


@pytest.mark.parametrize("name", generate.PAGES)
def test_generated_pages_are_current(name: str) -> None:
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == generate.PAGES[name](), "run `make docs`"


# ---------------------------------------------------------------- every example runs


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_examples_of_a_page_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of one page run in order over one data directory, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    runner = PageRunner(page)
    try:
        for block in blocks(page.read_text(encoding="utf-8")):
            runner.block(block)
    finally:
        runner.close()


class PageRunner:
    """One page: its database, its Python names, and the last answer, which a `text` block may print.

    The database is the directory `my-data`, so that `python` blocks, which open their own, find there what the `sql`
    blocks before them did; it is closed while they run.
    """

    def __init__(self, page: Path) -> None:
        self.page = page
        self.clock = VirtualClock(START_US)
        self.database: sqlengine.Database | None = None
        self.names: dict[str, Any] = {"__name__": "__example__"}
        self.answer: Answer | None = None

    def block(self, block: Block) -> None:
        """Do what a block asks for."""
        if block.file is not None:
            path = Path(block.file)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.language == "sql":
            self._sql(block)
            return
        elif block.language == "python":
            self.close()
            exec(compile(block.text, f"{self.page.name}:{block.line}", "exec"), self.names)
        elif block.language == "text" and self.answer is not None:
            names = tuple(types.to_sql(dtype) for dtype in self.answer.types)
            reason = differs(block.text, self.answer, names)
            assert reason is None, f"{self.page.name}:{block.line}: {reason}"
        self.answer = None

    def _sql(self, block: Block) -> None:
        place = f"{self.page.name}:{block.line}"
        try:
            with failures():
                self.answer = self._last_answer(block.text)
        except Failure as failure:
            assert block.error is not None, f"{place}: {failure}\n{block.text}"
            reason = ExpectedError.parse(block.error).mismatch(failure)
            assert reason is None, f"{place}: {reason}"
            return
        assert block.error is None, f"{place}: should have failed with {block.error}"

    def _last_answer(self, script: str) -> Answer | None:
        if self.database is None:
            dialect = "hive" if self.page.name == "hql.md" else "postgres"
            self.database = sqlengine.connect("my-data", clock=self.clock, dialect=dialect)
        answer = None
        session = self.database.session()
        for result in session.execute_script(script):
            if result.endless:
                result.close()
            elif result.schema is not None:
                answer = answer_of(result.to_arrow())
        return answer if answer is not None and answer.names else None

    def close(self) -> None:
        """Close the database; the next `sql` block opens it again."""
        if self.database is not None:
            self.database.close()
            self.database = None


# ---------------------------------------------------------------- the comparison itself is tested


def answer_for_test() -> Answer:
    import pyarrow as pa

    return answer_of(pa.table({"n": [1, 2], "word": ["a", None]}))


@pytest.mark.parametrize(
    ("printed", "same"),
    [
        (" n | word\n---+------\n 1 | a\n 2 | NULL\n(2 rows)\n", True),
        (
            "┌───┬──────┐\n│ n │ word │\n├───┼──────┤\n│ 1 │ a    │\n│ 2 │ NULL │\n╰───╯\n(2 rows, 3 ms)\n",
            True,
        ),
        (" n | word\n bigint | text\n---+------\n 1 | a\n 2 | NULL\n", True),
        (" n | word\n---+------\n 1 | a\n(1 row)\n", False),
        (" 1 | a\n 2 | NULL\n", True),
        (" n | wort\n---+------\n 1 | a\n 2 | NULL\n", False),
        (" n | word\n---+------\n 2 | NULL\n 1 | a\n", False),
    ],
)
def test_printed_tables_are_compared(printed: str, same: bool) -> None:
    assert (differs(printed, answer_for_test(), ("bigint", "text")) is None) == same


def test_blocks_are_found_with_their_lines_and_files() -> None:
    text = "# t\n\n```sql\nSELECT 1;\n-- error: 42P01 gone\n```\n\n```csv file=a/b.csv\n1,2\n```\n"
    first, second = blocks(text)
    assert (first.line, first.language, first.error) == (4, "sql", "42P01 gone")
    assert (second.file, second.text, second.error) == ("a/b.csv", "1,2\n", None)


# ---------------------------------------------------------------- the documents are whole


def modules_in(text: str) -> Iterator[str]:
    yield from re.findall(r"`((?:sqlengine|storage|repl)/[\w/]+\.(?:py|md|lark|pyx))`", text)


@pytest.mark.parametrize("page", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_files_that_documents_name_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    missing = [path for path in modules_in(text) if not (ROOT / path).exists()]
    assert not missing


def test_every_public_name_of_the_api_is_importable() -> None:
    for package in ("sqlengine", "storage"):
        module = importlib.import_module(package)
        assert all(hasattr(module, name) for name in module.__all__)
