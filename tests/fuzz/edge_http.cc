// Bytes of a connection, through the reader and the webhook handler to ingest. The first byte says in which pieces they
// come. Checked: however the bytes are cut, the same requests come out (what ends them may be found sooner or later, and so
// have another name); every request is answered; nothing grows beyond its limit.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/log.h"
#include "edge/handlers.h"
#include "edge/request_reader.h"
#include "ingest/ingest.h"
#include "provider/loader.h"
#include "tests/support/fake_store.h"

namespace hookstream::edge {
namespace {

constexpr ReadLimits kLimits{.head_bytes_max = 2048, .head_lines_max = 20};
constexpr int64_t kBodyMax = 4096;

ingest::SourceConfig Source(std::string name, std::string_view yaml, bool verified) {
  auto preset = provider::LoadProvider(yaml, "fuzz.yaml");
  if (!preset.ok()) std::abort();
  ingest::SourceConfig source;
  source.name = std::move(name);
  source.preset = *std::move(preset);
  source.body_bytes_max = kBodyMax;
  source.verification_none = !verified;
  if (verified) source.keys = {{.id = "k", .secret = "secret"}};
  return source;
}

// Takes nothing in, so that a long run needs no memory.
struct Relay {
  Relay() {
    ConfigureLog(LogFormat::kText, LogLevel::kError);
    store.RefuseAppends(absl::ResourceExhaustedError("full"));
    std::vector<ingest::SourceConfig> sources;
    sources.push_back(Source("json", R"(
name: j
verify: {scheme: none}
event: {split: "/e/*", type: item/type, id: item/id, ordering_key: item1/k, attributes: {a: header.X-A, q: query.q}}
)", false));
    sources.push_back(Source("form", R"(
name: f
content: form.payload
verify: {scheme: none}
handshakes: [{when: {method: GET, query.mode: "*"}, verified: false, reply: {text: "{query.challenge}"}}]
event: {type: ["{json/a}[.{json/b}]", form.t], id: [form.id, json/id], time: {from: json/t, unit: s}}
)", false));
    sources.push_back(Source("signed", R"(
name: s
verify: {scheme: equal, signature: header.X-Token}
event: {type: json/type, id: json/id}
)", true));
    if (!ingest.ReplaceSources(std::move(sources)).ok()) std::abort();
  }

  SystemClock clock;
  metrics::Registry registry;
  testing::FakeStore store;
  ingest::Ingest ingest{{.public_url = "https://h", .instance = 1}, store, clock, registry};
  WebhookHandler handler{ingest};
};

std::vector<std::string> Run(Relay& relay, std::string_view bytes, size_t piece) {
  RequestReader reader(kLimits);
  std::vector<std::string> requests;
  bool read_body = false;
  for (;;) {
    switch (reader.Next()) {
      case RequestReader::Step::kMore: {
        if (bytes.empty()) return requests;
        const auto space = reader.Space();
        if (space.empty() || space.size() > std::max<size_t>(kLimits.head_bytes_max, kBodyMax)) std::abort();
        const size_t n = std::min({piece, bytes.size(), space.size()});
        std::memcpy(space.data(), bytes.data(), n);
        bytes.remove_prefix(n);
        reader.Filled(n);
        break;
      }
      case RequestReader::Step::kHead: {
        auto admitted = relay.handler.Admit(reader.head());
        read_body = std::holds_alternative<Handler::Wanted>(admitted);
        reader.ReadBody(read_body ? static_cast<uint64_t>(std::get<Handler::Wanted>(admitted).body_bytes_max) : 100);
        break;
      }
      case RequestReader::Step::kDone: {
        std::string body = reader.TakeBody();
        if (body.size() > kBodyMax) std::abort();
        std::string& request = requests.emplace_back();
        request.append(reader.head().method).append(" ").append(reader.head().target).append("\n");
        for (const Header& header : reader.head().headers) {
          request.append(header.name).append(":").append(header.value).append("\n");
        }
        request.append(body);
        if (read_body) {
          int answers = 0;
          relay.handler.Handle(reader.head(), std::move(body), [&answers](Response response) {
            ++answers;
            if (response.status < 200 || response.status > 599) std::abort();
          });
          if (answers != 1) std::abort();
        }
        reader.NextRequest();
        break;
      }
      case RequestReader::Step::kError:
        if (reader.error().status < 400 || reader.error().status > 499) std::abort();
        return requests;
    }
  }
}

}  // namespace
}  // namespace hookstream::edge

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static auto* const relay = new hookstream::edge::Relay;
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto whole = hookstream::edge::Run(*relay, bytes, bytes.size() + 1);
  const auto pieces = hookstream::edge::Run(*relay, bytes, size_t{1} + data[0] % 64);
  if (whole != pieces) std::abort();
  return 0;
}
