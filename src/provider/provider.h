// A compiled preset: how one provider's webhooks are verified, answered and read. Made by the loader
// (provider/loader.h), immutable, free to share between threads.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "provider/expression.h"

namespace re2 {
class RE2;
}

namespace hookstream::provider {

enum class Scheme : uint8_t {
  kHmacSha1,
  kHmacSha256,
  kHmacSha384,
  kHmacSha512,
  kSha256,
  kEd25519,
  kEcdsaP256,
  kRsaSha1,
  kRsaSha256,
  kJwt,
  kEqual,
  kBasic,
  kNone,
};

// As presets spell it, e.g. "hmac-sha256".
std::string_view SchemeName(Scheme scheme);
// An HMAC or a keyed hash: what the receiver could have made itself.
bool IsHmac(Scheme scheme);
bool IsPublicKey(Scheme scheme);

enum class Encoding : uint8_t { kHex, kBase64, kBase64Url, kText };
enum class KeyForm : uint8_t { kText, kHex, kBase64, kSha1, kPem, kSpkiBase64, kX509Pem };
std::string_view KeyFormName(KeyForm form);

enum class JwtAlgorithm : uint8_t { kHs256, kEs256, kRs256 };
// "HS256", ...
std::string_view JwtAlgorithmName(JwtAlgorithm algorithm);

// kHttp: the date of HTTP headers (IMF-fixdate).
enum class TimeUnit : uint8_t { kSeconds, kMilliseconds, kIso, kHttp };
// Counts something, and is no text.
bool IsNumber(TimeUnit unit);

struct ContentRule {
  // kLines: JSON Lines. kAny: what the Content-Type says, and opaque where that is neither JSON nor a form.
  enum class Kind : uint8_t { kJson, kForm, kFormField, kLines, kAny, kNone };
  Kind kind = Kind::kJson;
  // For kFormField: the form's field that holds the JSON. Bodies that are no form are JSON themselves.
  std::string field;
};

// The part of a header value that is meant: `t=1,v1=ab,v1=cd` split by "," with the prefix "v1=".
struct Tagged {
  std::string separator;
  // "*/SHA256/": behind a key's name, which is everything before the first "/SHA256/".
  std::string prefix;
  // The part itself when there is no prefix; the first of the parts for signatures.
  uint32_t index = 0;
};

struct TimeRule {
  // One of the two: a value of the request, or a token's claim (NumericDate: seconds).
  Expression from;
  std::string claim;
  Tagged part;
  TimeUnit unit = TimeUnit::kSeconds;
  // Absent: the time is signed but never too old. Equality is accepted.
  std::optional<absl::Duration> max_age;
  std::optional<absl::Duration> max_future;
};

struct SignatureSource {
  Expression value;
  // For `header.X-#`: the name's beginning, followed by 1, 2, ...; otherwise empty.
  std::string numbered_header;
};

struct Requirement {
  Chain value;
  Expression expected;
  // As written, for messages.
  std::string name;
};

// A token's claim and what it has to be.
struct ClaimRule {
  // The first of these that the token has counts.
  std::vector<std::string> names;
  // Any of these; of a claim that is a list, any element.
  std::vector<Expression> any_of;
  // As written, for messages.
  std::string name;
};

// How a key that the source does not have is had: a document from an address, which may be the request's word for it.
struct KeyFetch {
  enum class Kind : uint8_t {
    kCertificate,  // an X.509 certificate in PEM
    kJwks,         // a JSON Web Key Set, of which the token's `kid` names the key
    kPlaid,        // Plaid's API, asked for the token's `kid` with the source's credentials
  };
  Kind kind = Kind::kCertificate;
  Expression url;
  // The whole address has to match. Always there when the request is asked.
  std::shared_ptr<const re2::RE2> url_match;
  // Certificates: the whole of one of the names that it is made out to has to match. Absent: any.
  std::shared_ptr<const re2::RE2> name_match;
  // Certificates: the chain has to end at a trusted root. Otherwise only what the file itself has is checked: for a
  // provider that sends no intermediates, and whose address stands for it.
  bool chain_required = true;
};

// What a rule does that the language has no words for.
enum class Code : uint8_t {
  kNone,
  kContentful,  // the canonical request whose headers the request lists
  kBraintree,   // the payload, with and without a line break at its end
};
std::string_view CodeName(Code code);

struct VerifyRule {
  Condition when;
  Scheme scheme = Scheme::kNone;
  Expression signed_text;
  // Makes what is signed, in place of `signed_text`.
  Code code = Code::kNone;
  // Any of them may match.
  std::vector<SignatureSource> signatures;
  Tagged part;
  // In place of the part's prefix where it has values of the source's configuration in it.
  Expression prefix;
  Encoding encoding = Encoding::kHex;
  KeyForm key_form = KeyForm::kText;
  std::string key_prefix;
  // Empty: every key is tried.
  Expression key_by;
  // Names of `secrets` that are keys as well.
  std::vector<std::string> more_keys;
  std::optional<KeyFetch> fetch;
  // Of a token, which names its algorithm too: it has to be this one.
  JwtAlgorithm algorithm = JwtAlgorithm::kHs256;
  std::vector<ClaimRule> claims;
  // How far exp and nbf may be passed.
  absl::Duration leeway;
  std::optional<TimeRule> time;
  std::vector<Requirement> require;
  // `url_forms: ports`: with and without the port.
  bool try_ports = false;
  // The signed text has the key in it, so it is made for each key.
  bool key_in_text = false;
  // Each item of the split body carries a signature, and all have to be right.
  bool per_item = false;
  // Reads the parsed body before anything is verified.
  bool reads_body_first = false;
  // Headers that the verdict depends on: none may be repeated.
  std::vector<std::string> headers;
};

// What kind of key and signature a rule is about: of a token its algorithm's.
Scheme KeyScheme(const VerifyRule& rule);

// JSON with templates in its texts.
struct JsonTemplate {
  enum class Kind : uint8_t { kText, kLiteral, kArray, kObject };
  Kind kind = Kind::kText;
  Expression text;
  // A number, boolean or null, as JSON.
  std::string literal;
  // Of an array or an object.
  std::vector<JsonTemplate> items;
  // Of an object, one for each item.
  std::vector<std::string> names;
};

struct ReplyRule {
  int status = 200;
  std::string content_type;
  // At most one of the two; none: an empty body.
  std::optional<Expression> text;
  std::optional<JsonTemplate> json;
  std::vector<std::pair<std::string, Expression>> headers;
};

// A value that has to be there and match as a whole.
struct TextMatch {
  Chain value;
  std::shared_ptr<const re2::RE2> pattern;
};

struct HandshakeRule {
  Condition when;
  // The request has to pass verification first.
  bool verified = true;
  std::vector<Requirement> require;
  std::vector<TextMatch> matches;
  // An address to GET before the reply is given (a confirmation); it has to match.
  Expression fetch;
  std::shared_ptr<const re2::RE2> fetch_match;
  // A key to keep, which the provider tells in this request. Empty: none.
  Expression learn;
  ReplyRule reply;
};

struct EventRule {
  // Which requests it is for. Reads no item.
  Condition when;
  // Reference tokens, "*" for every element; empty: the body is one event.
  std::vector<std::string> split;
  // An item that matches is no event. Without tests nothing is skipped.
  Condition skip;
  Expression type;
  Expression id;
  // The id is the item's hash where `id` gives none.
  bool id_is_hash = false;
  Expression time;
  TimeUnit time_unit = TimeUnit::kIso;
  Expression ordering_key;
  std::vector<std::pair<std::string, Expression>> attributes;
};

struct Provider {
  std::string name;
  std::string family;
  std::string docs;
  // How sure the facts are, in words; for people.
  std::string sure;
  // Accepted methods, in upper case.
  std::vector<std::string> methods;
  ContentRule content;
  // Absent: the listener's limit.
  std::optional<uint64_t> body_bytes_max;
  // Names of further values that a source configures (`secret.N`), and those among them that it may leave out: what
  // depends on one is then not asked for.
  std::vector<std::string> secrets;
  std::vector<std::string> optional_secrets;
  std::vector<VerifyRule> verify;
  std::vector<HandshakeRule> handshakes;
  // Never empty; the first that holds is the rule of a request.
  std::vector<EventRule> events = std::vector<EventRule>(1);
  // What a 2xx and a refusal look like where the provider cares. Values of the request are not available in them.
  std::optional<ReplyRule> accepted;
  std::optional<ReplyRule> rejected;
};

// True when the expression reads a value that the source may leave out, and `configured` does: what asks for it is not
// asked for then.
bool ReadsLeftOut(const Provider& provider, const Expression& expression,
                  const std::map<std::string, std::string, std::less<>>& configured);

}  // namespace hookstream::provider
