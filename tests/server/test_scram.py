"""SCRAM-SHA-256 against RFC 7677's vector and against another implementation's client and server (scramp)."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
import scramp
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine import errors
from sqlengine.catalog.verifier import Verifier, make_verifier, parse_verifier, prepared
from sqlengine.server.pg.scram import PLAIN, PLUS, ScramExchange
from sqlengine.server.tls import end_point_hash
from tests.depth import rounds

SECRET = b"what only the server knows"
SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
CERTIFICATE = hashlib.sha256(b"certificate").digest()


def verifier_of(password: str) -> Verifier:
    return make_verifier(password, SALT)


def exchange(verifier: Verifier | None, **options: Any) -> ScramExchange:
    return ScramExchange("ann", verifier, SECRET, **options)


def log_in(server: ScramExchange, password: str, certificate_hash: bytes | None = None) -> None:
    """A whole exchange with scramp's client, which checks the server's signature in the end."""
    binding = ("tls-server-end-point", certificate_hash) if certificate_hash is not None else None
    client = scramp.ScramClient(list(server.mechanisms), "ann", password, channel_binding=binding)
    assert client.mechanism_name == (PLUS if certificate_hash is not None else PLAIN)
    client.set_server_first(server.first(client.get_client_first().encode(), client.mechanism_name).decode())
    client.set_server_final(server.final(client.get_client_final().encode()).decode())


def test_the_vector_of_rfc_7677() -> None:
    server = ScramExchange("user", make_verifier("pencil", SALT), SECRET, nonce="%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")
    nonce = b"rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    first = server.first(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO")
    assert first == b"r=" + nonce + b",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    final = server.final(b"c=biws,r=" + nonce + b",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    assert final == b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


@settings(max_examples=rounds(32, 80), deadline=None)
@given(st.text(min_size=1, max_size=40), st.text(min_size=1, max_size=40))
def test_whoever_knows_the_password_comes_in_and_nobody_else(password: str, other: str) -> None:
    try:
        scramp.core.saslprep(password), scramp.core.saslprep(other)
    except scramp.ScramException:
        return  # scramp refuses what PostgreSQL takes as it is
    if not prepared(password) or not prepared(other):
        return
    log_in(exchange(verifier_of(password)), password)
    log_in(exchange(verifier_of(password), certificate_hash=CERTIFICATE), password, CERTIFICATE)
    if prepared(other) != prepared(password):
        with pytest.raises(errors.InvalidPassword) as caught:
            log_in(exchange(verifier_of(password)), other)
        assert (caught.value.sqlstate, caught.value.message) == (
            "28P01",
            'password authentication failed for user "ann"',
        )


@pytest.mark.parametrize(
    ("password", "expected"),
    [
        ("I\u00adX", b"IX"),  # RFC 4013 section 3, examples 1 to 5
        ("user", b"user"),
        ("USER", b"USER"),
        ("\u00aa", b"a"),
        ("\u2168", b"IX"),
        ("\u0007", b"\x07"),  # prohibited, bad direction, unassigned: taken as they are
        ("\u06271", "\u06271".encode()),
        ("\u0221", "\u0221".encode()),
        ("\u00ad", "\u00ad".encode()),
        ("a\u00a0b", b"a b"),
    ],
)
def test_passwords_are_prepared_as_rfc_4013_says(password: str, expected: bytes) -> None:
    assert prepared(password) == expected


def test_verifiers_are_postgresqls_text_and_agree_with_another_implementation() -> None:
    made = make_verifier("pencil", SALT)
    mechanism = scramp.ScramMechanism(PLAIN)
    _, stored, server, iterations = mechanism.make_auth_info("pencil", 4096, SALT)
    assert (made.stored_key, made.server_key, made.iterations) == (stored, server, iterations)
    assert parse_verifier(made.text()) == made
    assert "pencil" not in made.text() and made.text().startswith("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$")
    assert make_verifier("pencil") != make_verifier("pencil"), "every password has a salt of its own"
    assert made.text().split("$")[2] not in repr(made)


@given(st.text() | st.from_regex(r"SCRAM-SHA-256\$[0-9]{0,3}:[A-Za-z=]{0,9}\$[A-Za-z=]{0,44}:[A-Za-z=]{0,44}"))
def test_what_is_no_verifier_is_a_password(text: str) -> None:
    found = parse_verifier(text)
    assert found is None or (len(found.stored_key), len(found.server_key)) == (32, 32)


def test_nobody_is_told_whether_a_user_exists() -> None:
    """Same steps, same salt at every try, same error; another server has another salt."""
    tries = [exchange(None).first(b"n,,n=,r=abc").split(b",")[1:] for _ in range(2)]
    assert tries[0] == tries[1]
    salt = base64.b64decode(tries[0][0][2:])
    assert (len(salt), tries[0][1]) == (16, b"i=4096")
    assert ScramExchange("ben", None, SECRET).first(b"n,,n=,r=abc").split(b",")[1:] != tries[0]
    assert ScramExchange("ann", None, b"another").first(b"n,,n=,r=abc").split(b",")[1:] != tries[0]
    with pytest.raises(errors.InvalidPassword, match='^password authentication failed for user "ann"$'):
        log_in(exchange(None), "pencil")


def test_a_channel_is_bound_to_its_certificate() -> None:
    with pytest.raises(errors.InvalidAuthorization, match="channel binding check failed"):
        log_in(
            exchange(verifier_of("x"), certificate_hash=CERTIFICATE), "x", hashlib.sha256(b"somebody between").digest()
        )
    with pytest.raises(errors.InvalidAuthorization, match="negotiation error"):
        exchange(verifier_of("x"), certificate_hash=CERTIFICATE).first(b"y,,n=,r=abc", PLAIN)
    assert exchange(verifier_of("x"), certificate_hash=CERTIFICATE).first(b"n,,n=,r=abc", PLAIN)
    assert exchange(verifier_of("x")).first(b"y,,n=,r=abc", PLAIN)
    for message, mechanism in ((b"n,,n=,r=abc", PLUS), (b"p=tls-unique,,n=,r=abc", PLUS), (b"p=x,,n=,r=abc", PLAIN)):
        with pytest.raises(errors.ProtocolViolation):
            exchange(verifier_of("x"), certificate_hash=CERTIFICATE).first(message, mechanism)
    with pytest.raises(errors.ProtocolViolation):
        exchange(verifier_of("x")).first(b"p=tls-server-end-point,,n=,r=abc")


def test_the_hash_of_a_certificate_is_rfc_5929s() -> None:
    for name, hashed in (("md5", "sha256"), ("SHA-1", "sha256"), ("sha256", "sha256"), ("SHA384", "sha384")):
        assert end_point_hash(b"der", name) == hashlib.new(hashed, b"der").digest()


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"n",
        b"n,,",
        b"n,,n=",
        b"n,,n=a,r=",
        b"n,,n=a,r=a\x00b",
        b"n,,r=a,n=b",
        b"x,,n=a,r=b",
        b"n,,n=" + b"a" * 9000,
    ],
)
def test_bad_first_messages(message: bytes) -> None:
    with pytest.raises(errors.ProtocolViolation):
        exchange(verifier_of("x")).first(message)


@pytest.mark.parametrize("message", [b"n,a=ben,n=a,r=b", b"n,,m=ext,n=a,r=b"])
def test_parts_that_are_not_supported(message: bytes) -> None:
    with pytest.raises(errors.NotSupportedError):
        exchange(verifier_of("x")).first(message)


@settings(max_examples=rounds(120, 300), deadline=None)
@given(st.binary(max_size=80), st.binary(max_size=80))
def test_random_messages_end_in_an_error_of_ours(first: bytes, final: bytes) -> None:
    server = exchange(verifier_of("x"))
    with pytest.raises(errors.Error):
        server.first(first)
        server.final(final)
    server = exchange(verifier_of("x"), nonce="n")
    server.first(b"n,,n=,r=abc")
    with pytest.raises(errors.Error):
        server.final(b"c=biws,r=abcn" + final)


def test_a_first_message_comes_once_and_a_final_one_after_it() -> None:
    server = exchange(verifier_of("x"), nonce="n")
    with pytest.raises(errors.ProtocolViolation):
        server.final(b"c=biws,r=abcn,p=" + base64.b64encode(bytes(32)))
    server.first(b"n,,n=,r=abc")
    with pytest.raises(errors.ProtocolViolation):
        server.first(b"n,,n=,r=abc")
    with pytest.raises(errors.InvalidPassword):
        server.final(b"c=biws,r=abcn,p=" + base64.b64encode(bytes(32)))
    with pytest.raises(errors.ProtocolViolation):
        server.final(b"c=biws,r=abcn,p=" + base64.b64encode(bytes(32)))


@pytest.mark.parametrize(
    "message",
    [
        b"c=biws,r=abcn",
        b"r=abcn,c=biws,p=AA==",
        b"c=biws,r=abcx,p=AA==",
        b"c=eSws,r=abcn,p=" + base64.b64encode(bytes(32)),
        b"c=biws,r=abcn,p=AA==",
        b"c=biws,r=abcn,p=*",
        b"c=*,r=abcn,p=AA==",
    ],
)
def test_bad_final_messages(message: bytes) -> None:
    server = exchange(verifier_of("x"), nonce="n")
    server.first(b"n,,n=,r=abc")
    with pytest.raises(errors.ProtocolViolation):
        server.final(message)
