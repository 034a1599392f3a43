"""Which names are offered, and in what order; that they are fetched beside the prompt; which options there are."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from repl.completion.completer import SqlCompleter
from repl.completion.names import Described, NameKeeper, Names, Relation, fetch_names
from repl.completion.with_options import options_of, values_of
from sqlengine import connect
from sqlengine.catalog.options import STREAM_OPTIONS, TOPIC_OPTIONS
from sqlengine.connectors import CONNECTORS
from sqlengine.errors import Error

NAMES = Names(
    relations=(
        Relation("public", "orders", "stream", (("id", "bigint"), ("price", "double precision"), ("item", "text"))),
        Relation("public", "items", "table", (("id", "bigint"), ("name", "text"), ("Odd Name", "text"))),
        Relation("public", "per_item", "materialized view", (("item", "text"), ("n", "bigint"))),
        Relation("sales", "regions", "table", (("code", "text"),)),
        Relation("system", "queries", "system table", (("query_id", "text"),)),
    ),
    functions=(Described("price_of", "price_of(x bigint) -> bigint", "what it costs"),),
    settings=(Described("dialect", "postgres", "of the text"), Described("timezone", "UTC", "of times")),
    queries=(Described("q1", "per_item", "running"),),
    roles=("ada",),
    schemas=("public", "sales", "system"),
)


def completer(*history: str) -> SqlCompleter:
    made = SqlCompleter(lambda: NAMES)
    made.learn(history)
    return made


def offered(text: str, *history: str, typing: bool = False) -> list[str]:
    cursor = text.index("|") if "|" in text else len(text)
    document = Document(text.replace("|", "", 1), cursor)
    return [c.text for c in completer(*history).get_completions(document, CompleteEvent(text_inserted=typing))]


def test_columns_of_the_tables_in_from_come_first() -> None:
    assert offered("SELECT pri| FROM orders")[:2] == ["price", "price_of"]
    assert offered("SELECT | FROM orders")[:3] == ["id", "price", "item"]
    assert offered("SELECT o.| FROM orders o") == ["id", "price", "item"]


def test_what_two_tables_have_is_qualified() -> None:
    assert offered("SELECT i| FROM orders o JOIN items i ON o.id = i.id")[:3] == ["o.id", "item", "i.id"]


def test_conditions_of_joins() -> None:
    assert offered("SELECT * FROM orders o JOIN items i ON ")[0] == "o.id = i.id"


def test_columns_of_with_items_and_sub_queries() -> None:
    assert offered("WITH q AS (SELECT id, price p FROM orders) SELECT | FROM q")[:2] == ["id", "p"]
    assert offered("SELECT s.| FROM (SELECT o.*, 1 AS one FROM orders o) s") == ["one", "id", "price", "item"]
    assert "q" in offered("WITH q AS (SELECT 1) SELECT * FROM ")


def test_tables_by_schema_and_kind() -> None:
    assert offered("SELECT * FROM ")[:5] == ["orders", "items", "per_item", "sales", "system"]
    assert offered("SELECT * FROM sales.") == ["regions"]
    assert offered("SELECT * FROM system.q") == ["queries"]
    assert offered("DROP MATERIALIZED VIEW ")[0] == "per_item"
    assert "orders" not in offered("DROP TABLE ")


def test_names_are_quoted_where_they_must_be() -> None:
    assert offered("SELECT Od| FROM items")[0] == '"Odd Name"'
    assert offered('SELECT "Od| FROM items')[0] == '"Odd Name"'


def test_beginnings_come_before_letters_in_between() -> None:
    assert offered("SELECT itm| FROM orders")[:1] == ["item"]
    assert offered("SELECT * FROM pi")[0] == "per_item"
    assert offered("SELECT * FROM or")[0] == "orders"


def test_what_was_used_before_comes_first() -> None:
    assert offered("SELECT * FROM ", "SELECT * FROM per_item")[0] == "per_item"
    assert offered("SELECT * FROM ")[0] == "orders"


def test_keywords_follow_the_case_of_the_statement() -> None:
    assert offered("SELECT a FRO")[0] == "FROM" and offered("select a fro")[0] == "from"
    assert offered("selec") == ["select"]


def test_options_and_values() -> None:
    assert "rows_per_second" in offered("CREATE STREAM s (a bigint) WITH (connector = 'datagen', rows")
    assert offered("CREATE STREAM s (a bigint) WITH (connector = 'dat") == ["datagen"]
    assert offered("CREATE STREAM s (a bigint) WITH (connector = dat") == ["'datagen'"]
    assert offered("SET dia") == ["dialect"]
    assert offered("SET dialect = 'h") == ["hive"]


def test_queries_and_roles() -> None:
    assert offered("PAUSE ")[:2] == ["q1", "per_item"]
    assert offered("GRANT SELECT ON orders TO a")[0] == "ada"


def test_a_menu_comes_by_itself_only_for_names() -> None:
    assert offered("SELECT ", typing=True) == []
    assert offered("SELECT * FROM ", typing=True)[0] == "orders"
    assert offered("SELECT o.| FROM orders o", typing=True) != []
    assert offered("S", typing=True) != []


def test_commands_and_their_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert offered("\\for") == ["\\format"]
    assert offered("\\format ndj") == ["ndjson"]
    assert offered("\\pset format h") == ["hive"] and offered("\\pset border ") == ["0", "1", "2"]
    assert offered("\\pset title h") == [] and offered("\\pset header on o") == []
    assert offered("\\d or") == ["orders"]
    assert offered("\\d sales.") == ["regions"]
    assert "per_item" in offered("\\live per") and offered("\\graph per") == ["per_item"]
    assert offered("\\live SELECT n| FROM per_item")[0] == "n"
    assert offered("\\explain SELECT * FROM per") == ["per_item"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "load.sql").touch()
    (tmp_path / "scripts").mkdir()
    assert offered("\\i ") == ["load.sql", "scripts/"]
    assert offered("COPY items FROM 'lo") == ["load.sql"]
    assert offered("\\copy items FROM 'lo") == ["load.sql"] and offered("\\copy ite")[0] == "items"
    assert offered("EXPLAIN ANALYZE per")[0] == "per_item" and offered("SELECT * FROM system.state('per") == [
        "per_item"
    ]
    assert offered("\\i none/x") == []


def test_functions_say_how_they_are_called() -> None:
    found = list(completer().get_completions(Document("SELECT price_", 13), CompleteEvent()))
    assert found[0].display_meta_text == "price_of(x bigint) -> bigint  what it costs"


# ---------------------------------------------------------------- names


def test_names_of_a_database() -> None:
    with connect() as database:
        session = database.session()
        session.execute(
            "CREATE STREAM s (a bigint, ts timestamp);"
            "CREATE MATERIALIZED VIEW v AS SELECT a, count(*) AS n FROM s GROUP BY a;"
            "CREATE SCHEMA x; CREATE TABLE x.t (b text); CREATE SINK k FROM s WITH (connector = 'blackhole');"
        )
        names = fetch_names(session)
        session.close()
    found = {(r.schema, r.name, r.kind): [name for name, _ in r.columns] for r in names.relations}
    assert found["public", "s", "stream"] == ["a", "ts"]
    assert found["public", "v", "materialized view"] == ["a", "n"]
    assert found["x", "t", "table"] == ["b"] and ("public", "k", "sink") in found and ("public", "s", "topic") in found
    assert "query_id" in found["system", "queries", "system table"]
    assert names.columns("x.t") == (("b", "text"),) and names.columns("nothing") == ()
    assert {"abs", "count"} <= {f.name for f in names.functions} and "x" in names.schemas
    assert {q.detail for q in names.queries} == {"v", "k"} and "dialect" in {s.name for s in names.settings}


class Slow:
    """A session that answers nothing until it may."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.closed = False

    def execute(self, sql: str) -> Slow:
        assert self.may.wait(20)
        raise Error("nothing is known")

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def slow() -> Iterator[Slow]:
    session = Slow()
    yield session
    session.may.set()


