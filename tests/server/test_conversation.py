"""The protocol, message by message."""

from __future__ import annotations

import struct

import pytest

import sqlengine
from sqlengine.errors import AdminShutdown
from tests.server.wire import (
    FLUSH,
    SYNC,
    TERMINATE,
    TestHost,
    Wire,
    bind,
    close,
    cstring,
    describe,
    execute,
    fields,
    message,
    parse,
    query,
    split,
    startup,
    values,
    wire,
)

SSL_REQUEST = struct.pack("!II", 8, 80877103)
GSS_REQUEST = struct.pack("!II", 8, 80877104)


@pytest.fixture
def bare():
    with sqlengine.connect() as database:
        yield Wire(TestHost(database))


# ---------------------------------------------------------------- start-up


def test_a_client_is_greeted_with_settings_and_a_key(bare: Wire) -> None:
    answers = bare.start()
    assert answers[0] == ("R", struct.pack("!I", 0))
    told = dict(contents[:-1].split(b"\0") for kind, contents in answers if kind == "S")
    assert told[b"server_version"].startswith(b"15.") and told[b"client_encoding"] == b"UTF8"
    assert told[b"standard_conforming_strings"] == b"on" and told[b"integer_datetimes"] == b"on"
    assert told[b"DateStyle"].startswith(b"ISO")
    assert answers[-2] == ("K", struct.pack("!i", 42) + b"kkkk")
    assert answers[-1] == ("Z", b"I")


def test_it_may_come_byte_by_byte(bare: Wire) -> None:
    got = b"".join(bare.raw(bytes([byte])) for byte in startup(196608, user="me") + query("SELECT 1"))
    assert "".join(kind for kind, _ in split(got))[-5:] == "ZTDCZ"


def test_without_tls_encryption_is_declined_and_the_client_goes_on(bare: Wire) -> None:
    assert bare.raw(GSS_REQUEST) == b"N"
    assert bare.raw(SSL_REQUEST) == b"N"
    assert bare.start()[-1] == ("Z", b"I")


def test_encryption_is_asked_for_once(bare: Wire) -> None:
    bare.raw(SSL_REQUEST)
    ((kind, contents),) = split(bare.raw(SSL_REQUEST))
    assert (kind, fields(contents)["C"], fields(contents)["S"]) == ("E", "08P01", "FATAL") and bare.is_over


def test_what_comes_before_tls_is_not_taken_for_what_comes_under_it(bare: Wire) -> None:
    bare.talk.host.has_tls = True
    answer = bare.raw(SSL_REQUEST + startup(196608, user="mallory"))
    assert fields(list(split(answer))[0][1])["M"] == "received unencrypted data after SSL request" and bare.is_over


def test_version_3_2_has_longer_keys(bare: Wire) -> None:
    answers = bare.start(3 << 16 | 2)
    assert [len(c) for k, c in answers if k == "K"] == [36] and answers[0][0] == "R"


@pytest.mark.parametrize(("minor", "told"), [(1, 0), (3, 2), (9999, 2)])
def test_a_newer_version_is_talked_down(bare: Wire, minor: int, told: int) -> None:
    answers = bare.start(3 << 16 | minor)
    assert answers[0] == ("v", struct.pack("!ii", told, 0)) and answers[-1] == ("Z", b"I")


def test_options_of_the_protocol_nobody_knows_are_named(bare: Wire) -> None:
    answers = bare.start(**{"_pq_.x": "1"})
    assert answers[0] == ("v", struct.pack("!ii", 0, 1) + b"_pq_.x\0")


