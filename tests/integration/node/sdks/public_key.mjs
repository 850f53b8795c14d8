// SDKs of providers that sign with a private key.
import { sign as signBytes } from "node:crypto";
import { EventWebhook } from "@sendgrid/eventwebhook";
import { verifyKey } from "discord-interactions";
import telnyx from "telnyx";
import { ed25519Keys, event, json, p256Keys, seconds } from "./common.mjs";

const sendgrid = new EventWebhook();

export default [
  {
    name: "sendgrid",
    keys: p256Keys("sendgrid"),
    sign: ({ key, at, text }) => {
      const body = `[${event(text, { event: "delivered", sg_event_id: "1", timestamp: 1700000000 })}]\r\n`;
      const signature = signBytes("sha256", Buffer.from(seconds(at) + body), key).toString("base64");
      return json(body, {
        "x-twilio-email-event-webhook-timestamp": seconds(at),
        "x-twilio-email-event-webhook-signature": signature,
      });
    },
    check: ({ body, headers }, secret) =>
      sendgrid.verifySignature(
        sendgrid.convertPublicKeyToECDSA(secret),
        body,
        headers["x-twilio-email-event-webhook-signature"],
        headers["x-twilio-email-event-webhook-timestamp"],
      ),
    anyAge: true,
  },
  {
    name: "discord",
    keys: ed25519Keys("discord", "hex"),
    sign: ({ key, at, text }) => {
      const body = event(text, { type: 1, event: { type: "APPLICATION_AUTHORIZED", timestamp: "2026-01-01T00:00:00Z" } });
      return json(body, {
        "x-signature-timestamp": seconds(at),
        "x-signature-ed25519": signBytes(null, Buffer.from(seconds(at) + body), key).toString("hex"),
      });
    },
    check: ({ body, headers }, secret) =>
      verifyKey(body, headers["x-signature-ed25519"], headers["x-signature-timestamp"], secret),
    anyAge: true,
  },
  {
    name: "telnyx",
    keys: ed25519Keys("telnyx", "base64"),
    sign: ({ key, at, text }) => {
      const body = event(text, { data: { event_type: "message.sent", id: "1" } });
      return json(body, {
        "telnyx-timestamp": seconds(at),
        "telnyx-signature-ed25519": signBytes(null, Buffer.from(`${seconds(at)}|${body}`), key).toString("base64"),
      });
    },
    check: ({ body, headers }, secret) =>
      telnyx.webhooks.signature.verifySignature(
        body,
        Buffer.from(headers["telnyx-signature-ed25519"], "base64"),
        headers["telnyx-timestamp"],
        Buffer.from(secret, "base64"),
        300,
      ),
    maxAge: 300,
    differs: { "from the future": "the SDK bounds the age only" },
  },
];