def test_typing_does_not_wait_for_names(slow: Slow) -> None:
    keeper = NameKeeper(lambda: slow)
    keeper.refresh()
    found = list(SqlCompleter(lambda: keeper.names).get_completions(Document("sel", 3), CompleteEvent()))
    assert [c.text for c in found] == ["select"] and keeper.fetched == 0
    slow.may.set()
    assert keeper.wait(1, 20)
    keeper.close()
    assert slow.closed


def test_a_database_that_cannot_be_asked_leaves_no_names() -> None:
    def refuse() -> Slow:
        raise Error("the database is closed")

    keeper = NameKeeper(refuse)
    keeper.refresh()
    keeper.close()
    assert keeper.names == Names()


# ---------------------------------------------------------------- options


@pytest.mark.parametrize("connector", CONNECTORS, ids=lambda c: c.name)
def test_every_option_of_a_connector_is_offered(connector: object) -> None:
    name = connector.name  # type: ignore[attr-defined]
    offered_names = {option.name for option in options_of("stream", name)}
    assert {spec.name for spec in fields(connector.options)} <= offered_names  # type: ignore[attr-defined]
    assert {*STREAM_OPTIONS, *TOPIC_OPTIONS} <= offered_names


def test_every_option_has_help() -> None:
    for statement in ("topic", "stream", "table", "sink", "view", "subscription", "subscribe", "fetch", "copy"):
        assert [option.name for option in options_of(statement, "") if not option.help] == [], statement


@pytest.mark.parametrize("option", ["durability", "cleanup_policy"])
def test_values_of_topics_are_taken(option: str) -> None:
    with connect() as database:
        for value in values_of(option, ""):
            database.execute(f"CREATE TOPIC t_{value.replace(',', '_')} WITH ({option} = '{value}')")


@pytest.mark.parametrize("option", ["format", "on_error", "start"])
def test_values_of_streams_are_taken(option: str) -> None:
    with connect() as database:
        database.execute("CREATE TOPIC t")
        for value in values_of(option, ""):
            more = "format = 'json', " if option != "format" else ""
            database.execute(f"CREATE STREAM s_{value} (a text) WITH ({more}topic = 't', {option} = '{value}')")
