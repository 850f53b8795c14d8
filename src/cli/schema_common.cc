#include "cli/schema_common.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver_util.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/text.h"
#include "cli/json_text.h"
#include "cli/provider_option.h"
#include "provider/context.h"
#include "provider/extract.h"
#include "provider/presets.h"

namespace hookstream::cli {
namespace {

namespace pb = google::protobuf;

constexpr std::string_view kFormType = "application/x-www-form-urlencoded";
constexpr std::string_view kJsonType = "application/json";

bool LooksLikeJson(std::string_view body) {
  const size_t first = body.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && (body[first] == '{' || body[first] == '[');
}

// What of an event's bytes is typed. `whole`: they are the request's body, not an item of it. Without a preset, what
// the Content-Type says.
Payload TypedPart(const provider::Provider* preset, provider::Context& context, std::string type, std::string_view body,
                  bool whole) {
  Payload payload = {std::move(type), typing::ContentKind::kJson, std::string(body)};
  if (!whole || !context.IsForm() || LooksLikeJson(body)) return payload;
  std::string scratch;
  const auto document = provider::DocumentOfForm(preset, context.Header("content-type").value_or(""), body, scratch);
  if (document && document->is_json) {
    payload.document = document->text;
    return payload;
  }
  payload.kind = typing::ContentKind::kForm;
  payload.document = document ? document->text : std::string_view();
  return payload;
}

std::string ReadSet(const std::string& path) {
  std::error_code error;
  if (path != "-" && std::filesystem::file_size(path, error) > typing::kMaxSetBytes && !error) {
    FailUsage(absl::StrCat("'", path, "' is larger than a descriptor set may be (64 MiB)"));
  }
  return ReadInput(path);
}

}  // namespace

std::shared_ptr<const typing::Registry> LoadRegistry(const std::vector<std::string>& schema_files) {
  typing::RegistryOptions options;
  for (const std::string& file : schema_files) options.user_sets.push_back({file, ReadSet(file), {}});
  auto registry = typing::Registry::Build(options);
  if (!registry.ok()) Fail(std::string(registry.status().message()));
  return *std::move(registry);
}

void WriteFile(const std::string& path, const std::string& text) {
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  // What can't be made is noticed by the write.
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  if (!out) Fail(absl::StrCat("can't write '", path, "'"));
}

std::string_view StatusName(typing::TypedStatus status) {
  switch (status) {
    case typing::TypedStatus::kFull: return "FULL";
    case typing::TypedStatus::kPartial: return "PARTIAL";
    case typing::TypedStatus::kUntyped: break;
  }
  return "UNTYPED";
}

std::string PayloadJson(const typing::Registry& registry, const typing::Typed& typed) {
  if (typed.status == typing::TypedStatus::kUntyped) return "null";
  const pb::Descriptor* const message = registry.FindMessage(typed.message);
  if (message == nullptr) Fail(absl::StrCat("the message ", typed.message, " is in no schema"));
  const std::unique_ptr<pb::util::TypeResolver> resolver(
      pb::util::NewTypeResolverForDescriptorPool("type.googleapis.com", message->file()->pool()));
  std::string json;
  const auto status = pb::util::BinaryToJsonString(resolver.get(), typed.TypeUrl(), typed.wire, &json);
  if (!status.ok()) Fail(absl::StrCat("can't write ", typed.message, " as JSON: ", std::string(status.message())));
  return json;
}

std::string NotesJson(const std::vector<typing::Note>& notes) {
  std::string json = "[";
  for (const typing::Note& note : notes) {
    JsonObject object;
    object.Add("pointer", note.pointer).Add("reason", note.reason).Add("text", note.text);
    absl::StrAppend(&json, json.size() > 1 ? "," : "", object.Text());
  }
  return json + "]";
}

std::string PointersJson(const std::vector<typing::Note>& notes) {
  std::vector<std::string> seen;
  std::string json = "[";
  for (const typing::Note& note : notes) {
    if (std::find(seen.begin(), seen.end(), note.pointer) != seen.end()) continue;
    seen.push_back(note.pointer);
    absl::StrAppend(&json, json.size() > 1 ? "," : "", JsonString(note.pointer));
  }
  return json + "]";
}

// --- payloads ---

void PayloadReader::Add(CLI::App& verb, bool required) {
  CLI::Option* option = verb.add_option("--provider,-p", name_,
                                        "whose payloads: a built-in preset, a preset file (*.yaml), or a family of "
                                        "your own")
                            ->type_name("NAME|FILE");
  if (required) option->required();
  verb.add_option("--header,-H", headers_, "a header of the requests, for presets that read one; may be repeated")
      ->type_name("'K: V'")
      ->allow_extra_args(false);
}

void PayloadReader::Resolve() {
  own_ = LoadPresetFile(name_);
  preset_ = own_ != nullptr ? own_.get() : provider::FindPreset(name_);
  family_ = preset_ == nullptr ? name_ : preset_->family;
}

std::vector<Payload> PayloadReader::Read(const std::string& body, const std::string& type) const {
  if (preset_ == nullptr) return {{type, typing::ContentKind::kJson, body}};
  using Kind = provider::ContentRule::Kind;
  std::vector<provider::HeaderView> headers;
  std::string_view content_type;
  for (const std::string& header : headers_) {
    headers.push_back(ParseHeaderOption(header));
    if (absl::EqualsIgnoreCase(ToAbsl(headers.back().name), "content-type")) content_type = headers.back().value;
  }
  if (content_type.empty()) {
    const bool form =
        (preset_->content.kind == Kind::kForm || preset_->content.kind == Kind::kFormField) && !LooksLikeJson(body);
    content_type = form ? kFormType : kJsonType;
    headers.push_back({"Content-Type", content_type});
  }
  provider::Request request;
  request.headers = headers;
  request.body = body;
  request.received = absl::Now();
  provider::Context context(request, preset_->content);
  std::vector<Payload> payloads;
  for (const provider::ExtractedItem& item : provider::Extract(*preset_, context).items) {
    const bool whole = item.body.size() == body.size();
    payloads.push_back(TypedPart(preset_, context, type.empty() ? item.type : type, item.body, whole));
  }
  return payloads;
}

// --- stored events ---

void StoredEvents::Add(CLI::App& verb) {
  verb.add_option("--last", last, "with --events: those accepted in this time, or since a time")
      ->type_name("2h|TIME")
      ->capture_default_str();
  verb.add_option("--filter,-f", filter, "with --events: only those that match")->type_name("EXPR");
  verb.add_option("--limit", limit, "with --events: at most so many, the newest")
      ->check(CLI::Range(int64_t{1}, int64_t{10'000'000}))
      ->capture_default_str();
}

void StoredEvents::ForEach(const Common& common, const std::string& filter_expression,
                           const std::function<void(const v1::Event&)>& visit) const {
  using Admin = v1::AdminService::Stub;
  const auto channel = Connect(common);
  const auto admin = v1::AdminService::NewStub(channel);
  v1::ListEventsRequest request;
  request.mutable_query()->set_filter(BothFilters(filter, filter_expression));
  *request.mutable_query()->mutable_since() = ToProto(ParseWhen("--last", last));
  request.set_view(v1::VIEW_RAW);
  request.set_descending(true);
  int64_t seen = 0;
  do {
    request.set_page_size(static_cast<int32_t>(std::min<int64_t>(limit - seen, 200)));
    auto page = Call(common, *admin, &Admin::ListEvents, request);
    for (v1::Event& event : *page.mutable_events()) {
      if (event.raw().body_omitted()) {
        grpc::ClientContext context;
        v1::GetEventBodyRequest body;
        body.set_id(event.id());
        const auto reader = admin->GetEventBody(&context, body);
        v1::GetEventBodyResponse chunk;
        while (reader->Read(&chunk)) event.mutable_raw()->mutable_body()->append(chunk.chunk());
        Check(common, reader->Finish());
      }
      visit(event);
      ++seen;
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty() && seen < limit);
  if (!request.page_token().empty()) {
    std::cerr << "only the newest " << seen << " events were read; --limit takes more" << std::endl;
  }
}

Payload PayloadOf(const v1::Event& event) {
  const v1::Raw& raw = event.raw();
  const provider::Provider* const preset = provider::FindPreset(event.verification().preset());
  const provider::ContentRule any = {provider::ContentRule::Kind::kAny, ""};
  const provider::HeaderView header = {"content-type", raw.content_type()};
  provider::Request request;
  request.headers = {&header, 1};
  request.body = raw.body();
  provider::Context context(request, preset == nullptr ? any : preset->content);
  return TypedPart(preset, context, event.type(), raw.body(), raw.count() <= 1);
}

std::string BothFilters(const std::string& first, const std::string& second) {
  if (first.empty() || second.empty()) return absl::StrCat(first, second);
  const auto operand = [](const std::string& text) {
    return absl::StrContains(text, "||") || absl::StrContains(text, "?") ? absl::StrCat("(", text, ")") : text;
  };
  return absl::StrCat(operand(first), " && ", operand(second));
}

std::string FilterText(std::string_view text) {
  std::string literal = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') literal.push_back('\\');
    literal.push_back(c);
  }
  return literal + "\"";
}

}  // namespace hookstream::cli