@pytest.mark.parametrize(
    ("packet", "sqlstate"),
    [
        (struct.pack("!I", 7), "08P01"),
        (struct.pack("!I", 10_001), "08P01"),
        (struct.pack("!II", 8, 2 << 16), "0A000"),
        (startup(196608, database="d"), "28000"),
        (startup(196608, user="me", replication="database"), "0A000"),
        (startup(196608, user="me", options="-x"), "42601"),
        (startup(196608, user="me")[:-1].replace(b"\0\0\0", b"\0\0\0", 1) + b"\xff", "08P01"),
    ],
)
def test_a_wrong_start_is_refused(bare: Wire, packet: bytes, sqlstate: str) -> None:
    ((kind, contents),) = split(bare.raw(packet))
    assert kind == "E" and fields(contents)["C"] == sqlstate and fields(contents)["S"] == "FATAL"
    assert bare.is_over and not bare.talk.host.admitted


def test_a_cancel_request_is_handed_on_and_ends_without_an_answer(bare: Wire) -> None:
    assert bare.raw(struct.pack("!IIi", 16, 80877102, 7) + b"abcd") == b""
    assert bare.is_over and bare.talk.host.cancelled == [(7, b"abcd")]


def test_a_connection_is_there_until_it_ends() -> None:
    with wire() as client:
        assert client.talk.host.admitted == [client.talk]
        assert client.raw(TERMINATE) == b"" and client.is_over
        assert not client.talk.host.admitted


# ---------------------------------------------------------------- simple


def test_each_statement_of_a_script_is_answered() -> None:
    with wire() as client:
        assert client.kinds(query("SELECT id FROM t ORDER BY id; INSERT INTO t VALUES (4, 'x'); SELECT 1")) == (
            "TDDDC" + "C" + "TDC" + "Z"
        )
        assert client.kinds(query("")) == "IZ" and client.kinds(query(" ; -- nothing\n;")) == "IZ"


def test_rows_are_text_and_null_has_no_bytes() -> None:
    with wire() as client:
        answers = client.send(query("SELECT name, id, true, 1.50 FROM t ORDER BY id"))
        assert [values(c) for k, c in answers if k == "D"][:2] == [
            [b"one", b"1", b"t", b"1.50"],
            [None, b"2", b"t", b"1.50"],
        ]


def test_an_error_ends_the_script_and_says_where() -> None:
    with wire() as client:
        answers = client.send(query("SELECT 1; SELECT nope FROM t; SELECT 2"))
        assert [k for k, _ in answers] == ["T", "D", "C", "E", "Z"]
        told = fields(answers[3][1])
        assert (told["C"], told["S"], told["V"], told["P"]) == ("42703", "ERROR", "ERROR", "18")
        assert client.kinds(query("SELECT 1")) == "TDCZ"


def test_nothing_of_a_script_with_a_syntax_error_runs() -> None:
    with wire() as client:
        assert client.kinds(query("DELETE FROM t; SELEC 1")) == "EZ"
        assert [values(c) for k, c in client.send(query("SELECT count(*) FROM t")) if k == "D"] == [[b"3"]]


def test_notices_come_before_the_answer() -> None:
    with wire() as client:
        answers = client.send(query("CREATE TABLE IF NOT EXISTS t (a INT)"))
        assert [k for k, _ in answers] == ["N", "C", "Z"]
        assert fields(answers[0][1])["S"] == "NOTICE" and "already exists" in fields(answers[0][1])["M"]


@pytest.mark.parametrize(
    ("script", "sqlstate", "text"),
    [
        ("BEGIN; BEGIN", "25001", "there is already a transaction in progress"),
        ("COMMIT", "25P01", "there is no transaction in progress"),
        ("ROLLBACK", "25P01", "there is no transaction in progress"),
        ("SET LOCAL search_path = x", "25P01", "SET LOCAL can only be used in transaction blocks"),
        ("SELECT pg_cancel_backend(4711)", "01000", "PID 4711 is not a PostgreSQL server process"),
        ("SELECT pg_terminate_backend(4711)", "01000", "PID 4711 is not a PostgreSQL server process"),
        ("SELECT pg_advisory_unlock(1)", "01000", "you don't own a lock of type ExclusiveLock"),
        ("SELECT pg_advisory_unlock_shared(1)", "01000", "you don't own a lock of type ShareLock"),
    ],
)
def test_what_does_not_do_what_it_says_is_a_warning(script: str, sqlstate: str, text: str) -> None:
    with wire() as client:
        answers = client.send(query(script))
        (told,) = [fields(contents) for kind, contents in answers if kind == "N"]
        assert (told["S"], told["V"], told["C"], told["M"]) == ("WARNING", "WARNING", sqlstate, text)
        assert {values(contents)[0] for kind, contents in answers if kind == "D"} <= {b"f"}
        assert answers[-1][0] == "Z" and "E" not in [kind for kind, _ in answers]


