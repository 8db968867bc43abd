"""`python -m cellblock_worker.sender`: the settings come on stdin, as one line of JSON."""

import asyncio
import logging
import signal
import sys
import threading

import redis
from cellblock_producer.outbox import Outbox

from ..ledger_link import connect
from ..logs import configure
from ..settings import Settings
from .sender import LOOK_S, Sender
from .webhook import Webhooks


def main() -> None:
    """Send until SIGTERM."""
    settings = Settings.model_validate_json(sys.stdin.buffer.readline())
    configure(settings)
    for chatty in ("httpx", "httpcore"):  # they log URLs
        logging.getLogger(chatty).setLevel(logging.WARNING)
    asyncio.run(_send(settings))


async def _send(settings: Settings) -> None:
    loop = asyncio.get_running_loop()
    client = connect(settings.redis_url, patient=False)
    outbox = Outbox(client, settings.queue)
    async with Webhooks(settings) as webhooks:
        sender = Sender(settings, outbox, webhooks)
        loop.add_signal_handler(signal.SIGTERM, sender.stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        listener = threading.Thread(
            target=_listen, args=(settings, outbox.channel, loop, sender), daemon=True
        )
        listener.start()
        await sender.run()
    client.close()


def _listen(settings: Settings, channel: str, loop: asyncio.AbstractEventLoop, sender: Sender) -> None:
    """Wake the sender when something is put into the outbox; a word that is missed costs a second."""
    pause = threading.Event()
    while True:
        try:
            with connect(settings.redis_url, patient=False) as client, client.pubsub() as words:
                words.subscribe(channel)
                while True:
                    if words.get_message(timeout=LOOK_S) is not None:
                        loop.call_soon_threadsafe(sender.wake)
        except redis.RedisError:
            pause.wait(LOOK_S)
        except RuntimeError:  # the loop has ended
            return


main()
