#include "app/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "base/units.h"

namespace hookstream::app {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

struct Parsed {
  Config config;
  std::vector<std::string> errors;
  std::vector<std::string> warnings;
};

Parsed Parse(const std::string& text, const std::string& folder = "/etc/hookstream") {
  Parsed parsed;
  Problems problems("relay.yaml");
  ParseConfig(text, folder, problems, parsed.config);
  parsed.errors = problems.Errors();
  parsed.warnings = problems.Warnings();
  return parsed;
}

constexpr char kStore[] = "store: {data_dir: data}\n";

std::vector<std::string> ErrorsOf(const std::string& text) { return Parse(absl::StrCat(kStore, text)).errors; }

TEST(ConfigTest, TakesDefaultsForWhatIsNotSaid) {
  const Parsed parsed = Parse(kStore);
  EXPECT_THAT(parsed.errors, IsEmpty());
  EXPECT_EQ(parsed.config.http.listen.Text(), "0.0.0.0:8080");
  EXPECT_EQ(parsed.config.grpc.listen.Text(), "127.0.0.1:9090");
  EXPECT_EQ(parsed.config.http.max_body, 25 << 20);
  EXPECT_EQ(parsed.config.http.max_buffered_bytes, 256 << 20);
  EXPECT_EQ(parsed.config.store.data_dir, "/etc/hookstream/data");
  EXPECT_EQ(parsed.config.store.retention_age, absl::Hours(168));
}

TEST(ConfigTest, ReadsEverySection) {
  ::setenv("HOOKSTREAM_TEST_SECRET", "whsec_env", 1);
  const Parsed parsed = Parse(R"(
http: {listen: "[::1]:0", public_url: "https://hooks.example.com/", max_body: 2MiB, timeouts: {idle: 5s, head: 500ms}}
grpc: {listen: "127.0.0.1:0", max_streams: 5}
admin: {listen: "localhost:0"}
store: {engine: embedded, data_dir: /var/lib/hookstream, retention: {age: 7d, bytes: 20GiB}, max_bytes: 50GiB}
sources:
  - name: stripe-live
    provider: stripe
    keys: [{id: "2026-11", env: HOOKSTREAM_TEST_SECRET}, {id: old, inline: whsec_old, not_after: 2026-12-01T00:00:00Z}]
    dedupe_window: 72h
    rate_limit: 500/s
subscriptions:
  - {name: billing, filter: 'provider == "stripe"', ack_deadline: 45s, max_attempts: 0, retry: {min_backoff: 100ms}, start: earliest}
schemas: [{file: acme.binpb, events: [{message: acme.v1.Order, provider: acme, types: ["order.*", refund]}]}]
providers: [{path: presets}]
log: {format: json, level: warning}
shutdown: {grace: 1m30s}
)");
  EXPECT_THAT(parsed.errors, IsEmpty());
  EXPECT_THAT(parsed.warnings, IsEmpty()) << "an inline secret is fine on loopback";
  const Config& config = parsed.config;
  EXPECT_EQ(config.http.listen.host, "::1");
  EXPECT_EQ(config.http.listen.Text(), "[::1]:0");
  EXPECT_EQ(config.http.public_url, "https://hooks.example.com");
  EXPECT_EQ(config.http.head_timeout, absl::Milliseconds(500));
  ASSERT_EQ(config.sources.size(), 1U);
  const SourceConfig& source = config.sources[0];
  ASSERT_EQ(source.keys.size(), 2U);
  EXPECT_EQ(source.keys[0].secret, "whsec_env");
  EXPECT_EQ(source.keys[1].not_after, absl::FromUnixSeconds(1796083200));
  EXPECT_EQ(source.rate_limit, 500);
  ASSERT_EQ(config.subscriptions.size(), 1U);
  const v1::Subscription& spec = config.subscriptions[0].spec;
  EXPECT_EQ(spec.ack_deadline().seconds(), 45);
  EXPECT_TRUE(spec.has_max_attempts());
  EXPECT_EQ(spec.max_attempts(), 0);
  EXPECT_EQ(spec.retry().min_backoff().nanos(), 100'000'000);
  EXPECT_TRUE(spec.start().earliest());
  EXPECT_EQ(config.schemas[0].path, "/etc/hookstream/acme.binpb");
  ASSERT_EQ(config.schemas[0].events.size(), 1u);
  EXPECT_EQ(config.schemas[0].events[0].message, "acme.v1.Order");
  EXPECT_EQ(config.schemas[0].events[0].provider, "acme");
  EXPECT_THAT(config.schemas[0].events[0].types, ::testing::ElementsAre("order.*", "refund"));
  EXPECT_EQ(config.log.format, LogFormat::kJson);
  EXPECT_EQ(config.shutdown_grace, absl::Seconds(90));
}

TEST(ConfigTest, NamesThePlaceOfAnUnknownKeyAndWhatWasMeant) {
  EXPECT_THAT(ErrorsOf("http:\n  public_ulr: https://a.example\n"),
              ElementsAre("relay.yaml:3:3: unknown key 'http.public_ulr'; did you mean 'public_url'?"));
  EXPECT_THAT(ErrorsOf("sources:\n  - name: a\n    provider: stripe\n    key: []\n"),
              ElementsAre("relay.yaml:5:5: unknown key 'sources[0].key'; did you mean 'keys'?"));
  EXPECT_THAT(ErrorsOf("x: &a {level: info}\nlog: {<<: *a}\n"),
              testing::Contains(HasSubstr("merge keys are not supported")));
}

TEST(ConfigTest, RefusesAKeyThatIsGivenTwice) {
  EXPECT_THAT(ErrorsOf("log: {level: info}\nlog: {level: debug}\n"),
              ElementsAre("relay.yaml:3:1: 'log' is given twice; it is first on line 2"));
}

TEST(ConfigTest, ReportsEverythingThatIsWrongNotOnlyTheFirst) {
  EXPECT_THAT(
      ErrorsOf("http: {listen: nowhere, max_body: 5}\nlog: {level: loud}\nsources: [{name: A B}]\n"),
      ElementsAre(HasSubstr("2:16: http.listen: 'nowhere' is no address"), HasSubstr("http.max_body: '5' is no size"),
                  HasSubstr("log.level: must be one of debug, info, warning, error, not 'loud'"),
                  HasSubstr("sources[0].provider: is missing"), HasSubstr("sources[0].name: must be 1 to 63")));
}

TEST(ConfigTest, RefusesValuesOfTheWrongKind) {
  EXPECT_THAT(ErrorsOf("http: 3\n"), ElementsAre(HasSubstr("http must be a mapping, not a single value")));
  EXPECT_THAT(ErrorsOf("sources: {name: a}\n"), ElementsAre(HasSubstr("sources: must be a list, not a mapping")));
  EXPECT_THAT(ErrorsOf("log: {level: [info]}\n"), ElementsAre(HasSubstr("must be a single value")));
  EXPECT_THAT(ErrorsOf("http: {max_connections: 010}\n"), ElementsAre(HasSubstr("not '010'")));
  EXPECT_THAT(ErrorsOf("http: {max_connections: 0x10}\n"), ElementsAre(HasSubstr("not '0x10'")));
  EXPECT_THAT(ErrorsOf("shutdown: {grace: 30}\n"), ElementsAre(HasSubstr("write a whole number with a unit")));
  EXPECT_THAT(ErrorsOf("shutdown: {grace: 2h}\n"), ElementsAre(HasSubstr("must be a duration, 0s to 1h, not 2h")));
  EXPECT_THAT(ErrorsOf("subscriptions: [{name: a, retry: {jitter: 2}}]\n"),
              ElementsAre(HasSubstr("must be a number, 0 to 1")));
}

TEST(ConfigTest, NamesTheLineOfASyntaxError) {
  EXPECT_THAT(Parse("http: {listen: \n").errors, ElementsAre(StartsWith("relay.yaml:2:1: ")));
  EXPECT_THAT(Parse("").errors, ElementsAre(HasSubstr("is empty")));
  EXPECT_THAT(Parse("a: 1\n---\nb: 1\n").errors, ElementsAre(HasSubstr("several documents")));
  EXPECT_THAT(Parse("- a\n").errors, testing::Contains(HasSubstr("the file must be a mapping, not a list")));
}

TEST(ConfigTest, SaysThatSomethingIsNotSupportedRatherThanUnknown) {
  EXPECT_THAT(ErrorsOf("http: {tls: {cert: a, key: b}}\n"),
              ElementsAre(HasSubstr("http.tls: is not supported by this version")));
  EXPECT_THAT(Parse("store: {engine: jetstream, data_dir: x}\n").errors,
              ElementsAre(HasSubstr("jetstream is not supported")));
}

TEST(ConfigTest, ReadsSecretsFromFilesWithoutTheLineBreak) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / absl::StrCat("hookstream-config-", ::getpid());
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "secret") << "s3cret \n";
  std::ofstream(folder / "empty") << "\n";
  const Parsed parsed =
      Parse(absl::StrCat(kStore, "sources: [{name: a, provider: github, keys: [{file: secret}]}]\n"), folder.string());
  EXPECT_THAT(parsed.errors, IsEmpty());
  EXPECT_EQ(parsed.config.sources[0].keys[0].secret, "s3cret ") << "only the line break goes";
  EXPECT_EQ(parsed.config.sources[0].keys[0].id, "key-1");
  EXPECT_THAT(
      Parse(absl::StrCat(kStore, "sources: [{name: a, provider: github, keys: [{file: empty}, {file: gone}]}]\n"),
            folder.string())
          .errors,
      ElementsAre(HasSubstr("empty' is empty"), HasSubstr("No such file")));
  std::filesystem::remove_all(folder);
}

