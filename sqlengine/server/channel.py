"""Channel: the bytes of one connection, in the clear or under TLS."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlengine.server.peer import Peer
from sqlengine.server.tls import Tls

TLS_TIMEOUT_S = 30.0
_UNREAD_BYTES_MAX = 256 * 1024
"""What a client has sent ahead of its answers is left in the socket beyond this."""
_UNSENT_BYTES_MAX = 1024 * 1024
_UNSENT_BYTES_LOW = 256 * 1024
"""The next rows are made while the last are sent: `send` waits once so much is unsent, until so little is."""


class Channel(asyncio.Protocol):
    """`open`, then `receive` and `send`; `on_lost` is called when the peer goes, from the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tls: Tls | None) -> None:
        self.on_lost: Callable[[], None] | None = None
        self.at_once: Callable[[bytes], bytes | None] = lambda _data: None
        """Whoever receives may answer bytes as they come, while it waits for them without a limit of time."""
        self._loop = loop
        self._tls = tls
        self._transport: Any = None
        self._received = bytearray()
        self._waiter: asyncio.Future[None] | None = None
        self._is_timed = False
        self._drained: asyncio.Future[None] | None = None
        self._is_lost = False
        self._is_paused = False
        self._peer = Peer()

    # ------------------------------------------------------------ asyncio's side

    def connection_made(self, transport: Any) -> None:
        """The bytes go through it from now on."""
        self._transport = transport
        transport.set_write_buffer_limits(_UNSENT_BYTES_MAX, _UNSENT_BYTES_LOW)

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        if self._may_be_answered():
            answer = self.at_once(data)
            if answer is not None:
                self._transport.write(answer)
                return
        self._received += data
        if len(self._received) > _UNREAD_BYTES_MAX and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
        self.wake()

    def _may_be_answered(self) -> bool:
        """Whether all that came before has been received and answered, and the answers taken."""
        is_waited_for = self._waiter is not None and not self._waiter.done() and not self._is_timed
        return is_waited_for and not self._received and self._drained is None

    def eof_received(self) -> bool:
        """The peer sends nothing more: it is taken to be gone."""
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """The peer is gone."""
        self._is_lost = True
        self.wake()
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        if self.on_lost is not None:
            self.on_lost()

    def pause_writing(self) -> None:
        """The peer takes nothing more for now."""
        self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        """It does again."""
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    # ------------------------------------------------------------ the conversation's side

    async def open(self, accepted: socket.socket, peer: Peer, alpn: str | None = None) -> Peer:
        """Take a connection over; one that begins with TLS (PostgreSQL 17's direct negotiation) is answered so, if its
        client names the protocol `alpn`."""
        self._peer = peer
        if self._tls is not None and peer.address is not None and await self._begins_with_tls(accepted):
            tls = self._tls.context
            await self._loop.connect_accepted_socket(
                lambda: self, accepted, ssl=tls, ssl_handshake_timeout=TLS_TIMEOUT_S
            )
            if alpn is not None and self._transport.get_extra_info("ssl_object").selected_alpn_protocol() != alpn:
                raise ConnectionError("direct TLS without the protocol's name")
            return self._encrypted()
        await self._loop.connect_accepted_socket(lambda: self, accepted)
        return peer

    async def _begins_with_tls(self, accepted: socket.socket) -> bool:
        ready = asyncio.Event()
        self._loop.add_reader(accepted, ready.set)
        try:
            await asyncio.wait_for(ready.wait(), TLS_TIMEOUT_S)
        finally:
            self._loop.remove_reader(accepted)
        return accepted.recv(1, socket.MSG_PEEK) == b"\x16"

    async def encrypt(self) -> Peer:
        """Go on under TLS; what the peer is then known to be."""
        assert self._tls is not None
        self._transport = await self._loop.start_tls(
            self._transport, self, self._tls.context, server_side=True, ssl_handshake_timeout=TLS_TIMEOUT_S
        )
        return self._encrypted()

    def _encrypted(self) -> Peer:
        shown = self._transport.get_extra_info("peercert") or {}
        names = [value for part in shown.get("subject", ()) for key, value in part if key == "commonName"]
        assert self._tls is not None
        self._peer = replace(
            self._peer,
            is_encrypted=True,
            certificate_name=names[0] if names else None,
            server_certificate_hash=self._tls.certificate_hash,
        )
        return self._peer

    async def receive(self, timeout_s: float | None) -> bytes | None:
        """Bytes that have come; b"" when the peer is gone, None when the time has passed or `wake` was called."""
        if not self._received and not self._is_lost:
            self._waiter = self._loop.create_future()
            self._is_timed = timeout_s is not None
            timer = None if timeout_s is None else self._loop.call_later(timeout_s, self.wake)
            try:
                await self._waiter
            finally:
                self._waiter = None
                if timer is not None:
                    timer.cancel()
        if self._received:
            found, self._received = bytes(self._received), bytearray()
            if self._is_paused:
                self._is_paused = False
                self._transport.resume_reading()
            return found
        return b"" if self._is_lost else None

    def wake(self) -> None:
        """Have `receive` return; only from the loop's thread."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def send(self, data: bytes, timeout_s: float) -> None:
        """Send, and wait while the peer does not take it; ConnectionError when it is gone, or takes nothing for so
        long."""
        if self._is_lost:
            raise ConnectionError("the client is gone")
        self._transport.write(data)
        if self._drained is not None:
            try:
                await asyncio.wait_for(asyncio.shield(self._drained), timeout_s)
            except TimeoutError:
                self._transport.abort()
                raise ConnectionError("the client does not read") from None
            if self._is_lost:
                raise ConnectionError("the client is gone")

    def send_aside(self, data: bytes) -> None:
        """Send something that may as well be left out: what the peer does not take at once; only from the loop's
        thread."""
        if not self._is_lost and self._drained is None:
            self._transport.write(data)

    def stop_sending(self) -> None:
        """Give the peer up if it holds up a `send`; only from the loop's thread."""
        if self._drained is not None:
            self._transport.abort()

    def close(self) -> None:
        """Send what is left and end."""
        if self._transport is not None:
            self._transport.close()
