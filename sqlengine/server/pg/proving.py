"""How a client shows who it is: nothing, SCRAM, or a certificate it has shown already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlengine.catalog.roles import BOOTSTRAP_NAME, Roles
from sqlengine.errors import ProtocolViolation
from sqlengine.server.admission import (
    AddressKind,
    Authentication,
    Policy,
    address_kind,
    authentication_for,
    password_of,
    refused,
)
from sqlengine.server.effects import Run, Steps
from sqlengine.server.pg import replies
from sqlengine.server.pg.messages import Password, Reader
from sqlengine.server.pg.scram import ScramExchange

if TYPE_CHECKING:
    from sqlengine.server.pg.conversation import Conversation


def prove(talk: Conversation, roles: Roles, policy: Policy, secret: bytes, now_us: int) -> Steps:
    """Have the client prove that it is `talk.role`; InvalidPassword (28P01), InvalidAuthorization (28000)."""
    peer, role = talk.peer, roles.find(talk.role)
    kind = AddressKind.UNIX if peer.address is None else address_kind(peer.address)
    needed = authentication_for(
        kind, role, peer.is_encrypted, peer.certificate_name, roles=roles, user=talk.role, policy=policy
    )
    if needed is Authentication.REFUSE:
        raise refused()
    if needed is Authentication.SCRAM:
        exchange = ScramExchange(talk.role, password_of(role, now_us), secret, peer.server_certificate_hash)
        yield from _scram(talk, exchange)
    elif role is None and needed is Authentication.TRUST:
        talk.role = BOOTSTRAP_NAME  # nobody has a password yet, so whoever is here may be anybody


def _scram(talk: Conversation, exchange: ScramExchange) -> Steps:
    talk.emit(replies.sasl_mechanisms(exchange.mechanisms))
    first = Reader((yield from _password(talk)))
    mechanism, given = first.text(), first.value()
    first.end()
    server_first = exchange.first(given or b"", mechanism)
    talk.emit(replies.sasl_continue(server_first))
    final = yield from _password(talk)
    server_final = yield Run(lambda: exchange.final(final))
    talk.emit(replies.sasl_final(server_final))


def _password(talk: Conversation) -> Steps:
    yield from talk.flush()
    message = yield from talk.next_message(talk.host.limits.startup_timeout_s)
    if not isinstance(message, Password):
        raise ProtocolViolation("expected a SASL response")
    return message.data