TEST(ConfigTest, WantsExactlyOneSecretAKey) {
  EXPECT_THAT(ErrorsOf("sources: [{name: a, provider: github, keys: [{id: x}]}]\n"),
              ElementsAre(HasSubstr("has no secret")));
  EXPECT_THAT(ErrorsOf("sources: [{name: a, provider: github, keys: [{env: X, inline: y}]}]\n"),
              ElementsAre(HasSubstr("several secrets")));
  EXPECT_THAT(ErrorsOf("sources: [{name: a, provider: github, keys: [{env: HOOKSTREAM_NOT_THERE}]}]\n"),
              ElementsAre(HasSubstr("HOOKSTREAM_NOT_THERE is not set")));
}

TEST(ConfigTest, WarnsOfAnInlineSecretOnAnOpenPortAndNeverShowsIt) {
  const Parsed parsed = Parse(absl::StrCat(kStore, "sources: [{name: a, provider: github, keys: [{inline: hush}]}]\n"));
  EXPECT_THAT(parsed.errors, IsEmpty());
  EXPECT_THAT(parsed.warnings, ElementsAre(AllOf(HasSubstr("use env: or file:"), testing::Not(HasSubstr("hush")))));
}

TEST(ConfigTest, RefusesTheSameNameTwice) {
  EXPECT_THAT(
      ErrorsOf("sources: [{name: a, provider: x, verification: none}, {name: a, provider: x, verification: none}]\n"),
      ElementsAre(HasSubstr("'a' is the name of another source")));
  EXPECT_THAT(ErrorsOf("subscriptions: [{name: a}, {name: a}]\n"),
              ElementsAre(HasSubstr("'a' is the name of another subscription")));
}

