// SDKs of providers that sign forms and URLs, or send a credential.
import braintree from "braintree";
import { basicAuthValidator } from "chargebee";
import twilio from "twilio";
import { event, json, random, textKeys } from "./common.mjs";

const twilioKeys = textKeys("0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210");
const braintreeGateway = (privateKey) =>
  new braintree.BraintreeGateway({
    environment: braintree.Environment.Sandbox,
    merchantId: "merchant",
    publicKey: "integration_public_key",
    privateKey,
  });
const form = (body) => Object.fromEntries(new URLSearchParams(body));

export default [
  // twilio's SDK gives the signature that Twilio would have sent: validateRequest compares with the same function.
  {
    name: "twilio",
    keys: twilioKeys,
    sign: ({ key, url, text }) => {
      const params = {
        MessageSid: `SM${random()}`,
        MessageStatus: "delivered",
        To: "+15550100",
        Body: `${text} & Grüße`,
      };
      return {
        body: new URLSearchParams(params).toString(),
        headers: {
          "content-type": "application/x-www-form-urlencoded; charset=UTF-8",
          "x-twilio-signature": twilio.getExpectedTwilioSignature(key, url, params),
        },
      };
    },
    check: ({ body, headers, url }, secret) =>
      twilio.validateRequest(secret, headers["x-twilio-signature"], url, form(body)),
    signsUrl: true,
  },
  {
    name: "twilio-json",
    preset: "twilio",
    keys: twilioKeys,
    sign: ({ key, url, text }) => {
      const body = event(text, { specversion: "1.0", type: "com.twilio.messaging.message.sent" });
      const query = `?bodySHA256=${twilio.getExpectedBodyHash(body)}`;
      return {
        ...json(body, { "x-twilio-signature": twilio.getExpectedTwilioSignature(key, url + query, {}) }),
        query,
      };
    },
    check: ({ body, headers, url }, secret) =>
      twilio.validateRequestWithBody(secret, headers["x-twilio-signature"], url, body),
    signsUrl: true,
  },
  {
    name: "braintree",
    keys: textKeys("integration_private_key", "another_private_key"),
    source: { secrets: [{ name: "public_key", inline: "integration_public_key" }] },
    sign: ({ key, text }) => {
      const sample = braintreeGateway(key).webhookTesting.sampleNotification("subscription_went_past_due", text);
      return {
        body: new URLSearchParams(sample).toString(),
        headers: { "content-type": "application/x-www-form-urlencoded" },
      };
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
    name: "chargebee",
    keys: textKeys("hooks:p4ss:word", "hooks:another"),
    sign: ({ key, text }) =>
      json(event(text, { event_type: "subscription_created" }), {
        authorization: `Basic ${Buffer.from(key).toString("base64")}`,
      }),
    check: async ({ headers }, secret) => {
      const valid = basicAuthValidator((user, password) => `${user}:${password}` === secret);
      return (await valid(headers)) === undefined;
    },
    covers: "nothing",
  },
];
