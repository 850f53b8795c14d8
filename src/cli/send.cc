// `hookstream send`: sample webhooks, signed as the provider signs them.
#include <chrono>
#include <cstdio>
#include <iostream>
#include <memory>
#include <random>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "cli/http_client.h"
#include "cli/json_text.h"
#include "cli/provider_option.h"
#include "cli/verb_list.h"
#include "verify/sample.h"
#include "verify/sign.h"

namespace hookstream::cli {
namespace {

std::string RandomId() {
  std::random_device random;
  std::string id;
  for (int i = 0; i < 4; ++i) absl::StrAppend(&id, absl::Hex(static_cast<uint32_t>(random()), absl::kZeroPad8));
  return id;
}

struct Send {
  Common common;
  ProviderOption provider;
  std::string type;
  std::string secret;
  std::string url;
  std::string public_url;
  std::string body;
  std::string content_type;
  std::string id;
  int64_t count = 1;
  double rate = 0;
  bool list_types = false;

  // The request that the provider would send; `number` is from 0.
  std::pair<verify::Sample, verify::SignedRequest> Make(const provider::Provider& preset, int64_t number,
                                                        const std::string& bytes) {
    const absl::Time now = absl::Now();
    std::string seed = id.empty() ? RandomId() : id;
    // The first has exactly the id that was asked for, so that sending it again makes a duplicate.
    if (!id.empty() && number > 0) absl::StrAppend(&seed, "-", number);
    verify::Sample sample;
    if (body.empty()) {
      auto made = verify::SampleBody(preset, type, seed, now);
      if (!made.ok()) FailUsage(std::string(made.status().message()));
      sample = *std::move(made);
    } else {
      sample.type = type;
      sample.body = bytes;
      sample.id = seed;
    }
    if (!content_type.empty()) sample.content_type = content_type;
    verify::SignInput input;
    input.type = sample.type;
    input.body = sample.body;
    input.url = public_url.empty() ? url : public_url;
    input.now = now;
    input.id = sample.id;
    input.content_type = sample.content_type;
    auto request = verify::Sign(preset, {"send", secret}, input, provider.Params());
    if (!request.ok()) FailUsage(std::string(request.status().message()));
    return {std::move(sample), *std::move(request)};
  }

  void Run() {
    const provider::Provider& preset = provider.Get();
    if (list_types) {
      for (const std::string_view name : verify::SampleTypes(preset)) std::cout << name << '\n';
      return;
    }
    if (url.empty()) url = absl::StrCat("http://127.0.0.1:8080/webhooks/", preset.name);
    const auto parsed = ParseHttpUrl(url);
    if (!parsed.ok()) FailUsage(absl::StrCat("--url: ", std::string(parsed.status().message())));
    const std::string bytes = body.empty() ? "" : ReadInput(body);

    HttpClient client(absl::Seconds(30));
    int64_t failed = 0;
    const auto start = std::chrono::steady_clock::now();
    for (int64_t i = 0; i < count; ++i) {
      if (rate > 0) std::this_thread::sleep_until(start + std::chrono::duration<double>(static_cast<double>(i) / rate));
      const auto [sample, signed_request] = Make(preset, i, bytes);
      HttpRequest request;
      request.method = signed_request.method;
      request.url = *parsed;
      // The rule may have put a query there (Twilio's bodySHA256); the host is still the one to connect to.
      const std::string_view target = verify::SplitUrl(signed_request.url).second;
      if (public_url.empty()) {
        request.url.target = target;
      } else if (const size_t query = target.find('?'); query != std::string_view::npos) {
        request.url.target =
            absl::StrCat(parsed->target.substr(0, parsed->target.find('?')), std::string(target.substr(query)));
      }
      request.headers = signed_request.headers;
      request.body = signed_request.body;
      const auto before = std::chrono::steady_clock::now();
      const auto response = client.Send(request);
      const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - before).count();
      const bool good = response.ok() && response->status / 100 == 2;
      if (!good) ++failed;
      Print(preset, sample, response, ms);
    }
    if (count > 1 && !common.json()) {
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      std::fprintf(stderr, "%lld sent in %.2f s, %lld refused or failed\n", static_cast<long long>(count), seconds,
                   static_cast<long long>(failed));
    }
    if (failed > 0) Fail("");
  }

  void Print(const provider::Provider& preset, const verify::Sample& sample,
             const absl::StatusOr<HttpResponse>& response, double ms) {
    const std::string error(response.status().message());
    if (common.json()) {
      JsonObject line;
      line.Add("provider", preset.name).Add("type", sample.type).Add("provider_event_id", sample.id);
      if (response.ok()) {
        line.Add("status", response->status);
        IsJson(response->body) ? line.AddJson("response", response->body) : line.Add("response", response->body);
      } else {
        line.Add("error", error);
      }
      line.Add("ms", ms);
      std::cout << line.Text() << '\n';
      return;
    }
    char time[32];
    std::snprintf(time, sizeof(time), "%.1f ms", ms);
    std::cout << preset.name << ' ' << sample.type << "  "
              << (response.ok() ? absl::StrCat(response->status, " ", Printable(response->body)) : error) << "  "
              << time << '\n';
  }
};

}  // namespace

void AddSend(CLI::App& app, int& exit_code) {
  auto send = std::make_shared<Send>();
  CLI::App* verb = AddVerb(app, exit_code, "send", "Send sample webhooks, signed as the provider signs them",
                           "  hookstream send -p stripe --secret whsec_... --type payment_intent.succeeded\n"
                           "  hookstream send -p github --secret s3cret --body push.json --type push --url "
                           "http://127.0.0.1:8080/webhooks/github\n"
                           "  hookstream send -p slack --secret s3cret --count 1000 --rate 200\n"
                           "\nExits 1 when a request was refused or could not be sent.",
                           [send] { send->Run(); });
  send->provider.Add(*verb);
  verb->add_option("--type,-t", send->type, "the event's type (default: the first of --types)");
  verb->add_flag("--types", send->list_types, "list the types that have a sample body, and send nothing");
  verb->add_option("--secret,-s", send->secret, "as the provider's page shows it")->envname("HOOKSTREAM_SECRET");
  verb->add_option("--url,-u", send->url, "where to (default: http://127.0.0.1:8080/webhooks/<preset>)");
  verb->add_option("--public-url", send->public_url, "the URL to sign, where it differs from --url");
  verb->add_option("--body", send->body, "a body of your own instead of the sample; - is stdin")->type_name("FILE");
  verb->add_option("--content-type", send->content_type, "instead of the provider's");
  verb->add_option("--id", send->id, "makes the provider's event id: the same again is a duplicate (default: random)");
  verb->add_option("--count,-n", send->count, "how many")
      ->check(CLI::Range(int64_t{1}, int64_t{1'000'000'000}))
      ->capture_default_str();
  verb->add_option("--rate,-r", send->rate, "how many a second; 0: one after the other")->check(CLI::Range(0.0, 1e6));
  AddOutput(*verb, send->common);
}

}  // namespace hookstream::cli
