"""Reads typed events: those whose stubs it can import, and any others by the relay's descriptors.

    python reader.py HOST:PORT SUBSCRIPTION COUNT

acknowledges COUNT events and prints a line of each. Written for the stock runtimes; the client in clients/python does the
same with less.
"""

import queue
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from acme.v1.order_pb2 import OrderEvent, OrderState
from hookstream.stripe.v1.payment_intent_pb2 import PaymentIntentEvent, PaymentIntentStatus
from hookstream.v1 import schema_service_pb2, subscriber_service_pb2


class Schemas:
    """Messages that this program was written without."""

    def __init__(self, channel: grpc.Channel):
        self._get_descriptors = channel.unary_unary(
            "/hookstream.v1.SchemaService/GetDescriptors",
            schema_service_pb2.GetDescriptorsRequest.SerializeToString,
            schema_service_pb2.GetDescriptorsResponse.FromString,
        )

    def decode(self, data):
        reply = self._get_descriptors(schema_service_pb2.GetDescriptorsRequest(message=data.type_url))
        pool = descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(reply.file_descriptor_set).file:
            pool.Add(file)
        descriptor = pool.FindMessageTypeByName(data.TypeName())
        return message_factory.GetMessageClass(descriptor).FromString(data.value)


def describe(schemas: Schemas, data) -> str:
    payment_event, order_event = PaymentIntentEvent(), OrderEvent()
    if data.Unpack(payment_event):
        payment = payment_event.payment_intent
        return (
            f"linked {data.TypeName()} amount={payment.amount} status={PaymentIntentStatus.Name(payment.status)}"
            f" created={payment_event.created.ToJsonString()} order={payment.metadata['order']}"
        )
    if data.Unpack(order_event):
        order = order_event.order
        return (
            f"own {data.TypeName()} total={order.total} state={OrderState.Name(order.state)}"
            f" at={order_event.at.ToJsonString()} lines={len(order.lines)} last={order.lines[-1].article}"
            f" channel={order.labels['channel']}"
        )
    event = schemas.decode(data)
    return f"unlinked {data.TypeName()} repository={event.repository.full_name} id={event.repository.id}"


def run(target: str, subscription: str, count: int) -> None:
    with grpc.insecure_channel(target) as channel:
        schemas = Schemas(channel)
        # What is put into it is sent; None ends it.
        requests = queue.SimpleQueue()
        requests.put(subscriber_service_pb2.SubscribeRequest(open={"subscription": subscription}))
        subscribe = channel.stream_stream(
            "/hookstream.v1.SubscriberService/Subscribe",
            subscriber_service_pb2.SubscribeRequest.SerializeToString,
            subscriber_service_pb2.SubscribeResponse.FromString,
        )
        read = 0
        for response in subscribe(iter(requests.get, None), timeout=60):
            if not response.HasField("deliveries"):
                continue
            settle = subscriber_service_pb2.SettleBatch()
            for delivery in response.deliveries.deliveries:
                print(describe(schemas, delivery.event.data))
                settle.settlements.add(delivery_id=delivery.delivery_id).ack.SetInParent()
                read += 1
            requests.put(subscriber_service_pb2.SubscribeRequest(settle=settle))
            # The relay ends its half when it has taken what was sent.
            if read >= count:
                requests.put(None)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: reader.py HOST:PORT SUBSCRIPTION COUNT")
    run(sys.argv[1], sys.argv[2], int(sys.argv[3]))
