// `hookstream sources`: where webhooks come from, whether keys can be retired, and the built-in presets.
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <iostream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/units.h"
#include "cli/json.h"
#include "cli/json_text.h"
#include "cli/key_advice.h"
#include "cli/learnt_keys.h"
#include "cli/preset_list.h"
#include "cli/provider_option.h"
#include "cli/verb_list.h"
#include "cli/words.h"
#include "provider/presets.h"

namespace hookstream::cli {
namespace {

using google::protobuf::util::TimeUtil;

v1::ListSourcesResponse ListSources(const Common& common, const std::shared_ptr<grpc::Channel>& channel) {
  const auto admin = v1::AdminService::NewStub(channel);
  return Call(common, *admin, &v1::AdminService::Stub::ListSources, v1::ListSourcesRequest());
}

void List(const Common& common) {
  const auto channel = Connect(common);
  JsonWriter json(channel);
  const auto response = ListSources(common, channel);
  std::vector<std::vector<std::string>> rows = {{"NAME", "PRESET", "URL", "KEY", "HITS", "LAST HIT"}};
  for (const v1::Source& source : response.sources()) {
    if (common.json()) std::cout << json.ToJson(source) << '\n';
    const std::string preset = absl::StrCat(source.preset(), source.enforce() ? "" : " (audit)");
    if (source.keys().empty()) rows.push_back({source.name(), preset, source.url(), "-", "", ""});
    for (const v1::SourceKey& key : source.keys()) {
      const bool first = &key == &source.keys(0);
      rows.push_back({first ? source.name() : "", first ? preset : "", first ? source.url() : "", key.id(),
                      absl::StrCat(key.hits()), key.has_last_hit_at() ? TimeText(key.last_hit_at()) : "never"});
    }
  }
  if (!common.json()) PrintTable(rows);
}

// "signature_mismatch 12, rate_limited 1"
std::string ReasonsText(const google::protobuf::RepeatedPtrField<v1::ReasonCount>& reasons) {
  std::string text;
  for (const v1::ReasonCount& entry : reasons) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", entry.reason(), " ", CountText(entry.count()));
  }
  return text;
}

absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Nanoseconds(TimeUtil::DurationToNanoseconds(duration));
}

// "2s late", "1.5s ahead"
std::string SkewText(const google::protobuf::Duration& skew) {
  const absl::Duration duration = FromProto(skew);
  return absl::StrCat(absl::FormatDuration(absl::Trunc(absl::AbsDuration(duration), absl::Milliseconds(1))),
                      duration < absl::ZeroDuration() ? " ahead" : " late");
}

std::string SkewsText(const v1::SignedTimeSkew& skew, absl::Time now) {
  std::string text =
      absl::StrCat("the last ", SkewText(skew.last()), ", ", AgoText(cli::FromProto(skew.last_at()), now));
  if (skew.has_lowest()) {
    absl::StrAppend(&text, "; in the last hours from ", SkewText(skew.lowest()), " to ", SkewText(skew.highest()));
    // No request is early on its way.
    if (FromProto(skew.lowest()) < absl::Seconds(-2)) text += ": the provider's clock and the relay's differ";
  }
  return text;
}

std::string KeyText(const v1::SourceKey& key, absl::Time now) {
  std::string text = absl::StrCat(CountText(key.hits()), key.hits() == 1 ? " hit" : " hits");
  if (key.has_last_hit_at()) {
    absl::StrAppend(&text, ", last used ", AgoText(cli::FromProto(key.last_hit_at()), now), " (",
                    TimeText(key.last_hit_at()), ")");
  } else {
    absl::StrAppend(&text, ", not used since ", TimeText(key.counting_since()));
  }
  if (key.has_not_before()) absl::StrAppend(&text, ", valid from ", TimeText(key.not_before()));
  if (key.has_not_after()) absl::StrAppend(&text, ", valid until ", TimeText(key.not_after()));
  return text;
}

