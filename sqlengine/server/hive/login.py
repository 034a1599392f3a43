"""Who a client is: the role it may act as, by the rules of every listener (server/admission.py)."""

from __future__ import annotations

from sqlengine.catalog.roles import BOOTSTRAP_NAME
from sqlengine.errors import InvalidAuthorization
from sqlengine.server.admission import (
    AddressKind,
    Authentication,
    Policy,
    address_kind,
    authentication_for,
    check_listen,
    password_of,
)
from sqlengine.server.backends import Backends
from sqlengine.server.passwords import check_password
from sqlengine.server.peer import Peer


def check_hive_listen(host: str, backends: Backends, policy: Policy, has_tls: bool) -> None:
    """InvalidAuthorization (28000) for an address other machines reach while nobody could prove who they are, or only
    by a password that everybody in between could read."""
    check_listen(host, backends.roles, policy)
    if not address_kind(host).is_local and not has_tls:
        raise InvalidAuthorization(
            f'refusing to listen on "{host}" without TLS: clients of Hive send passwords as they are',
            hint="give a certificate (--tls-cert), or listen on 127.0.0.1",
        )


def proved_role(user: str, password: str | None, peer: Peer, backends: Backends, policy: Policy) -> str:
    """The name of the role that a client at the other end of a connection acts as; password: what it has sent.

    Takes some milliseconds where there is a password to check.  InvalidPassword (28P01), InvalidAuthorization (28000).
    """
    role = backends.roles.find(user)
    kind = AddressKind.UNIX if peer.address is None else address_kind(peer.address)
    needed = authentication_for(
        kind, role, peer.is_encrypted, peer.certificate_name, roles=backends.roles, user=user, policy=policy
    )
    if needed is Authentication.REFUSE:
        raise InvalidAuthorization("connections from other machines must use TLS", hint="ssl=true, or https")
    if needed is Authentication.SCRAM:
        if password is None:
            raise InvalidAuthorization(
                f'user "{user}" must give a password',
                hint="authentication LDAP or CUSTOM of Hive's clients (SASL PLAIN) sends one, NOSASL does not",
            )
        check_password(user, password, password_of(role, backends.now_us), backends.secret())
    elif needed is Authentication.TRUST and role is None:
        return BOOTSTRAP_NAME  # nobody has a password yet, so whoever is here may be anybody
    return user
