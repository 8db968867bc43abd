"""The sender's loop: what is due is claimed, sent, and taken out of the outbox, put off or given up.

A claim ends by itself a little after a try must have ended. So where the sender dies, another one sends.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import redis
from cellblock_producer.contract import CeleryReply, WebhookReply
from cellblock_producer.outbox import Outbox, Outgoing
from cellblock_producer.webhooks import read_target
from cellblock_producer.wire import reply_message

from ..reply_settings import ReplySettings
from .webhook import TRY_S, NeverSent, NotSent, Webhooks

MOST_AT_ONCE: Final = 64
MOST_AT_ONE_HOST: Final = 16
"""So that a receiver that is slow does not hold up the others."""
LOOK_S: Final = 1.0
"""Seconds after which the outbox is looked at though nobody called."""
LEAST_TRIES: Final = 3
"""So that a reply is not given up for having waited for a sender."""
GRACE_S: Final = 5.0
"""Seconds for what is under way when the sender is told to stop."""
_HOLD_MS: Final = int((TRY_S + 15) * 1000)
_FIRST_PAUSE_MS: Final = 500
_LONGEST_PAUSE_MS: Final = 600_000
_BUSY_MS: Final = 250

_log = logging.getLogger(__name__)


def pause_ms(tries: int, chance: Callable[[], float] = random.random) -> int:
    """Return the milliseconds to wait after so many tries in vain: twice as long each time, to ten minutes.

    By chance a quarter less or more, so that what failed together is not tried together again.
    """
    doubled = _FIRST_PAUSE_MS * 2 ** min(tries - 1, 20)
    return int(min(doubled, _LONGEST_PAUSE_MS) * (0.75 + chance() / 2))


class Sender:
    """Sends until it is told to stop."""

    def __init__(self, settings: ReplySettings, outbox: Outbox, webhooks: Webhooks) -> None:
        self._settings = settings
        self._outbox = outbox
        self._webhooks = webhooks
        self._call = asyncio.Event()
        self._stopping = False
        self._under_way: set[asyncio.Task[None]] = set()
        self._hosts: Counter[str] = Counter()
        self._in_trouble = False

    def wake(self) -> None:
        """Look at the outbox now."""
        self._call.set()

    def stop(self) -> None:
        """Send what is due by now, and end."""
        self._stopping = True
        self._call.set()

    async def run(self) -> None:
        """Send until `stop`; what is then under way has `GRACE_S`, and is put back for another sender."""
        while not self._stopping:
            wait_s = await self._look()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._call.wait(), wait_s)
            self._call.clear()
        await self._look()
        if self._under_way:
            _, left = await asyncio.wait(self._under_way, timeout=GRACE_S)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def _look(self) -> float:
        """Begin to send what is due. Returns the seconds to wait for more."""
        room = MOST_AT_ONCE - len(self._under_way)
        if room <= 0:
            return LOOK_S
        try:
            claim = await asyncio.to_thread(self._outbox.claim, room, _HOLD_MS)
        except redis.RedisError as error:
            if not self._in_trouble:
                _log.warning("replies cannot be sent: Redis: %s", type(error).__name__)
            self._in_trouble = True
            return LOOK_S
        self._in_trouble = False
        for entry in claim.entries:
            task = asyncio.create_task(self._deal_with(entry))
            self._under_way.add(task)
            task.add_done_callback(self._ended)
        if len(claim.entries) == room:
            return LOOK_S  # woken when there is room
        return LOOK_S if claim.next_ms is None else min(LOOK_S, claim.next_ms / 1000)

    def _ended(self, task: asyncio.Task[None]) -> None:
        full = len(self._under_way) >= MOST_AT_ONCE
        self._under_way.discard(task)
        if full:
            self._call.set()
        if not task.cancelled() and task.exception() is not None:
            _log.error("a reply could not be dealt with: %s", type(task.exception()).__name__)

    async def _deal_with(self, entry: Outgoing) -> None:
        try:
            if isinstance(entry.reply, CeleryReply):
                await self._push(entry, entry.reply)
            elif self._is_busy(entry.reply):
                await asyncio.to_thread(self._outbox.put_off, entry.id, _BUSY_MS, "its receiver is busy")
            else:
                await self._post(entry, entry.reply)
        except NotSent as trouble:
            await self._try_again(entry, trouble)
        except asyncio.CancelledError:
            with suppress(redis.RedisError):
                self._outbox.put_off(entry.id, 0, "the sender was stopped")
            raise
        except redis.RedisError as error:  # it comes back when the claim ends
            _log.warning("job %s: reply: Redis: %s", entry.name, type(error).__name__)

    async def _push(self, entry: Outgoing, reply: CeleryReply) -> None:
        if self._settings.reply_problem(reply) is not None:
            raise NeverSent("not among the queues in CELLBLOCK_REPLY_QUEUES")
        shown = f"job_id={entry.name.id} tenant={entry.name.tenant}"
        message = reply_message(reply.task, reply.queue, entry.id, entry.result.decode(), shown)
        try:
            await asyncio.to_thread(self._outbox.push, entry.id, reply.queue, message)
        except redis.ResponseError as error:  # the queue's key is no list, say
            raise NotSent(f"Redis refused it: {type(error).__name__}") from None
        _log.info("job %s: reply sent by task", entry.name)

    def _is_busy(self, reply: WebhookReply) -> bool:
        return self._hosts[_host(reply)] >= MOST_AT_ONE_HOST

    async def _post(self, entry: Outgoing, reply: WebhookReply) -> None:
        host = _host(reply)
        self._hosts[host] += 1
        try:
            await self._webhooks.send(entry, reply)
        finally:
            self._hosts[host] -= 1
            if not self._hosts[host]:
                del self._hosts[host]
        await asyncio.to_thread(self._outbox.forget, entry.id)
        _log.info("job %s: reply sent by webhook", entry.name)

    async def _try_again(self, entry: Outgoing, trouble: NotSent) -> None:
        delay_ms = pause_ms(entry.tries)
        too_late = entry.age_ms + delay_ms > self._settings.reply_for_s * 1000 and entry.tries >= LEAST_TRIES
        try:
            if isinstance(trouble, NeverSent) or too_late:
                _log.error("job %s: reply given up after try %d: %s", entry.name, entry.tries, trouble)
                await asyncio.to_thread(self._outbox.give_up, entry.id, str(trouble))
            else:
                _log.warning("job %s: reply not sent by try %d: %s", entry.name, entry.tries, trouble)
                await asyncio.to_thread(self._outbox.put_off, entry.id, delay_ms, str(trouble))
        except redis.RedisError as error:  # it comes back when the claim ends
            _log.warning("job %s: reply: Redis: %s", entry.name, type(error).__name__)


def _host(reply: WebhookReply) -> str:
    try:
        return read_target(reply.url).host
    except ValueError:
        return ""
