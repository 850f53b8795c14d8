// SDKs of providers that sign with a private key.
import { sign as signBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import https from "node:https";
import { Readable } from "node:stream";
import { EventWebhook } from "@sendgrid/eventwebhook";
import { verifyKey } from "discord-interactions";
import SnsValidator from "sns-validator";
import telnyx from "telnyx";
import { ed25519Keys, event, iso, json, p256Keys, random, seconds } from "./common.mjs";

const sendgrid = new EventWebhook();

// Made for these tests, and trusted by nothing else.
const pem = (name) => readFileSync(new URL(`../../certificates/${name}.pem`, import.meta.url), "utf8");
const certUrl = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem";
const snsText = (message) =>
  ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    .filter((name) => name in message && (message.Type !== "Notification" || !["SubscribeURL", "Token"].includes(name)))
    .map((name) => `${name}\n${message[name]}\n`)
    .join("");
const sns = (version, hash) => ({
  name: `aws-sns-v${version}`,
  preset: "aws-sns",
  // The secret is the certificate that a fetch of SigningCertURL would give.
  keys: { secret: pem("aws_sns"), key: pem("key"), otherKey: pem("other_key") },
  sign: ({ key, at, text }) => {
    const message = {
      Type: "Notification",
      MessageId: random(),
      TopicArn: "arn:aws:sns:us-east-1:123456789012:orders",
      Subject: "Grüße",
      Message: text,
      Timestamp: iso(at),
      SignatureVersion: version,
      SigningCertURL: certUrl,
    };
    message.Signature = signBytes(hash, Buffer.from(snsText(message)), key).toString("base64");
    const headers = { "content-type": "text/plain; charset=UTF-8", "x-amz-sns-message-type": "Notification" };
    return { body: JSON.stringify(message), headers };
  },
  // The SDK fetches the certificate by https.get, which is answered here.
  check: ({ body }, certificate) => {
    const get = https.get;
    https.get = (url, done) => {
      if (url !== certUrl) throw new Error(`nothing is known of ${url}`);
      done(Object.assign(Readable.from([certificate]), { statusCode: 200 }));
      return { on: () => {} };
    };
    return new Promise((resolve, reject) =>
      new SnsValidator().validate(JSON.parse(body), (error) => (error ? reject(error) : resolve(true))),
    ).finally(() => (https.get = get));
  },
  inBody: true,
});

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
      const body = event(text, {
        type: 1,
        event: { type: "APPLICATION_AUTHORIZED", timestamp: "2026-01-01T00:00:00Z" },
      });
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
  sns("1", "sha1"),
  sns("2", "sha256"),
];
