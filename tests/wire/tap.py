"""A relay between a client and a server that notes the statements which pass."""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass, field

from sqlengine.catalog.pg.types import BY_NAME, BY_OID, parameter_type
from sqlengine.server.pg.frames import Frames
from sqlengine.server.pg.messages import Bind, CancelRequest, Parse, Query, Startup, read_message, read_startup
from sqlengine.server.pg.values import from_binary
from tests.wire.captured import Captured

LENGTH_MAX = 1 << 30


@dataclass
class Tap:
    """Listens on `port` of this machine for clients of the server at `target`; what they say is in `statements`."""

    target: int
    statements: list[Captured] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more clients."""
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            threading.Thread(target=_relay, args=(server, client, None), daemon=True).start()
            threading.Thread(target=_relay, args=(client, server, Listener(self.statements)), daemon=True).start()


def _relay(source: socket.socket, sink: socket.socket, listener: Listener | None) -> None:
    try:
        while data := source.recv(1 << 16):
            if listener is not None:
                listener.hear(data)
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        sink.close()


class Listener:
    """One client's bytes, which it makes statements of."""

    def __init__(self, statements: list[Captured]) -> None:
        self._statements = statements
        self._frames = Frames(LENGTH_MAX)
        self._prepared: dict[str, Parse] = {}
        self._has_started = False

    def hear(self, data: bytes) -> None:
        """More bytes."""
        self._frames.feed(data)
        while not self._has_started:
            packet = self._frames.startup()
            if packet is None:
                return
            self._has_started = isinstance(read_startup(packet), (Startup, CancelRequest))
        while (found := self._frames.message()) is not None:
            match read_message(*found):
                case Query(text):
                    self._statements.append(Captured(text, []))
                case Parse() as made:
                    self._prepared[made.name] = made
                case Bind() as bound:
                    self._note(self._prepared[bound.statement], bound)
                case _:
                    pass

    def _note(self, made: Parse, bound: Bind) -> None:
        """A prepared statement with its values, unless one is an array in binary."""
        values = bound.values
        formats = bound.formats if len(bound.formats) == len(values) else [*(bound.formats or (0,))] * len(values)
        kinds = [BY_OID[made.oids[at]].name if form else None for at, form in enumerate(formats)]
        if not any(kind is not None and kind.startswith("_") for kind in kinds):
            told = [None if v is None else _text(v, kind) for v, kind in zip(values, kinds, strict=True)]
            self._statements.append(Captured(made.text, told))


def _text(value: bytes, kind: str | None) -> str:
    """A value as text; `kind`: the type of one in binary."""
    return value.decode() if kind is None else str(from_binary(value, parameter_type(kind), BY_NAME[kind].oid))
