"""Finds the message class of a typed payload: the stubs that are imported first, else the relay's own descriptors."""

from __future__ import annotations

import importlib
from typing import Dict, Optional

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, symbol_database
from google.protobuf.message import Message

from hookstream.errors import UnknownType
from hookstream.v1 import event_pb2, schema_service_pb2


def type_name(event: event_pb2.Event) -> str:
    """Full name of the payload's message, e.g. "hookstream.stripe.v1.PaymentIntentEvent"; "" when it is not typed."""
    return event.data.type_url.rpartition("/")[2]


class PayloadTypes:
    """Message classes by full name. One per client; not thread-safe, used on the client's event loop."""

    def __init__(self) -> None:
        self._pool = descriptor_pool.DescriptorPool()
        self._classes: Dict[str, type] = {}

    def linked(self, name: str) -> Optional[type]:
        """The class when a stub in this program or in this package defines it."""
        known = self._classes.get(name)
        if known is not None:
            return known
        database = symbol_database.Default()
        try:
            found = message_factory.GetMessageClass(database.pool.FindMessageTypeByName(name))
        except KeyError:
            found = self._import_bundled(name)
        if found is not None:
            self._classes[name] = found
        return found

    @staticmethod
    def _import_bundled(name: str) -> Optional[type]:
        # hookstream.<provider>.v1.X is defined by one of the few modules of that package.
        package = name.rpartition(".")[0]
        if not package.startswith("hookstream."):
            return None
        try:
            root = importlib.import_module(package)
        except ImportError:
            return None
        import pkgutil

        for module in pkgutil.iter_modules(root.__path__):
            if module.name.endswith("_pb2"):
                importlib.import_module(f"{package}.{module.name}")
        try:
            return message_factory.GetMessageClass(symbol_database.Default().pool.FindMessageTypeByName(name))
        except KeyError:
            return None

    async def fetch(self, name: str, get_descriptors: grpc.aio.UnaryUnaryMultiCallable) -> type:
        """The class made from the relay's descriptors. Raises UnknownType."""
        known = self.linked(name)
        if known is not None:
            return known
        try:
            reply = await get_descriptors(schema_service_pb2.GetDescriptorsRequest(message=name))
        except grpc.aio.AioRpcError as error:
            raise UnknownType(f"{name}: {error.details()}") from error
        files = descriptor_pb2.FileDescriptorSet.FromString(reply.file_descriptor_set)
        for file in files.file:
            self._pool.Add(file)
        try:
            made = message_factory.GetMessageClass(self._pool.FindMessageTypeByName(name))
        except KeyError as error:
            raise UnknownType(f"{name} is not in the descriptors that the relay sent for it") from error
        self._classes[name] = made
        return made


def parse(event: event_pb2.Event, message_class: type) -> Message:
    """The payload as a message. Raises google.protobuf.message.DecodeError when the bytes are not of that type."""
    return message_class.FromString(event.data.value)
