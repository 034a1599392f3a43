"""`sqlengine serve`: a data directory for other programs to connect to, until it is told to stop."""

from __future__ import annotations

import argparse
import gc
import signal
import socket
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from repl.options import Parser
from sqlengine import connect
from sqlengine.errors import InvalidParameter
from sqlengine.server.address import parse_address

if TYPE_CHECKING:
    from sqlengine import Database

DEFAULT_ADDRESS = "127.0.0.1:5433"
STOPPING = frozenset((signal.SIGINT, signal.SIGTERM))
_EPILOG = """\
examples:
  sqlengine serve ./data                                    on 127.0.0.1:5433, for this machine alone
  sqlengine serve ./data --pg 0.0.0.0:5432 --tls-cert server.crt --tls-key server.key
  sqlengine serve ./data --hive 127.0.0.1:10000             for clients of HiveServer2 as well
  psql -h 127.0.0.1 -p 5433

SIGINT and SIGTERM end it: clients are told, and the state is saved.
"""


def serve(argv: Sequence[str]) -> int:
    """Run the command (its arguments behind `serve`) until a signal; returns the exit status."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.tls_cert is None and (options.tls_key or options.tls_client_ca):
        parser.error("TLS needs a certificate\nhint: give --tls-cert")
    host, port = _address(parser, options.pg)
    if options.hive is not None:
        _address(parser, options.hive)
    with Stops() as stops, connect(options.data_dir or ":memory:", replicas=options.replicas or None) as database:
        with database.serve(
            host=host,
            port=port,
            socket_directory=options.socket_dir,
            tls_certificate=options.tls_cert,
            tls_key=options.tls_key,
            tls_client_ca=options.tls_client_ca,
            connections_max=options.max_connections,
            settings=dict(options.settings),
            hive=options.hive,
        ) as server:
            places = [f"{host}:{server.port}"] if host is not None else []
            places += [f"{options.socket_dir}/.s.PGSQL.{server.port}"] if options.socket_dir else []
            if server.hive is not None:
                places.append(f"{options.hive.rpartition(':')[0]}:{server.hive.port} (HiveServer2)")
            sys.stderr.write(f"listening on {', '.join(places)}\n")
            sys.stderr.flush()
            _warm_up(database)
            stops.wait()
            sys.stderr.write("stopping\n")
    return 0


def _warm_up(database: Database) -> None:
    """Load what the first statement would load, and have the collector look at none of it again: a full collection of
    all that is loaded stops every thread for a tenth of a second."""
    with database.cursor() as cursor:
        cursor.execute("SELECT 1").fetchall()
    gc.freeze()


class Stops:
    """SIGINT and SIGTERM, within the block.

    They are heard through a socket: a process that is stopped and continued may be handed a signal on any of its
    threads, and Python's handlers run on the first alone, which nothing would wake.
    """

    def __init__(self) -> None:
        self._heard, self._told = socket.socketpair()
        self._told.setblocking(False)

    def __enter__(self) -> Stops:
        self._socket_before = signal.set_wakeup_fd(self._told.fileno(), warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, lambda *_: None) for number in STOPPING}
        return self

    def __exit__(self, *_error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._socket_before)
        self._heard.close()
        self._told.close()

    def wait(self) -> None:
        """Until one has come."""
        while not STOPPING & set(self._heard.recv(100)):
            pass  # another signal


def _parser() -> Parser:
    parser = Parser(
        prog="sqlengine serve",
        description="Serve a database over the PostgreSQL wire protocol, and over HiveServer2's.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("data_dir", nargs="?", metavar="DATA_DIR", help="directory that keeps the data; without it all is in memory")
    add("--pg", metavar="HOST:PORT", default=DEFAULT_ADDRESS, help=f"where to listen ({DEFAULT_ADDRESS}); port 0: any")
    add("--hive", metavar="HOST:PORT", help="where to listen for clients of HiveServer2, such as 127.0.0.1:10000")
    add("--socket-dir", metavar="DIR", help="listen on a Unix socket in DIR as well")
    add("--tls-cert", metavar="FILE", help="the server's certificate (and chain), in PEM")
    add("--tls-key", metavar="FILE", help="its private key, in PEM")
    add("--tls-client-ca", metavar="FILE", help="certificates that clients' certificates must be signed by, in PEM")
    add("--max-connections", metavar="N", type=int, default=1_000, help="clients at a time (1000)")
    add(
        "-c",
        metavar="NAME=VALUE",
        dest="settings",
        action="append",
        type=_setting,
        default=[],
        help="a setting sessions begin with, such as idle_session_timeout=10min; repeatable",
    )
    add("--replica", metavar="DIR", dest="replicas", action="append", help="see sqlengine --help")
    return parser


def _setting(text: str) -> tuple[str, str]:
    name, is_given, value = text.partition("=")
    if not is_given or not name:
        raise argparse.ArgumentTypeError(f'"{text}" sets nothing\nhint: write NAME=VALUE')
    return name, value


def _address(parser: Parser, text: str) -> tuple[str, int]:
    try:
        return parse_address(text)
    except InvalidParameter as error:
        parser.error(f"{error}\nhint: {error.hint}")
