// SDKs of providers that sign the raw body alone.
import EasyPostClient from "@easypost/api";
import { validateSignature } from "@line/bot-sdk";
import { signWebhookPayload, verifyWebhookSignature } from "@notionhq/client";
import { sign as signGitHub, verify as verifyGitHub } from "@octokit/webhooks-methods";
import "@shopify/shopify-api/adapters/node";
import { ApiVersion, shopifyApi } from "@shopify/shopify-api";
import coinbase from "coinbase-commerce-node";
import { verifySignature } from "gocardless-nodejs/webhooks";
import ModernTreasury from "modern-treasury";
import Pusher from "pusher";
import razorpay from "razorpay";
import { bodyMac, event, json, random, textKeys } from "./common.mjs";

const treasury = new ModernTreasury({ apiKey: "none", organizationID: "none", webhookKey: "none" });
const easypost = new EasyPostClient("none");

const shopify = (secret) =>
  shopifyApi({
    apiKey: "none",
    apiSecretKey: secret,
    apiVersion: ApiVersion.April24,
    hostName: "hooks.example.com",
    isEmbeddedApp: false,
    scopes: ["none"],
    logger: { log: () => {} },
  });

export default [
  {
    name: "github",
    keys: textKeys("github secret"),
    sign: async ({ key, text }) => {
      const body = event(text, { zen: "Half measures are as bad as nothing at all.", hook_id: 1 });
      return json(body, {
        "x-github-event": "ping",
        "x-github-delivery": random(),
        "x-hub-signature-256": await signGitHub(key, body),
      });
    },
    check: ({ body, headers }, secret) => verifyGitHub(secret, body, headers["x-hub-signature-256"]),
  },
  {
    name: "notion",
    keys: textKeys("secret_notion"),
    sign: async ({ key, text }) => {
      const body = event(text, { type: "page.created" });
      return json(body, { "x-notion-signature": await signWebhookPayload({ body, verificationToken: key }) });
    },
    check: ({ body, headers }, verificationToken) =>
      verifyWebhookSignature({ body, signature: headers["x-notion-signature"], verificationToken }),
  },
  {
    name: "modern-treasury",
    keys: textKeys("treasury secret"),
    sign: ({ key, text }) => {
      const body = event(text, { event: "created" });
      return json(body, { "x-signature": treasury.webhooks.getSignature(body, { key }) });
    },
    check: ({ body, headers }, key) => treasury.webhooks.validateSignature(body, headers, { key }),
  },
  bodyMac(
    "shopify",
    "x-shopify-hmac-sha256",
    async ({ body, headers }, secret) => {
      const rawRequest = { method: "POST", url: "/webhooks/shopify", headers };
      return (await shopify(secret).webhooks.validate({ rawBody: body, rawRequest, rawResponse: {} })).valid;
    },
    {
      encoding: "base64",
      headers: () => ({
        "x-shopify-topic": "orders/create",
        "x-shopify-api-version": "2024-04",
        "x-shopify-shop-domain": "shop.example.com",
        "x-shopify-webhook-id": random(),
      }),
    },
  ),
  bodyMac(
    "razorpay",
    "x-razorpay-signature",
    ({ body, signature }, secret) => razorpay.validateWebhookSignature(body, signature, secret),
    { headers: () => ({ "x-razorpay-event-id": random() }) },
  ),
  bodyMac("coinbase-commerce", "x-cc-webhook-signature", ({ body, signature }, secret) =>
    coinbase.Webhook.verifySigHeader(body, signature, secret),
  ),
  bodyMac("line", "x-line-signature", ({ body, signature }, secret) => validateSignature(body, secret, signature), {
    encoding: "base64",
    members: { events: [{ type: "follow", timestamp: 1700000000000 }] },
  }),
  bodyMac(
    "gocardless",
    "webhook-signature",
    // It returns nothing, and throws when the signature is wrong.
    ({ body, signature }, secret) => (verifySignature(body, secret, signature), true),
    { members: { events: [{ id: "EV1", resource_type: "payments", action: "paid_out" }] } },
  ),
  bodyMac(
    "pusher",
    "x-pusher-signature",
    ({ body, headers }, secret) =>
      new Pusher({ appId: "1", key: "278d425bdf160c739803", secret }).webhook({ headers, rawBody: body }).isValid(),
    {
      source: { secrets: [{ name: "key_id", inline: "278d425bdf160c739803" }] },
      headers: () => ({ "x-pusher-key": "278d425bdf160c739803" }),
      members: { time_ms: 1700000000000, events: [{ name: "channel_occupied", channel: "a" }] },
    },
  ),
  // The SDK writes whole weights with ".0" before it hashes them, since the sender does.
  bodyMac(
    "easypost",
    "x-hmac-signature",
    ({ body, headers }, secret) => easypost.Utils.validateWebhook(body, headers, secret) !== undefined,
    { prefix: "hmac-sha256-hex=", members: { description: "tracker.updated", result: { weight: 12.5 } } },
  ),
];
