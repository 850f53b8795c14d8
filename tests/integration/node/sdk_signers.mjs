// Posts webhooks to a running relay, signed by the providers' own SDKs, and the same with one byte of the body changed.
//
// Usage: node sdk_signers.mjs HTTP_PORT; the relay's sources are those of sdk_test.cc. Prints one line a request; exits
// with 1 when an honest one was not accepted, or a changed one not refused.
import { createHmac, randomUUID } from "node:crypto";
import { sign as signGitHub } from "@octokit/webhooks-methods";
import { Webhook } from "standardwebhooks";
import Stripe from "stripe";
import twilio from "twilio";

const port = Number(process.argv[2]);
const publicUrl = "https://hooks.example.com";
const now = () => Math.floor(Date.now() / 1000);
const random = () => randomUUID().replaceAll("-", "");

const stripeBody = (type) =>
  JSON.stringify({
    id: `evt_${random()}`,
    object: "event",
    api_version: "2025-09-30.clover",
    created: now(),
    type,
    livemode: false,
    data: { object: { id: `pi_${random()}`, object: "payment_intent", amount: 2599, currency: "eur", description: "Grüße" } },
  });

const signers = {
  stripe: () => {
    const body = stripeBody("payment_intent.succeeded");
    const header = Stripe.webhooks.generateTestHeaderString({ payload: body, secret: "whsec_sdk_test" });
    return { body, headers: { "Content-Type": "application/json; charset=utf-8", "Stripe-Signature": header } };
  },
  // An event in the midst of a roll of the secret: a signature by a key that the relay does not know comes first.
  "stripe/roll": () => {
    const body = stripeBody("charge.succeeded");
    const timestamp = now();
    const other = createHmac("sha256", "whsec_other").update(`${timestamp}.${body}`).digest("hex");
    const header = Stripe.webhooks.generateTestHeaderString({ payload: body, secret: "whsec_sdk_test", timestamp });
    return {
      body,
      headers: { "Content-Type": "application/json", "Stripe-Signature": header.replace(",v1=", `,v1=${other},v1=`) },
    };
  },
  github: async () => {
    const body = JSON.stringify({ zen: "Half measures are as bad as nothing at all.", hook_id: 1, hook: { type: "Repository", id: 1 } });
    return {
      body,
      headers: {
        "Content-Type": "application/json",
        "X-GitHub-Event": "ping",
        "X-GitHub-Delivery": randomUUID(),
        "X-Hub-Signature-256": await signGitHub("github sdk test", body),
      },
    };
  },
  // twilio's SDK gives the signature that Twilio would have sent: validateRequest compares with the same function.
  twilio: () => {
    const params = { MessageSid: `SM${random()}`, SmsStatus: "delivered", MessageStatus: "delivered", To: "+15550100", From: "+15550199", Body: "two words & more" };
    return {
      body: new URLSearchParams(params).toString(),
      headers: {
        "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
        "X-Twilio-Signature": twilio.getExpectedTwilioSignature("0123456789abcdef0123456789abcdef", `${publicUrl}/webhooks/twilio`, params),
      },
    };
  },
  "twilio/json": () => {
    const body = JSON.stringify({ specversion: "1.0", id: random(), type: "com.twilio.messaging.message.sent" });
    const path = `/webhooks/twilio?bodySHA256=${twilio.getExpectedBodyHash(body)}`;
    return {
      body,
      path,
      headers: {
        "Content-Type": "application/json",
        "X-Twilio-Signature": twilio.getExpectedTwilioSignature("0123456789abcdef0123456789abcdef", publicUrl + path, {}),
      },
    };
  },
  standardwebhooks: () => {
    const id = `msg_${random()}`;
    const time = new Date();
    const body = JSON.stringify({ type: "contact.created", timestamp: time.toISOString(), data: { id: random() } });
    return {
      body,
      path: "/webhooks/standard",
      headers: {
        "Content-Type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": String(Math.floor(time.getTime() / 1000)),
        "webhook-signature": new Webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").sign(id, time, body),
      },
    };
  },
};

const post = async (path, request, body) => {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method: "POST", headers: request.headers, body });
  return { status: response.status, text: await response.text() };
};

let failures = 0;
for (const [name, make] of Object.entries(signers)) {
  const request = await make();
  const path = request.path ?? `/webhooks/${name.split("/")[0]}`;
  const changed = Buffer.from(request.body);
  // One bit of one letter, late in the body; it stays text, and valid JSON or a valid form.
  let at = changed.length - 3;
  while (!/[a-z]/.test(String.fromCharCode(changed[at]))) at -= 1;
  changed[at] ^= 1;
  for (const [what, body, wanted] of [["honest", request.body, 200], ["one byte changed", changed, 401]]) {
    const answer = await post(path, request, body);
    const good = answer.status === wanted;
    if (!good) failures += 1;
    console.log(`${good ? "ok  " : "FAIL"} ${name}, ${what}: ${answer.status} ${answer.text}`);
  }
}
process.exit(failures === 0 ? 0 : 1);
