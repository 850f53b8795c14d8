// Every handshake of the built-in presets over HTTP: the exact request, the exact reply. They are counted, and nothing
// is stored.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <regex>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/support/process/process.h"

namespace hookstream::testing {
namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;

// ---- The wire ------------------------------------------------------------------------------------------------------

struct Request {
  std::string method = "POST";
  std::string source{};
  std::string query{};  // with its question mark
  Headers headers{};
  std::string body{};
};

struct Reply {
  int status = 0;
  Headers headers{};  // besides Date, Connection and Content-Length
  std::string body{};
};

// Sends it on a connection of its own and reads to the end, so that not a byte is missed. Status 0: no whole answer.
Reply Send(int port, const Request& request) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval limit{.tv_sec = 30, .tv_usec = 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string text;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    std::string out = absl::StrCat(
        request.method, " /webhooks/", request.source, request.query,
        " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: ", request.body.size(), "\r\n");
    for (const auto& [name, value] : request.headers) absl::StrAppend(&out, name, ": ", value, "\r\n");
    absl::StrAppend(&out, "\r\n", request.body);
    if (send(fd, out.data(), out.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(out.size())) {
      std::array<char, 4096> buffer;
      for (ssize_t n = 0; (n = recv(fd, buffer.data(), buffer.size(), 0)) > 0;) text.append(buffer.data(), n);
    }
  }
  close(fd);

  Reply reply;
  const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits("\r\n\r\n", 1));
  reply.body = parts.second;
  std::vector<std::string> lines = absl::StrSplit(parts.first, "\r\n");
  if (!absl::SimpleAtoi(lines[0].substr(std::min<size_t>(lines[0].size(), 9), 3), &reply.status)) return reply;
  lines.erase(lines.begin());
  for (const std::string& line : lines) {
    const std::pair<std::string, std::string> header = absl::StrSplit(line, absl::MaxSplits(": ", 1));
    if (header.first == "Content-Length") {
      EXPECT_EQ(header.second, absl::StrCat(reply.body.size())) << text;
    } else if (header.first != "Date" && header.first != "Connection") {
      reply.headers.push_back(header);
    }
  }
  return reply;
}

// ---- What the provider signs, told apart from the relay's own code
// ---------------------------------------------------

std::string Mac(const EVP_MD* hash, std::string_view key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes;
  unsigned int size = 0;
  HMAC(hash, key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()), text.size(),
       bytes.data(), &size);
  return {reinterpret_cast<const char*>(bytes.data()), size};
}
std::string Hex(const std::string& bytes) { return absl::BytesToHexString(bytes); }
std::string HexMac(std::string_view key, std::string_view text) { return Hex(Mac(EVP_sha256(), key, text)); }
std::string Base64Mac(std::string_view key, std::string_view text) {
  return absl::Base64Escape(Mac(EVP_sha256(), key, text));
}

std::string Sha1(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes;
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), bytes.data(), &size, EVP_sha1(), nullptr);
  return {reinterpret_cast<const char*>(bytes.data()), size};
}

// Discord's private key, and the public one for the configuration.
struct Ed25519 {
  Ed25519() {
    const std::string seed(32, 'd');
    key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, reinterpret_cast<const unsigned char*>(seed.data()),
                                       seed.size());
  }
  ~Ed25519() { EVP_PKEY_free(key); }
  Ed25519(const Ed25519&) = delete;
  Ed25519& operator=(const Ed25519&) = delete;

  std::string Public() const {
    std::string bytes(32, '\0');
    size_t size = bytes.size();
    EVP_PKEY_get_raw_public_key(key, reinterpret_cast<unsigned char*>(bytes.data()), &size);
    return Hex(bytes);
  }
  std::string Sign(const std::string& text) const {
    std::string bytes(64, '\0');
    size_t size = bytes.size();
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    EVP_DigestSignInit(context, nullptr, nullptr, nullptr, key);
    EVP_DigestSign(context, reinterpret_cast<unsigned char*>(bytes.data()), &size,
                   reinterpret_cast<const unsigned char*>(text.data()), text.size());
    EVP_MD_CTX_free(context);
    return Hex(bytes);
  }

  EVP_PKEY* key;
};

