import asyncio

import pytest

import hookstream
from hookstream import payloads
from hookstream.stripe.v1 import payment_intent_pb2
from hookstream.v1 import admin_service_pb2, admin_service_pb2_grpc, event_pb2


def client_of(relay):
    return hookstream.AsyncClient(relay.target)


async def take(stream, count):
    return [await asyncio.wait_for(stream.__anext__(), 20) for _ in range(count)]


async def test_a_delivery_carries_the_event_and_its_typed_payload(relay):
    async with client_of(relay) as client, client.subscribe("all") as stream:
        event_id = relay.send(amount=4200)
        (delivery,) = await take(stream, 1)
        assert delivery.event.id == event_id
        assert delivery.event.source == "stripe"
        assert delivery.event.type == "payment_intent.succeeded"
        assert delivery.attempt == 1
        assert delivery.last_failure is None
        assert isinstance(delivery.payload, payment_intent_pb2.PaymentIntentEvent)
        assert delivery.payload.payment_intent.amount == 4200
        assert b'"amount": 4200' in delivery.event.raw.body
        await delivery.ack()


async def test_an_event_without_a_mapping_comes_raw_with_the_reason(relay):
    async with client_of(relay) as client, client.subscribe("all") as stream:
        relay.send_bare()
        (delivery,) = await take(stream, 1)
        assert delivery.payload is None
        assert delivery.event.typing.status == event_pb2.TYPING_STATUS_UNTYPED
        assert delivery.event.typing.notes[0].reason == "no_mapping"
        await delivery.ack()


async def test_a_confirmed_ack_survives_a_crash_of_the_relay(relay):
    async with client_of(relay) as client, client.subscribe("all", confirm=True) as stream:
        first = relay.send()
        (delivery,) = await take(stream, 1)
        await delivery.ack()
        await asyncio.to_thread(relay.kill)
        await asyncio.to_thread(relay.start)
        second = relay.send()
        (delivery,) = await take(stream, 1)
        assert delivery.event.id == second != first
        await delivery.ack()


async def test_what_a_handler_raises_decides_how_the_delivery_ends(relay):
    seen = []
    done = asyncio.Event()

    async def handler(delivery):
        seen.append((delivery.attempt, delivery.last_failure.reason if delivery.last_failure else ""))
        if delivery.attempt == 1:
            raise ValueError("database is away")
        if delivery.attempt == 2:
            raise hookstream.Nack("a moment", delay=0)
        done.set()
        raise hookstream.Reject("makes no sense")

    async with client_of(relay) as client:
        running = asyncio.ensure_future(client.run("all", handler, handle_signals=False))
        event_id = relay.send()
        await asyncio.wait_for(done.wait(), 20)
        admin = admin_service_pb2_grpc.AdminServiceStub(client.channel)
        letters = []
        while not letters:
            reply = await admin.ListDeadLetters(admin_service_pb2.ListDeadLettersRequest(subscription="all"))
            letters = reply.dead_letters
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert [letter.event.id for letter in letters] == [event_id]
    assert letters[0].failures[0].reason == "makes no sense"
    assert seen == [(1, ""), (2, "ValueError: database is away"), (3, "a moment")]


async def test_a_lease_is_extended_while_the_handler_works(relay):
    """The subscription's deadline is 1 s; the handler holds the event for more than two of them."""
    calls = []
    finished = asyncio.Event()

    async def handler(delivery):
        calls.append(delivery.attempt)
        await asyncio.sleep(2.5)
        finished.set()

    async with client_of(relay) as client:
        running = asyncio.ensure_future(client.run("hasty", handler, handle_signals=False))
        relay.send()
        await asyncio.wait_for(finished.wait(), 20)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        async with client.subscribe("hasty") as stream:
            relay.send()
            (delivery,) = await take(stream, 1)
            assert delivery.attempt == 1
            await delivery.ack()
    assert calls == [1]


async def test_without_extension_a_missed_deadline_brings_the_event_again(relay):
    async with client_of(relay) as client, client.subscribe("hasty", auto_extend=False) as stream:
        event_id = relay.send()
        first, second = await take(stream, 2)
        assert first.event.id == second.event.id == event_id
        assert second.attempt == 2
        assert second.last_failure.attempt == 1
        await second.ack()


async def test_the_stream_comes_back_after_the_relay_does(relay):
    async with client_of(relay) as client, client.subscribe("all") as stream:
        relay.send()
        (delivery,) = await take(stream, 1)
        await delivery.ack()
        await asyncio.to_thread(relay.stop)
        await asyncio.to_thread(relay.start)
        event_id = relay.send()
        (delivery,) = await take(stream, 1)
        assert delivery.event.id == event_id
        assert stream.reconnects >= 1
        await delivery.ack()


async def test_closing_gives_back_what_was_not_handed_out_at_no_cost(relay):
    async with client_of(relay) as client:
        ids = [relay.send() for _ in range(5)]
        async with client.subscribe("all") as stream:
            # A subscription that a file declares begins where it was first started: at the head, before these.
            (first,) = await take(stream, 1)
            await first.ack()
        async with client.subscribe("all") as stream:
            rest = await take(stream, 4)
            assert [d.event.id for d in rest] == ids[1:]
            assert {d.attempt for d in rest} == {1}
            for delivery in rest:
                await delivery.ack()


async def test_closing_waits_for_what_is_in_work(relay):
    async with client_of(relay) as client:
        stream = client.subscribe("all", confirm=True)
        relay.send()
        (delivery,) = await take(stream, 1)
        closing = asyncio.ensure_future(stream.close())
        await asyncio.sleep(0)
        assert not closing.done()
        await delivery.ack()
        await asyncio.wait_for(closing, 20)


async def test_a_private_subscription_replays_and_takes_nothing_from_others(relay):
    ids = [relay.send() for _ in range(3)]
    async with client_of(relay) as client:
        start = hookstream.async_client.Start(earliest=True)
        async with client.subscribe(filter='type == "payment_intent.**"', start=start) as stream:
            got = await take(stream, 3)
            assert [d.event.id for d in got] == ids
            for delivery in got:
                await delivery.ack()
        async with client.subscribe("all") as stream:
            got = await take(stream, 3)
            assert [d.event.id for d in got] == ids
            for delivery in got:
                await delivery.ack()


async def test_an_unknown_subscription_is_an_error_that_is_not_tried_again(relay):
    async with client_of(relay) as client:
        stream = client.subscribe("nobody")
        with pytest.raises(hookstream.SubscribeError, match="NOT_FOUND"):
            await asyncio.wait_for(stream.__anext__(), 20)
        await stream.close()


async def test_a_type_that_is_not_linked_is_read_by_the_relays_descriptors(relay, monkeypatch):
    monkeypatch.setattr(payloads.PayloadTypes, "linked", lambda self, name: self._classes.get(name))
    async with client_of(relay) as client, client.subscribe("all") as stream:
        relay.send(amount=77)
        (delivery,) = await take(stream, 1)
        assert not isinstance(delivery.payload, payment_intent_pb2.PaymentIntentEvent)
        assert delivery.payload.DESCRIPTOR.full_name == "hookstream.stripe.v1.PaymentIntentEvent"
        assert delivery.payload.payment_intent.amount == 77
        await delivery.ack()


async def test_settling_twice_is_a_programming_error(relay):
    async with client_of(relay) as client, client.subscribe("all") as stream:
        relay.send()
        (delivery,) = await take(stream, 1)
        await delivery.ack()
        with pytest.raises(RuntimeError, match="settled already"):
            await delivery.nack()
