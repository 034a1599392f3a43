"""Driving a conversation on asyncio: its effects carried out."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from typing import Any

from sqlengine.server.pg.channel import Channel
from sqlengine.server.pg.conversation import Conversation
from sqlengine.server.pg.effects import Effect, Encrypt, Receive, Run, Send

LAST_SEND_TIMEOUT_S = 5.0
"""For the last words to a client whose connection is ended."""


async def drive(talk: Conversation, channel: Channel, threads: Executor) -> None:
    """Carry a conversation through to its end."""
    loop = asyncio.get_running_loop()
    talk.wake = lambda: loop.call_soon_threadsafe(channel.wake)
    talk.stop_sending = lambda: loop.call_soon_threadsafe(channel.stop_sending)
    steps = talk.run()
    answer: Any = None
    error: BaseException | None = None
    try:
        while True:
            effect = steps.throw(error) if error is not None else steps.send(answer)
            answer = error = None
            try:
                patience_s = talk.host.limits.send_timeout_s
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