std::string Certificates(std::string_view name) {
  return absl::StrCat(HOOKSTREAM_INTEGRATION, "/certificates/", absl::string_view(name.data(), name.size()), ".pem");
}

// By the key whose certificate the source has, or by another.
std::string RsaSign(const std::string& file, const std::string& text) {
  const std::string pem = ReadFile(file);
  BIO* const bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  EVP_PKEY* const key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  EVP_MD_CTX* const context = EVP_MD_CTX_new();
  std::string bytes(512, '\0');
  size_t size = bytes.size();
  EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key);
  EVP_DigestSign(context, reinterpret_cast<unsigned char*>(bytes.data()), &size,
                 reinterpret_cast<const unsigned char*>(text.data()), text.size());
  EVP_MD_CTX_free(context);
  EVP_PKEY_free(key);
  return absl::Base64Escape(bytes.substr(0, size));
}

// ---- The table -----------------------------------------------------------------------------------------------------

enum class Outcome { kHandshake, kAccepted, kRefused };

struct Exchange {
  std::string name{};
  Request request{};
  Outcome outcome = Outcome::kHandshake;
  Reply reply{};
  int events = 0;  // stored by it
};

constexpr char kSecret[] = "secret";
constexpr char kOther[] = "another";
constexpr char kBraintreeChallenge[] = "20f9f8ed05f77439fe955c977e4c8a53";

