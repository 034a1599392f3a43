"""Who may connect, and how they must prove who they are: pure functions of what is known of a connection.

listen address --check_listen--> may the server listen there at all
connection     --authentication_for--> trust, scram, cert or refuse
login          --password_of--> the verifier for SCRAM;   --check_login--> may the role begin one more session
"""

from __future__ import annotations

import ipaddress
from enum import Enum

from sqlengine.catalog.roles import NO_LIMIT, Role, Roles
from sqlengine.catalog.verifier import Verifier, parse_verifier
from sqlengine.errors import InvalidAuthorization, TooManyConnections
from sqlengine.quick_dataclass import dataclass


class AddressKind(Enum):
    """Where a connection comes from, or where a server listens."""

    UNIX = "unix"
    LOOPBACK = "loopback"
    REMOTE = "remote"

    @property
    def is_local(self) -> bool:
        """Whether only this machine can be at the other end."""
        return self is not AddressKind.REMOTE


class Authentication(Enum):
    """How a client proves who it is; `REFUSE`: it cannot."""

    TRUST = "trust"
    SCRAM = "scram"
    CERT = "cert"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Policy:
    """How the server was started.  `trust_local`: roles without a password come in from this machine; `require_tls`:
    others only under TLS; `client_certificates`: the server checks those that clients show against an authority."""

    trust_local: bool = True
    require_tls: bool = False
    client_certificates: bool = False


def address_kind(host: str) -> AddressKind:
    """Of an address ("127.0.0.1", "::1", "localhost", "0.0.0.0", "*"), or of a socket's path ("/run/x", "")."""
    if host == "" or host.startswith(("/", "@")):
        return AddressKind.UNIX
    if host.lower().rstrip(".") == "localhost":
        return AddressKind.LOOPBACK
    try:
        address = ipaddress.ip_address(host.partition("%")[0].strip("[]"))
    except ValueError:
        return AddressKind.REMOTE
    mapped = getattr(address, "ipv4_mapped", None)
    return AddressKind.LOOPBACK if (mapped or address).is_loopback else AddressKind.REMOTE


def check_listen(host: str, roles: Roles, policy: Policy) -> None:
    """InvalidAuthorization (28000) when the server would listen to other machines and nobody could prove who they
    are."""
    if address_kind(host).is_local or policy.client_certificates or roles.has_password():
        return
    raise InvalidAuthorization(
        f'refusing to listen on "{host}" without authentication: no role has a password',
        hint="ALTER ROLE sqlengine PASSWORD '...', listen on 127.0.0.1, or require client certificates",
    )


def authentication_for(
    kind: AddressKind,
    role: Role | None,
    tls: bool,
    client_certificate: str | None,
    *,
    roles: Roles,
    user: str,
    policy: Policy,
) -> Authentication:
    """How whoever calls itself `user` must prove it; role: the role of that name, if there is one.

    `client_certificate`: the common name of the certificate the client has shown and TLS has verified.  A password is
    asked for of everybody who is not trusted, also of those who have none, so that nobody is told who exists.
    """
    if policy.require_tls and not tls and not kind.is_local:
        return Authentication.REFUSE
    if tls and policy.client_certificates and client_certificate is not None and client_certificate == user:
        return Authentication.CERT
    if kind.is_local and policy.trust_local and _is_open(role, roles):
        return Authentication.TRUST
    return Authentication.SCRAM


def _is_open(role: Role | None, roles: Roles) -> bool:
    """Whether a role comes in without proof: it has no password, and is there or nobody has one."""
    return role.password is None if role is not None else not roles.has_password()


def refused() -> InvalidAuthorization:
    """The error for `Authentication.REFUSE`."""
    return InvalidAuthorization("connections from other machines must use TLS", hint="sslmode=require")


def password_of(role: Role | None, now_us: int) -> Verifier | None:
    """What SCRAM compares with; None (which ends as a wrong password, 28P01) when there is none or its time is over."""
    if role is None or role.password is None:
        return None
    if role.valid_until_us is not None and now_us >= role.valid_until_us:
        return None
    return parse_verifier(role.password)


def check_login(role: Role | None, user: str, sessions: int) -> Role:
    """The role of a session that begins; `sessions`: how many the role has already.

    InvalidAuthorization (28000) for a role that is not there or has NOLOGIN, TooManyConnections (53300).
    """
    if role is None:
        raise InvalidAuthorization(f'role "{user}" does not exist')
    if not role.login:
        raise InvalidAuthorization(f'role "{user}" is not permitted to log in')
    if role.connection_limit != NO_LIMIT and not role.superuser and sessions >= role.connection_limit:
        raise TooManyConnections(f'too many connections for role "{user}"')
    return role