def test_warnings_come_in_the_extended_protocol_too() -> None:
    with wire() as client:
        answers = client.send(parse("SELECT pg_cancel_backend(4711)"), bind(), execute(), SYNC)
        assert [fields(c)["S"] for k, c in answers if k == "N"] == ["WARNING"]
        assert [values(c) for k, c in answers if k == "D"] == [[b"f"]]


def test_each_column_has_the_format_that_was_asked_for() -> None:
    with wire() as client:
        columns = parse("SELECT 't'::regclass, 't'::regclass, 't'::regclass::oid")
        answers = client.send(columns, bind(results=(0, 1, 0)), describe("P"), execute(), SYNC)
        ((name, number, text),) = [values(contents) for kind, contents in answers if kind == "D"]
        assert (name, int.from_bytes(number, "big")) == (b"t", int(text))


def test_text_that_is_not_utf8_is_refused() -> None:
    with wire() as client:
        answers = client.send(message("Q", b"SELECT '\xff'\0"))
        assert fields(answers[0][1])["C"] == "22021" and answers[-1] == ("Z", b"I")
        answers = client.send(message("P", b"\0SELECT '\xff'\0\0\0"), execute(), SYNC)
        assert [k for k, _ in answers] == ["E", "Z"] and client.kinds(query("SELECT 1")) == "TDCZ"


# ---------------------------------------------------------------- transactions


def test_a_failed_transaction_takes_nothing_but_its_end() -> None:
    with wire() as client:
        assert client.send(query("BEGIN"))[-1] == ("Z", b"T")
        assert client.send(query("INSERT INTO t VALUES (9, 'x'); SELECT 1/0"))[-1] == ("Z", b"E")
        answers = client.send(query("SELECT 1"))
        assert fields(answers[0][1])["C"] == "25P02" and answers[-1] == ("Z", b"E")
        answers = client.send(query("COMMIT"))
        assert answers == [("C", b"ROLLBACK\0"), ("Z", b"I")]
        assert [values(c) for k, c in client.send(query("SELECT count(*) FROM t")) if k == "D"] == [[b"3"]]


def test_savepoints_take_back_what_is_behind_them() -> None:
    with wire() as client:
        script = (
            "BEGIN; INSERT INTO t VALUES (10, 'a'); SAVEPOINT s; INSERT INTO t VALUES (11, 'b'); SAVEPOINT s;"
            "INSERT INTO t VALUES (12, 'c'); ROLLBACK TO SAVEPOINT s; RELEASE s;"
            "ROLLBACK TO s; INSERT INTO t VALUES (13, 'd')"
        )
        assert "E" not in client.kinds(query(script))
        assert client.send(query("SELECT 1/0"))[-1] == ("Z", b"E")
        assert client.send(query("ROLLBACK TO s"))[-1] == ("Z", b"T")
        client.send(query("COMMIT"))
        rows = [values(c)[0] for k, c in client.send(query("SELECT id FROM t ORDER BY id")) if k == "D"]
        assert rows == [b"1", b"2", b"3", b"10"]