const Headers kPlain = {{"Content-Type", "text/plain; charset=utf-8"}};
const Headers kJson = {{"Content-Type", "application/json"}};
const Reply kEmpty = {.status = 200, .headers = {}, .body = ""};
const Reply kForbidden = {.status = 403, .headers = {}, .body = ""};
const Reply kUnauthorized = {
    .status = 401,
    .headers = kJson,
    .body =
        R"({"error":{"code":"signature_invalid","message":"the request's signature or credential is not accepted"}})"};

// An exchange that succeeds, and the same with a credential that is wrong.
struct Pair {
  std::string name{};
  std::function<Request(const std::string& key)> request{};
  Reply reply{};
  Outcome outcome = Outcome::kHandshake;
  int events = 0;
  Reply refusal = kUnauthorized;
};

std::vector<Exchange> Expand(const std::vector<Pair>& pairs, std::vector<Exchange> more) {
  std::vector<Exchange> exchanges;
  for (const Pair& pair : pairs) {
    exchanges.push_back({pair.name, pair.request(kSecret), pair.outcome, pair.reply, pair.events});
    exchanges.push_back(
        {absl::StrCat(pair.name, ", by a wrong credential"), pair.request(kOther), Outcome::kRefused, pair.refusal});
  }
  exchanges.insert(exchanges.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  return exchanges;
}

std::vector<Exchange> Exchanges(const Ed25519& discord) {
  const absl::Time now = absl::Now();
  const std::string seconds = absl::StrCat(absl::ToUnixSeconds(now));
  const std::string rfc3339 = absl::FormatTime("%Y-%m-%d%ET%H:%M:%E9SZ", now, absl::UTCTimeZone());
  const std::string azure = R"([{"id":"1","data":{"validationCode":"512d38b6-c7b8-40c8-89fe-f46f9e9622b6"}}])";
  const std::string terraform =
      R"({"payload_version":1,"run_id":null,"notifications":[{"message":"Verification","trigger":"verification"}]})";
  const Headers allowed = {
      {"WebHook-Allowed-Origin", "eventemitter.example.com"}, {"WebHook-Allowed-Rate", "*"}, {"Allow", "POST"}};
  const Headers origin = {{"WebHook-Request-Origin", "eventemitter.example.com"}, {"WebHook-Request-Rate", "120"}};

  const std::vector<Pair> pairs = {
      {.name = "slack url_verification",
       .request =
           [=](const std::string& key) {
             const std::string body = R"({"token":"t","challenge":"3eZbrw1aBm2rZgRNFdxV","type":"url_verification"})";
             return Request{.source = "slack",
                            .headers = {{"X-Slack-Request-Timestamp", seconds},
                                        {"X-Slack-Signature",
                                         absl::StrCat("v0=", HexMac(key, absl::StrCat("v0:", seconds, ":", body)))}},
                            .body = body};
           },
       .reply = {200, kPlain, "3eZbrw1aBm2rZgRNFdxV"}},
      {.name = "zoom endpoint.url_validation",
       .request =
           [=](const std::string& key) {
             const std::string body =
                 R"({"event":"endpoint.url_validation","payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"},"event_ts":1})";
             return Request{.source = "zoom",
                            .headers = {{"x-zm-request-timestamp", seconds},
                                        {"x-zm-signature",
                                         absl::StrCat("v0=", HexMac(key, absl::StrCat("v0:", seconds, ":", body)))}},
                            .body = body};
           },
       .reply = {200, kJson,
                 absl::StrCat(R"({"plainToken":"qgg8vlvZRS6UYooatFL8Aw","encryptedToken":")",
                              HexMac(kSecret, "qgg8vlvZRS6UYooatFL8Aw"), "\"}")}},
      {.name = "discord PING of events",
       .request =
           [&, seconds](const std::string& key) {
             const std::string body = R"({"version":1,"application_id":"1234560123453231555","type":0})";
             return Request{.source = "discord",
                            .headers = {{"X-Signature-Timestamp", seconds},
                                        {"X-Signature-Ed25519",
                                         discord.Sign(absl::StrCat(seconds, body, key == kSecret ? "" : "x"))}},
                            .body = body};
           },
       .reply = {204, kJson, ""}},
      {.name = "discord PING of interactions",
       .request =
           [&, seconds](const std::string& key) {
             const std::string body = R"({"id":"1","application_id":"2","type":1,"token":"t","version":1})";
             return Request{.source = "discord",
                            .headers = {{"X-Signature-Timestamp", seconds},
                                        {"X-Signature-Ed25519",
                                         discord.Sign(absl::StrCat(seconds, body, key == kSecret ? "" : "x"))}},
                            .body = body};
           },
       .reply = {200, kJson, R"({"type":1})"}},
      {.name = "okta one-time verification",
       .request =
           [](const std::string& key) {
             return Request{.method = "GET",
                            .source = "okta",
                            .headers = {{"Authorization", key}, {"x-okta-verification-challenge", "abc 123"}}};
           },
       .reply = {200, kJson, R"({"verification":"abc 123"})"}},
      {.name = "azure-event-grid validation",
       .request =
           [=](const std::string& key) {
             return Request{.source = "azure-event-grid",
                            .query = absl::StrCat("?code=", key),
                            .headers = {{"aeg-event-type", "SubscriptionValidation"}},
                            .body = azure};
           },
       .reply = {200, kJson, R"({"validationResponse":"512d38b6-c7b8-40c8-89fe-f46f9e9622b6"})"}},
      {.name = "azure-event-grid OPTIONS",
       .request =
           [=](const std::string& key) {
             return Request{.method = "OPTIONS",
                            .source = "azure-event-grid",
                            .query = absl::StrCat("?code=", key),
                            .headers = origin};
           },
       .reply = {200, allowed, ""}},
      {.name = "xero intent to receive",
       .request =
           [](const std::string& key) {
             const std::string body =
                 R"({"events":[],"firstEventSequence":0,"lastEventSequence":0,"entropy":"S0m3r4N"})";
             return Request{.source = "xero", .headers = {{"x-xero-signature", Base64Mac(key, body)}}, .body = body};
           },
       .reply = kEmpty,
       .outcome = Outcome::kAccepted,
       .refusal = {401, {}, ""}},
      {.name = "twitch webhook_callback_verification",
       .request =
           [=](const std::string& key) {
             const std::string body = R"({"challenge":"pogchamp-kappa-360noscope-vohiyo","subscription":{"id":"1"}})";
             return Request{
                 .source = "twitch",
                 .headers = {{"Twitch-Eventsub-Message-Id", "e76c6bd4"},
                             {"Twitch-Eventsub-Message-Timestamp", rfc3339},
                             {"Twitch-Eventsub-Message-Type", "webhook_callback_verification"},
                             {"Twitch-Eventsub-Message-Signature",
                              absl::StrCat("sha256=", HexMac(key, absl::StrCat("e76c6bd4", rfc3339, body)))}},
                 .body = body};
           },
       .reply = {200, {{"Content-Type", "text/plain"}}, "pogchamp-kappa-360noscope-vohiyo"}},
      {.name = "mailchimp GET",
       .request =
           [](const std::string& key) {
             return Request{.method = "GET", .source = "mailchimp", .query = absl::StrCat("?token=", key)};
           },
       .reply = kEmpty},
      {.name = "figma PING",
       .request =
           [](const std::string& key) {
             return Request{
                 .source = "figma",
                 .body = absl::StrCat(R"({"event_type":"PING","passcode":")", key, R"(","webhook_id":"22"})")};
           },
       .reply = kEmpty},
      {.name = "terraform-cloud verification",
       .request =
           [=](const std::string& key) {
             return Request{.source = "terraform-cloud",
                            .headers = {{"X-TFE-Notification-Signature", Hex(Mac(EVP_sha512(), key, terraform))}},
                            .body = terraform};
           },
       .reply = kEmpty},
      {.name = "intercom ping",
       .request =
           [](const std::string& key) {
             const std::string body = R"({"type":"notification_event","topic":"ping","id":null})";
             return Request{.source = "intercom",
                            .headers = {{"X-Hub-Signature", absl::StrCat("sha1=", Hex(Mac(EVP_sha1(), key, body)))}},
                            .body = body};
           },
       .reply = kEmpty},
      // What SNS has signed may still name any address: only SNS's own is asked.
      {.name = "aws-sns SubscriptionConfirmation that leads elsewhere",
       .request =
           [](const std::string& key) {
             const std::string text =
                 "Message\nm\nMessageId\n1\nSubscribeURL\nhttps://example.com/?Action=ConfirmSubscription\nTimestamp\n"
                 "2026-01-01T00:00:00.000Z\nToken\nt\nTopicArn\narn:aws:sns:us-east-1:1:"
                 "a\nType\nSubscriptionConfirmation\n";
             const std::string signature = RsaSign(Certificates(key == kSecret ? "key" : "other_key"), text);
             return Request{
                 .source = "aws-sns",
                 .headers = {{"Content-Type", "text/plain; charset=UTF-8"}},
                 .body = absl::StrCat(
                     R"({"Type":"SubscriptionConfirmation","MessageId":"1","Token":"t","Message":"m",)",
                     R"("TopicArn":"arn:aws:sns:us-east-1:1:a","Timestamp":"2026-01-01T00:00:00.000Z",)",
                     R"("SubscribeURL":"https://example.com/?Action=ConfirmSubscription","SignatureVersion":"2",)",
                     R"("SigningCertURL":"https://sns.us-east-1.amazonaws.com/a.pem","Signature":")", signature,
                     "\"}")};
           },
       .reply = {400, {}, ""}},
      // GitHub's is an event as others are, and has a type of its own.
      {.name = "github ping",
       .request =
           [](const std::string& key) {
             const std::string body = R"({"zen":"Half measures are as bad as nothing at all.","hook_id":1})";
             return Request{.source = "github",
                            .headers = {{"X-GitHub-Event", "ping"},
                                        {"X-GitHub-Delivery", "72d3162e"},
                                        {"X-Hub-Signature-256", absl::StrCat("sha256=", HexMac(key, body))}},
                            .body = body};
           },
       .reply = {200, kJson, R"({"id":"EVENT","status":"accepted"})"},
       .outcome = Outcome::kAccepted,
       .events = 1},
      {.name = "line verification, which is an empty list",
       .request =
           [](const std::string& key) {
             const std::string body = R"({"destination":"xxxxxxxxxx","events":[]})";
             return Request{.source = "line", .headers = {{"x-line-signature", Base64Mac(key, body)}}, .body = body};
           },
       .reply = {200, kJson, R"({"ids":[],"status":"accepted"})"},
       .outcome = Outcome::kAccepted},
      {.name = "asana heartbeat, which is an empty list",
       .request =
           [](const std::string& key) {
             const std::string body = R"({"events":[]})";
             return Request{.source = "asana", .headers = {{"X-Hook-Signature", HexMac(key, body)}}, .body = body};
           },
       .reply = {200, kJson, R"({"ids":[],"status":"accepted"})"},
       .outcome = Outcome::kAccepted},
  };

  std::vector<Exchange> unsigned_ones = {
      {.name = "meta subscribe",
       .request = {.method = "GET",
                   .source = "meta",
                   .query = "?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=my%20token"},
       .reply = {200, kPlain, "1158201444"}},
      {.name = "meta subscribe, with a wrong token",
       .request = {.method = "GET",
                   .source = "meta",
                   .query = "?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=mytoken"},
       .reply = kForbidden},
      {.name = "meta subscribe, without a token",
       .request = {.method = "GET", .source = "meta", .query = "?hub.mode=subscribe&hub.challenge=1158201444"},
       .reply = kForbidden},
      {.name = "meta, another mode",
       .request = {.method = "GET",
                   .source = "meta",
                   .query = "?hub.mode=unsubscribe&hub.challenge=1158201444&hub.verify_token=my%20token"},
       .outcome = Outcome::kRefused,
       .reply = kUnauthorized},
      {.name = "twitter-x CRC",
       .request = {.method = "GET", .source = "twitter-x", .query = "?crc_token=foo-bar"},
       .reply = {200, kJson, absl::StrCat(R"({"response_token":"sha256=)", Base64Mac(kSecret, "foo-bar"), "\"}")}},
      {.name = "twitter-x, a GET without a token",
       .request = {.method = "GET", .source = "twitter-x"},
       .outcome = Outcome::kRefused,
       .reply = kUnauthorized},
      // The reply is made with the key that signs events, so not every text gets one.
      {.name = "twitter-x, a token that could be an event",
       .request = {.method = "GET", .source = "twitter-x", .query = "?crc_token=%7B%22for_user_id%22%3A%221%22%7D"},
       .reply = kForbidden},
      {.name = "twitter-x, a token as an event",
       .request = {.source = "twitter-x",
                   .headers = {{"x-twitter-webhooks-signature",
                                absl::StrCat("sha256=", Base64Mac(kSecret, "foo-bar"))}},
                   .body = "foo-bar"},
       .outcome = Outcome::kRefused,
       .reply = kUnauthorized},
      {.name = "braintree challenge",
       .request = {.method = "GET",
                   .source = "braintree",
                   .query = absl::StrCat("?bt_challenge=", kBraintreeChallenge)},
       .reply = {200, kPlain, absl::StrCat("public|", Hex(Mac(EVP_sha1(), Sha1(kSecret), kBraintreeChallenge)))}},
      {.name = "braintree, a challenge that could be a payload",
       .request = {.method = "GET",
                   .source = "braintree",
                   .query = "?bt_challenge=PG5vdGlmaWNhdGlvbj48L25vdGlmaWNhdGlvbj4K"},
       .reply = kForbidden},
      {.name = "braintree, a challenge as a payload",
       .request = {.source = "braintree",
                   .headers = {{"Content-Type", "application/x-www-form-urlencoded"}},
                   .body = absl::StrCat("bt_payload=", kBraintreeChallenge, "&bt_signature=public%7C",
                                        Hex(Mac(EVP_sha1(), Sha1(kSecret), kBraintreeChallenge)))},
       .outcome = Outcome::kRefused,
       .reply = kUnauthorized},
      {.name = "monday challenge",
       .request = {.source = "monday", .body = R"({"challenge":"3eZbrw1aBm2rZgRNFdxV"})"},
       .reply = {200, kJson, R"({"challenge":"3eZbrw1aBm2rZgRNFdxV"})"}},
      {.name = "monday, a challenge beside an event",
       .request = {.source = "monday",
                   .body = R"({"challenge":"3eZbrw1aBm2rZgRNFdxV","event":{"type":"create_pulse"}})"},
       .outcome = Outcome::kRefused,
       .reply = kUnauthorized},
      {.name = "notion, the token",
       .request = {.source = "notion",
                   .body = R"({"verification_token":"secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0"})"},
       .reply = kEmpty},
      {.name = "notion, a token beside a signature",
       .request = {.source = "notion",
                   .headers = {{"X-Notion-Signature", absl::StrCat("sha256=", HexMac(kOther, "{}"))}},
                   .body = R"({"verification_token":"secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0"})"},
       .outcome = Outcome::kRefused,
       .reply = kUnauthorized},
      {.name = "dropbox challenge",
       .request = {.method = "GET", .source = "dropbox", .query = "?challenge=a%3Cb%3E"},
       .reply = {200, {{"Content-Type", "text/plain"}}, "a<b>"}},
      {.name = "dropbox, a GET without a challenge",
       .request = {.method = "GET", .source = "dropbox"},
       .outcome = Outcome::kRefused,
       .reply = kUnauthorized},
      {.name = "asana, the secret",
       .request = {.source = "asana", .headers = {{"X-Hook-Secret", "b537207f20cbfa02357cf448134da559e8bd39d61597"}}},
       .reply = {200, {{"X-Hook-Secret", "b537207f20cbfa02357cf448134da559e8bd39d61597"}}, ""}},
      {.name = "asana, a secret beside a signature",
       .request = {.source = "asana",
                   .headers = {{"X-Hook-Secret", "b537207f"}, {"X-Hook-Signature", HexMac("b537207f", "")}}},
       .outcome = Outcome::kRefused,
       .reply = kUnauthorized},
      {.name = "cloudevents OPTIONS",
       .request = {.method = "OPTIONS", .source = "cloudevents", .headers = origin},
       .reply = {200, allowed, ""}},
      {.name = "cloudevents OPTIONS, without an origin",
       .request = {.method = "OPTIONS", .source = "cloudevents"},
       .outcome = Outcome::kRefused,
       .reply = kUnauthorized},
      {.name = "trello HEAD", .request = {.method = "HEAD", .source = "trello"}, .reply = kEmpty},
      {.name = "mandrill HEAD", .request = {.method = "HEAD", .source = "mandrill"}, .reply = kEmpty},
      {.name = "intercom HEAD", .request = {.method = "HEAD", .source = "intercom"}, .reply = kEmpty},
      {.name = "bitbucket test of Data Center",
       .request = {.source = "bitbucket", .headers = {{"X-Event-Key", "diagnostics:ping"}}, .body = R"({"test":true})"},
       .reply = kEmpty},
      {.name = "bitbucket, another event without a signature",
       .request = {.source = "bitbucket", .headers = {{"X-Event-Key", "repo:push"}}, .body = R"({"test":true})"},
       .outcome = Outcome::kRefused,
       .reply = kUnauthorized},
      {.name = "woocommerce ping",
       .request = {.source = "woocommerce",
                   .headers = {{"Content-Type", "application/x-www-form-urlencoded"}},
                   .body = "webhook_id=7"},
       .reply = kEmpty},
      {.name = "woocommerce, such a form beside a signature",
       .request = {.source = "woocommerce",
                   .headers = {{"Content-Type", "application/x-www-form-urlencoded"},
                               {"X-WC-Webhook-Signature", Base64Mac(kOther, "webhook_id=7")}},
                   .body = "webhook_id=7"},
       .outcome = Outcome::kRefused,
       .reply = kUnauthorized},
  };
  return Expand(pairs, std::move(unsigned_ones));
}

