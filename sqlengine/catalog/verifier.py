"""What is kept of a password: PostgreSQL's SCRAM-SHA-256 verifier, from which the password cannot be told.

`SCRAM-SHA-256$4096:salt$StoredKey:ServerKey`, all parts base64 (RFC 5802 section 3; PostgreSQL, scram-common.c).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import stringprep
import unicodedata
from dataclasses import field

from sqlengine.quick_dataclass import dataclass

ITERATIONS = 4096
SALT_BYTES = 16
_KEY_BYTES = 32
_FORM = re.compile(r"SCRAM-SHA-256\$(\d{1,9}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)")


@dataclass(frozen=True, slots=True)
class Verifier:
    """`stored_key`, `server_key`: 32 bytes each, as RFC 5802 names them. Not shown by repr."""

    iterations: int
    salt: bytes = field(repr=False)
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)

    def text(self) -> str:
        """PostgreSQL's spelling."""
        salt, stored, server = (base64.b64encode(b).decode() for b in (self.salt, self.stored_key, self.server_key))
        return f"SCRAM-SHA-256${self.iterations}:{salt}${stored}:{server}"


def unguessable(count: int) -> bytes:
    """So many bytes for a salt, a nonce or a key: the one source of what nobody may foresee."""
    return secrets.token_bytes(count)


def make_verifier(password: str, salt: bytes | None = None, iterations: int = ITERATIONS) -> Verifier:
    """The verifier of a password, with a salt of its own unless one is given."""
    salt = unguessable(SALT_BYTES) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", prepared(password), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    return Verifier(iterations, salt, stored_key, hmac.digest(salted, b"Server Key", "sha256"))


def parse_verifier(text: str) -> Verifier | None:
    """The verifier a text spells, or None when it is something else: a password, for example."""
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    try:
        salt, stored_key, server_key = (base64.b64decode(part, validate=True) for part in found.groups()[1:])
    except binascii.Error:
        return None
    iterations = int(found[1])
    if iterations < 1 or not salt or len(stored_key) != _KEY_BYTES or len(server_key) != _KEY_BYTES:
        return None
    return Verifier(iterations, salt, stored_key, server_key)


def prepared(password: str) -> bytes:
    """SASLprep (RFC 4013) in UTF-8; a password it does not allow is taken as it is, which is what PostgreSQL does on
    both sides."""
    normal = _saslprep(password)
    return (password if normal is None else normal).encode("utf-8", "surrogatepass")


_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
    stringprep.in_table_a1,
)


def _saslprep(text: str) -> str | None:
    """Mapped, normalised and checked; None for what is not allowed."""
    mapped = "".join(" " if stringprep.in_table_c12(c) else c for c in text if not stringprep.in_table_b1(c))
    normal = unicodedata.normalize("NFKC", mapped)
    if not normal or any(table(c) for c in normal for table in _PROHIBITED):
        return None
    if any(map(stringprep.in_table_d1, normal)):
        if any(map(stringprep.in_table_d2, normal)):
            return None
        if not (stringprep.in_table_d1(normal[0]) and stringprep.in_table_d1(normal[-1])):
            return None
    return normal
