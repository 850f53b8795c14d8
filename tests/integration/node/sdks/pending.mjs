// SDKs of providers whose presets are not there yet: an entry moves to where it belongs when its preset comes.
import https from "node:https";
import { Readable } from "node:stream";
import { readFileSync } from "node:fs";
import { createHash, sign as signBytes } from "node:crypto";
import { signRequest, verifyRequest } from "@contentful/node-apps-toolkit";
import { Receiver } from "@upstash/qstash";
import braintree from "braintree";
import { jwtVerify, SignJWT } from "jose";
import { AccessToken, WebhookReceiver } from "livekit-server-sdk";
import SnsValidator from "sns-validator";
import { digest, event, iso, json, random, textKeys } from "./common.mjs";

const bytes = (text) => new TextEncoder().encode(text);
const unix = (at) => Math.floor(at / 1000);
const token = (claims, at, key) =>
  new SignJWT({ iat: unix(at), nbf: unix(at), exp: unix(at) + 300, ...claims }).setProtectedHeader({ alg: "HS256", typ: "JWT" }).sign(bytes(key));

const contentfulKey = (seed) => digest(seed);
const contentfulRequest = ({ body, url }) => ({ method: "POST", path: new URL(url).pathname, body });

const braintreeGateway = (privateKey) =>
  new braintree.BraintreeGateway({
    environment: braintree.Environment.Sandbox,
    merchantId: "merchant",
    publicKey: "integration_public_key",
    privateKey,
  });
const form = (body) => Object.fromEntries(new URLSearchParams(body));

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
    name: "contentful",
    keys: textKeys(contentfulKey("contentful"), contentfulKey("not contentful")),
    sign: ({ key, at, url, text }) => {
      const body = event(text, { sys: { id: "1" } });
      const headers = { "content-type": "application/json", "x-contentful-topic": "ContentManagement.Entry.publish" };
      return { body, headers: { ...headers, ...signRequest(key, { ...contentfulRequest({ body, url }), headers }, at) } };
    },
    check: ({ body, headers, url }, secret) => verifyRequest(secret, { ...contentfulRequest({ body, url }), headers }, 30),
    maxAge: 30,
    differs: { "from the future": "the SDK bounds the age only" },
  },
  {
    name: "braintree",
    keys: textKeys("integration_private_key", "another_private_key"),
    source: { secrets: [{ name: "public_key", inline: "integration_public_key" }] },
    sign: ({ key, text }) => {
      const sample = braintreeGateway(key).webhookTesting.sampleNotification("subscription_went_past_due", text);
      return { body: new URLSearchParams(sample).toString(), headers: { "content-type": "application/x-www-form-urlencoded" } };
    },
    // The text is in base64 within the form.
    changeBody: (body, text) => {
      const { bt_signature, bt_payload } = form(body);
      const xml = Buffer.from(bt_payload, "base64").toString().replace(text, text.replace("a", "b"));
      return new URLSearchParams({ bt_signature, bt_payload: `${Buffer.from(xml).toString("base64")}\n` }).toString();
    },
    check: async ({ body }, secret) => {
      const { bt_signature: signature, bt_payload: payload } = form(body);
      return (await braintreeGateway(secret).webhookNotification.parse(signature, payload)) !== null;
    },
    inBody: true,
  },
  {
    name: "upstash-qstash",
    keys: textKeys("sig_current", "sig_unknown"),
    source: { secrets: [{ name: "next_signing_key", inline: "sig_next" }] },
    sign: async ({ key, at, url, text }) => {
      const body = event(text);
      const hash = createHash("sha256").update(body).digest("base64url");
      return json(body, {
        "upstash-message-id": `msg_${random()}`,
        "upstash-signature": await token({ iss: "Upstash", sub: url, jti: random(), body: hash }, at, key),
      });
    },
    check: ({ body, headers, url }, currentSigningKey) =>
      new Receiver({ currentSigningKey, nextSigningKey: "sig_next" }).verify({ signature: headers["upstash-signature"], body, url }),
    signsUrl: true,
    maxAge: 300,
  },
  {
    name: "livekit",
    keys: textKeys("livekit-secret", "livekit-other"),
    source: { secrets: [{ name: "api_key", inline: "APIkey" }] },
    sign: async ({ key, text }) => {
      const body = event(text, { event: "room_started" });
      const access = new AccessToken("APIkey", key);
      access.sha256 = digest(body, "base64");
      return { body, headers: { "content-type": "application/webhook+json", authorization: await access.toJwt() } };
    },
    check: async ({ body, headers }, secret) =>
      (await new WebhookReceiver("APIkey", secret).receive(body, headers.authorization)) !== null,
  },
  // Netlify and monday have no library for this: they point to JWT libraries, and this is one.
  {
    name: "netlify",
    keys: textKeys("netlify secret"),
    sign: async ({ key, text, at }) => {
      const body = event(text, { state: "ready" });
      const jws = new SignJWT({ iss: "netlify", sha256: digest(body) }).setProtectedHeader({ alg: "HS256" });
      return json(body, { "x-webhook-signature": await jws.sign(bytes(key)), "x-netlify-event": "deploy_created" });
    },
    check: async ({ body, headers }, secret) => {
      const options = { issuer: "netlify", algorithms: ["HS256"] };
      const { payload } = await jwtVerify(headers["x-webhook-signature"], bytes(secret), options);
      return payload.sha256 === digest(body);
    },
  },
  {
    name: "monday",
    keys: textKeys("monday secret"),
    sign: async ({ key, at, url, text }) =>
      json(event(text, { event: { type: "create_pulse" } }), { authorization: await token({ aud: url }, at, key) }),
    check: async ({ headers, url }, secret) =>
      (await jwtVerify(headers.authorization, bytes(secret), { audience: url, algorithms: ["HS256"] })) !== null,
    covers: "nothing",
    signsUrl: true,
    maxAge: 300,
  },
  sns("1", "sha1"),
  sns("2", "sha256"),
];