@pytest.mark.parametrize(
    ("script", "sqlstate"),
    [("SAVEPOINT s", "25P01"), ("BEGIN; ROLLBACK TO nope", "3B001"), ("BEGIN; SAVEPOINT ab; RELEASE aa", "3B001")],
)
def test_a_savepoint_that_is_not_there(script: str, sqlstate: str) -> None:
    with wire() as client:
        told = [fields(c)["C"] for k, c in client.send(query(script)) if k == "E"]
        assert told == [sqlstate]


# ---------------------------------------------------------------- extended


def test_parse_bind_describe_execute() -> None:
    with wire() as client:
        answers = client.send(
            parse("SELECT name FROM t WHERE id = $1", "s"), describe("S", "s"), bind([b"1"], statement="s"),
            describe("P"), execute(), SYNC,
        )  # fmt: skip
        assert [k for k, _ in answers] == list("1tT2TDCZ")
        assert answers[1][1] == struct.pack("!HI", 1, 20)
        assert values(answers[5][1]) == [b"one"] and answers[6][1] == b"SELECT 1\0"


def test_flush_gets_the_answers_before_sync() -> None:
    with wire() as client:
        assert client.kinds(parse("SELECT 1", "s"), describe("S", "s")) == ""
        assert client.kinds(FLUSH) == "1tT"
        assert client.kinds(SYNC) == "Z"


def test_after_an_error_everything_is_passed_over_until_sync() -> None:
    with wire() as client:
        assert client.kinds(parse("SELECT nope(", "s"), parse("SELECT 1", "u"), bind(statement="u"), FLUSH) == "E"
        assert client.kinds(execute(), SYNC) == "Z"
        answers = client.send(bind(statement="u"), SYNC)
        assert fields(answers[0][1])["C"] == "26000"


def test_rows_in_pieces() -> None:
    with wire() as client:
        head = client.kinds(
            query("BEGIN"), parse("SELECT id FROM t ORDER BY id"), bind(portal="p"), execute("p", 2), SYNC
        )
        assert head == "CZ12DDsZ"
        assert client.kinds(execute("p", 2), execute("p", 2), SYNC) == "DCCZ"
        assert client.kinds(query("COMMIT"), execute("p"), SYNC) == "CZEZ"


def test_a_portal_ends_with_its_transaction() -> None:
    with wire() as client:
        client.send(parse("SELECT 1"), bind(portal="p"), SYNC)
        answers = client.send(execute("p"), SYNC)
        assert fields(answers[0][1])["C"] == "34000"


def test_a_statement_with_effects_runs_once_however_often_it_is_described() -> None:
    with wire() as client:
        answers = client.send(
            parse("INSERT INTO t VALUES ($1, $2) RETURNING id, name"), describe("S"), bind([b"7", b"seven"]),
            describe("P"), describe("P"), execute(), SYNC,
        )  # fmt: skip
        assert [k for k, _ in answers] == list("1tT2TTDCZ") and answers[-2][1] == b"INSERT 0 1\0"
        assert [values(c) for k, c in client.send(query("SELECT count(*) FROM t")) if k == "D"] == [[b"4"]]


def test_what_has_no_rows_has_no_description() -> None:
    with wire() as client:
        assert client.kinds(parse("DELETE FROM t"), describe("S"), bind(), describe("P"), execute(), SYNC) == "1tn2nCZ"


def test_an_empty_statement() -> None:
    with wire() as client:
        assert client.kinds(parse(""), describe("S"), bind(), describe("P"), execute(), SYNC) == "1tn2nIZ"


def test_close_forgets_and_minds_nothing() -> None:
    with wire() as client:
        assert (
            client.kinds(parse("SELECT 1", "s"), close("S", "s"), close("S", "never"), close("P", "x"), SYNC) == "1333Z"
        )
        assert fields(client.send(bind(statement="s"), SYNC)[0][1])["C"] == "26000"


