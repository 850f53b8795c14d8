"""The asyncio client. The blocking one (client.py) runs this on a thread of its own.

A subscription keeps one stream to the relay. When the stream breaks it is opened again with backoff, the leases of what
is being worked on are taken up again, and settlements that were under way are sent once more. Until a delivery is settled
its lease is extended by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import signal
import time
import uuid
from typing import Any, AsyncIterator, Awaitable, Callable, Dict, List, Optional, Sequence, Tuple, Union

import grpc
from google.protobuf import duration_pb2
from google.protobuf.message import Message

from hookstream import payloads
from hookstream.errors import LeaseExpired, Nack, Reject, SettleFailed, SubscribeError
from hookstream.v1 import event_pb2, schema_service_pb2_grpc, subscriber_service_pb2, subscriber_service_pb2_grpc

_log = logging.getLogger("hookstream")

_SETTLEMENTS_MAX = 10_000  # of one SettleBatch
_REASON_BYTES_MAX = 512
# Trying again does not help.
_FINAL_CODES = {
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.UNIMPLEMENTED,
}

Start = subscriber_service_pb2.Start
View = subscriber_service_pb2.View


def _duration(seconds: float) -> duration_pb2.Duration:
    made = duration_pb2.Duration()
    made.FromNanoseconds(int(seconds * 1e9))
    return made


def _cut(reason: str) -> str:
    return reason.encode("utf-8", "replace")[:_REASON_BYTES_MAX].decode("utf-8", "ignore")


class Delivery:
    """One attempt at delivering one event. Settle it once: ack, nack or reject.

    As a context manager it is acknowledged at the end of the block, and given back when the block raises.
    """

    def __init__(self, subscription: "AsyncSubscription", proto: subscriber_service_pb2.Delivery, payload: Optional[Message]):
        self._subscription = subscription
        self._lease_end = time.monotonic() + proto.deadline_in.ToNanoseconds() / 1e9
        self._lease_began = time.monotonic()
        self._extending = False
        self._settled = False
        #: Names this attempt.
        self.id: str = proto.delivery_id
        #: The event: `type`, `source`, `raw`, ...
        self.event: event_pb2.Event = proto.event
        #: The typed payload. None when the event could not be typed; `event.typing` says why.
        self.payload: Optional[Message] = payload
        #: From 1.
        self.attempt: int = proto.attempt
        #: Why the attempt before this one failed; None on the first.
        self.last_failure: Optional[subscriber_service_pb2.Failure] = (
            proto.last_failure if proto.HasField("last_failure") else None
        )

    @property
    def settled(self) -> bool:
        """True once ack, nack or reject was called."""
        return self._settled

    async def ack(self) -> None:
        """Done with it.

        With `confirm=True` on the subscription it returns once the relay has it durably, and raises LeaseExpired or
        SettleFailed when it has not. Otherwise it returns at once.
        """
        await self._settle(subscriber_service_pb2.Settlement(delivery_id=self.id, ack=subscriber_service_pb2.Ack()))

    async def nack(self, reason: str = "", delay: Optional[float] = None) -> None:
        """Deliver it again: after `delay` seconds (0 to 604,800), or by the subscription's backoff."""
        nack = subscriber_service_pb2.Nack(reason=_cut(reason))
        if delay is not None:
            nack.delay.CopyFrom(_duration(delay))
        await self._settle(subscriber_service_pb2.Settlement(delivery_id=self.id, nack=nack))

    async def reject(self, reason: str = "") -> None:
        """It can never be processed: to the dead letters."""
        reject = subscriber_service_pb2.Reject(reason=_cut(reason))
        await self._settle(subscriber_service_pb2.Settlement(delivery_id=self.id, reject=reject))

    async def _settle(self, settlement: subscriber_service_pb2.Settlement) -> None:
        if self._settled:
            raise RuntimeError(f"delivery {self.id} is settled already")
        self._settled = True
        await self._subscription._settle(settlement)

    async def __aenter__(self) -> "Delivery":
        return self

    async def __aexit__(self, kind: Any, error: Optional[BaseException], _trace: Any) -> bool:
        if self._settled:
            return False
        if error is None:
            await self.ack()
        elif isinstance(error, Reject):
            await self.reject(error.reason)
            return True
        elif isinstance(error, Nack):
            await self.nack(error.reason, error.delay)
            return True
        elif isinstance(error, asyncio.CancelledError):
            await self.nack("cancelled", 0)
        else:
            await self.nack(f"{type(error).__name__}: {error}")
        return False


