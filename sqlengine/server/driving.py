"""Driving a conversation on asyncio: its effects carried out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, Protocol

from sqlengine.server.channel import Channel
from sqlengine.server.effects import Await, Effect, Encrypt, Receive, Run, Send, Steps

LAST_SEND_TIMEOUT_S = 5.0
"""For the last words to a client whose connection is ended."""


class Talk(Protocol):
    """One connection from its first byte to its last.  `wake`, `stop_sending` and `send_aside` are set by whoever
    drives it, and may be called from any thread: they have a Receive return, give up a Send whose peer takes nothing,
    and send whole messages while a Run goes on."""

    wake: Callable[[], object]
    stop_sending: Callable[[], object]
    send_aside: Callable[[bytes], object]

    def run(self) -> Steps:
        """All of it; ends when the conversation does."""
        ...

    def at_once(self, data: bytes) -> bytes | None:
        """The answer to bytes that come while it waits for some, if it can be given without waiting; None: it receives
        them."""
        ...

    @property
    def is_ending(self) -> bool:
        """Whether it has been ended from outside: the client is told, if it listens."""
        ...


async def drive(talk: Talk, channel: Channel, threads: Executor, patience_s: float) -> None:
    """Carry a conversation through to its end; `patience_s`: how long a client may take nothing of what it is sent."""
    loop = asyncio.get_running_loop()
    talk.wake = lambda: loop.call_soon_threadsafe(channel.wake)
    talk.send_aside = lambda data: loop.call_soon_threadsafe(channel.send_aside, data)
    talk.stop_sending = lambda: loop.call_soon_threadsafe(channel.stop_sending)
    channel.at_once = talk.at_once
    steps = talk.run()
    answer: Any = None
    error: BaseException | None = None
    try:
        while True:
            effect = steps.throw(error) if error is not None else steps.send(answer)
            answer = error = None
            try:
                answer = await _carry_out(
                    effect, channel, threads, min(patience_s, LAST_SEND_TIMEOUT_S) if talk.is_ending else patience_s
                )
            except asyncio.CancelledError:
                raise
            except BaseException as raised:  # whatever it is, the conversation decides what it means
                error = raised
    except StopIteration:
        return
    finally:
        talk.send_aside = lambda _data: None  # what still runs may outlive the loop
        steps.close()


async def _carry_out(effect: Effect, channel: Channel, threads: Executor, send_timeout_s: float) -> Any:
    match effect:
        case Run():
            return await asyncio.get_running_loop().run_in_executor(threads, effect.call)
        case Send():
            return await channel.send(effect.data, send_timeout_s)
        case Receive():
            return await channel.receive(effect.timeout_s)
        case Encrypt():
            return await channel.encrypt()
        case Await():
            return await asyncio.wrap_future(effect.future)