def test_names_are_taken_once() -> None:
    with wire() as client:
        assert fields(client.send(parse("SELECT 1", "s"), parse("SELECT 2", "s"), SYNC)[1][1])["C"] == "42P05"
        assert client.kinds(parse("SELECT 1"), parse("SELECT 2"), SYNC) == "11Z"
        answers = client.send(parse("SELECT 1"), bind(portal="p"), bind(portal="p"), SYNC)
        assert fields(answers[2][1])["C"] == "42P03"


@pytest.mark.parametrize(
    ("messages", "sqlstate"),
    [
        ([parse("SELECT 1; SELECT 2")], "42601"),
        ([parse("SELECT $1::int"), bind([])], "08P01"),
        ([parse("SELECT $1::int"), bind([b"1", b"2"])], "08P01"),
        ([parse("SELECT $1::int"), bind([b"x"]), execute()], "22P02"),
        ([parse("SELECT $1::int"), bind([b"\0"], formats=[1])], "22P03"),
        ([parse("SELECT 1"), bind(results=[0, 1]), execute()], "08P01"),
        ([execute("nope")], "34000"),
        ([describe("P", "nope")], "34000"),
        ([describe("S", "nope")], "26000"),
        ([message("F", b"\0\0\0\1")], "0A000"),
        ([message("p", b"secret\0")], "08P01"),
    ],
)
def test_what_is_wrong_is_told_and_the_connection_goes_on(messages: list[bytes], sqlstate: str) -> None:
    with wire() as client:
        answers = client.send(*messages, SYNC)
        assert [fields(c)["C"] for k, c in answers if k == "E"] == [sqlstate]
        assert client.kinds(query("SELECT 1")) == "TDCZ"


@pytest.mark.parametrize(
    "packet",
    [
        message("Q", b"SELECT 1"),
        message("Q", b"SELECT 1\0x"),
        message("B", b"\0\0\0\1\0\2\0\0"),
        message("B", cstring("") + cstring("") + struct.pack("!HHi", 0, 1, 100) + b"x"),
        message("B", cstring("") + cstring("") + struct.pack("!HHHh", 0, 0, 1, 7)),
        message("D", b"Q\0"),
        message("z"),
        b"Q" + struct.pack("!I", 3),
        b"Q" + struct.pack("!I", 2**31),
    ],
)
def test_what_is_no_message_ends_the_connection(packet: bytes) -> None:
    with wire() as client:
        *_, (kind, contents) = client.send(packet)
        assert kind == "E" and fields(contents)["S"] == "FATAL" and client.is_over
        assert fields(contents)["C"] in ("08P01", "22023")


def test_settings_are_told_when_they_change() -> None:
    with wire() as client:
        answers = client.send(query("SET timezone = 'Europe/Berlin'"))
        assert ("S", b"TimeZone\0Europe/Berlin\0") in answers
        assert "S" not in client.kinds(query("SELECT 1"))
        answers = client.send(query("SELECT TIMESTAMPTZ '2024-07-01 12:00:00+00'"))
        assert values(answers[1][1]) == [b"2024-07-01 14:00:00+02"]


def test_who_is_ended_from_outside_is_told_why() -> None:
    with wire() as client:
        client.talk.terminate(AdminShutdown("terminating connection due to administrator command"))
        ((kind, contents),) = client.send(query("SELECT 1"))
        assert (kind, fields(contents)["C"], fields(contents)["S"]) == ("E", "57P01", "FATAL") and client.is_over


def test_a_query_is_cancelled_between_its_slices() -> None:
    with wire() as client:
        runs = 0

        def on_run() -> None:
            nonlocal runs
            runs += 1
            if runs == 4:
                client.talk.cancel()

        client.on_run = on_run
        answers = client.send(query("SELECT range FROM range(100000)"))
        assert answers[0][0] == "T" and answers[-1] == ("Z", b"I")
        assert [fields(c)["C"] for k, c in answers if k == "E"] == ["57014"]
        assert 0 < sum(k == "D" for k, _ in answers) < 100_000


