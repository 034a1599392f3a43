"""A client that does not read holds up itself alone, and not for ever."""

from __future__ import annotations

import socket
import time

import sqlengine
from sqlengine.server.peer import Limits
from sqlengine.server.pg.server import PgOptions, PgServer
from tests.server.wire import query, startup


def test_who_does_not_read_is_let_go_and_others_go_on() -> None:
    with sqlengine.connect() as db, PgServer(db, PgOptions(port=0, limits=Limits(send_timeout_s=0.5))) as server:
        slow = socket.create_connection(("127.0.0.1", server.port))
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(startup(196608, user="me") + query("SELECT range, repeat('x', 100) FROM range(2000000)"))
        while not server.backends:
            time.sleep(0.01)
        other = socket.create_connection(("127.0.0.1", server.port))
        other.sendall(startup(196608, user="me") + query("SELECT 'here'"))
        got = b""
        while b"here" not in got:
            got += other.recv(65_536)
        for _ in range(1_000):
            if len(server.backends) == 1:
                break
            time.sleep(0.02)
        assert len(server.backends) == 1
        slow.close()
        other.close()
