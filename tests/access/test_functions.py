"""EXECUTE on a program's own functions, and connectors by what they reach."""

from __future__ import annotations

import dataclasses

import pytest

import sqlengine
from sqlengine.connectors import CONNECTORS
from sqlengine.connectors.base import Connector
from tests.access.sessions import refusal, session_of


def test_functions_are_everybodys_until_that_is_revoked() -> None:
    with sqlengine.connect() as db:

        @db.function
        def twice(x: int) -> int:
            return 2 * x

        db.execute("CREATE ROLE ann; CREATE TABLE t (a BIGINT); GRANT SELECT ON t TO ann; INSERT INTO t VALUES (4)")
        db.execute("CREATE VIEW v AS SELECT twice(a) AS b FROM t; GRANT SELECT ON v TO ann")
        ann = session_of(db, "ann")
        assert ann.execute("SELECT twice(a) FROM t").fetchall() == [(8,)]
        db.execute("REVOKE EXECUTE ON FUNCTION twice(bigint) FROM PUBLIC")
        for text in (
            "SELECT twice(a) FROM t",
            "SELECT a FROM t WHERE twice(a) > 1",
            "SELECT (SELECT max(TWICE(a)) FROM t)",
            "SELECT sum(twice(a)) OVER () FROM t",
        ):
            assert refusal(ann, text) == "permission denied for function twice"
        assert ann.execute("SELECT b FROM v").fetchall() == [(8,)], "the owner of the view may call it"
        db.execute("GRANT ALL ON ALL FUNCTIONS IN SCHEMA public TO ann")
        assert ann.execute("SELECT twice(a) FROM t").fetchall() == [(8,)]
        with pytest.raises(sqlengine.Error, match="^function thrice does not exist$") as caught:
            db.execute("GRANT EXECUTE ON FUNCTION thrice TO ann")
        assert caught.value.sqlstate == "42883"


def test_connectors_say_what_they_reach() -> None:
    """Whoever adds one decides: what is not said is for superusers."""
    reach = {connector.name: connector.reach for connector in CONNECTORS}
    assert reach["file"] == "files"
    assert set(reach.values()) <= {"nothing", "files", "network"}
    default = next(field.default for field in dataclasses.fields(Connector) if field.name == "reach")
    assert default == "network"
    with sqlengine.connect() as db:
        db.execute("CREATE ROLE ann; GRANT CREATE ON SCHEMA public TO ann")
        ann = session_of(db, "ann")
        made = "CREATE STREAM d (a BIGINT) WITH (connector = 'datagen', 'number_of_rows' = 1)"
        assert refusal(ann, made) is None
        assert refusal(ann, "CREATE SINK k FROM d WITH (connector = 'print')") is None