class AsyncSubscription:
    """Deliveries of one subscription, as an async iterator. Made by AsyncClient.subscribe.

    Leaving the `async with` block (or close()) stops taking new events, waits for what was handed out to be settled, and
    gives the rest back at no cost of an attempt.
    """

    def __init__(
        self,
        client: "AsyncClient",
        open_request: subscriber_service_pb2.Open,
        *,
        auto_extend: bool,
        max_lease_seconds: float,
        backoff: Tuple[float, float],
    ):
        self._client = client
        self._open = open_request
        self._auto_extend = auto_extend
        self._max_lease_seconds = max_lease_seconds
        self._backoff = backoff
        self._ready: asyncio.Queue[Optional[Delivery]] = asyncio.Queue()
        self._held: Dict[str, Delivery] = {}  # handed to us and not settled, queued ones too
        self._handed_out: Dict[str, Delivery] = {}  # of these, what the iterator has given
        self._newest: Dict[str, str] = {}  # by event id: the delivery that can still settle it
        self._outbox: List[subscriber_service_pb2.Settlement] = []
        self._sent: Dict[str, subscriber_service_pb2.Settlement] = {}  # waiting for a result (confirm)
        self._results: Dict[str, asyncio.Future] = {}
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing = False
        self._failure: Optional[BaseException] = None
        self._ack_deadline = 30.0
        self._runner: Optional[asyncio.Task] = None
        #: True between the relay's `opened` and the end of that stream.
        self.connected = False
        #: How often the stream was opened again.
        self.reconnects = 0
        #: Settlements that came too late, since the start.
        self.late_settlements = 0

    # --- for users ---

    async def __aenter__(self) -> "AsyncSubscription":
        self._start()
        return self

    async def __aexit__(self, *_error: Any) -> None:
        await self.close()

    def __aiter__(self) -> AsyncIterator[Delivery]:
        self._start()
        return self

    async def __anext__(self) -> Delivery:
        self._start()
        while True:
            if self._closing:
                raise StopAsyncIteration
            delivery = await self._ready.get()
            if delivery is None:  # closing, or failed for good
                self._ready.put_nowait(None)
                if self._failure is not None:
                    raise self._failure
                raise StopAsyncIteration
            if delivery.id in self._held:  # else its lease was lost while it was queued
                self._handed_out[delivery.id] = delivery
                self._idle.clear()
                return delivery

    async def close(self, grace: float = 30.0) -> None:
        """Stops: waits up to `grace` seconds until what was handed out is settled and sent. Idempotent."""
        self._closing = True
        self._ready.put_nowait(None)
        self._wake.set()
        if self._runner is None:
            return
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._drained()), grace)
        self._wake.set()
        try:
            await asyncio.wait_for(asyncio.shield(self._runner), 5.0)
        except asyncio.TimeoutError:
            self._runner.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._runner
        except SubscribeError:
            pass  # told to whoever iterates
        for future in self._results.values():
            if not future.done():
                future.set_exception(SettleFailed("the subscription was closed before the relay confirmed"))
        self._results.clear()

    # --- inside ---

    def _start(self) -> None:
        if self._runner is None:
            self._runner = asyncio.ensure_future(self._run())

    async def _drained(self) -> None:
        while self._handed_out or self._outbox or self._results:
            if self._runner is not None and self._runner.done():
                return
            self._idle.clear()
            waiter = asyncio.ensure_future(self._idle.wait())
            await asyncio.wait({waiter, self._runner}, return_when=asyncio.FIRST_COMPLETED)
            waiter.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await waiter

    def _update_idle(self) -> None:
        if not self._handed_out and not self._outbox and not self._results:
            self._idle.set()

    def _forget(self, delivery_id: str) -> None:
        delivery = self._held.pop(delivery_id, None) or self._handed_out.get(delivery_id)
        self._handed_out.pop(delivery_id, None)
        if delivery is not None and self._newest.get(delivery.event.id) == delivery_id:
            del self._newest[delivery.event.id]

    async def _settle(self, settlement: subscriber_service_pb2.Settlement) -> None:
        self._forget(settlement.delivery_id)
        if self._failure is not None:
            raise self._failure
        self._outbox.append(settlement)
        future: Optional[asyncio.Future] = None
        if self._open.confirm_settlements:
            future = asyncio.get_running_loop().create_future()
            self._results[settlement.delivery_id] = future
            self._sent[settlement.delivery_id] = settlement
        self._wake.set()
        if future is not None:
            await future

    async def _run(self) -> None:
        attempt = 0
        try:
            while True:
                try:
                    was_open = await self._session()
                    attempt = 0 if was_open else attempt
                except grpc.aio.AioRpcError as error:
                    if error.code() in _FINAL_CODES:
                        raise SubscribeError(error.code().name, error.details() or "") from error
                    if self.connected:
                        attempt = 0
                    _log.warning("stream ended: %s: %s", error.code().name, error.details())
                finally:
                    self.connected = False
                if self._closing and not self._outbox and not self._results:
                    return
                low, high = self._backoff
                # The first try comes soon, and not from all clients at the same moment.
                delay = random.uniform(0.5, 1.0) * min(high, low * 2**min(attempt, 16))
                attempt += 1
                self.reconnects += 1
                await asyncio.sleep(delay)
        except SubscribeError as error:
            self._failure = error
            for future in self._results.values():
                if not future.done():
                    future.set_exception(error)
            raise
        finally:
            self._ready.put_nowait(None)

    def _open_request(self) -> subscriber_service_pb2.SubscribeRequest:
        now = time.monotonic()
        for delivery_id in [i for i, d in self._held.items() if d._lease_end <= now]:
            self._forget(delivery_id)
        request = subscriber_service_pb2.SubscribeRequest(open=self._open)
        del request.open.held_delivery_ids[:]
        held = list(self._held) + [s.delivery_id for s in self._outbox] + list(self._sent)
        request.open.held_delivery_ids.extend(dict.fromkeys(held))
        # Sent, and the result was lost with the stream: say it again.
        queued = {s.delivery_id for s in self._outbox}
        self._outbox[:0] = [s for i, s in self._sent.items() if i not in queued]
        return request

    async def _session(self) -> bool:
        call = self._client._subscriber.Subscribe(metadata=self._client._metadata)
        writer: Optional[asyncio.Task] = None
        extender: Optional[asyncio.Task] = None
        try:
            await call.write(self._open_request())
            first = await call.read()
            if first is grpc.aio.EOF:
                await self._raise_status(call)
                return False
            opened = first.opened
            self._open.resume_token = opened.resume_token
            self._ack_deadline = opened.ack_deadline.ToNanoseconds() / 1e9 or 30.0
            self.connected = True
            # A silent connection is a dead one: the relay sends a heartbeat when it has nothing else.
            silence = 3 * (opened.heartbeat_interval.ToNanoseconds() / 1e9 or 10.0)
            writer = asyncio.ensure_future(self._write_settlements(call))
            if self._auto_extend:
                extender = asyncio.ensure_future(self._extend_leases())
            while True:
                try:
                    response = await asyncio.wait_for(call.read(), silence)
                except asyncio.TimeoutError:
                    _log.warning("nothing heard from the relay for %.0f s: reconnecting", silence)
                    return True
                if response is grpc.aio.EOF:
                    await self._raise_status(call)
                    return True
                await self._on_response(response)
        except asyncio.InvalidStateError:
            # The call ended under a write; its status says why.
            await self._raise_status(call)
            return False
        finally:
            for task in (writer, extender):
                if task is not None:
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError, grpc.aio.AioRpcError, asyncio.InvalidStateError):
                        await task
            call.cancel()

    async def _raise_status(self, call: grpc.aio.StreamStreamCall) -> None:
        code = await call.code()
        if code != grpc.StatusCode.OK:
            raise grpc.aio.AioRpcError(
                code, await call.initial_metadata(), await call.trailing_metadata(), details=await call.details()
            )

    async def _on_response(self, response: subscriber_service_pb2.SubscribeResponse) -> None:
        kind = response.WhichOneof("response")
        if kind == "deliveries":
            for proto in response.deliveries.deliveries:
                payload = await self._client._payload(proto.event)
                delivery = Delivery(self, proto, payload)
                if self._closing:
                    continue  # given back by the half-close
                # A newer delivery of an event ends the older one: it can't be settled any more.
                self._forget(self._newest.get(delivery.event.id, ""))
                self._newest[delivery.event.id] = delivery.id
                self._held[delivery.id] = delivery
                self._ready.put_nowait(delivery)
        elif kind == "settled":
            for result in response.settled.results:
                self._on_result(result)
            self._update_idle()
        elif kind == "drain":
            _log.info("the relay is stopping: %s", response.drain.reason or "no reason given")

    def _on_result(self, result: subscriber_service_pb2.SettlementResult) -> None:
        self._sent.pop(result.delivery_id, None)
        future = self._results.pop(result.delivery_id, None)
        status = subscriber_service_pb2.SettlementStatus
        error: Optional[Exception] = None
        if result.status in (status.SETTLEMENT_STATUS_LEASE_EXPIRED, status.SETTLEMENT_STATUS_UNKNOWN):
            self.late_settlements += 1
            error = LeaseExpired(f"delivery {result.delivery_id} is out of its lease")
            # An extension that came too late says the same of a delivery that is still being worked on.
            self._forget(result.delivery_id)
        elif result.status == status.SETTLEMENT_STATUS_RETRY:
            error = SettleFailed("the relay could not write the settlement; the event will be delivered again")
        if future is None:
            if error is not None:
                _log.warning("%s", error)
        elif error is None:
            future.set_result(None)
        elif not future.done():
            future.set_exception(error)

    async def _write_settlements(self, call: grpc.aio.StreamStreamCall) -> None:
        while True:
            while self._outbox:
                batch = self._outbox[:_SETTLEMENTS_MAX]
                request = subscriber_service_pb2.SubscribeRequest(
                    settle=subscriber_service_pb2.SettleBatch(settlements=batch)
                )
                await call.write(request)
                del self._outbox[: len(batch)]
                self._update_idle()
            if self._closing and not self._handed_out and not self._results:
                await call.done_writing()
                return
            self._wake.clear()
            await self._wake.wait()

    async def _extend_leases(self) -> None:
        while True:
            await asyncio.sleep(self._ack_deadline / 6)
            now = time.monotonic()
            for delivery in list(self._held.values()):
                left = delivery._lease_end - now
                held_for = now - delivery._lease_began
                if left > self._ack_deadline / 2 or held_for + self._ack_deadline > self._max_lease_seconds:
                    continue
                extend = subscriber_service_pb2.Extend(deadline=_duration(self._ack_deadline))
                self._outbox.append(subscriber_service_pb2.Settlement(delivery_id=delivery.id, extend=extend))
                delivery._lease_end = now + self._ack_deadline
            if self._outbox:
                self._wake.set()


