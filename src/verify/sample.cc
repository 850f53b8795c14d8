#include "verify/sample.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/text.h"
#include "provider/encoding.h"
#include "provider/time_text.h"

namespace hookstream::verify {
namespace {

using provider::Provider;
using provider::Source;

constexpr char kFormType[] = "application/x-www-form-urlencoded; charset=UTF-8";

// Texts in which $WORDS are replaced. Shapes as the providers document them (API references of Stripe, GitHub, Twilio,
// Slack and OpenAI); every value is made up.
struct Body {
  // A type, or with a trailing "*" the beginning of types.
  std::string_view type;
  std::string_view text;
};

constexpr std::string_view kStripeEnvelope =
    R"({"id":"$EVENT","object":"event","api_version":"2025-09-30.clover","created":$NOW,"data":{"object":$OBJECT},)"
    R"("livemode":false,"pending_webhooks":1,"request":{"id":"req_$HEX14","idempotency_key":"$UUID"},"type":$TYPE})";

constexpr std::array<Body, 5> kStripeObjects = {{
    {"payment_intent.*",
     R"({"id":"pi_$ID","object":"payment_intent","amount":2599,"amount_capturable":0,"amount_received":$RECEIVED,)"
     R"("application_fee_amount":null,"canceled_at":null,"capture_method":"automatic_async","client_secret":null,)"
     R"("confirmation_method":"automatic","created":$NOW,"currency":"eur","customer":"cus_$ID2","description":"Order 1042",)"
     R"("latest_charge":"ch_$ID3","livemode":false,"metadata":{"order_id":"1042","channel":"web"},)"
     R"("next_action":null,"payment_method":"pm_$ID3","payment_method_options":{"card":{"request_three_d_secure":"automatic"}},)"
     R"("payment_method_types":["card"],"receipt_email":"ada@example.com","setup_future_usage":null,"status":"$STATUS"})"},
    {"charge.*",
     R"({"id":"ch_$ID","object":"charge","amount":2599,"amount_captured":2599,"amount_refunded":0,"balance_transaction":)"
     R"("txn_$ID2","billing_details":{"address":{"city":"Bern","country":"CH","line1":"Gasse 1","line2":null,)"
     R"("postal_code":"3011","state":null},"email":"ada@example.com","name":"Ada Example","phone":null},"captured":true,)"
     R"("created":$NOW,"currency":"eur","customer":"cus_$ID2","description":"Order 1042","disputed":false,)"
     R"("failure_code":null,"failure_message":null,"livemode":false,"metadata":{"order_id":"1042"},"outcome":{)"
     R"("network_status":"approved_by_network","reason":null,"risk_level":"normal","risk_score":12,"seller_message":)"
     R"("Payment complete.","type":"authorized"},"paid":true,"payment_intent":"pi_$ID3","payment_method":"pm_$ID3",)"
     R"("payment_method_details":{"card":{"brand":"visa","country":"CH","exp_month":12,"exp_year":2030,"last4":"4242"},)"
     R"("type":"card"},"receipt_email":"ada@example.com","receipt_url":null,"refunded":false,"status":"succeeded"})"},
    {"customer.subscription.*",
     R"({"id":"sub_$ID","object":"subscription","billing_cycle_anchor":$NOW,"cancel_at":null,"cancel_at_period_end":false,)"
     R"("canceled_at":null,"collection_method":"charge_automatically","created":$NOW,"currency":"eur","customer":"cus_$ID2",)"
     R"("ended_at":null,"items":{"object":"list","data":[{"id":"si_$ID3","object":"subscription_item","created":$NOW,)"
     R"("current_period_end":$LATER,"current_period_start":$NOW,"price":{"id":"price_$ID2","object":"price","active":true,)"
     R"("currency":"eur","product":"prod_$ID3","recurring":{"interval":"month","interval_count":1},"type":"recurring",)"
     R"("unit_amount":1900,"unit_amount_decimal":"1900"},"quantity":3,"subscription":"sub_$ID"}],"has_more":false,)"
     R"("total_count":1},"latest_invoice":"in_$ID3","livemode":false,"metadata":{"team":"blue"},"start_date":$NOW,)"
     R"("status":"$STATUS","trial_end":null,"trial_start":null})"},
    {"invoice.*",
     R"({"id":"in_$ID","object":"invoice","account_country":"CH","amount_due":5700,"amount_paid":$PAID,)"
     R"("amount_remaining":$REMAINING,"attempt_count":1,"attempted":true,"billing_reason":"subscription_cycle",)"
     R"("collection_method":"charge_automatically","created":$NOW,"currency":"eur","customer":"cus_$ID2",)"
     R"("customer_email":"ada@example.com","due_date":null,"hosted_invoice_url":null,"lines":{"object":"list","data":[)"
     R"({"id":"il_$ID3","object":"line_item","amount":5700,"currency":"eur","description":"3 x Team plan","quantity":3,)"
     R"("period":{"end":$LATER,"start":$NOW}}],"has_more":false,"total_count":1},"livemode":false,"metadata":{},)"
     R"("number":"INV-1042","period_end":$LATER,"period_start":$NOW,"status":"$STATUS","subtotal":5700,"total":5700})"},
    {"checkout.session.*",
     R"({"id":"cs_test_$ID","object":"checkout.session","amount_subtotal":2599,"amount_total":2599,"cancel_url":)"
     R"("https://shop.example.com/cart","client_reference_id":"cart-77","created":$NOW,"currency":"eur","customer":"cus_$ID2",)"
     R"("customer_details":{"address":null,"email":"ada@example.com","name":"Ada Example","phone":null},"customer_email":null,)"
     R"("expires_at":$LATER,"livemode":false,"metadata":{"order_id":"1042"},"mode":"payment","payment_intent":"pi_$ID3",)"
     R"("payment_method_types":["card"],"payment_status":"$STATUS","status":"complete","subscription":null,"success_url":)"
     R"("https://shop.example.com/thanks","url":null})"},
}};

constexpr std::string_view kGithubCommon =
    R"("repository":{"id":186853002,"node_id":"MDEwOlJlcG9zaXRvcnkxODY4NTMwMDI=","name":"hello","full_name":"octo-example/hello",)"
    R"("private":false,"owner":{"login":"octo-example","id":21031067,"node_id":"MDQ6VXNlcjIxMDMxMDY3","type":"User",)"
    R"("site_admin":false},"html_url":"https://github.com/octo-example/hello","description":"A first repository","fork":false,)"
    R"("url":"https://api.github.com/repos/octo-example/hello","created_at":"2019-05-15T15:19:25Z",)"
    R"("updated_at":"2025-05-15T15:19:27Z","pushed_at":"2025-05-15T15:20:32Z","default_branch":"main","stargazers_count":7,)"
    R"("open_issues_count":2,"visibility":"public"},"sender":{"login":"octo-example","id":21031067,)"
    R"("node_id":"MDQ6VXNlcjIxMDMxMDY3","type":"User","site_admin":false})";

constexpr std::string_view kGithubUser =
    R"({"login":"octo-example","id":21031067,"node_id":"MDQ6VXNlcjIxMDMxMDY3","type":"User","site_admin":false})";

constexpr std::array<Body, 6> kGithubBodies = {{
    {"push",
     R"({"ref":"refs/heads/main","before":"$SHA","after":"$SHA2","created":false,"deleted":false,"forced":false,)"
     R"("base_ref":null,"compare":"https://github.com/octo-example/hello/compare/a...b","commits":[{"id":"$SHA2","tree_id":)"
     R"("$SHA","distinct":true,"message":"Say hello twice","timestamp":"$ISO","url":)"
     R"("https://github.com/octo-example/hello/commit/$SHA2","author":{"name":"Octo Example","email":"octo@example.com",)"
     R"("username":"octo-example"},"committer":{"name":"Octo Example","email":"octo@example.com","username":"octo-example"},)"
     R"("added":["hello.txt"],"removed":[],"modified":["README.md"]}],"head_commit":{"id":"$SHA2","tree_id":"$SHA",)"
     R"("distinct":true,"message":"Say hello twice","timestamp":"$ISO","url":)"
     R"("https://github.com/octo-example/hello/commit/$SHA2","author":{"name":"Octo Example","email":"octo@example.com",)"
     R"("username":"octo-example"},"committer":{"name":"Octo Example","email":"octo@example.com","username":"octo-example"},)"
     R"("added":["hello.txt"],"removed":[],"modified":["README.md"]},"pusher":{"name":"octo-example",)"
     R"("email":"octo@example.com"},$COMMON})"},
    {"pull_request*",
     R"({"action":$ACTION,"number":2,"pull_request":{"id":$NUMBER,"node_id":"PR_$ID","number":2,"state":"$STATE","locked":false,)"
     R"("title":"Say hello twice","user":$USER,"body":"Once is not enough.","draft":false,"merged":$MERGED,"mergeable":null,)"
     R"("html_url":"https://github.com/octo-example/hello/pull/2","url":)"
     R"("https://api.github.com/repos/octo-example/hello/pulls/2","created_at":"$ISO","updated_at":"$ISO","closed_at":null,)"
     R"("merged_at":null,"merge_commit_sha":null,"labels":[],"assignees":[],"requested_reviewers":[],"head":{"label":)"
     R"("octo-example:twice","ref":"twice","sha":"$SHA2"},"base":{"label":"octo-example:main","ref":"main","sha":"$SHA"},)"
     R"("comments":0,"review_comments":0,"commits":1,"additions":1,"deletions":1,"changed_files":1,)"
     R"("author_association":"OWNER"},$COMMON})"},
    {"issues*",
     R"({"action":$ACTION,"issue":{"id":$NUMBER,"node_id":"I_$ID","number":1,"state":"$STATE","locked":false,"title":)"
     R"("Hello is said once only","user":$USER,"body":"It should be said twice.","labels":[{"id":1362934389,"node_id":)"
     R"("MDU6TGFiZWwxMzYyOTM0Mzg5","name":"bug","color":"d73a4a","default":true,"description":null}],"assignees":[],)"
     R"("html_url":"https://github.com/octo-example/hello/issues/1","url":)"
     R"("https://api.github.com/repos/octo-example/hello/issues/1","comments":0,"created_at":"$ISO","updated_at":"$ISO",)"
     R"("closed_at":null,"author_association":"OWNER"},$COMMON})"},
    {"release*",
     R"({"action":$ACTION,"release":{"id":$NUMBER,"node_id":"RE_$ID","tag_name":"v1.2.0","target_commitish":"main","name":)"
     R"("1.2.0","draft":false,"prerelease":false,"author":$USER,"body":"Says hello twice.","assets":[],"html_url":)"
     R"("https://github.com/octo-example/hello/releases/tag/v1.2.0","url":)"
     R"("https://api.github.com/repos/octo-example/hello/releases/1","created_at":"$ISO","published_at":"$ISO"},$COMMON})"},
    {"workflow_run*",
     R"({"action":$ACTION,"workflow_run":{"id":$NUMBER,"node_id":"WFR_$ID","name":"CI","run_number":42,"run_attempt":1,"event":)"
     R"("push","status":"completed","conclusion":"success","head_branch":"main","head_sha":"$SHA2","workflow_id":159038,)"
     R"("html_url":"https://github.com/octo-example/hello/actions/runs/1","url":)"
     R"("https://api.github.com/repos/octo-example/hello/actions/runs/1","actor":$USER,"created_at":"$ISO","updated_at":"$ISO",)"
     R"("run_started_at":"$ISO"},"workflow":{"id":159038,"node_id":"W_$ID","name":"CI","path":".github/workflows/ci.yml",)"
     R"("state":"active","created_at":"$ISO","updated_at":"$ISO"},$COMMON})"},
    {"ping",
     R"({"zen":"Keep it logically awesome.","hook_id":$NUMBER,"hook":{"type":"Repository","id":$NUMBER,"name":"web","active":)"
     R"(true,"events":["push","pull_request"],"config":{"content_type":"json","insecure_ssl":"0","url":)"
     R"("https://hooks.example.com/webhooks/github"},"created_at":"$ISO","updated_at":"$ISO"},$COMMON})"},
}};

constexpr std::string_view kTwilioStatus =
    "AccountSid=AC$HEX32&ApiVersion=2010-04-01&From=%2B15017122661&MessageSid=SM$SID&MessageStatus=$STATUS"
    "&SmsSid=SM$SID&SmsStatus=$STATUS&To=%2B15558675310";
constexpr std::string_view kTwilioReceived =
    "AccountSid=AC$HEX32&ApiVersion=2010-04-01&Body=Is+my+order+on+its+way%3F&From=%2B15558675310&FromCity=BERN"
    "&FromCountry=US&FromState=CA&FromZip=94105&MessageSid=SM$SID&NumMedia=1&NumSegments=1&SmsMessageSid=SM$SID&SmsSid="
    "SM$SID"
    "&SmsStatus=received&To=%2B15017122661&ToCity=&ToCountry=US&ToState=CA&ToZip="
    "&MediaContentType0=image%2Fjpeg&MediaUrl0=https%3A%2F%2Fapi.twilio.com%2FMedia%2FME$HEX32";
constexpr std::string_view kTwilioCall =
    "AccountSid=AC$HEX32&ApiVersion=2010-04-01&CallSid=CA$SID&CallStatus=$STATUS&Direction=inbound&From=%2B15558675310"
    "&To=%2B15017122661";

constexpr std::string_view kSlackMessage =
    R"({"token":"unused","team_id":"T0$UPPER","context_team_id":"T0$UPPER","api_app_id":"A0$UPPER","event":{"user":"U0$UPPER",)"
    R"("type":$EVENTTYPE,$SUBTYPE"ts":"$NOW.000200","client_msg_id":"$UUID","text":"The build is green again","team":"T0$UPPER",)"
    R"("blocks":[{"type":"rich_text","block_id":"b1","elements":[{"type":"rich_text_section","elements":[{"type":"text",)"
    R"("text":"The build is green again"}]}]}],"channel":"C0$UPPER","event_ts":"$NOW.000200","channel_type":"channel"},)"
    R"("type":"event_callback","event_id":"$EVENT","event_time":$NOW,"authorizations":[{"enterprise_id":null,"team_id":)"
    R"("T0$UPPER","user_id":"U0$UPPER","is_bot":true,"is_enterprise_install":false}],"is_ext_shared_channel":false})";

constexpr std::string_view kOpenAi =
    R"({"object":"event","id":"evt_$HEX32","type":$TYPE,"created_at":$NOW,"data":{"id":"$OBJECTID"}})";

// Text made from the seed: another label, another text.
std::string Derived(std::string_view seed, std::string_view label) {
  return provider::Sha256(absl::StrCat(ToAbsl(seed), "/", ToAbsl(label)));
}

std::string HexId(std::string_view seed, std::string_view label, size_t size) {
  return provider::EncodeHex(Derived(seed, label)).substr(0, size);
}

// Letters and digits, as many APIs make their ids.
std::string WordId(std::string_view seed, std::string_view label, size_t size, std::string_view letters) {
  std::string id;
  for (const char byte : Derived(seed, label)) {
    if (id.size() == size) break;
    id.push_back(letters[static_cast<unsigned char>(byte) % letters.size()]);
  }
  return id;
}

constexpr std::string_view kLetters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

std::string Uuid(std::string_view seed) {
  const std::string hex = HexId(seed, "uuid", 32);
  return absl::StrCat(hex.substr(0, 8), "-", hex.substr(8, 4), "-4", hex.substr(13, 3), "-a", hex.substr(17, 3), "-",
                      hex.substr(20, 12));
}

using Words = std::vector<std::pair<std::string, std::string>>;

Words CommonWords(std::string_view seed, absl::Time now) {
  const std::string unix_now = absl::StrCat(absl::ToUnixSeconds(now));
  return {
      {"$NOW", unix_now},
      {"$LATER", absl::StrCat(absl::ToUnixSeconds(now) + 30 * 86'400)},
      {"$ISO", absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", now, absl::UTCTimeZone())},
      {"$UUID", Uuid(seed)},
      {"$ID", WordId(seed, "id", 24, kLetters)},
      {"$ID2", WordId(seed, "id2", 14, kLetters)},
      {"$ID3", WordId(seed, "id3", 24, kLetters)},
      {"$SID", HexId(seed, "sid", 32)},
      {"$HEX14", WordId(seed, "hex14", 14, kLetters)},
      {"$HEX32", HexId(seed, "hex32", 32)},
      {"$SHA", HexId(seed, "sha", 40)},
      {"$SHA2", HexId(seed, "sha2", 40)},
      {"$UPPER", WordId(seed, "upper", 9, kLetters.substr(0, 36))},
      // Ten digits, the first not 0.
      {"$NUMBER", absl::StrCat("1", WordId(seed, "number", 9, "0123456789"))},
  };
}

// Longer words first, so that $ID2 is not taken for $ID.
std::string Fill(std::string_view text, const Words& words) { return absl::StrReplaceAll(ToAbsl(text), words); }

bool Fits(std::string_view pattern, std::string_view type) {
  if (pattern.back() != '*') return pattern == type;
  pattern.remove_suffix(1);
  return type.substr(0, pattern.size()) == pattern;
}

std::string StripeStatus(std::string_view type) {
  if (absl::StartsWith(ToAbsl(type), "payment_intent.")) {
    if (type == "payment_intent.succeeded") return "succeeded";
    if (type == "payment_intent.canceled") return "canceled";
    if (type == "payment_intent.processing") return "processing";
    return "requires_payment_method";
  }
  if (absl::StartsWith(ToAbsl(type), "customer.subscription.")) {
    return type == "customer.subscription.deleted" ? "canceled" : "active";
  }
  if (absl::StartsWith(ToAbsl(type), "checkout.session.")) return "paid";
  return type == "invoice.paid" || type == "invoice.payment_succeeded" ? "paid" : "open";
}

Sample StripeSample(std::string_view type, std::string_view seed, absl::Time now) {
  Sample sample;
  sample.id = absl::StrCat("evt_", WordId(seed, "event", 24, kLetters));
  std::string_view object = R"({"id":"obj_$ID","object":"example","created":$NOW,"livemode":false})";
  for (const Body& body : kStripeObjects) {
    if (Fits(body.type, type)) object = body.text;
  }
  const std::string status = StripeStatus(type);
  const bool paid = status == "paid";
  Words words = CommonWords(seed, now);
  words.insert(words.end(), {{"$STATUS", status},
                             {"$RECEIVED", status == "succeeded" ? "2599" : "0"},
                             {"$PAID", paid ? "5700" : "0"},
                             {"$REMAINING", paid ? "0" : "5700"},
                             {"$EVENT", sample.id},
                             {"$TYPE", provider::JsonQuoted(type)}});
  words.emplace_back("$OBJECT", Fill(object, words));
  sample.body = Fill(kStripeEnvelope, words);
  return sample;
}

absl::StatusOr<Sample> GithubSample(std::string_view type, std::string_view seed, absl::Time now) {
  Sample sample;
  sample.id = Uuid(absl::StrCat(ToAbsl(seed), "/delivery"));
  const size_t dot = type.find('.');
  const std::string_view action = dot == std::string_view::npos ? std::string_view() : type.substr(dot + 1);
  std::string_view text = action.empty() ? "{$COMMON}" : R"({"action":$ACTION,$COMMON})";
  for (const Body& body : kGithubBodies) {
    if (!Fits(body.type, type.substr(0, dot))) continue;
    // Types of two words need the second: a pull_request without an action does not exist.
    if (action.empty() == (body.type.back() == '*')) {
      return absl::InvalidArgumentError(
          action.empty() ? absl::StrCat(ToAbsl(type), " needs an action, e.g. ", ToAbsl(type), ".opened")
                         : absl::StrCat(ToAbsl(type.substr(0, dot)), " has no actions"));
    }
    // pull_request_review and the like are other events.
    if (body.type.back() == '*' && type.substr(0, dot).size() + 1 != body.type.size()) continue;
    text = body.text;
  }
  const bool closed = action == "closed";
  Words words = CommonWords(seed, now);
  words.insert(words.end(), {{"$ACTION", provider::JsonQuoted(action)},
                             {"$STATE", closed ? "closed" : "open"},
                             {"$MERGED", closed ? "true" : "false"},
                             {"$USER", std::string(kGithubUser)},
                             {"$COMMON", std::string(kGithubCommon)}});
  sample.body = Fill(text, words);
  return sample;
}

absl::StatusOr<Sample> TwilioSample(std::string_view type, std::string_view seed, absl::Time now) {
  Sample sample;
  sample.content_type = kFormType;
  sample.id = Uuid(absl::StrCat(ToAbsl(seed), "/token"));
  const size_t dot = type.find('.');
  const std::string_view thing = type.substr(0, dot);
  const std::string_view status = dot == std::string_view::npos ? std::string_view() : type.substr(dot + 1);
  const bool plain =
      !status.empty() && status.find_first_not_of("abcdefghijklmnopqrstuvwxyz-_") == std::string_view::npos;
  if (!plain || (thing != "message" && thing != "call")) {
    return absl::InvalidArgumentError("types are message.received, message.<MessageStatus> and call.<CallStatus>");
  }
  Words words = CommonWords(seed, now);
  words.emplace_back("$STATUS", std::string(status));
  sample.body = Fill(type == "message.received" ? kTwilioReceived
                     : thing == "message"       ? kTwilioStatus
                                                : kTwilioCall,
                     words);
  return sample;
}

Sample SlackSample(std::string_view type, std::string_view seed, absl::Time now) {
  Sample sample;
  sample.id = absl::StrCat("Ev0", WordId(seed, "event", 9, kLetters.substr(0, 36)));
  const size_t dot = type.find('.');
  Words words = CommonWords(seed, now);
  words.insert(words.end(),
               {{"$EVENTTYPE", provider::JsonQuoted(type.substr(0, dot))},
                {"$SUBTYPE", dot == std::string_view::npos
                                 ? ""
                                 : absl::StrCat("\"subtype\":", provider::JsonQuoted(type.substr(dot + 1)), ",")},
                {"$EVENT", sample.id}});
  sample.body = Fill(kSlackMessage, words);
  return sample;
}

Sample OpenAiSample(std::string_view type, std::string_view seed, absl::Time now) {
  Sample sample;
  sample.id = absl::StrCat("wh_", HexId(seed, "delivery", 32));
  const std::string_view prefix = absl::StartsWith(ToAbsl(type), "batch.") ? "batch_" : "resp_";
  Words words = CommonWords(seed, now);
  words.insert(words.end(), {{"$TYPE", provider::JsonQuoted(type)},
                             {"$OBJECTID", absl::StrCat(ToAbsl(prefix), HexId(seed, "object", 32))}});
  sample.body = Fill(kOpenAi, words);
  return sample;
}

// A JSON document grown from paths, for presets without bodies of their own.
struct Tree {
  std::map<std::string, Tree, std::less<>> members;
  std::string value;

  void Set(const std::vector<std::string>& path, size_t depth, std::string json) {
    if (depth == path.size()) {
      value = std::move(json);
    } else {
      members[path[depth]].Set(path, depth + 1, std::move(json));
    }
  }

  // "*" and "0" are the one element of a list.
  void Write(std::string& out) const {
    if (members.empty()) {
      out += value.empty() ? "{}" : value;
      return;
    }
    const std::string& first = members.begin()->first;
    const bool list = first == "*" || first == "0";
    out += list ? '[' : '{';
    bool more = false;
    for (const auto& [name, member] : members) {
      if (more) out += ',';
      more = true;
      if (!list) absl::StrAppend(&out, provider::JsonQuoted(name), ":");
      member.Write(out);
    }
    out += list ? ']' : '}';
  }
};

// The alternative that a generic sample is made for: the first one without a condition, which it might not meet.
const std::vector<provider::TemplateNode>& SampleNodes(const provider::Expression& expression) {
  static const std::vector<provider::TemplateNode> kNone;
  if (expression.empty()) return kNone;
  for (const auto& alternative : expression.alternatives()) {
    if (alternative.when.tests.empty()) return alternative.nodes;
  }
  return expression.alternatives().front().nodes;
}

// The event rule that a generic sample is made for: the one without a condition, or else the first that asks for
// nothing but members of the body.
const provider::EventRule& SampleRule(const Provider& provider) {
  if (provider.events.back().when.tests.empty()) return provider.events.back();
  for (const provider::EventRule& rule : provider.events) {
    const auto in_body = [](const provider::Condition::Test& test) {
      return test.value.values.front().source == Source::kJson && test.value.filters.empty();
    };
    if (std::all_of(rule.when.tests.begin(), rule.when.tests.end(), in_body)) return rule;
  }
  return provider.events.front();
}

// A value of the body that an expression reads: a path into its JSON, or the name of a form's field alone.
using BodyPlace = std::vector<std::string>;

std::vector<BodyPlace> BodyPlaces(const std::vector<provider::TemplateNode>& nodes, const Provider& provider,
                                  bool groups) {
  const bool form = provider.content.kind == provider::ContentRule::Kind::kForm;
  const std::vector<std::string>& split = SampleRule(provider).split;
  std::vector<BodyPlace> places;
  for (const provider::TemplateNode& node : nodes) {
    if (groups && node.kind == provider::TemplateNode::Kind::kGroup) {
      for (BodyPlace& place : BodyPlaces(node.group, provider, groups)) places.push_back(std::move(place));
    }
    if (node.kind != provider::TemplateNode::Kind::kChain || !node.chain.filters.empty()) continue;
    const provider::Value& value = node.chain.values.front();
    if (form) {
      if (value.source == Source::kForm) places.push_back({value.name});
      continue;
    }
    if (value.source == Source::kJson) places.push_back(value.path);
    if (value.source == Source::kItem || value.source == Source::kItem1) {
      const auto star = std::find(split.begin(), split.end(), "*");
      BodyPlace path(split.begin(), value.source == Source::kItem ? split.end() : star + 1);
      path.insert(path.end(), value.path.begin(), value.path.end());
      places.push_back(std::move(path));
    }
  }
  return places;
}

// The type is the name of the document's only other member (Telegram).
bool NamedByKey(const provider::Expression& type) {
  bool named = false;
  type.ForEachChain([&](const provider::Chain& chain) {
    named |= !chain.filters.empty() && chain.filters.front().kind == provider::FilterKind::kKeyBesides;
  });
  return named;
}

// What a generic sample's body holds, as JSON or as a form.
class GenericBody {
 public:
  explicit GenericBody(const Provider& provider) : content_(provider.content) {}

  // `bare`: without quotes in JSON.
  void Set(const BodyPlace& place, std::string_view text, bool bare = false) {
    if (content_.kind == Kind::kForm) {
      form_[place.front()] = std::string(text);
    } else {
      tree_.Set(place, 0, bare ? std::string(text) : provider::JsonQuoted(text));
    }
  }

  void WriteTo(Sample& sample) const {
    if (content_.kind == Kind::kForm) {
      for (const auto& [name, value] : form_) {
        absl::StrAppend(&sample.body, sample.body.empty() ? "" : "&", EncodeFormText(name), "=", EncodeFormText(value));
      }
    } else {
      tree_.Write(sample.body);
    }
    if (content_.kind == Kind::kFormField) {
      sample.body = absl::StrCat(EncodeFormText(content_.field), "=", EncodeFormText(sample.body));
    }
    if (content_.kind == Kind::kForm || content_.kind == Kind::kFormField) sample.content_type = kFormType;
  }

 private:
  using Kind = provider::ContentRule::Kind;

  const provider::ContentRule& content_;
  Tree tree_;
  std::map<std::string, std::string> form_;
};

Sample GenericSample(const Provider& provider, std::string_view type, std::string_view seed, absl::Time now) {
  const provider::EventRule& event = SampleRule(provider);
  Sample sample;
  sample.id = absl::StrCat("msg_", WordId(seed, "message", 27, kLetters));
  GenericBody body(provider);
  BodyPlace place = event.split;
  const bool named = NamedByKey(event.type);
  place.emplace_back(named ? type : "sample");
  body.Set(place, "true", /*bare=*/true);
  for (const provider::Condition::Test& test : event.when.tests) {
    const provider::Condition::Pattern& pattern = test.any_of.front();
    if (pattern.match != provider::Condition::Match::kAbsent) {
      body.Set(test.value.values.front().path, pattern.text.empty() ? std::string_view("sample") : pattern.text);
    }
  }
  for (const BodyPlace& id : BodyPlaces(SampleNodes(event.id), provider, false)) body.Set(id, sample.id);
  for (const BodyPlace& time : BodyPlaces(SampleNodes(event.time), provider, false)) {
    // Another member would take the type's place.
    if (!named) body.Set(time, provider::FormatTimeText(now, event.time_unit), provider::IsNumber(event.time_unit));
  }
  // The type last: an id may be made of it. What a preset says of itself can't be another.
  const auto& nodes = SampleNodes(event.type);
  sample.type = std::string(nodes.empty() ? std::string_view("unknown") : type);
  if (nodes.size() == 1 && nodes.front().kind == provider::TemplateNode::Kind::kText) sample.type = nodes.front().text;
  std::string_view rest = type;
  // What the preset puts before every type need not be said again.
  if (nodes.size() > 1 && nodes.front().kind == provider::TemplateNode::Kind::kText) {
    const std::string& before = nodes.front().text;
    if (type.starts_with(before)) {
      rest.remove_prefix(before.size());
    } else {
      sample.type = absl::StrCat(before, ToAbsl(type));
    }
  }
  // A header that comes first has what is before the first dot (SetEventHeaders).
  const bool header = nodes.size() > 1 && nodes.front().kind == provider::TemplateNode::Kind::kChain &&
                      nodes.front().chain.values.front().source == Source::kHeader;
  const auto next = [&rest](bool last) {
    const size_t end = last ? std::string_view::npos : rest.find('.');
    const std::string_view part = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    return part;
  };
  if (header) next(false);
  const std::vector<BodyPlace> types = BodyPlaces(nodes, provider, header);
  for (size_t i = 0; i < types.size(); ++i) {
    // Several values joined by dots: the last takes what is left.
    if (const std::string_view part = next(i + 1 == types.size()); !header || !part.empty()) body.Set(types[i], part);
  }
  body.WriteTo(sample);
  return sample;
}

// What its certificate's address has to look like, and what is signed, no rule of the preset can tell.
Sample SnsSample(std::string_view type, std::string_view seed, absl::Time now) {
  constexpr std::string_view kBody =
      R"({"Type":$TYPE,"MessageId":"$UUID","TopicArn":"arn:aws:sns:eu-central-1:123456789012:orders",)"
      R"("Subject":"Order 1042","Message":"{\"order\":1042}","Timestamp":"$ISO","SignatureVersion":"2","Signature":"",)"
      R"("SigningCertURL":"https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem",)"
      R"("UnsubscribeURL":"https://sns.eu-central-1.amazonaws.com/?Action=Unsubscribe"})";
  Sample sample;
  const std::string id = WordId(seed, "message", 32, "0123456789abcdef");
  sample.type = std::string(type);
  sample.id = id;
  sample.content_type = "text/plain; charset=UTF-8";
  sample.body = absl::StrReplaceAll(ToAbsl(kBody), {{"$TYPE", provider::JsonQuoted(type)},
                                                    {"$UUID", id},
                                                    {"$ISO", provider::FormatTimeText(now, provider::TimeUnit::kIso)}});
  return sample;
}

// A form with XML in base64.
Sample BraintreeSample(std::string_view type, std::string_view seed, absl::Time now) {
  const std::string id = WordId(seed, "subscription", 6, "0123456789abcdefghijklmnopqrstuvwxyz");
  const std::string xml =
      absl::StrCat("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<notification>\n  <kind>", ToAbsl(type),
                   "</kind>\n  <timestamp type=\"datetime\">", provider::FormatTimeText(now, provider::TimeUnit::kIso),
                   "</timestamp>\n  <subject>\n    <subscription>\n      <id>", id,
                   "</id>\n      <status>Active</status>\n    </subscription>\n  </subject>\n</notification>\n");
  Sample sample;
  sample.type = std::string(type);
  sample.id = id;
  sample.content_type = kFormType;
  sample.body = absl::StrCat("bt_signature=&bt_payload=", EncodeFormText(provider::EncodeBase64(xml) + "\n"));
  return sample;
}

}  // namespace

std::vector<std::string_view> SampleTypes(const Provider& provider) {
  if (provider.family == "stripe") {
    return {"payment_intent.succeeded",
            "payment_intent.payment_failed",
            "charge.succeeded",
            "charge.refunded",
            "invoice.paid",
            "invoice.payment_failed",
            "customer.subscription.created",
            "customer.subscription.updated",
            "customer.subscription.deleted",
            "checkout.session.completed"};
  }
  if (provider.family == "github") {
    return {"push",          "pull_request.opened", "pull_request.closed",    "issues.opened",
            "issues.closed", "release.published",   "workflow_run.completed", "ping"};
  }
  if (provider.family == "twilio") return {"message.delivered", "message.sent", "message.failed", "message.received"};
  if (provider.family == "slack") return {"message", "app_mention"};
  if (provider.family == "aws-sns") return {"Notification"};
  if (provider.family == "braintree") return {"subscription_charged_successfully", "dispute_opened"};
  if (provider.family == "openai") return {"response.completed", "response.failed", "batch.completed", "batch.failed"};
  return {};
}

absl::StatusOr<Sample> SampleBody(const Provider& provider, std::string_view type, std::string_view seed,
                                  absl::Time now) {
  if (type.empty()) {
    const std::vector<std::string_view> types = SampleTypes(provider);
    type = types.empty() ? "example.created" : types.front();
  }
  absl::StatusOr<Sample> sample = [&]() -> absl::StatusOr<Sample> {
    if (provider.family == "stripe") return StripeSample(type, seed, now);
    if (provider.family == "github") return GithubSample(type, seed, now);
    if (provider.family == "twilio") return TwilioSample(type, seed, now);
    if (provider.family == "slack") return SlackSample(type, seed, now);
    if (provider.family == "openai") return OpenAiSample(type, seed, now);
    if (provider.family == "aws-sns") return SnsSample(type, seed, now);
    if (provider.family == "braintree") return BraintreeSample(type, seed, now);
    return GenericSample(provider, type, seed, now);
  }();
  if (!sample.ok()) return sample;
  if (sample->type.empty()) sample->type = std::string(type);
  if (sample->content_type.empty()) sample->content_type = "application/json";
  return sample;
}

}  // namespace hookstream::verify
