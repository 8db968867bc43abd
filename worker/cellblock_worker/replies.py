"""Where the Result of a job that is not run is to be sent."""

from cellblock_producer.outbox import NO_REPLY, read_reply, reply_to

from .sealed import SealedJob
from .settings import Settings


def reply_to_unread(sealed: SealedJob, settings: Settings) -> str:
    """Return it as the ledger has it, also of what is no valid job but has a `reply` that can be read.

    Where this worker may not send there, nothing is sent.
    """
    reply = read_reply(sealed.open())
    return reply_to(settings.queue, reply) if settings.reply_problem(reply) is None else NO_REPLY
