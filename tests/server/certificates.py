"""Certificates for tests, made by openssl."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def made_certificates(folder: Path) -> Path:
    """server.crt and ann.crt, both signed by ca.crt, with their keys, in a folder; the test is skipped where openssl is
    not installed."""
    if shutil.which("openssl") is None:
        pytest.skip("TLS IS NOT TESTED: openssl is not installed")
    new = ("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    _run(*new, "-x509", "-days", "2", "-subj", "/CN=ca", "-keyout", folder / "ca.key", "-out", folder / "ca.crt")
    for name, subject in (("server", "/CN=localhost"), ("ann", "/CN=ann")):
        _run(*new, "-subj", subject, "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.csr")
        signed = ("-CA", folder / "ca.crt", "-CAkey", folder / "ca.key", "-CAcreateserial", "-days", "2")
        _run("openssl", "x509", "-req", "-in", folder / f"{name}.csr", *signed, "-out", folder / f"{name}.crt")
    return folder


def _run(*command: str | Path) -> None:
    subprocess.run([str(part) for part in command], check=True, capture_output=True)
