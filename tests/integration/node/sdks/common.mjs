// What the tables of SDKs share: keys, bodies, plain MACs, and what an entry looks like.
//
// An entry is one provider, or one way of it:
//   name      the source's name, and what is printed
//   preset    the relay's preset; without it, the name
//   keys      {secret, key, otherKey}: the secret as the relay's configuration has it; what requests are signed with;
//             and another such key, which nobody knows
//   source    further members of the source's configuration
//   sign      ({key, at, url, text}) => {body, headers, query}: a request as the provider sends it, at the time `at` in
//             milliseconds to `url`; `text` goes into the body, where the signature covers it
//   check     ({body, headers, url}, secret) => the verdict of the provider's own SDK: true; false, or an exception
//   maxAge    seconds after which the relay refuses a request, and before which it does
//   anyAge    true: a time is signed, and neither bounds it
//   signsUrl  true: the URL is signed
//   inBody    true: the signature is in the body
//   covers    "nothing": it is a credential, and the body may be any
//   changeBody (body, text) => another body, where `text` can't be seen in it
//   differs   {a case: why}: where the SDK is known to decide otherwise than the relay
import {
  createECDH,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  randomUUID,
  webcrypto,
} from "node:crypto";

// Node 18 has it only as a module, and some SDKs look for the global.
globalThis.crypto ??= webcrypto;

export const random = () => randomUUID().replaceAll("-", "");
export const seconds = (at) => String(Math.floor(at / 1000));
export const iso = (at) => new Date(at).toISOString();
export const mac = (key, text, encoding = "hex", hash = "sha256") =>
  createHmac(hash, key).update(text).digest(encoding);
export const digest = (text, encoding = "hex") => createHash("sha256").update(text).digest(encoding);

// A body as most providers' are, and not only ASCII.
export const event = (text, more = {}) => JSON.stringify({ id: `evt_${random()}`, note: `Grüße, ${text}`, ...more });

export const textKeys = (secret, otherKey = "nobody-knows-this") => ({ secret, key: secret, otherKey });

// whsec_ and base64, as Standard Webhooks has them.
const whsec = (seed) => `whsec_${digest(seed, "base64")}`;
export const whsecKeys = (seed) => textKeys(whsec(seed), whsec(`not ${seed}`));

// The SDK has the public key, so the private ones are made from a seed: the same in every run.
const ed25519 = (seed) =>
  createPrivateKey({
    key: Buffer.concat([
      Buffer.from("302e020100300506032b657004220420", "hex"),
      createHash("sha256").update(seed).digest(),
    ]),
    format: "der",
    type: "pkcs8",
  });

export const ed25519Keys = (seed, encoding) => ({
  secret: createPublicKey(ed25519(seed)).export({ format: "der", type: "spki" }).subarray(-32).toString(encoding),
  key: ed25519(seed),
  otherKey: ed25519(`not ${seed}`),
});

const p256 = (seed) => {
  const d = createHash("sha256").update(seed).digest();
  const curve = createECDH("prime256v1");
  curve.setPrivateKey(d);
  const point = curve.getPublicKey();
  const text = (bytes) => bytes.toString("base64url");
  return createPrivateKey({
    key: { kty: "EC", crv: "P-256", d: text(d), x: text(point.subarray(1, 33)), y: text(point.subarray(33)) },
    format: "jwk",
  });
};

export const p256Keys = (seed) => ({
  secret: createPublicKey(p256(seed)).export({ format: "der", type: "spki" }).toString("base64"),
  key: p256(seed),
  otherKey: p256(`not ${seed}`),
});

// A request with a JSON body.
export const json = (body, headers) => ({ body, headers: { "content-type": "application/json", ...headers } });

// An entry whose header holds the MAC of the raw body, and nothing else.
export const bodyMac = (
  name,
  header,
  check,
  { encoding = "hex", prefix = "", headers = () => ({}), ...more } = {},
) => ({
  name,
  keys: textKeys(`${name} secret`),
  sign: ({ key, text }) => {
    const body = event(text, more.members);
    return json(body, { [header]: prefix + mac(key, body, encoding), ...headers() });
  },
  check: (request, secret) => check({ ...request, signature: request.headers[header] }, secret),
  ...more,
});
