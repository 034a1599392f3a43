"""client_encoding and COPY's ENCODING: text in other encodings than UTF-8, both ways; psycopg has codecs of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import sqlengine
from sqlengine.server.pg.server import PgOptions, PgServer

psycopg = pytest.importorskip("psycopg")

COPY_SNOWMAN = "COPY (SELECT U&'\\2603') TO STDOUT"
TEXTS = {
    "LATIN1": ["naïve", "ÿ", "", "plain"],
    "LATIN9": ["12 €", "œuvre"],
    "WIN1252": ["“quoted” – €", "ñ"],
    "KOI8R": ["привет"],
    "EUC_JP": ["日本語 and ASCII", "ひらがな"],
    "SJIS": ["日本語", "カタカナ"],
    "GBK": ["汉字"],
    "UTF8": ["☃ 𝄞"],
}


@pytest.fixture(scope="module")
def server() -> Iterator[PgServer]:
    with sqlengine.connect() as db, PgServer(db, PgOptions(port=0)) as made:
        db.execute("CREATE TABLE words (id BIGINT, word TEXT, list TEXT[], doc JSON)")
        yield made


def connected(server: PgServer, encoding: str = "UTF8") -> Any:
    dsn = f"host=127.0.0.1 port={server.port} user=me dbname=db client_encoding={encoding}"
    return psycopg.connect(dsn, autocommit=True)


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("encoding", TEXTS)
def test_text_goes_both_ways(server: PgServer, encoding: str, binary: bool) -> None:
    mark = "%b" if binary else "%t"
    with connected(server, encoding) as connection, connected(server) as other:
        assert connection.info.parameter_status("client_encoding") == encoding
        connection.execute("DELETE FROM words")
        rows = [(n, word, [word, None], {"k": word}) for n, word in enumerate(TEXTS[encoding])]
        for n, word, texts, doc in rows:
            values = [n, word, texts, psycopg.types.json.Json(doc)]
            connection.execute(f"INSERT INTO words VALUES ({mark}, {mark}, {mark}, {mark})", values)
        for reader in (connection, other):
            assert reader.execute("SELECT * FROM words ORDER BY id", binary=binary).fetchall() == rows
        for n, word, *_ in rows:
            assert connection.execute(f"SELECT id FROM words WHERE word = '{word}'").fetchall() == [(n,)]


@pytest.mark.parametrize("form", ["text", "csv", "binary"])
@pytest.mark.parametrize("encoding", TEXTS)
def test_copy_is_in_the_clients_encoding_or_the_one_it_names(server: PgServer, encoding: str, form: str) -> None:
    rows = [(n, word, [word, "x"]) for n, word in enumerate(TEXTS[encoding])]
    with connected(server, encoding) as connection, connected(server) as other:
        connection.execute("DELETE FROM words")
        statement = f"COPY words (id, word, list) FROM STDIN (FORMAT {form})"
        if form == "csv":
            lines = "".join(f'{n},"{word}","{{""{word}"",x}}"\n' for n, word, _ in rows).encode(psycopg_codec(encoding))
            with connection.cursor().copy(statement) as copy:
                for byte in lines:
                    copy.write(bytes([byte]))
        else:
            with connection.cursor().copy(statement) as copy:
                copy.set_types(["int8", "text", "text[]"])
                for row in rows:
                    copy.write_row(row)
        assert other.execute("SELECT id, word, list FROM words ORDER BY id").fetchall() == rows
        query = "COPY (SELECT word FROM words ORDER BY id) TO STDOUT"
        with connection.cursor().copy(f"{query} (FORMAT {form})") as copy:
            mine = b"".join(map(bytes, copy))
        with other.cursor().copy(f"{query} (FORMAT {form}, ENCODING '{encoding}')") as copy:
            named = b"".join(map(bytes, copy))
        assert mine == named
        assert all(word.encode(psycopg_codec(encoding)) in mine for _, word, _ in rows)


def psycopg_codec(encoding: str) -> str:
    """The codec psycopg has for it."""
    return psycopg._encodings.pg2pyenc(encoding.encode())


def test_what_the_encoding_does_not_have_is_an_error(server: PgServer) -> None:
    said = 'character with byte sequence 0xe2 0x98 0x83 in encoding "UTF8" has no equivalent in encoding "LATIN1"'
    with connected(server, "LATIN1") as connection:
        for query in ("SELECT U&'\\2603'", "SELECT ARRAY[U&'\\2603']"):
            for binary in (False, True):
                with pytest.raises(psycopg.errors.UntranslatableCharacter, match=said):
                    connection.execute(query, binary=binary)
        with pytest.raises(psycopg.Error, match=said), connection.cursor().copy(COPY_SNOWMAN) as copy:
            list(copy)
        assert connection.execute("SELECT 'ü'").fetchone() == ("ü",)


def test_bytes_that_are_no_text_are_an_error(server: PgServer) -> None:
    with connected(server, "EUC_JP") as connection:
        result = connection.pgconn.exec_(b"SELECT '\x8f\xff'")
        state = result.error_field(psycopg.pq.DiagnosticField.SQLSTATE)
        assert state == b"22021", result.error_message
        with (
            pytest.raises(psycopg.errors.CharacterNotInRepertoire),
            connection.cursor().copy("COPY words (word) FROM STDIN") as copy,
        ):
            copy.write(b"\xa4")
        assert connection.execute("SELECT 'あ'").fetchone() == ("あ",)


def test_names_and_errors_are_converted(server: PgServer) -> None:
    with connected(server, "LATIN1") as connection:
        assert connection.execute('SELECT 1 AS "größe"').description[0].name == "größe"
        with pytest.raises(psycopg.errors.UndefinedColumn, match='column "größe" does not exist'):
            connection.execute('SELECT "größe" FROM words')
        with pytest.raises(psycopg.errors.UndefinedColumn, match=r'column "\?" does not exist'):
            connection.execute('SELECT U&"\\2603" FROM words')


def test_it_changes_within_a_session(server: PgServer) -> None:
    with connected(server) as connection:
        for name, told in (
            ("latin1", "LATIN1"),
            ("'ISO-8859-15'", "LATIN9"),
            ("SQL_ASCII", "SQL_ASCII"),
            ("utf-8", "UTF8"),
        ):
            connection.execute(f"SET client_encoding TO {name if name != 'utf-8' else chr(39) + name + chr(39)}")
            assert connection.info.parameter_status("client_encoding") == told
            assert connection.execute("SHOW client_encoding").fetchone() in ((told,), (told.encode(),))
        connection.execute("SET NAMES 'latin1'")
        assert connection.info.encoding == "iso8859-1"
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="EUC_TW"):
            connection.execute("SET client_encoding TO EUC_TW")
        with pytest.raises(psycopg.errors.InvalidParameterValue, match='"client_encoding": "nope"'):
            connection.execute("SET client_encoding TO nope")
        connection.execute("RESET client_encoding")
        assert connection.info.encoding == "utf-8"
