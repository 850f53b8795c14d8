// How long does it take to type a webhook, beside parsing it and beside Protobuf's own JSON reader? On payloads in the
// size of GitHub's documentation: a push of 7 KB, a pull_request of 21 KB; and a Stripe event, a Twilio form.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "google/protobuf/dynamic_message.h"
#include "google/protobuf/util/json_util.h"
#include "simdjson.h"
#include "typing/converter.h"
#include "typing/registry.h"

namespace hookstream::typing {
namespace {

const Registry& BuiltIn() {
  static const auto* const registry = new std::shared_ptr<const Registry>(Registry::Build().value());
  return **registry;
}

struct Payload {
  std::string name;
  std::string provider;
  std::string type;
  ContentKind kind;
  std::string body;
};

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    std::fprintf(stderr, "can't read %s\n", path.c_str());
    std::exit(1);
  }
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void BM_Convert(benchmark::State& state, const Payload& payload) {
  Converter converter;
  Typed typed;
  for (auto _ : state) {
    typed = converter.Convert(BuiltIn(), payload.provider, payload.type, payload.kind, payload.body);
    benchmark::DoNotOptimize(typed.wire.data());
  }
  if (typed.status != TypedStatus::kFull) state.SkipWithError("not fully typed");
  state.counters["body_bytes"] = static_cast<double>(payload.body.size());
  state.counters["wire_bytes"] = static_cast<double>(typed.wire.size());
}

void BM_ParseAlone(benchmark::State& state, const Payload& payload) {
  simdjson::dom::parser parser;
  const simdjson::padded_string padded(payload.body);
  for (auto _ : state) benchmark::DoNotOptimize(parser.parse(padded).error());
}

void BM_ProtobufJson(benchmark::State& state, const Payload& payload) {
  const Typed typed = Convert(BuiltIn(), payload.provider, payload.type, payload.kind, payload.body);
  google::protobuf::DynamicMessageFactory factory;
  const std::unique_ptr<google::protobuf::Message> message(
      factory.GetPrototype(BuiltIn().FindMessage(typed.message))->New());
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  for (auto _ : state) {
    message->Clear();
    benchmark::DoNotOptimize(google::protobuf::util::JsonStringToMessage(payload.body, message.get(), options).ok());
  }
}

void BM_BuildRegistry(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(Registry::Build().value());
}
BENCHMARK(BM_BuildRegistry)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace hookstream::typing

int main(int argc, char** argv) {
  using namespace hookstream::typing;
  const std::string data = std::string(HOOKSTREAM_TEST_DATA) + "/";
  static std::vector<Payload> payloads;
  payloads.push_back({"github_push", "github", "push", ContentKind::kJson, ReadFile(data + "github/push.json")});
  payloads.push_back({"github_pull_request", "github", "pull_request.opened", ContentKind::kJson,
                      ReadFile(data + "github/pull_request.json")});
  payloads.push_back({"stripe_payment_intent", "stripe", "payment_intent.succeeded", ContentKind::kJson,
                      ReadFile(data + "stripe/payment_intent.succeeded.json")});
  payloads.push_back({"twilio_status", "twilio", "message.delivered", ContentKind::kForm,
                      ReadFile(data + "twilio/message.delivered.form")});
  for (const Payload& payload : payloads) {
    benchmark::RegisterBenchmark(("convert/" + payload.name).c_str(), BM_Convert, payload);
    if (payload.kind != ContentKind::kJson) continue;
    benchmark::RegisterBenchmark(("parse_alone/" + payload.name).c_str(), BM_ParseAlone, payload);
    benchmark::RegisterBenchmark(("protobuf_json/" + payload.name).c_str(), BM_ProtobufJson, payload);
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