Handler = Callable[[Delivery], Awaitable[None]]


class AsyncClient:
    """A connection to a relay.

    `target`: host:port of the relay's gRPC listener. `credentials`: for TLS; None: plain text. `metadata`: sent with each
    call, e.g. an authorization token.
    """

    def __init__(
        self,
        target: str = "127.0.0.1:9090",
        *,
        credentials: Optional[grpc.ChannelCredentials] = None,
        metadata: Sequence[Tuple[str, str]] = (),
        max_message_bytes: int = 16 << 20,
    ):
        options = [
            ("grpc.max_receive_message_length", max_message_bytes + (64 << 10)),
            ("grpc.keepalive_time_ms", 30_000),
            ("grpc.keepalive_timeout_ms", 10_000),
        ]
        if credentials is None:
            self._channel = grpc.aio.insecure_channel(target, options=options)
        else:
            self._channel = grpc.aio.secure_channel(target, credentials, options=options)
        self._metadata = tuple(metadata)
        self._max_message_bytes = max_message_bytes
        self._subscriber = subscriber_service_pb2_grpc.SubscriberServiceStub(self._channel)
        self._schemas = schema_service_pb2_grpc.SchemaServiceStub(self._channel)
        self._types = payloads.PayloadTypes()
        self._unknown_types: set[str] = set()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *_error: Any) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the channel. Close subscriptions first."""
        await self._channel.close()

    @property
    def channel(self) -> grpc.aio.Channel:
        """For calls of AdminService and others that this package does not wrap."""
        return self._channel

    def subscribe(
        self,
        subscription: Optional[str] = None,
        *,
        filter: Optional[str] = None,
        start: Optional[Start] = None,
        client_id: Optional[str] = None,
        max_outstanding_events: int = 100,
        max_outstanding_bytes: int = 64 << 20,
        view: int = subscriber_service_pb2.VIEW_FULL,
        tier: str = "",
        confirm: bool = False,
        auto_extend: bool = True,
        max_lease_seconds: float = 3600.0,
        backoff: Tuple[float, float] = (0.1, 20.0),
    ) -> AsyncSubscription:
        """Deliveries of a named subscription, or without a name of a private one that lives as long as the stream.

        `filter`, `start`: of the private one. `client_id`: the same over restarts of this worker, so that it may take
        up its leases; a random one by default. `max_outstanding_events` (1 to 100,000) and `_bytes`: how much may be
        unsettled here. `confirm`: ack() waits until it is durable. `auto_extend`: leases are extended until the
        delivery is settled, at most for `max_lease_seconds`. `backoff`: shortest and longest pause between
        reconnections, in seconds.

        Raises SubscribeError while iterating when the relay refuses.
        """
        request = subscriber_service_pb2.Open(
            client_id=client_id or uuid.uuid4().hex,
            max_outstanding_events=max_outstanding_events,
            max_outstanding_bytes=max_outstanding_bytes,
            max_message_bytes=self._max_message_bytes,
            view=view,
            tier=tier,
            confirm_settlements=confirm,
        )
        if subscription is not None:
            if filter is not None or start is not None:
                raise ValueError("filter and start belong to a private subscription: leave the name out")
            request.subscription = subscription
        else:
            request.ephemeral.filter = filter or ""
            if start is not None:
                request.ephemeral.start.CopyFrom(start)
        return AsyncSubscription(
            self, request, auto_extend=auto_extend, max_lease_seconds=max_lease_seconds, backoff=backoff
        )

    async def run(
        self,
        subscription: str,
        handler: Handler,
        *,
        concurrency: int = 16,
        grace: float = 30.0,
        handle_signals: bool = True,
        **options: Any,
    ) -> None:
        """Calls `handler` for each delivery, `concurrency` at a time, until cancelled or stopped by SIGTERM or SIGINT.

        The delivery is acknowledged when the handler returns and given back when it raises. `options`: as in subscribe.
        """
        options.setdefault("max_outstanding_events", max(2 * concurrency, 16))
        stream = self.subscribe(subscription, **options)
        loop = asyncio.get_running_loop()
        stopping = asyncio.Event()
        installed = []
        if handle_signals:
            for number in (signal.SIGTERM, signal.SIGINT):
                with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                    loop.add_signal_handler(number, stopping.set)
                    installed.append(number)

        slots = asyncio.Semaphore(concurrency)
        tasks: set[asyncio.Task] = set()

        async def handle(delivery: Delivery) -> None:
            try:
                async with delivery:
                    await handler(delivery)
            except asyncio.CancelledError:
                raise
            except Exception:
                _log.exception("the handler failed on event %s, attempt %d", delivery.event.id, delivery.attempt)
            finally:
                slots.release()

        async def consume() -> None:
            await slots.acquire()
            async for delivery in stream:
                task = asyncio.ensure_future(handle(delivery))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                await slots.acquire()

        consumer = asyncio.ensure_future(consume())
        stopper = asyncio.ensure_future(stopping.wait())
        try:
            await asyncio.wait({consumer, stopper}, return_when=asyncio.FIRST_COMPLETED)
            if consumer.done():
                consumer.result()
        finally:
            for task in (consumer, stopper):
                task.cancel()
            await stream.close(grace)
            for number in installed:
                loop.remove_signal_handler(number)
            for task in list(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _payload(self, event: event_pb2.Event) -> Optional[Message]:
        name = payloads.type_name(event)
        if not name or name in self._unknown_types:
            return None
        try:
            return payloads.parse(event, await self._types.fetch(name, self._schemas.GetDescriptors))
        except Exception as error:  # the event is still useful: raw, and with its Any
            self._unknown_types.add(name)
            _log.error("payloads of type %s can't be read: %s", name, error)
            return None
