// SDKs of providers that sign a time with the body.
import { signRequest, verifyRequest } from "@contentful/node-apps-toolkit";
import { WebhooksClient } from "@elevenlabs/elevenlabs-js/wrapper/webhooks.js";
import { Signature } from "@hubspot/api-client";
import { LinearWebhookClient } from "@linear/sdk/webhooks";
import Mux from "@mux/mux-node";
import { Paddle } from "@paddle/paddle-node-sdk";
import { encodeSignatureHeader, isValidSignature } from "@sanity/webhook";
import { WorkOS } from "@workos-inc/node";
import Stripe from "stripe";
import { digest, event, json, mac, seconds, textKeys } from "./common.mjs";

const onlyTheAge = "the SDK bounds the age only";

const mux = new Mux({ tokenId: "none", tokenSecret: "none", webhookSecret: "none" });
const workos = new WorkOS("none");
const paddle = new Paddle("none");

const stripe = {
  keys: textKeys("whsec_stripe_text", "whsec_other_text"),
  preset: "stripe",
  check: ({ body, headers }, secret) =>
    Stripe.webhooks.constructEvent(body, headers["stripe-signature"], secret) !== null,
  maxAge: 300,
  differs: { "from the future": onlyTheAge },
};
const stripeHeader = (body, secret, at) =>
  Stripe.webhooks.generateTestHeaderString({ payload: body, secret, timestamp: Number(seconds(at)) });

const hubspotEvents = (text) =>
  `[${event(text, { subscriptionType: "contact.creation", eventId: 1, occurredAt: 1700000000000 })}]`;
const hubspot = (version, signature) => ({
  name: `hubspot-${version}`,
  keys: textKeys("hubspot secret"),
  sign: ({ key, at, url, text }) => {
    const requestBody = hubspotEvents(text);
    const options = { clientSecret: key, requestBody, url, timestamp: at };
    return json(requestBody, {
      [signature]: Signature.getSignature("POST", version, options),
      "x-hubspot-signature-version": version,
      ...(version === "v3" ? { "x-hubspot-request-timestamp": String(at) } : {}),
    });
  },
  check: ({ body, headers, url }, secret) =>
    Signature.isValid({
      method: "POST",
      signatureVersion: version,
      signature: headers[signature],
      clientSecret: secret,
      requestBody: body,
      url,
      timestamp: Number(headers["x-hubspot-request-timestamp"]),
    }),
});

const contentfulKey = (seed) => digest(seed);
const contentfulRequest = ({ body, url }) => ({ method: "POST", path: new URL(url).pathname, body });

export default [
  {
    ...stripe,
    name: "stripe",
    sign: ({ key, at, text }) => {
      const body = event(text, { type: "payment_intent.succeeded", created: Number(seconds(at)) });
      return json(body, { "stripe-signature": stripeHeader(body, key, at) });
    },
  },
  {
    ...stripe,
    name: "stripe-roll", // in the midst of a roll of the secret: one signature by a key that the relay does not know
    sign: ({ key, at, text }) => {
      const body = event(text, { type: "charge.succeeded", created: Number(seconds(at)) });
      const older = mac("whsec_older", `${seconds(at)}.${body}`);
      return json(body, { "stripe-signature": stripeHeader(body, key, at).replace(",v1=", `,v1=${older},v1=`) });
    },
  },
  {
    name: "mux",
    keys: textKeys("mux secret"),
    sign: ({ key, at, text }) => {
      const body = event(text, { type: "video.asset.ready" });
      return json(body, { "mux-signature": `t=${seconds(at)},v1=${mac(key, `${seconds(at)}.${body}`)}` });
    },
    // It returns nothing, and throws when the signature is wrong.
    check: async ({ body, headers }, secret) => (await mux.webhooks.verifySignature(body, headers, secret), true),
    maxAge: 300,
    differs: { "from the future": onlyTheAge },
  },
  {
    name: "elevenlabs",
    keys: textKeys("elevenlabs secret"),
    sign: ({ key, at, text }) => {
      const body = event(text, { type: "post_call_transcription" });
      return json(body, { "elevenlabs-signature": `t=${seconds(at)},v0=${mac(key, `${seconds(at)}.${body}`)}` });
    },
    check: async ({ body, headers }, secret) =>
      (await new WebhooksClient().constructEvent(body, headers["elevenlabs-signature"], secret)) !== null,
    maxAge: 1800,
    differs: { "from the future": onlyTheAge },
  },
  {
    name: "paddle",
    keys: textKeys("pdl_ntfset_secret"),
    sign: ({ key, at, text }) => {
      const body = event(text, { event_id: "evt_1", event_type: "transaction.completed" });
      return json(body, { "paddle-signature": `ts=${seconds(at)};h1=${mac(key, `${seconds(at)}:${body}`)}` });
    },
    check: ({ body, headers }, secret) => paddle.webhooks.isSignatureValid(body, secret, headers["paddle-signature"]),
    maxAge: 5,
    differs: { "from the future": onlyTheAge },
  },
  {
    name: "workos",
    keys: textKeys("workos secret"),
    sign: async ({ key, at, text }) => {
      const body = event(text, { event: "user.created" });
      return json(body, {
        "workos-signature": `t=${at}, v1=${await workos.webhooks.computeSignature(at, JSON.parse(body), key)}`,
      });
    },
    // The SDK takes the parsed body and writes it again, which gives the same bytes for what JSON.stringify wrote.
    check: ({ body, headers }, secret) =>
      workos.webhooks.verifyHeader({ payload: JSON.parse(body), sigHeader: headers["workos-signature"], secret }),
    maxAge: 180,
    differs: { "from the future": onlyTheAge },
  },
  {
    name: "sanity",
    keys: textKeys("sanity secret"),
    sign: async ({ key, at, text }) => {
      const body = event(text);
      return json(body, { "sanity-webhook-signature": await encodeSignatureHeader(body, at, key) });
    },
    check: ({ body, headers }, secret) => isValidSignature(body, headers["sanity-webhook-signature"], secret),
    anyAge: true,
  },
  {
    name: "linear",
    keys: textKeys("linear secret"),
    sign: ({ key, at, text }) => {
      const body = event(text, { type: "Issue", action: "create", webhookTimestamp: at });
      return json(body, { "linear-signature": mac(key, body) });
    },
    check: ({ body, headers }, secret) =>
      new LinearWebhookClient(secret).verify(Buffer.from(body), headers["linear-signature"]),
    maxAge: 60,
  },
  {
    name: "contentful",
    keys: textKeys(contentfulKey("contentful"), contentfulKey("not contentful")),
    sign: ({ key, at, url, text }) => {
      const body = event(text, { sys: { id: "1" } });
      const headers = { "content-type": "application/json", "x-contentful-topic": "ContentManagement.Entry.publish" };
      return {
        body,
        headers: { ...headers, ...signRequest(key, { ...contentfulRequest({ body, url }), headers }, at) },
      };
    },
    check: ({ body, headers, url }, secret) =>
      verifyRequest(secret, { ...contentfulRequest({ body, url }), headers }, 30),
    maxAge: 30,
    differs: { "from the future": "the SDK bounds the age only" },
  },
  hubspot("v1", "x-hubspot-signature"),
  { ...hubspot("v2", "x-hubspot-signature"), signsUrl: true },
  {
    ...hubspot("v3", "x-hubspot-signature-v3"),
    signsUrl: true,
    maxAge: 300,
    differs: { "from the future": onlyTheAge },
  },
];