# ---------------------------------------------------------------- COPY


def copied(data: bytes) -> bytes:
    return message("d", data)


def test_copy_in_and_out() -> None:
    with wire() as client:
        assert client.kinds(query("COPY t FROM STDIN")) == "G"
        assert client.kinds(copied(b"5\tfi"), copied(b"ve\n6\t\\N\n7\ta\\tb\\\\\n"), message("c")) == "CZ"
        answers = client.send(query("COPY (SELECT * FROM t WHERE id > 4 ORDER BY id) TO STDOUT"))
        assert [k for k, _ in answers] == list("HdddcCZ")
        assert b"".join(c for k, c in answers if k == "d") == b"5\tfive\n6\t\\N\n7\ta\\tb\\\\\n"


def test_a_copy_that_the_client_gives_up_leaves_nothing() -> None:
    with wire() as client:
        client.send(query("COPY t FROM STDIN"))
        answers = client.send(copied(b"5\tfive\n"), message("f", b"no more\0"))
        assert fields(answers[0][1])["C"] == "57014" and "no more" in fields(answers[0][1])["M"]
        assert [values(c) for k, c in client.send(query("SELECT count(*) FROM t")) if k == "D"] == [[b"3"]]


def test_a_line_that_is_wrong_ends_a_copy_unless_it_may_be_passed_over() -> None:
    with wire() as client:
        client.send(query("COPY t FROM STDIN"))
        answers = client.send(copied(b"5\tfive\nx\ty\n"), message("c"))
        assert fields(answers[0][1])["C"] == "22P02"
        client.send(query("COPY t FROM STDIN WITH (ON_ERROR ignore)"))
        assert client.kinds(copied(b"5\tfive\nx\ty\n"), message("c")) == "NCZ"
        assert [values(c) for k, c in client.send(query("SELECT count(*) FROM t")) if k == "D"] == [[b"4"]]


def test_copy_within_the_extended_protocol() -> None:
    with wire() as client:
        client.send(query("COPY t FROM STDIN csv"))
        assert client.kinds(copied(b"\\.\n"), message("c")) == "CZ"
        assert client.kinds(parse("COPY t FROM STDIN (FORMAT csv)"), bind(), describe("P"), execute(), FLUSH) == "12nG"
        assert client.kinds(copied(b'8,"a,b"\n'), message("c"), SYNC) == "CZ"
        assert client.kinds(parse("COPY t TO STDOUT csv"), bind(), execute(), SYNC) == "12HddddcCZ"


@pytest.mark.parametrize("options", ["(FORMAT orc)", "(NOPE 1)", "(ENCODING 'nope')", "(FORMAT csv, ESCAPE 'ab')"])
def test_options_of_copy_that_are_not_there(options: str) -> None:
    with wire() as client:
        assert client.kinds(query(f"COPY t FROM STDIN {options}")) == "EZ"
        assert client.kinds(query("SELECT 1")) == "TDCZ"


def test_a_text_prepared_again_means_what_it_means_now() -> None:
    with wire() as client:
        told = []
        for change in ("SELECT 1", "DROP TABLE t; CREATE TABLE t (id TEXT, name INT)", "SELECT 1"):
            client.send(query(change))
            answers = client.send(parse("SELECT name FROM t WHERE id = $1"), describe("S"), SYNC)
            told.append([c[:6] for k, c in answers if k == "t"])
        assert told == [[struct.pack("!HI", 1, 20)], [struct.pack("!HI", 1, 25)], [struct.pack("!HI", 1, 25)]]


