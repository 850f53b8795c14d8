// Reads typed events: those whose types it was built with, and any others by the relay's descriptors.
//
//   node out/reader.js HOST:PORT SUBSCRIPTION COUNT
//
// acknowledges COUNT events and prints a line of each.
import { PassThrough } from "node:stream";

import { create, createFileRegistry, createRegistry, fromBinary, isMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { reflect, type ReflectMessage } from "@bufbuild/protobuf/reflect";
import { type Any, anyUnpack, FileDescriptorSetSchema, type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { type Client, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";

import { OrderEventSchema, OrderStateSchema } from "./gen/acme/v1/order_pb.js";
import { PaymentIntentEventSchema, PaymentIntentStatusSchema } from "./gen/hookstream/stripe/v1/payment_intent_pb.js";
import { SchemaService } from "./gen/hookstream/v1/schema_service_pb.js";
import { SubscriberService, SubscribeRequestSchema } from "./gen/hookstream/v1/subscriber_service_pb.js";

const linked = createRegistry(PaymentIntentEventSchema, OrderEventSchema);

// A message that this program was built without.
async function unlinked(schemas: Client<typeof SchemaService>, data: Any): Promise<ReflectMessage> {
  const reply = await schemas.getDescriptors({ by: { case: "message", value: data.typeUrl } });
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, reply.fileDescriptorSet));
  const name = data.typeUrl.slice(data.typeUrl.lastIndexOf("/") + 1);
  const schema = registry.getMessage(name);
  if (schema === undefined) throw new Error(`${name} is not in the descriptors that the relay sent for it`);
  return reflect(schema, fromBinary(schema, data.value));
}

// A field of a message by its name in the proto.
function field(message: ReflectMessage, name: string): unknown {
  const found = message.desc.fields.find((one) => one.name === name);
  if (found === undefined) throw new Error(`${message.desc.typeName} has no field ${name}`);
  return message.get(found);
}

const seconds = (time: Timestamp) => timestampDate(time).toISOString().replace(".000Z", "Z");

async function describe(schemas: Client<typeof SchemaService>, data: Any): Promise<string> {
  const message = anyUnpack(data, linked);
  if (message === undefined) {
    const event = await unlinked(schemas, data);
    const repository = field(event, "repository") as ReflectMessage;
    return `unlinked ${event.desc.typeName} repository=${field(repository, "full_name")} id=${field(repository, "id")}`;
  }
  if (isMessage(message, PaymentIntentEventSchema)) {
    const payment = message.paymentIntent!;
    return (
      `linked ${message.$typeName} amount=${payment.amount} status=${PaymentIntentStatusSchema.value[payment.status].name}` +
      ` created=${seconds(message.created!)} order=${payment.metadata["order"]}`
    );
  }
  if (isMessage(message, OrderEventSchema)) {
    const order = message.order!;
    return (
      `own ${message.$typeName} total=${order.total} state=${OrderStateSchema.value[order.state].name}` +
      ` at=${seconds(message.at!)} lines=${order.lines.length} last=${order.lines.at(-1)!.article}` +
      ` channel=${order.labels["channel"]}`
    );
  }
  throw new Error(`${message.$typeName}: nobody handles it`);
}

async function run(target: string, subscription: string, count: number): Promise<void> {
  const transport = createGrpcTransport({ baseUrl: `http://${target}` });
  const schemas = createClient(SchemaService, transport);
  // What is written to it is sent.
  const requests = new PassThrough({ objectMode: true });
  const send = (request: MessageInitShape<typeof SubscribeRequestSchema>["request"]) =>
    requests.write(create(SubscribeRequestSchema, { request }));
  send({ case: "open", value: { target: { case: "subscription", value: subscription } } });
  let read = 0;
  for await (const { response } of createClient(SubscriberService, transport).subscribe(requests)) {
    if (response.case !== "deliveries") continue;
    const settlements = [];
    for (const delivery of response.value.deliveries) {
      console.log(await describe(schemas, delivery.event!.data!));
      settlements.push({ deliveryId: delivery.deliveryId, outcome: { case: "ack" as const, value: {} } });
      read += 1;
    }
    send({ case: "settle", value: { settlements } });
    // The relay ends its half when it has taken what was sent.
    if (read >= count) requests.end();
  }
}

const [target, subscription, count] = process.argv.slice(2);
if (count === undefined) {
  console.error("usage: reader HOST:PORT SUBSCRIPTION COUNT");
  process.exit(2);
}
await run(target, subscription, Number(count));