void PrintSource(const v1::Source& source, absl::Time now, absl::Duration quiet) {
  const auto ago = [&](const google::protobuf::Timestamp& time) {
    return absl::StrCat(TimeText(time), " (", AgoText(cli::FromProto(time), now), ")");
  };
  std::vector<std::vector<std::string>> rows = {
      {"name", source.name()},
      {"preset", source.preset()},
      {"provider", source.provider()},
      {"url", source.url()},
      {"counting since", ago(source.counting_since())},
      {"accepted", CountText(source.accepted())},
      {"refused",
       absl::StrCat(CountText(source.refused()), source.refused() > 0 ? ": " : "", ReasonsText(source.refused_by()))},
  };
  if (!source.enforce() || source.would_refuse() > 0) {
    rows.push_back(
        {"audit mode", absl::StrCat(source.enforce() ? "off now; " : "", CountText(source.would_refuse()), " of ",
                                    CountText(source.verified()), " would have been refused",
                                    source.would_refuse() > 0 ? ": " : "", ReasonsText(source.would_refuse_by()))});
  }
  if (source.has_signed_time_skew()) rows.push_back({"signed times", SkewsText(source.signed_time_skew(), now)});
  for (int i = 0; i < source.keys_size(); ++i) {
    const KeyAdvice advice = AdviseOnKey(source, i, now, quiet);
    rows.push_back({absl::StrCat("key ", source.keys(i).id()), KeyText(source.keys(i), now)});
    rows.push_back({"", absl::StrCat(advice.safe_to_retire ? "safe to retire: " : "not safe to retire: ",
                                     Printable(advice.reason))});
  }
  PrintTable(rows);
}

void Show(const Common& common, const std::string& name, absl::Duration quiet) {
  const auto channel = Connect(common);
  const auto response = ListSources(common, channel);
  const auto found = std::find_if(response.sources().begin(), response.sources().end(),
                                  [&](const v1::Source& source) { return source.name() == name; });
  if (found == response.sources().end()) Fail(absl::StrCat("the relay has no source '", name, "'"));
  const absl::Time now = absl::Now();
  if (!common.json()) return PrintSource(*found, now, quiet);
  std::string keys;
  for (int i = 0; i < found->keys_size(); ++i) {
    const KeyAdvice advice = AdviseOnKey(*found, i, now, quiet);
    JsonObject key;
    key.Add("id", found->keys(i).id()).Add("safeToRetire", advice.safe_to_retire).Add("reason", advice.reason);
    absl::StrAppend(&keys, keys.empty() ? "" : ",", key.Text());
  }
  JsonObject line;
  line.AddJson("source", JsonWriter(channel).ToJson(*found)).AddJson("advice", absl::StrCat("[", keys, "]"));
  std::cout << line.Text() << '\n';
}

void Presets(const Common& common, const std::string& name) {
  if (!name.empty()) {
    const provider::Provider& preset = GetPreset(name);
    if (common.output == Output::kMarkdown) FailUsage("--output markdown is the page of all presets");
    std::cout << (common.json() ? PresetJson(preset, true) + "\n" : std::string(provider::PresetYaml(name)));
    return;
  }
  switch (common.output) {
    case Output::kMarkdown: std::cout << PresetsMarkdown(); break;
    case Output::kJson:
      for (const std::string_view preset : provider::PresetNames()) {
        std::cout << PresetJson(*provider::FindPreset(preset), false) << '\n';
      }
      break;
    default: PrintTable(PresetRows());
  }
}

}  // namespace

void AddSources(CLI::App& app, int& exit_code) {
  struct State {
    Common common;
    std::string name;
    std::string quiet = "3d";
    std::string preset;
  };
  auto state = std::make_shared<State>();
  CLI::App* group = AddGroup(app, "sources", "Where webhooks come from");
  CLI::App* list = AddVerb(*group, exit_code, "list", "Sources, their URLs and keys", "  hookstream sources list",
                           [state] { List(state->common); });
  AddCommon(*list, state->common);
  CLI::App* show =
      AddVerb(*group, exit_code, "show", "One source: what it accepted and refused, and which keys can be retired",
              "  hookstream sources show stripe-live\n  hookstream sources show stripe-live --quiet 14d",
              [state] { Show(state->common, state->name, ParseDurationOption("--quiet", state->quiet)); });
  show->add_option("name", state->name, "the source")->required();
  show->add_option(
          "--quiet", state->quiet,
          "how long a key has to be out of use: the longest that the provider goes on repeating or signing with "
          "an old one")
      ->type_name("DURATION")
      ->capture_default_str();
  AddCommon(*show, state->common);
  CLI::App* presets =
      AddVerb(*group, exit_code, "presets", "The built-in presets, or one of them as YAML; needs no relay",
              "  hookstream sources presets\n  hookstream sources presets stripe > my-stripe.yaml",
              [state] { Presets(state->common, state->preset); });
  presets->add_option("preset", state->preset, "print this one's file");
  AddOutput(*presets, state->common, {Output::kMarkdown});
  AddLearntKeys(*group, exit_code);
}

}  // namespace hookstream::cli
