"""Who may connect, and how."""

from __future__ import annotations

import itertools

import pytest

import sqlengine
from sqlengine import errors
from sqlengine.catalog.roles import Role, Roles
from sqlengine.catalog.verifier import make_verifier
from sqlengine.server.admission import (
    AddressKind,
    Authentication,
    Policy,
    address_kind,
    authentication_for,
    check_listen,
    check_login,
    password_of,
)

VERIFIER = make_verifier("x")
OPEN = Role(id=20_000, name="open", login=True)
ANN = Role(id=20_001, name="ann", login=True, password=VERIFIER.text(), valid_until_us=1_000)


def roles_with(*made: Role) -> Roles:
    roles = Roles(lambda record: None)
    roles.change(made)
    return roles


@pytest.mark.parametrize(
    ("host", "kind"),
    [
        ("127.0.0.1", "loopback"),
        ("127.9.9.9", "loopback"),
        ("::1", "loopback"),
        ("[::1]", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("localhost", "loopback"),
        ("LOCALHOST.", "loopback"),
        ("/run/sqlengine/.s.PGSQL.5432", "unix"),
        ("@abstract", "unix"),
        ("", "unix"),
        ("0.0.0.0", "remote"),
        ("::", "remote"),
        ("*", "remote"),
        ("::ffff:10.0.0.1", "remote"),
        ("fe80::1%eth0", "remote"),
        ("192.168.0.1", "remote"),
        ("localhost.example.com", "remote"),
        ("127.0.0.1.example.com", "remote"),
    ],
)
def test_kinds_of_addresses(host: str, kind: str) -> None:
    assert address_kind(host) is AddressKind(kind)


def how(kind: str, role: Role | None, roles: Roles, **facts: object) -> str:
    policy = Policy(**facts.pop("policy", {}))  # type: ignore[arg-type]
    user = role.name if role is not None else "nobody"
    tls, certificate = bool(facts.get("tls", False)), facts.get("certificate")
    assert certificate is None or isinstance(certificate, str)
    found = authentication_for(AddressKind(kind), role, tls, certificate, roles=roles, user=user, policy=policy)
    return found.value


def test_trust_is_for_this_machine_and_roles_without_a_password() -> None:
    nobody_has, somebody_has = roles_with(OPEN), roles_with(OPEN, ANN)
    for kind in ("unix", "loopback"):
        assert how(kind, OPEN, nobody_has) == how(kind, OPEN, somebody_has) == "trust"
        assert how(kind, ANN, somebody_has) == "scram"
        assert how(kind, None, nobody_has) == "trust", "who then is told that there is no such role"
        assert how(kind, None, somebody_has) == "scram", "who then is told nothing"
        assert how(kind, OPEN, somebody_has, policy={"trust_local": False}) == "scram"
    for role, tls in itertools.product((OPEN, ANN, None), (False, True)):
        assert how("remote", role, somebody_has, tls=tls) == "scram"


def test_tls_can_be_required_of_other_machines() -> None:
    roles = roles_with(OPEN, ANN)
    for role in (OPEN, ANN, None):
        assert how("remote", role, roles, policy={"require_tls": True}) == "refuse"
        assert how("remote", role, roles, policy={"require_tls": True}, tls=True) == "scram"
    assert how("loopback", OPEN, roles, policy={"require_tls": True}) == "trust"


def test_a_certificate_stands_for_the_role_of_its_name_only() -> None:
    roles, policy = roles_with(OPEN, ANN), {"client_certificates": True}
    assert how("remote", ANN, roles, policy=policy, tls=True, certificate="ann") == "cert"
    assert how("remote", ANN, roles, policy=policy, tls=True, certificate="open") == "scram"
    assert how("remote", ANN, roles, policy=policy, tls=True, certificate="ANN") == "scram"
    assert how("remote", ANN, roles, policy=policy, tls=False, certificate="ann") == "scram"
    assert how("remote", ANN, roles, tls=True, certificate="ann") == "scram", "nobody has verified it"


def test_nobody_else_is_let_in_by_any_combination() -> None:
    """Over all facts: trust only locally for a role without a password, cert only with the name that was verified."""
    for kind, role, tls, name, local, required, checked in itertools.product(
        ("unix", "loopback", "remote"), (OPEN, ANN, None), *[(False, True)] * 2, *[(False, True)] * 3
    ):
        certificate = role.name if name and role is not None else "somebody" if name else None
        policy = {"trust_local": local, "require_tls": required, "client_certificates": checked}
        found = how(kind, role, roles_with(OPEN, ANN), tls=tls, certificate=certificate, policy=policy)
        if found == "trust":
            assert kind != "remote" and local and role is OPEN
        if found == "cert":
            assert tls and checked and role is not None and certificate == role.name
        if kind == "remote" and required and not tls:
            assert found == "refuse"


def test_a_server_does_not_listen_to_others_without_authentication() -> None:
    for host in ("127.0.0.1", "localhost", "/run/x", ""):
        check_listen(host, roles_with(OPEN), Policy())
    for host in ("0.0.0.0", "::", "*", "10.0.0.1", "example.com"):
        with pytest.raises(errors.InvalidAuthorization, match="refusing to listen") as caught:
            check_listen(host, roles_with(OPEN), Policy())
        assert "ALTER ROLE sqlengine PASSWORD" in (caught.value.hint or "")
        check_listen(host, roles_with(OPEN, ANN), Policy())
        check_listen(host, roles_with(OPEN), Policy(client_certificates=True))
    locked = Role(id=20_002, name="locked", login=False, password=VERIFIER.text())
    with pytest.raises(errors.InvalidAuthorization):
        check_listen("0.0.0.0", roles_with(locked), Policy())


def test_passwords_end() -> None:
    assert password_of(ANN, 999) == VERIFIER
    assert password_of(ANN, 1_000) is password_of(OPEN, 0) is password_of(None, 0) is None


def test_logins() -> None:
    limited = Role(id=20_003, name="limited", login=True, connection_limit=2)
    assert check_login(limited, "limited", 1) is limited
    assert check_login(OPEN, "open", 10_000) is OPEN
    boss = Role(id=20_004, name="boss", login=True, superuser=True, connection_limit=0)
    assert check_login(boss, "boss", 5) is boss
    for role, sessions, state in (
        (None, 0, "28000"),
        (Role(id=20_005, name="group"), 0, "28000"),
        (limited, 2, "53300"),
        (limited, 3, "53300"),
    ):
        with pytest.raises(errors.Error) as caught:
            check_login(role, "x", sessions)
        assert caught.value.sqlstate == state


def test_what_statements_make_of_a_role() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE ROLE ann LOGIN PASSWORD 'x' VALID UNTIL '2030-01-01' CONNECTION LIMIT 1")
        roles = db.session().context.instance.catalog.roles
        found = password_of(roles.find("ann"), 0)
        assert found == make_verifier("x", found.salt if found else None)
        with pytest.raises(errors.TooManyConnections):
            check_login(roles.find("ann"), "ann", 1)
        db.execute("ALTER ROLE ann VALID UNTIL '1970-01-01 00:00:01' NOLOGIN")
        assert password_of(roles.find("ann"), 2_000_000) is None
        with pytest.raises(errors.InvalidAuthorization, match="not permitted to log in"):
            check_login(roles.find("ann"), "ann", 0)
    assert Authentication("cert") is Authentication.CERT
