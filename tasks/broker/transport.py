"""kombu's Redis transport, without the transaction for an acknowledgement that has nothing to remove.

Every queue here is declared without acknowledgement (`no_ack`), and the transport keeps no list of its messages. Yet
Celery acknowledges each message, and kombu would remove it from that list in Redis: one transaction for each message.
"""

from __future__ import annotations

from kombu.transport import TRANSPORT_ALIASES, redis


class Channel(redis.Channel):
    """A channel that sends an acknowledgement only for a message that waits for one."""

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        """Acknowledge a message, unless it was consumed without acknowledgement."""
        try:
            self.qos.get(delivery_tag)
        except KeyError:
            return
        super().basic_ack(delivery_tag, multiple=multiple)


class Transport(redis.Transport):
    """The transport of `redis://` and `rediss://` in this project."""

    Channel = Channel


def register() -> None:
    """Use this transport for the URLs of Redis, in this process."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:{Transport.__name__}"