// The value of a counter of the source; -1 when it is not there.
int64_t Requests(const std::string& metrics, const std::string& decision, const std::string& source) {
  const std::string name =
      absl::StrCat("hookstream_ingest_requests_total{decision=\"", decision, "\",source=\"", source, "\"} ");
  const size_t at = metrics.find(name);
  int64_t value = -1;
  if (at != std::string::npos) {
    const size_t begin = at + name.size();
    if (!absl::SimpleAtoi(metrics.substr(begin, metrics.find('\n', begin) - begin), &value)) return -1;
  }
  return value;
}

void Check(const std::string& sources, const std::vector<Exchange>& exchanges) {
  static const std::regex kEventId(R"("id":"[0-9a-v]{26}")");
  RelayProcess relay(sources);
  ASSERT_TRUE(relay.Start().ok()) << relay.Log();
  std::map<std::string, int64_t> handshakes, refused;
  int events = 0;
  for (const Exchange& exchange : exchanges) {
    SCOPED_TRACE(exchange.name);
    const Reply reply = Send(relay.http_port(), exchange.request);
    Headers headers = exchange.reply.headers;
    // What may repeat a stranger's text is no page for a browser.
    if (exchange.outcome == Outcome::kHandshake && exchange.reply.status < 300)
      headers.emplace_back("X-Content-Type-Options", "nosniff");
    EXPECT_EQ(reply.status, exchange.reply.status) << reply.body;
    EXPECT_THAT(reply.headers, ::testing::UnorderedElementsAreArray(headers));
    EXPECT_EQ(std::regex_replace(reply.body, kEventId, R"("id":"EVENT")"), exchange.reply.body);
    handshakes[exchange.request.source] += exchange.outcome == Outcome::kHandshake ? 1 : 0;
    refused[exchange.request.source] += exchange.outcome == Outcome::kRefused ? 1 : 0;
    events += exchange.events;
  }
  const std::string metrics = HttpGet(relay.admin_port(), "/metrics").second;
  for (const auto& [source, count] : handshakes) EXPECT_EQ(Requests(metrics, "handshake", source), count) << source;
  for (const auto& [source, count] : refused)
    EXPECT_EQ(Requests(metrics, "signature_invalid", source), count) << source;
  const CommandResult list = relay.Run({"events", "list", "--output", "json"});
  EXPECT_EQ(list.exit_code, 0) << list.err;
  EXPECT_EQ(std::count(list.out.begin(), list.out.end(), '\n'), events) << list.out;
  EXPECT_EQ(relay.Stop(), 0) << relay.Log();
}

