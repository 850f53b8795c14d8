// `hookstream verify`: is this request really from the provider, and if not, why.
#include <iostream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/json_text.h"
#include "cli/provider_option.h"
#include "cli/verb_list.h"
#include "provider/context.h"
#include "provider/extract.h"
#include "verify/diagnose.h"
#include "verify/sign.h"

namespace hookstream::cli {
namespace {

// What the preset's event section takes out of a valid request: what the relay would store.
std::string EventsJson(const provider::Extracted& extracted) {
  std::string list;
  for (const provider::ExtractedItem& item : extracted.items) {
    JsonObject event, attributes;
    event.Add("type", item.type);
    if (!item.provider_event_id.empty()) event.Add("provider_event_id", item.provider_event_id);
    if (item.occurred_at) event.Add("occurred_at", TimeText(ToProto(*item.occurred_at)));
    if (!item.ordering_key.empty()) event.Add("ordering_key", item.ordering_key);
    for (const auto& [name, value] : item.attributes) attributes.Add(name, value);
    if (!item.attributes.empty()) event.AddJson("attributes", attributes.Text());
    absl::StrAppend(&list, list.empty() ? "" : ",", event.Text());
  }
  return absl::StrCat("[", list, "]");
}

void PrintEvents(const provider::Extracted& extracted) {
  if (!extracted.parsed) {
    std::cout << "the body is not what the preset expects: it is kept raw, as one event\n";
  } else if (extracted.items.empty()) {
    std::cout << "no events in it\n";
  }
  for (const provider::ExtractedItem& item : extracted.items) {
    std::cout << "event: " << Printable(item.type)
              << (item.provider_event_id.empty() ? ", no id (not deduplicated)"
                                                 : absl::StrCat(", id ", Printable(item.provider_event_id)));
    if (item.occurred_at) std::cout << ", occurred at " << TimeText(ToProto(*item.occurred_at));
    if (!item.ordering_key.empty()) std::cout << ", ordering key " << Printable(item.ordering_key);
    for (const auto& [name, value] : item.attributes) std::cout << ", " << name << "=" << Printable(value);
    std::cout << '\n';
  }
}

struct Verify {
  Common common;
  ProviderOption provider;
  std::string secret;
  std::string key_id = "secret";
  std::string method = "POST";
  std::string url = "https://hooks.example.com/";
  std::vector<std::string> headers;
  std::string body;
  int64_t now = 0;
  bool now_given = false;

  void Run() {
    const provider::Provider& preset = provider.Get();
    const std::string bytes = ReadInput(body);
    std::vector<provider::HeaderView> views;
    for (const std::string& header : headers) views.push_back(ParseHeaderOption(header));
    const absl::Time time = now_given ? absl::FromUnixSeconds(now) : absl::Now();
    const auto [base, target] = verify::SplitUrl(url);
    provider::Request request;
    request.method = method;
    request.target = target;
    request.public_url = base;
    request.headers = views;
    request.body = bytes;
    request.received = time;
    std::vector<verify::Key> keys;
    if (!secret.empty()) keys.push_back({key_id, secret});
    const auto diagnosis = verify::Diagnose(preset, keys, provider.Params(), request, time);
    if (!diagnosis.ok()) FailUsage(std::string(diagnosis.status().message()));
    const verify::Verdict& verdict = diagnosis->verdict;
    const std::string_view reason = verify::ReasonName(verdict.reason);
    provider::Context context(request, preset.content);
    const provider::Extracted extracted = verdict.ok ? provider::Extract(preset, context) : provider::Extracted();
    if (common.json()) {
      JsonObject line;
      line.Add("valid", verdict.ok).Add("provider", preset.name).Add("scheme", verdict.scheme);
      if (verdict.signed_at) line.Add("signed_at", TimeText(ToProto(*verdict.signed_at)));
      if (!verdict.ok) line.Add("reason", reason).Add("cause", diagnosis->cause);
      if (verdict.ok) line.Add("parsed", extracted.parsed).AddJson("events", EventsJson(extracted));
      std::cout << line.Text() << '\n';
    } else if (verdict.ok) {
      std::cout << "valid: " << preset.name << ", " << verdict.scheme;
      if (verdict.signed_at) std::cout << ", signed at " << TimeText(ToProto(*verdict.signed_at));
      std::cout << '\n';
      PrintEvents(extracted);
    } else {
      std::cout << "invalid: " << reason << '\n';
      if (!diagnosis->cause.empty()) std::cout << "likeliest cause: " << diagnosis->cause << '\n';
    }
    if (!verdict.ok) Fail("");
  }
};

}  // namespace

void AddVerify(CLI::App& app, int& exit_code) {
  auto verify = std::make_shared<Verify>();
  CLI::App* verb = AddVerb(
      app, exit_code, "verify", "Check a captured request: its signature (and why it fails) and the events in it",
      "  hookstream verify -p stripe --secret whsec_... --header 'Stripe-Signature: t=...,v1=...' --body event.json\n"
      "  hookstream verify -p twilio --secret $TOKEN --url https://hooks.example.com/sms --header 'X-Twilio-Signature: "
      "...' --body form.txt\n"
      "\nExits 0 when the signature is valid, 1 when it is not (the reason is on stdout).",
      [verify] { verify->Run(); });
  verify->provider.Add(*verb);
  verb->add_option("--secret,-s", verify->secret, "as the provider's page shows it")->envname("HOOKSTREAM_SECRET");
  verb->add_option("--key-id", verify->key_id, "the key's name, for providers whose requests name their key (Pusher)");
  verb->add_option("--now", verify->now, "the time of receipt, as Unix seconds (default: now)")
      ->type_name("UNIX")
      ->each([verify](const std::string&) { verify->now_given = true; });
  verb->add_option("--method,-X", verify->method, "the request's method")->capture_default_str();
  verb->add_option("--url", verify->url, "the URL that the provider was given; matters where the URL is signed");
  verb->add_option("--header,-H", verify->headers, "a header of the request; may be repeated")
      ->type_name("'K: V'")
      ->allow_extra_args(false);
  verb->add_option("--body", verify->body, "file with the exact bytes of the body; - is stdin")
      ->required()
      ->type_name("FILE");
  AddOutput(*verb, verify->common);
}

}  // namespace hookstream::cli