TEST(ConfigTest, RefusesLimitsThatDoNotFitEachOther) {
  EXPECT_THAT(ErrorsOf("http: {max_body: 100MiB}\n"), ElementsAre(HasSubstr("store.max_queue_bytes is smaller")));
  EXPECT_THAT(ErrorsOf("http: {max_body: 2MiB, max_buffered_bytes: 2MiB}\n"), IsEmpty());
  EXPECT_THAT(ErrorsOf("http:\n  max_body: 2MiB\n  max_buffered_bytes: 2047KiB\n"),
              ElementsAre("relay.yaml:4:23: http.max_buffered_bytes: is smaller than http.max_body: the largest body "
                          "could never be read"));
  EXPECT_THAT(Parse("store: {data_dir: d, max_bytes: 1GiB}\n").errors,
              ElementsAre(HasSubstr("store.max_bytes is smaller")));
  EXPECT_THAT(ErrorsOf("sources: [{name: a, provider: x, verification: none, max_body: 30MiB}]\n"),
              ElementsAre(HasSubstr("max_body is larger than http.max_body")));
}

TEST(ConfigTest, ParsesDurationsAndSizesAndWritesThemBack) {
  for (const char* text : {"500ms", "30s", "5m", "72h", "7d"}) EXPECT_EQ(DurationText(*ParseDurationText(text)), text);
  EXPECT_EQ(*ParseDurationText("1h30m"), absl::Minutes(90));
  for (const char* text : {"", "s", "1", "1x", "-1s", "1.5s", "01s", "99999999999d", "1s "})
    EXPECT_FALSE(ParseDurationText(text).ok()) << text;
  for (const char* text : {"512B", "64KiB", "25MiB", "20GiB", "1TiB"})
    EXPECT_EQ(BytesText(*ParseBytesText(text)), text);
  EXPECT_EQ(*ParseBytesText("5MB"), 5'000'000);
  for (const char* text : {"", "1", "MiB", "1.5MiB", "-1B", "99999999TiB", "1mib"})
    EXPECT_FALSE(ParseBytesText(text).ok()) << text;
}

