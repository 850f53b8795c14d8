// `hookstream send`: sample webhooks, signed as the provider signs them.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <memory>
#include <optional>
#include <random>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "cli/http_client.h"
#include "cli/json_text.h"
#include "cli/provider_option.h"
#include "cli/verb_list.h"
#include "verify/private_key.h"
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

// For its owner alone. Fails when there is something of that name already.
void WriteSecretFile(const std::string& path, std::string_view text) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) Fail(absl::StrCat("can't make '", path, "': ", std::strerror(errno)));
  int error = 0;
  while (error == 0 && !text.empty()) {
    const ssize_t written = write(file, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<size_t>(written));
    } else if (errno != EINTR) {
      error = errno;
    }
  }
  if (close(file) != 0 && error == 0) error = errno;
  if (error == 0) return;
  unlink(path.c_str());
  Fail(absl::StrCat("can't write '", path, "': ", std::strerror(error)));
}

struct Send {
  Common common;
  ProviderOption provider;
  std::string type;
  std::string secret;
  std::string key_id = "send";
  std::string private_key_file;
  std::string generate_key_file;
  std::optional<verify::PrivateKey> private_key;
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
    input.private_key = private_key ? &*private_key : nullptr;
    auto request = verify::Sign(preset, {key_id, secret}, input, provider.Params());
    if (!request.ok()) FailUsage(std::string(request.status().message()));
    return {std::move(sample), *std::move(request)};
  }

  void GenerateKey(const provider::Provider& preset, const provider::VerifyRule& rule) {
    const auto key = verify::PrivateKey::Generate(provider::KeyScheme(rule));
    if (!key.ok()) FailUsage(std::string(key.status().message()));
    const auto public_key = key->PublicKey(rule);
    if (!public_key.ok()) FailUsage(std::string(public_key.status().message()));
    WriteSecretFile(generate_key_file, key->Pem());
    if (common.json()) {
      JsonObject line;
      line.Add("provider", preset.name).Add("public_key", *public_key).Add("private_key_file", generate_key_file);
      std::cout << line.Text() << '\n';
      return;
    }
    std::cout << *public_key << (public_key->ends_with('\n') ? "" : "\n");
    std::cerr << "The private key is in " << generate_key_file
              << ". Make the public key above a key of the source, then"
              << " send with --private-key " << generate_key_file << std::endl;
  }

  void ReadPrivateKey(const provider::Provider& preset, const provider::VerifyRule* rule) {
    if (private_key_file.empty()) {
      if (rule == nullptr) return;
      FailUsage(absl::StrCat(preset.name,
                             " signs with a private key that nobody else has. Be it with a pair of your own:",
                             " --generate-key FILE makes one and prints the public key for the source's `keys`,",
                             " --private-key FILE signs with it"));
    }
    auto key = verify::PrivateKey::FromPem(ReadInput(private_key_file));
    if (!key.ok()) FailUsage(absl::StrCat("'", private_key_file, "' ", std::string(key.status().message())));
    private_key = *std::move(key);
  }

  void Run() {
    const provider::Provider& preset = provider.Get();
    if (list_types) {
      for (const std::string_view name : verify::SampleTypes(preset)) std::cout << name << '\n';
      return;
    }
    const provider::VerifyRule* rule = verify::PublicKeyRule(preset);
    if (rule == nullptr && !(private_key_file.empty() && generate_key_file.empty())) {
      FailUsage(absl::StrCat(preset.name, " has no key pairs: its key is a secret that both sides share, --secret"));
    }
    if (!generate_key_file.empty()) return GenerateKey(preset, *rule);
    ReadPrivateKey(preset, rule);
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
                           "  hookstream send -p discord --generate-key discord.pem   prints the public key\n"
                           "  hookstream send -p discord --private-key discord.pem\n"
                           "\nExits 1 when a request was refused or could not be sent.",
                           [send] { send->Run(); });
  send->provider.Add(*verb);
  verb->add_option("--type,-t", send->type, "the event's type (default: the first of --types)");
  verb->add_flag("--types", send->list_types, "list the types that have a sample body, and send nothing");
  verb->add_option("--secret,-s", send->secret, "as the provider's page shows it")->envname("HOOKSTREAM_SECRET");
  verb->add_option("--private-key", send->private_key_file, "PEM; instead of a secret where a public key verifies")
      ->type_name("FILE");
  verb->add_option(
          "--generate-key", send->generate_key_file,
          "make a private key there, print its public key as the source's configuration takes it, and send nothing")
      ->type_name("FILE")
      ->excludes("--private-key");
  verb->add_option("--key-id", send->key_id, "the key's name, for providers whose requests name their key");
  verb->add_option("--url,-u", send->url, "where to (default: http://127.0.0.1:8080/webhooks/<preset>)");
  verb->add_option("--public-url", send->public_url, "the URL to sign, where it differs from --url");
  verb->add_option(
          "--body", send->body,
          "a body of your own instead of the sample (signed times, ids and tokens in it are renewed); - is stdin")
      ->type_name("FILE");
  verb->add_option("--content-type", send->content_type, "instead of the provider's");
  verb->add_option("--id", send->id, "makes the provider's event id: the same again is a duplicate (default: random)");
  verb->add_option("--count,-n", send->count, "how many")
      ->check(CLI::Range(int64_t{1}, int64_t{1'000'000'000}))
      ->capture_default_str();
  verb->add_option("--rate,-r", send->rate, "how many a second; 0: one after the other")->check(CLI::Range(0.0, 1e6));
  AddOutput(*verb, send->common);
}

}  // namespace hookstream::cli
