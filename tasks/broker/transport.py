"""kombu's Redis transport, without needless acknowledgements, and with priorities for one queue only.

Every queue here is declared without acknowledgement (`no_ack`), and the transport keeps no list of its messages. Yet
Celery acknowledges each message, and kombu would remove it from that list in Redis: one transaction for each message.

kombu gives each queue a list for each priority, and reads all queues of one priority before those of the next. Here
only starts have priorities, and a start of any priority comes after the steps: `queue_order` names the lists to read.
"""

from __future__ import annotations

from kombu.transport import TRANSPORT_ALIASES, redis


class Channel(redis.Channel):
    """A channel that acknowledges only messages that wait for it, and leaves the order of lists to `queue_order`."""

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        """Acknowledge a message, unless it was consumed without acknowledgement."""
        try:
            self.qos.get(delivery_tag)
        except KeyError:
            return
        super().basic_ack(delivery_tag, multiple=multiple)

    def _brpop_start(self, timeout: float | None = None) -> None:
        # Only for this read: kombu needs all priorities to count and purge queues.
        priorities, self.priority_steps = self.priority_steps, [0]
        try:
            super()._brpop_start(timeout)  # type: ignore[misc] # the type stubs have no private members
        finally:
            self.priority_steps = priorities


class Transport(redis.Transport):
    """The transport of `redis://` and `rediss://` in this project."""

    Channel = Channel


def register() -> None:
    """Use this transport for the URLs of Redis, in this process."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:{Transport.__name__}"
