"""Passwords that clients send as they are, against what is kept of them; what nobody is to learn from a refusal."""

from __future__ import annotations

import hashlib
import hmac

from sqlengine.catalog.verifier import ITERATIONS, SALT_BYTES, Verifier, make_verifier, unguessable
from sqlengine.errors import InvalidPassword


def wrong_password(user: str) -> InvalidPassword:
    """What everybody is told who does not come in by a password, whatever the reason."""
    return InvalidPassword(f'password authentication failed for user "{user}"')


def mock_verifier(user: str, secret: bytes) -> Verifier:
    """A verifier no password fits, with the same salt whenever the same name is tried; `secret`: bytes only the server
    knows, the same for the life of the database."""
    salt = hashlib.sha256(user.encode("utf-8", "surrogatepass") + secret).digest()[:SALT_BYTES]
    return Verifier(ITERATIONS, salt, unguessable(32), unguessable(32))


def check_password(user: str, password: str, verifier: Verifier | None, secret: bytes) -> None:
    """InvalidPassword (28P01) when it is not the one `verifier` was made of; None: nobody of that name, or no password.
    All of these take as long, some milliseconds."""
    kept = verifier or mock_verifier(user, secret)
    given = make_verifier(password, kept.salt, kept.iterations)
    if not hmac.compare_digest(given.stored_key, kept.stored_key) or verifier is None:
        raise wrong_password(user)
