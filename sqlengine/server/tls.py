"""TLS of a server: a context, and the hash of its certificate that channel binding speaks of."""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path

from sqlengine.errors import InvalidParameter
from sqlengine.quick_dataclass import dataclass

_HASHES = {
    "2a864886f70d01010b": "sha256",
    "2a864886f70d01010c": "sha384",
    "2a864886f70d01010d": "sha512",
    "2a864886f70d010105": "sha1",
    "2a8648ce3d040302": "sha256",
    "2a8648ce3d040303": "sha384",
    "2a8648ce3d040304": "sha512",
}
"""Signature algorithms of certificates by their object identifiers: RSA (RFC 8017) and ECDSA (RFC 5758)."""


@dataclass(frozen=True)
class Tls:
    """`certificate_hash` None: its signature has no hash of its own (Ed25519), so there is nothing to bind to."""

    context: ssl.SSLContext
    certificate_hash: bytes | None
    checks_clients: bool


def load_tls(certificate: str, key: str | None = None, client_ca: str | None = None) -> Tls:
    """From files in PEM: the server's certificate and chain, its private key, and authorities of clients' certificates.

    InvalidParameter (22023) when one is missing or does not fit.
    """
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(certificate, key)
        context.set_alpn_protocols(["postgresql"])
        if client_ca is not None:
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_OPTIONAL
        text = Path(certificate).read_text(encoding="ascii")
        der = ssl.PEM_cert_to_DER_cert(text[text.index("-----BEGIN CERTIFICATE") : _end(text)])
    except (OSError, ValueError) as error:
        names = ", ".join(f for f in (certificate, key, client_ca) if f)
        raise InvalidParameter(f"TLS cannot be had with {names}: {error}") from None
    algorithm = _HASHES.get(_signature_algorithm(der).hex())
    bound = None if algorithm is None else end_point_hash(der, algorithm)
    return Tls(context, bound, client_ca is not None)


def end_point_hash(certificate: bytes, signature_hash: str) -> bytes:
    """The channel binding tls-server-end-point (RFC 5929): the hash of a DER certificate by the hash of its signature,
    SHA-256 in place of MD5 and SHA-1."""
    name = signature_hash.lower().replace("-", "")
    return hashlib.new("sha256" if name in ("md5", "sha1") else name, certificate).digest()


def _end(text: str) -> int:
    mark = "-----END CERTIFICATE-----"
    return text.index(mark) + len(mark)


def _signature_algorithm(certificate: bytes) -> bytes:
    """The object identifier of a DER certificate's signature: the second part of the outer sequence (RFC 5280)."""
    _, start, _ = _element(certificate, 0)
    _, _, end = _element(certificate, start)
    _, inside, _ = _element(certificate, end)
    _, begins, ends = _element(certificate, inside)
    return certificate[begins:ends]


def _element(data: bytes, at: int) -> tuple[int, int, int]:
    """(tag, where the contents begin, where they end) of a DER element."""
    length, start = data[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length = int.from_bytes(data[start : start + size], "big")
        start += size
    return data[at], start, start + length
