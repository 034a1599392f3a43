"""Start-up: encryption, the version of the protocol, who it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlengine.errors import Error, ProtocolViolation
from sqlengine.server.effects import Encrypt, Run, Send, Steps
from sqlengine.server.pg import replies
from sqlengine.server.pg.messages import CancelRequest, GssRequest, SslRequest, Startup, read_startup

if TYPE_CHECKING:
    from sqlengine.server.pg.conversation import Conversation

MINOR_VERSION = 2
"""The newest version spoken is 3.2, which differs from 3.0 in the length of cancel keys."""

KEY_BYTES = 32
"""Of a cancel key under 3.2; 3.0 has four."""

Started = Startup


def negotiate(talk: Conversation) -> Steps:
    """The client's StartupMessage; None when there is nothing more to say."""
    asked_tls = asked_gss = False
    while True:
        while (packet := talk.frames.startup()) is None:
            if not (yield from talk.receive(talk.host.limits.startup_timeout_s)):
                raise ProtocolViolation("the client did not authenticate in time")
        request = read_startup(packet)
        match request:
            case SslRequest():
                if asked_tls:
                    raise ProtocolViolation("encryption was asked for twice")
                asked_tls = True
                yield from _encrypt(talk)
            case GssRequest():
                if asked_gss:
                    raise ProtocolViolation("encryption was asked for twice")
                asked_gss = True
                yield Send(b"N")
            case CancelRequest():
                talk.host.cancel(request.pid, request.key)
                return None
            case Startup():
                return _version(talk, request)


def _encrypt(talk: Conversation) -> Steps:
    """Under TLS nothing that came before it counts: somebody in between could have put it there (CVE-2021-23214)."""
    if not talk.host.has_tls or talk.peer.address is None or talk.peer.is_encrypted:
        yield Send(b"N")
        return
    if talk.frames.pending:
        raise ProtocolViolation("received unencrypted data after SSL request")
    yield Send(b"S")
    talk.peer = yield Encrypt()


def _version(talk: Conversation, request: Startup) -> Startup:
    major, minor = request.version
    if major != 3:
        raise Error(f"unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.2", sqlstate="0A000")
    unknown = [name for name in request.parameters if name.startswith("_pq_.")]
    if minor > MINOR_VERSION or minor == 1 or unknown:
        talk.emit(replies.negotiate_version(min(minor, MINOR_VERSION) if minor != 1 else 0, unknown))
    if minor >= MINOR_VERSION:
        talk.lengthen_key(KEY_BYTES)
    if not request.parameters.get("user"):
        raise Error("no PostgreSQL user name specified in startup packet", sqlstate="28000")
    if request.parameters.get("replication", "false").lower() not in ("false", "off", "no", "0"):
        raise Error("replication is not supported over this protocol", sqlstate="0A000")
    return request


def authenticate(talk: Conversation, request: Startup) -> Steps:
    """A session of the role the client has shown to be."""
    talk.role = request.parameters["user"]
    talk.database = request.parameters.get("database") or talk.role
    yield from talk.host.authenticate(talk)
    options = _options(request)
    return (yield Run(lambda: talk.host.open_session(talk, options)))


def _options(request: Startup) -> dict[str, str]:
    """Settings the client begins with: parameters of its own, and `-c name=value` of its command-line options."""
    given = {k: v for k, v in request.parameters.items() if k not in _NO_SETTINGS and not k.startswith("_pq_.")}
    return {**_command_line(request.parameters.get("options", "")), **given}


_NO_SETTINGS = frozenset(("user", "database", "options", "replication"))


def _command_line(text: str) -> dict[str, str]:
    words, found = _words(text), {}
    while words:
        word = words.pop(0)
        if word == "-c" and words:
            word = words.pop(0)
        elif word.startswith("-c"):
            word = word[2:]
        elif word.startswith("--"):
            word = word[2:]
        else:
            raise ProtocolViolation(f'invalid command-line argument for server process: "{word}"', sqlstate="42601")
        name, has_value, value = word.partition("=")
        if not has_value:
            raise ProtocolViolation(f'the option "{word}" needs a value', sqlstate="42601")
        found[name] = value
    return found


def _words(text: str) -> list[str]:
    """Split at blanks; a backslash keeps the character behind it."""
    words: list[str] = []
    current: list[str] = []
    characters = iter(text)
    for character in characters:
        if character.isspace():
            if current:
                words.append("".join(current))
                current = []
        else:
            current.append(next(characters, "") if character == "\\" else character)
    return [*words, "".join(current)] if current else words
