"""The blocking client: the asyncio one on a thread of its own, handlers on a pool of threads."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import signal
import threading
from typing import Any, Callable, Iterator, Optional, Sequence, Tuple

import grpc
from google.protobuf.message import Message

from hookstream.async_client import AsyncClient, AsyncSubscription, Delivery
from hookstream.v1 import event_pb2

_log = logging.getLogger("hookstream")


class BlockingDelivery:
    """One attempt at delivering one event; see Delivery. Use it from any thread."""

    def __init__(self, client: "Client", delivery: Delivery):
        self._client = client
        self._delivery = delivery

    @property
    def id(self) -> str:
        return self._delivery.id

    @property
    def event(self) -> event_pb2.Event:
        return self._delivery.event

    @property
    def payload(self) -> Optional[Message]:
        return self._delivery.payload

    @property
    def attempt(self) -> int:
        return self._delivery.attempt

    @property
    def last_failure(self):
        return self._delivery.last_failure

    @property
    def settled(self) -> bool:
        return self._delivery.settled

    def ack(self) -> None:
        self._client._call(self._delivery.ack())

    def nack(self, reason: str = "", delay: Optional[float] = None) -> None:
        self._client._call(self._delivery.nack(reason, delay))

    def reject(self, reason: str = "") -> None:
        self._client._call(self._delivery.reject(reason))

    def __enter__(self) -> "BlockingDelivery":
        return self

    def __exit__(self, kind: Any, error: Optional[BaseException], trace: Any) -> bool:
        return self._client._call(self._delivery.__aexit__(kind, error, trace))


class Subscription:
    """Deliveries as a blocking iterator; leaving the `with` block (or close()) stops it gracefully."""

    def __init__(self, client: "Client", stream: AsyncSubscription):
        self._client = client
        self._stream = stream

    def __enter__(self) -> "Subscription":
        return self

    def __exit__(self, *_error: Any) -> None:
        self.close()

    def __iter__(self) -> Iterator[BlockingDelivery]:
        return self

    def __next__(self) -> BlockingDelivery:
        async def take() -> Optional[Delivery]:
            try:
                return await self._stream.__anext__()
            except StopAsyncIteration:
                return None

        delivery = self._client._call(take())
        if delivery is None:
            raise StopIteration
        return BlockingDelivery(self._client, delivery)

    def close(self, grace: float = 30.0) -> None:
        """Waits up to `grace` seconds until what was handed out is settled. Callable from any thread; idempotent."""
        self._client._call(self._stream.close(grace))


class Client:
    """A connection to a relay, for programs without asyncio. Thread-safe. Arguments as in AsyncClient."""

    def __init__(
        self,
        target: str = "127.0.0.1:9090",
        *,
        credentials: Optional[grpc.ChannelCredentials] = None,
        metadata: Sequence[Tuple[str, str]] = (),
        max_message_bytes: int = 16 << 20,
    ):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="hookstream", daemon=True)
        self._thread.start()
        self._closed = False

        async def make() -> AsyncClient:
            return AsyncClient(
                target, credentials=credentials, metadata=metadata, max_message_bytes=max_message_bytes
            )

        self._client = self._call(make())

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_error: Any) -> None:
        self.close()

    def close(self) -> None:
        """Closes the channel and ends the thread. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._call(self._client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def subscribe(self, subscription: Optional[str] = None, **options: Any) -> Subscription:
        """As AsyncClient.subscribe."""

        async def make() -> AsyncSubscription:
            stream = self._client.subscribe(subscription, **options)
            stream._start()
            return stream

        return Subscription(self, self._call(make()))

    def run(
        self,
        subscription: str,
        handler: Callable[[BlockingDelivery], Any],
        *,
        concurrency: int = 8,
        grace: float = 30.0,
        handle_signals: bool = True,
        stop: Optional[threading.Event] = None,
        **options: Any,
    ) -> None:
        """Calls `handler` on `concurrency` threads for each delivery, until SIGTERM, SIGINT or `stop`.

        The delivery is acknowledged when the handler returns and given back when it raises. Signals are handled only
        on the main thread.
        """
        options.setdefault("max_outstanding_events", max(2 * concurrency, 16))
        stop = stop or threading.Event()
        previous = {}
        if handle_signals and threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                previous[number] = signal.signal(number, lambda *_: stop.set())

        def handle(delivery: BlockingDelivery) -> None:
            try:
                with delivery:
                    handler(delivery)
            except Exception:
                _log.exception("the handler failed on event %s, attempt %d", delivery.event.id, delivery.attempt)

        stream = self.subscribe(subscription, **options)
        failure: list[BaseException] = []

        def worker() -> None:
            try:
                for delivery in stream:
                    handle(delivery)
            except BaseException as error:  # SubscribeError: raised to the caller of run
                failure.append(error)
                stop.set()

        try:
            with concurrent.futures.ThreadPoolExecutor(concurrency, thread_name_prefix="hookstream-handler") as pool:
                workers = [pool.submit(worker) for _ in range(concurrency)]
                # A wait with a limit lets the interpreter run the signal handlers.
                while not stop.wait(0.2) and not all(w.done() for w in workers):
                    pass
                with contextlib.suppress(Exception):
                    stream.close(grace)
        finally:
            for number, handler_before in previous.items():
                signal.signal(number, handler_before)
        if failure:
            raise failure[0]
