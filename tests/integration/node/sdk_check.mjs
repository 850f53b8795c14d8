// Compares the relay's verdicts with those of the providers' own SDKs.
//
//   node sdk_check.mjs sources   prints the sources that the relay has to have, as YAML
//   node sdk_check.mjs PORT      posts each provider's requests to the relay, as it signs them and changed in the ways of
//                                `cases`; exits with 1 when a verdict is not what it should be, the relay's or the SDK's
import { random } from "./sdks/common.mjs";
import bodyMacs from "./sdks/body_mac.mjs";
import others from "./sdks/others.mjs";
import publicKeys from "./sdks/public_key.mjs";
import standardWebhooks from "./sdks/standard_webhooks.mjs";
import timestamped from "./sdks/timestamped.mjs";
import tokens from "./sdks/token.mjs";

const publicUrl = "https://hooks.example.com/webhooks/";
const entries = [...bodyMacs, ...timestamped, ...standardWebhooks, ...publicKeys, ...tokens, ...others];

const changeText = (body, text) => {
  if (!body.includes(text)) throw new Error(`'${text}' is not in ${body}`);
  return body.replace(text, text.replace("a", "b"));
};

// What is posted, and whether it has to be accepted. `applies`: without it, to all.
const cases = {
  "as it was signed": { accepted: () => true },
  "changed body": {
    accepted: (entry) => entry.covers === "nothing",
    change: (request, text, { changeBody = changeText }) => ({ ...request, body: changeBody(request.body, text) }),
  },
  "another key": { key: "otherKey" },
  "no signature": {
    change: ({ headers, ...request }) => ({ ...request, headers: { "content-type": headers["content-type"] } }),
    applies: (entry) => entry.inBody !== true,
  },
  "for another URL": { url: (url) => url.replace("example", "elsewhere"), applies: (entry) => entry.signsUrl === true },
  "too old": { shift: (entry) => -entry.maxAge - 30, applies: (entry) => entry.maxAge !== undefined },
  "from the future": { shift: (entry) => entry.maxAge + 30, applies: (entry) => entry.maxAge !== undefined },
  "a day old": { shift: () => -86400, applies: (entry) => entry.anyAge === true, accepted: () => true },
};

const sources = () => {
  const lines = entries.map(({ name, preset, keys, source }) => {
    return `  - ${JSON.stringify({ name, provider: preset ?? name, keys: [{ inline: keys.secret }], ...source })}`;
  });
  return `sources:\n${lines.join("\n")}\n`;
};

const sdkVerdict = async (entry, request) => {
  try {
    return { accepted: (await entry.check(request, entry.keys.secret)) === true };
  } catch (error) {
    return { accepted: false, why: error.message };
  }
};

const relayVerdict = async (port, entry, { body, headers, query = "" }) => {
  const response = await fetch(`http://127.0.0.1:${port}/webhooks/${entry.name}${query}`, {
    method: "POST",
    headers,
    body,
  });
  await response.arrayBuffer();
  if (![200, 204, 401].includes(response.status))
    throw new Error(`${entry.name}: the relay answered ${response.status}`);
  return { accepted: response.status !== 401 };
};

const check = async (port, entry, name) => {
  const {
    accepted = () => false,
    change = (request) => request,
    key = "key",
    shift = () => 0,
    url: elsewhere,
  } = cases[name];
  const url = publicUrl + entry.name;
  const text = `a${random()}`;
  const signed = await entry.sign({
    key: entry.keys[key],
    at: Date.now() + shift(entry) * 1000,
    url: elsewhere ? elsewhere(url) : url,
    text,
  });
  const request = change(signed, text, entry);
  const sdk = await sdkVerdict(entry, { ...request, url: url + (request.query ?? "") });
  const relay = await relayVerdict(port, entry, request);
  const wanted = accepted(entry);
  // Where they are known to differ, they still have to: the note would be wrong otherwise.
  const sdkWanted = entry.differs?.[name] ? !wanted : wanted;
  const good = relay.accepted === wanted && sdk.accepted === sdkWanted;
  const say = (verdict) => (verdict.accepted ? "accepts" : "refuses");
  const note = entry.differs?.[name] ?? (good ? undefined : sdk.why);
  console.log(
    `${good ? "ok  " : "FAIL"} ${entry.name}, ${name}: the relay ${say(relay)}, the SDK ${say(sdk)}${note ? ` (${note})` : ""}`,
  );
  return good;
};

const main = async (argument) => {
  if (argument === "sources") return process.stdout.write(sources());
  let [count, failures] = [0, 0];
  for (const entry of entries) {
    for (const name of Object.keys(cases)) {
      if (cases[name].applies?.(entry) === false) continue;
      count += 1;
      if (!(await check(argument, entry, name))) failures += 1;
    }
  }
  console.log(`${entries.length} entries, ${count} requests, ${failures} wrong`);
  process.exitCode = failures === 0 ? 0 : 1;
};

await main(process.argv[2]);
