// SDKs of providers that send a token, and libraries for tokens.
import { createHash } from "node:crypto";
import { Receiver } from "@upstash/qstash";
import { jwtVerify, SignJWT } from "jose";
import { AccessToken, WebhookReceiver } from "livekit-server-sdk";
import { digest, event, json, random, textKeys } from "./common.mjs";

const bytes = (text) => new TextEncoder().encode(text);
const unix = (at) => Math.floor(at / 1000);
const token = (claims, at, key) =>
  new SignJWT({ iat: unix(at), nbf: unix(at), exp: unix(at) + 300, ...claims })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .sign(bytes(key));

export default [
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
      new Receiver({ currentSigningKey, nextSigningKey: "sig_next" }).verify({
        signature: headers["upstash-signature"],
        body,
        url,
      }),
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
];
