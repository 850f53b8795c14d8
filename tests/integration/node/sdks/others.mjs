// SDKs of providers that sign forms and URLs, or send a credential.
import { basicAuthValidator } from "chargebee";
import twilio from "twilio";
import { event, json, random, textKeys } from "./common.mjs";

const twilioKeys = textKeys("0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210");
const form = (body) => Object.fromEntries(new URLSearchParams(body));

export default [
  // twilio's SDK gives the signature that Twilio would have sent: validateRequest compares with the same function.
  {
    name: "twilio",
    keys: twilioKeys,
    sign: ({ key, url, text }) => {
      const params = { MessageSid: `SM${random()}`, MessageStatus: "delivered", To: "+15550100", Body: `${text} & Grüße` };
      return {
        body: new URLSearchParams(params).toString(),
        headers: {
          "content-type": "application/x-www-form-urlencoded; charset=UTF-8",
          "x-twilio-signature": twilio.getExpectedTwilioSignature(key, url, params),
        },
      };
    },
    check: ({ body, headers, url }, secret) => twilio.validateRequest(secret, headers["x-twilio-signature"], url, form(body)),
    signsUrl: true,
  },
  {
    name: "twilio-json",
    preset: "twilio",
    keys: twilioKeys,
    sign: ({ key, url, text }) => {
      const body = event(text, { specversion: "1.0", type: "com.twilio.messaging.message.sent" });
      const query = `?bodySHA256=${twilio.getExpectedBodyHash(body)}`;
      return { ...json(body, { "x-twilio-signature": twilio.getExpectedTwilioSignature(key, url + query, {}) }), query };
    },
    check: ({ body, headers, url }, secret) =>
      twilio.validateRequestWithBody(secret, headers["x-twilio-signature"], url, body),
    signsUrl: true,
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