TEST(ConfigTest, ReadsWhereOutboundRequestsGo) {
  const Parsed parsed = Parse(absl::StrCat(kStore, R"(
outbound:
  timeout: 2s
  max_response: 64KiB
  resolve: {SNS.us-east-1.amazonaws.com: "10.0.0.7:8443", api.paypal.com: "[fd00::7]:443"}
)"));
  EXPECT_THAT(parsed.errors, IsEmpty());
  const Config::Outbound& outbound = parsed.config.outbound;
  EXPECT_EQ(outbound.timeout, absl::Seconds(2));
  EXPECT_EQ(outbound.max_response, 64 << 10);
  ASSERT_EQ(outbound.resolve.size(), 2U);
  EXPECT_EQ(outbound.resolve.at("sns.us-east-1.amazonaws.com").Text(), "10.0.0.7:8443");
  EXPECT_EQ(outbound.resolve.at("api.paypal.com").Text(), "[fd00::7]:443");
}

TEST(ConfigTest, RefusesOutboundHostsAndAddressesThatAreNone) {
  EXPECT_THAT(ErrorsOf("outbound: {resolve: {localhost: \"127.0.0.1:443\"}}\n"),
              ElementsAre(HasSubstr("2:33: outbound.resolve.localhost: the host is a name of one label")));
  EXPECT_THAT(ErrorsOf("outbound: {resolve: {a.example: \"gateway:443\"}}\n"),
              ElementsAre(HasSubstr("outbound.resolve.a.example: 'gateway:443' is no IP address and port")));
  EXPECT_THAT(ErrorsOf("outbound: {resolve: {a.example: [\"127.0.0.1:443\"]}}\n"),
              ElementsAre(HasSubstr("must be a single value (address:port), not a list")));
  EXPECT_THAT(ErrorsOf("outbound: {resolve: {a.example: \"127.0.0.1:1\", A.example: \"127.0.0.1:2\"}}\n"),
              ElementsAre(HasSubstr("outbound.resolve.A.example: is given twice")));
  EXPECT_THAT(ErrorsOf("outbound: {ca_file: gone.pem}\n"),
              ElementsAre(HasSubstr("outbound.ca_file: '/etc/hookstream/gone.pem' is no readable PEM file")));
  EXPECT_THAT(ErrorsOf("outbound: {timeout: 10m}\n"), ElementsAre(HasSubstr("must be a duration, 100ms to 1m")));
}

// The page is for people; this keeps it true.
TEST(ConfigTest, DocumentationHasEveryKeyWithItsKindAndDefault) {
  std::ifstream file(HOOKSTREAM_DOCS "/configuration.md");
  std::stringstream page;
  page << file.rdbuf();
  for (const KnownKey& key : KnownConfigKeys()) {
    const std::string row = absl::StrCat("| `", key.path, "` | ", key.kind, " | ",
                                         key.value.empty() ? "" : absl::StrCat("`", key.value, "` "), "|");
    EXPECT_THAT(page.str(), HasSubstr(row));
  }
}

}  // namespace
}  // namespace hookstream::app
