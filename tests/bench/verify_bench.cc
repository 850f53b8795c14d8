// What the verification of one request costs, on one thread: from the request's bytes to the verdict, and with the
// extraction of the event's type, id, time and attributes. Bodies of about 2 KB.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "provider/context.h"
#include "provider/extract.h"
#include "provider/presets.h"
#include "tests/bench/load.h"
#include "verify/sign.h"
#include "verify/verifier.h"

namespace hookstream {
namespace {

constexpr char kUrl[] = "https://hooks.example.com/webhooks/bench";

struct Prepared {
  const provider::Provider* preset = nullptr;
  std::unique_ptr<verify::Verifier> verifier;
  verify::SignedRequest request;
  std::vector<provider::HeaderView> headers;
  absl::Time now = absl::FromUnixSeconds(1'730'000'000);

  provider::Request View() const {
    return {request.method, "/webhooks/bench", "https://hooks.example.com", headers, request.body, now};
  }
};

Prepared Prepare(benchmark::State& state, std::string_view preset, std::string secret, std::string body,
                 std::string content_type) {
  Prepared made;
  made.preset = provider::FindPreset(preset);
  const verify::Key key{.id = "bench", .secret = std::move(secret)};
  verify::SignInput input{.type = "payment_intent.succeeded",
                          .body = std::move(body),
                          .url = kUrl,
                          .now = made.now,
                          .id = "msg_1",
                          .content_type = std::move(content_type)};
  auto request = verify::Sign(*made.preset, key, input);
  auto verifier = verify::Verifier::Create(*made.preset, {key});
  if (!request.ok() || !verifier.ok()) {
    state.SkipWithError((request.ok() ? verifier.status() : request.status()).ToString().c_str());
    return made;
  }
  made.request = *std::move(request);
  made.verifier = *std::move(verifier);
  for (const auto& [name, value] : made.request.headers) made.headers.push_back({name, value});
  // What a provider's own sender adds.
  made.headers.push_back({"Host", "hooks.example.com"});
  made.headers.push_back({"User-Agent", "Provider/1.0"});
  made.headers.push_back({"Accept", "*/*"});
  return made;
}

void Verify(benchmark::State& state, std::string_view preset, std::string secret, std::string body,
            std::string content_type, bool extract) {
  const Prepared prepared = Prepare(state, preset, std::move(secret), std::move(body), std::move(content_type));
  if (prepared.verifier == nullptr) return;
  const provider::Request request = prepared.View();
  for (auto _ : state) {
    provider::Context context(request, prepared.preset->content);
    const verify::Verdict verdict = prepared.verifier->Verify(context, prepared.now);
    if (!verdict.ok) {
      state.SkipWithError("the request was refused");
      return;
    }
    if (extract) benchmark::DoNotOptimize(provider::Extract(*prepared.preset, context));
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * prepared.request.body.size()));
}

std::string FormBody() {
  std::string body =
      "MessageSid=SM1f0a8b&MessageStatus=delivered&AccountSid=AC0123&From=%2B14155550100&To=%2B14155550123&Body=";
  body.append(2048 - body.size(), 'x');
  return body;
}

constexpr char kJson[] = "application/json";
constexpr char kForm[] = "application/x-www-form-urlencoded";

BENCHMARK_CAPTURE(Verify, stripe, "stripe", "whsec_bench", bench::PaymentIntentBody("1"), kJson, false);
BENCHMARK_CAPTURE(Verify, github, "github", "bench", bench::PaymentIntentBody("1"), kJson, false);
BENCHMARK_CAPTURE(Verify, slack, "slack", "bench", bench::PaymentIntentBody("1"), kJson, false);
BENCHMARK_CAPTURE(Verify, standard_webhooks, "standard-webhooks", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                  bench::PaymentIntentBody("1"), kJson, false);
BENCHMARK_CAPTURE(Verify, twilio, "twilio", "bench", FormBody(), kForm, false);
BENCHMARK_CAPTURE(Verify, stripe_and_extract, "stripe", "whsec_bench", bench::PaymentIntentBody("1"), kJson, true);
BENCHMARK_CAPTURE(Verify, twilio_and_extract, "twilio", "bench", FormBody(), kForm, true);

}  // namespace
}  // namespace hookstream

BENCHMARK_MAIN();