def test_options_of_copy_as_they_were_written_long_ago() -> None:
    with wire() as client:
        answers = client.send(query("COPY t TO STDOUT CSV HEADER DELIMITER AS ';' NULL 'nil'"))
        told = b"".join(c for k, c in answers if k == "d")
        assert told == b"id;name\n1;one\n2;nil\n3;three\n"
        client.send(query("COPY t FROM STDIN WITH DELIMITER ';' CSV HEADER"))
        head = b'"na\nme";"i""d"\n'  # says nothing of what stands where
        assert client.kinds(*[copied(bytes([byte])) for byte in head], copied(b"7;seven\n"), message("c")) == "CZ"
        answers = client.send(query("SELECT name FROM t WHERE id = 7"))
        assert [values(c) for k, c in answers if k == "D"] == [[b"seven"]]


def test_a_statement_ends_when_its_time_is_over() -> None:
    with wire() as client:
        client.send(query("SET statement_timeout = '200 ms'"))
        answers = client.send(query("SELECT sum(a.range * b.range) FROM range(1000000) a, range(1000000) b"))
        told = [fields(c) for k, c in answers if k == "E"]
        assert [(t["C"], t["M"]) for t in told] == [("57014", "canceling statement due to statement timeout")]
        assert client.kinds(query("SELECT 1")) == "TDCZ"


def test_a_numeric_without_digits_of_its_own_is_told_with_those_it_has() -> None:
    with wire() as client:
        answers = client.send(query("SELECT CAST(1 AS NUMERIC) AS x, 1.25 AS y"))
        ends = next(c for k, c in answers if k == "T")[2:].split(b"x\0", 1)[1]
        assert struct.unpack_from("!IhIhi", ends)[2:] == (1700, -1, (38 << 16 | 9) + 4)


@pytest.mark.parametrize(
    ("limit", "before", "sqlstate"),
    [
        ("idle_session_timeout", "SELECT 1", "57P05"),
        ("idle_in_transaction_session_timeout", "BEGIN", "25P03"),
    ],
)
def test_a_session_that_says_nothing_ends_in_time(limit: str, before: str, sqlstate: str) -> None:
    with wire() as client:
        client.send(query(f"SET {limit} = '5 s'; {before}"))
        ((kind, contents),) = client.time_passes()
        assert (kind, fields(contents)["C"], fields(contents)["S"]) == ("E", sqlstate, "FATAL") and client.is_over
    with wire() as client:  # the other kind of waiting has no limit, nor has one within what is being asked
        client.send(query(f"SET {limit} = '5 s'; {'BEGIN' if before == 'SELECT 1' else 'SELECT 1'}"))
        assert client.time_passes() == [] and not client.is_over
        client.send(query(f"COMMIT; {before}"), parse("SELECT 1"), FLUSH)
        assert client.time_passes() == [] and not client.is_over
        client.send(SYNC)
        assert [kind for kind, _ in client.time_passes()] == ["E"]


def test_who_does_not_authenticate_in_time_is_let_go(bare: Wire) -> None:
    ((kind, contents),) = bare.time_passes()
    assert (kind, fields(contents)["S"]) == ("E", "FATAL") and bare.is_over


@pytest.mark.parametrize("messages", [[query("SELECT 1")], [query("SELECT 1; SELECT 2")], [query("COPY t TO STDOUT")]])
def test_a_cancel_that_comes_before_a_statement_has_begun_counts(messages: list[bytes]) -> None:
    with wire() as client:
        client.on_run = client.talk.cancel
        answers = client.send(*messages)
        assert "".join(kind for kind, _ in answers) == "EZ"
        assert fields(answers[0][1])["C"] == "57014"
        client.on_run = lambda: None
        assert client.kinds(query("SELECT 1")) == "TDCZ"
        client.talk.cancel()  # nothing runs
        assert client.kinds(query("SELECT 1")) == "TDCZ"
        client.on_run = client.talk.cancel
        assert client.kinds(parse("SELECT id FROM t"), bind(), execute(), SYNC) == "12EZ"
        client.on_run = lambda: None
        assert client.kinds(parse("SELECT 1"), bind(), execute(), SYNC) == "12DCZ"