// One for each preset, and named like it; the secret is kSecret where nothing else is said.
std::string Sources(const Ed25519& discord) {
  std::string sources =
      absl::StrCat("sources:\n  - {name: discord, provider: discord, keys: [{inline: \"", discord.Public(), R"("}]}
  - {name: aws-sns, provider: aws-sns, keys: [{file: ")",
                   Certificates("aws_sns"), R"("}]}
  - {name: braintree, provider: braintree, keys: [{inline: secret}], secrets: [{name: public_key, inline: public}]}
  - {name: meta, provider: meta, keys: [{inline: secret}], secrets: [{name: verify_token, inline: my token}]}
)");
  for (const char* preset :
       {"asana",  "azure-event-grid", "bitbucket", "cloudevents", "dropbox", "figma", "github", "intercom",
        "line",   "mailchimp",        "mandrill",  "monday",      "notion",  "okta",  "slack",  "terraform-cloud",
        "trello", "twitch",           "twitter-x", "woocommerce", "xero",    "zoom"})
    absl::StrAppend(&sources, "  - {name: ", preset, ", provider: ", preset, ", keys: [{inline: secret}]}\n");
  return sources;
}

TEST(HandshakeTest, EachIsAnsweredAsItsProviderAsksAndNothingIsStored) {
  const Ed25519 discord;
  Check(Sources(discord), Exchanges(discord));
}

}  // namespace
}  // namespace hookstream::testing
