"""What can go wrong, and what a handler raises to say how a delivery ended."""

from __future__ import annotations

from typing import Optional


class HookstreamError(Exception):
    """Base of all errors of this package."""


class SubscribeError(HookstreamError):
    """The relay refused the subscription, and trying again will not help.

    `code` is the name of the gRPC status code: NOT_FOUND, INVALID_ARGUMENT, PERMISSION_DENIED, UNAUTHENTICATED,
    UNIMPLEMENTED or RESOURCE_EXHAUSTED (a limit of the relay, named in the message).
    """

    def __init__(self, code: str, message: str):
        super().__init__(f"{code}: {message}")
        self.code = code


class LeaseExpired(HookstreamError):
    """The delivery can't be settled any more: its lease had ended and the event is out again, or settled elsewhere."""


class SettleFailed(HookstreamError):
    """The relay could not write the settlement. The event lives and will be delivered again."""


class UnknownType(HookstreamError):
    """The payload's type is neither linked into this program nor known to the relay's SchemaService."""


class Nack(HookstreamError):
    """Raised by a handler: deliver the event again.

    `delay` in seconds, 0 to 604,800; None: by the subscription's backoff. `reason`: at most 512 bytes are kept.
    """

    def __init__(self, reason: str = "", delay: Optional[float] = None):
        super().__init__(reason)
        self.reason = reason
        self.delay = delay


class Reject(HookstreamError):
    """Raised by a handler: this event can never be processed. It goes to the dead letters at once."""

    def __init__(self, reason: str = ""):
        super().__init__(reason)
        self.reason = reason
