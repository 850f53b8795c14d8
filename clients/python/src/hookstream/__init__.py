"""Subscribe to verified, typed webhooks from a hookstream relay.

    import hookstream

    client = hookstream.Client("127.0.0.1:9090")
    client.run("billing", lambda delivery: print(delivery.event.type, delivery.payload))

`AsyncClient` is the same for asyncio. An event is acknowledged when the handler returns; it comes again when the handler
raises. Raise `Nack` to say when, `Reject` to give up.
"""

from hookstream.async_client import AsyncClient, AsyncSubscription, Delivery
from hookstream.client import BlockingDelivery, Client, Subscription
from hookstream.errors import (
    HookstreamError,
    LeaseExpired,
    Nack,
    Reject,
    SettleFailed,
    SubscribeError,
    UnknownType,
)

__all__ = [
    "AsyncClient",
    "AsyncSubscription",
    "BlockingDelivery",
    "Client",
    "Delivery",
    "HookstreamError",
    "LeaseExpired",
    "Nack",
    "Reject",
    "SettleFailed",
    "SubscribeError",
    "Subscription",
    "UnknownType",
]
