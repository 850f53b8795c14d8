// The reference library of Standard Webhooks, and the SDKs of those who send them.
import { verifyWebhook } from "@clerk/backend/webhooks";
import OpenAI from "openai";
import { validateWebhook } from "replicate";
import { Resend } from "resend";
import { Webhook } from "standardwebhooks";
import { Webhook as SvixWebhook } from "svix";
import { event, iso, json, mac, random, seconds, whsecKeys } from "./common.mjs";

const openai = new OpenAI({ apiKey: "none" });
const resend = new Resend("re_none");

const entry = (name, prefix, check, more = {}) => ({
  name,
  keys: whsecKeys(name),
  sign: ({ key, at, text }) => {
    const id = `msg_${random()}`;
    const body = event(text, { type: "contact.created", timestamp: iso(at) });
    const signature =
      more.signature ?? ((whsec, message) => new Webhook(whsec).sign(message.id, new Date(at), message.body));
    return json(body, {
      [`${prefix}-id`]: id,
      [`${prefix}-timestamp`]: seconds(at),
      [`${prefix}-signature`]: signature(key, { id, at, body }),
    });
  },
  check,
  maxAge: 300,
  ...more,
});

// Without the SDK's help, by the specification alone.
const plain = (whsec, { id, at, body }) =>
  `v1,${mac(Buffer.from(whsec.slice("whsec_".length), "base64"), `${id}.${seconds(at)}.${body}`, "base64")}`;

export default [
  entry(
    "standard-webhooks",
    "webhook",
    ({ body, headers }, secret) => new Webhook(secret).verify(body, headers) !== null,
  ),
  entry("svix", "svix", ({ body, headers }, secret) => new SvixWebhook(secret).verify(body, headers) !== null, {
    signature: (whsec, { id, at, body }) => new SvixWebhook(whsec).sign(id, new Date(at), body),
  }),
  entry(
    "openai",
    "webhook",
    // It returns nothing, and throws when the signature is wrong.
    async ({ body, headers }, secret) => (await openai.webhooks.verifySignature(body, headers, secret), true),
  ),
  entry(
    "clerk",
    "svix",
    async ({ body, headers, url }, signingSecret) =>
      (await verifyWebhook(new Request(url, { method: "POST", headers, body }), { signingSecret })) !== null,
  ),
  entry(
    "resend",
    "svix",
    ({ body, headers }, webhookSecret) =>
      resend.webhooks.verify({
        payload: body,
        headers: { id: headers["svix-id"], timestamp: headers["svix-timestamp"], signature: headers["svix-signature"] },
        webhookSecret,
      }) !== null,
    { signature: plain },
  ),
  entry("replicate", "webhook", ({ body, headers }, secret) => validateWebhook({ body, headers }, secret), {
    signature: plain,
    differs: { "too old": "the SDK looks at no time", "from the future": "the SDK looks at no time" },
  }),
];
