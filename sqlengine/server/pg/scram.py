"""The server's side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS: two messages in, two messages out, no I/O.

Sources: RFC 5802 (SCRAM), RFC 7677 (SHA-256), RFC 5929 section 4 (tls-server-end-point), and PostgreSQL's choices in
auth-scram.c: the user name of the exchange is ignored for the one the connection began with, and an exchange for
somebody who cannot log in is carried on to its end, so that it looks like a wrong password.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re

from sqlengine.catalog.verifier import Verifier, unguessable
from sqlengine.errors import InvalidAuthorization, NotSupportedError, ProtocolViolation
from sqlengine.server.passwords import mock_verifier, wrong_password

PLAIN = "SCRAM-SHA-256"
PLUS = "SCRAM-SHA-256-PLUS"
_BINDING = "tls-server-end-point"
_NONCE_BYTES = 18
_MESSAGE_MAX = 8192
_NONCE = re.compile(rb"[\x21-\x2b\x2d-\x7e]+")


class ScramExchange:
    """One login.  `verifier` None: nobody of that name, or no password: the exchange then ends as with a wrong one.

    `secret`: bytes only the server knows, the same for the life of the database; `certificate_hash`: of the server's
    certificate where the connection is under TLS (`end_point_hash`).
    """

    def __init__(
        self,
        user: str,
        verifier: Verifier | None,
        secret: bytes,
        certificate_hash: bytes | None = None,
        nonce: str | None = None,
    ) -> None:
        self.user = user
        self._doomed = verifier is None
        self._verifier = verifier or mock_verifier(user, secret)
        self._certificate_hash = certificate_hash
        self._nonce = nonce or base64.b64encode(unguessable(_NONCE_BYTES)).decode()
        self._header = b""
        self._bound = False
        self._whole_nonce = b""
        self._first_bare = b""
        self._server_first = b""

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """What the server offers, the better one first."""
        return (PLAIN,) if self._certificate_hash is None else (PLUS, PLAIN)

    def first(self, message: bytes, mechanism: str | None = None) -> bytes:
        """client-first-message -> server-first-message.

        `mechanism`: the one the client has chosen; without it the message itself says.  Raises ProtocolViolation
        (08P01), InvalidAuthorization (28000) when the two sides disagree about channel binding.
        """
        if len(message) > _MESSAGE_MAX or self._server_first:
            raise _malformed("it is too long, or not the first")
        parts = message.split(b",", 2)
        if len(parts) != 3:
            raise _malformed("the header is not complete")
        flag, identity, bare = parts
        if mechanism not in (None, *self.mechanisms):
            raise ProtocolViolation(f"client selected an invalid SASL authentication mechanism: {mechanism}")
        self._check_binding(flag, PLUS if mechanism is None and flag.startswith(b"p=") else mechanism or PLAIN)
        if identity:
            raise NotSupportedError("client uses authorization identity, but it is not supported")
        if bare.startswith(b"m="):
            raise NotSupportedError("client requires an unsupported SCRAM extension")
        attributes = bare.split(b",")
        if len(attributes) < 2 or not attributes[0].startswith(b"n=") or not attributes[1].startswith(b"r="):
            raise _malformed("a name and a nonce are expected")
        nonce = attributes[1][2:]
        if _NONCE.fullmatch(nonce) is None:
            raise _malformed("the nonce has characters that cannot be printed")
        self._header = flag + b"," + identity + b","
        self._first_bare = bare
        self._whole_nonce = nonce + self._nonce.encode()
        salt = base64.b64encode(self._verifier.salt)
        self._server_first = b"r=%s,s=%s,i=%d" % (self._whole_nonce, salt, self._verifier.iterations)
        return self._server_first

    def _check_binding(self, flag: bytes, mechanism: str) -> None:
        """The header's first part against the mechanism: n, y or p=type."""
        self._bound = mechanism == PLUS
        if self._bound:
            if not flag.startswith(b"p="):
                raise _malformed("SCRAM-SHA-256-PLUS needs channel binding")
            if self._certificate_hash is None:
                raise ProtocolViolation("the connection has no channel to bind to", hint="it is not under TLS")
            if flag[2:] != _BINDING.encode():
                raise ProtocolViolation(
                    f'unsupported SCRAM channel-binding type "{flag[2:].decode("utf-8", "replace")}"',
                    hint=f"only {_BINDING} is supported",
                )
        elif flag == b"y" and self._certificate_hash is not None:
            raise InvalidAuthorization(
                "SCRAM channel binding negotiation error",
                detail="the client supports SCRAM channel binding but thinks the server does not; "
                "this server does support channel binding",
            )
        elif flag not in (b"n", b"y"):
            raise _malformed("the channel binding flag is not n, y or p=")

    def final(self, message: bytes) -> bytes:
        """client-final-message -> server-final-message.

        Raises ProtocolViolation (08P01) for what is not one, InvalidPassword (28P01) when the proof is wrong or the
        user cannot log in; both take as long.
        """
        if len(message) > _MESSAGE_MAX or not self._server_first:
            raise _malformed("it is too long, or comes before the first")
        without_proof, comma, proof_text = message.rpartition(b",p=")
        attributes = without_proof.split(b",")
        if not comma or len(attributes) < 2 or not attributes[0].startswith(b"c="):
            raise _malformed("channel binding, nonce and proof are expected")
        if not attributes[1].startswith(b"r=") or not hmac.compare_digest(attributes[1][2:], self._whole_nonce):
            raise _malformed("the nonce is not the one that was agreed")
        if len(attributes) > 2 and attributes[2].startswith(b"m="):
            raise NotSupportedError("client requires an unsupported SCRAM extension")
        self._check_bound(_decoded(attributes[0][2:], "channel binding"))
        proof = _decoded(proof_text, "proof")
        if len(proof) != len(self._verifier.stored_key):
            raise _malformed("the proof is of another length")
        exchange = b",".join((self._first_bare, self._server_first, without_proof))
        self._server_first = b""
        if not self._is_right(proof, exchange):
            raise wrong_password(self.user)
        signature = hmac.digest(self._verifier.server_key, exchange, "sha256")
        return b"v=" + base64.b64encode(signature)

    def _check_bound(self, given: bytes) -> None:
        expected = self._header + (self._certificate_hash or b"" if self._bound else b"")
        if not hmac.compare_digest(given, expected):
            if self._bound:
                raise InvalidAuthorization("SCRAM channel binding check failed")
            raise _malformed("the channel binding is not the header of the first message")

    def _is_right(self, proof: bytes, exchange: bytes) -> bool:
        signature = hmac.digest(self._verifier.stored_key, exchange, "sha256")
        client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
        same = hmac.compare_digest(hashlib.sha256(client_key).digest(), self._verifier.stored_key)
        return same and not self._doomed


def _decoded(text: bytes, what: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise _malformed(f"the {what} is not base64") from None


def _malformed(detail: str) -> ProtocolViolation:
    return ProtocolViolation("malformed SCRAM message", detail=detail)
