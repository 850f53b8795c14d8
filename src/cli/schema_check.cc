// `hookstream schema check`: how payloads, or stored events, are typed by the built-in messages and one's own.
#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/json_text.h"
#include "cli/schema_common.h"
#include "cli/schema_verbs.h"

namespace hookstream::cli {
namespace {

using typing::TypedStatus;

struct Checker {
  Common common;
  PayloadReader payloads;
  StoredEvents stored;
  std::string type;
  std::vector<std::string> schemas;
  std::vector<std::string> files;
  bool events = false;

  typing::Converter converter;
  bool all_full = true;
  std::map<TypedStatus, int64_t> counts;

  void Run() {
    payloads.Resolve();
    if (events) {
      if (!files.empty()) FailUsage("either files or --events");
      return CheckEvents();
    }
    if (files.empty()) FailUsage("say which: files with payloads, or --events");
    if (!payloads.given()) FailUsage("--provider is required");
    CheckFiles();
  }

  // --- files ---

  void CheckFiles() {
    const auto registry = LoadRegistry(schemas);
    if (payloads.preset() == nullptr) {
      std::set<std::string> families;
      for (const typing::EventTypeInfo& info : registry->EventTypes()) families.insert(info.provider);
      if (families.count(payloads.family()) == 0) {
        FailUsage(absl::StrCat("no preset and no message is for provider '", payloads.family(),
                               "'; there are messages for: ", absl::StrJoin(families, ", ")));
      }
      if (type.empty()) {
        FailUsage(absl::StrCat("there is no preset '", payloads.family(),
                               "' that reads an event's type from a body, so --type has to say it"));
      }
    }
    for (const std::string& file : files) CheckFile(*registry, file);
    if (!common.json()) Summary();
    if (!all_full) Fail("");
  }

  void CheckFile(const typing::Registry& registry, const std::string& file) {
    const std::string body = ReadInput(file);
    const std::vector<Payload> found = payloads.Read(body, type);
    if (found.empty()) {
      typing::Typed none;
      none.notes.push_back({"", "no_mapping", "the preset finds no event in it"});
      Report(registry, file, type, none);
    }
    for (const Payload& payload : found) {
      Report(registry, file, payload.type,
             converter.Convert(registry, payloads.family(), payload.type, payload.kind, payload.document));
    }
  }

  void Report(const typing::Registry& registry, const std::string& file, const std::string& event_type,
              const typing::Typed& typed) {
    ++counts[typed.status];
    all_full &= typed.status == TypedStatus::kFull;
    if (common.json()) {
      JsonObject line;
      line.Add("file", file).Add("type", event_type).Add("status", StatusName(typed.status));
      line.Add("message", typed.message).AddJson("pointers", PointersJson(typed.notes));
      line.AddJson("notes", NotesJson(typed.notes)).AddJson("data", PayloadJson(registry, typed));
      std::cout << line.Text() << '\n';
      return;
    }
    std::string line(StatusName(typed.status));
    line.resize(sizeof("UNTYPED") + 1, ' ');
    absl::StrAppend(&line, Printable(file), "  ", Printable(event_type));
    if (!typed.message.empty()) absl::StrAppend(&line, "  ", typed.message);
    std::cout << line << '\n';
    for (const typing::Note& note : typed.notes) {
      std::cout << "           " << Printable(note.pointer.empty() ? "(the whole)" : note.pointer) << ": "
                << note.reason << (note.text.empty() ? "" : ": ") << Printable(note.text) << '\n';
    }
    if (typed.notes_dropped > 0) std::cout << "           and " << typed.notes_dropped << " more\n";
  }

  void Summary() {
    std::cout << counts[TypedStatus::kFull] << " full, " << counts[TypedStatus::kPartial] << " partial, "
              << counts[TypedStatus::kUntyped] << " untyped\n";
  }

  // --- stored events ---

  struct OfType {
    std::set<std::string> messages;
    std::map<TypedStatus, int64_t> counts;
    std::map<std::pair<std::string, std::string>, int64_t> notes;  // pointer and reason
  };

  void CheckEvents() {
    // Without a set of one's own, what the relay says of them as it is.
    const auto registry = schemas.empty() ? nullptr : LoadRegistry(schemas);
    std::string wanted;
    if (payloads.given()) wanted = absl::StrCat("provider == ", FilterText(payloads.family()));
    if (!type.empty()) wanted = BothFilters(wanted, absl::StrCat("type == ", FilterText(type)));
    std::map<std::pair<std::string, std::string>, OfType> types;
    stored.ForEach(common, wanted, [&](const v1::Event& event) {
      OfType& of = types[{event.provider(), event.type()}];
      if (registry != nullptr) {
        const Payload payload = PayloadOf(event);
        const typing::Typed typed =
            converter.Convert(*registry, event.provider(), event.type(), payload.kind, payload.document);
        if (!typed.message.empty()) of.messages.insert(typed.message);
        Count(of, typed.status);
        for (const typing::Note& note : typed.notes) ++of.notes[{note.pointer, std::string(note.reason)}];
        return;
      }
      const v1::Typing& typing = event.typing();
      Count(of, typing.status() == v1::TYPING_STATUS_FULL      ? TypedStatus::kFull
                : typing.status() == v1::TYPING_STATUS_PARTIAL ? TypedStatus::kPartial
                                                               : TypedStatus::kUntyped);
      for (const v1::TypingNote& note : typing.notes()) ++of.notes[{note.pointer(), note.reason()}];
    });
    Print(types);
    if (!all_full) Fail("");
  }

  void Count(OfType& of, TypedStatus status) {
    ++of.counts[status];
    ++counts[status];
    all_full &= status == TypedStatus::kFull;
  }

  void Print(std::map<std::pair<std::string, std::string>, OfType>& types) {
    std::vector<std::vector<std::string>> rows = {
        {"PROVIDER", "TYPE", "FULL", "PARTIAL", "UNTYPED", "WHAT DID NOT FIT"}};
    for (auto& [name, of] : types) {
      const std::vector<std::string> numbers = {absl::StrCat(of.counts[TypedStatus::kFull]),
                                                absl::StrCat(of.counts[TypedStatus::kPartial]),
                                                absl::StrCat(of.counts[TypedStatus::kUntyped])};
      if (common.json()) {
        std::string notes = "[";
        for (const auto& [note, count] : of.notes) {
          JsonObject object;
          object.Add("pointer", note.first).Add("reason", note.second).Add("events", count);
          absl::StrAppend(&notes, notes.size() > 1 ? "," : "", object.Text());
        }
        std::string messages = "[";
        for (const std::string& message : of.messages) {
          absl::StrAppend(&messages, messages.size() > 1 ? "," : "", JsonString(message));
        }
        JsonObject line;
        line.Add("provider", name.first).Add("type", name.second).AddJson("messages", messages + "]");
        line.AddJson("full", numbers[0]).AddJson("partial", numbers[1]).AddJson("untyped", numbers[2]);
        std::cout << line.AddJson("pointers", notes + "]").Text() << '\n';
        continue;
      }
      std::vector<std::string> row = {Printable(name.first), Printable(name.second)};
      row.insert(row.end(), numbers.begin(), numbers.end());
      bool first = true;
      for (const auto& [note, count] : of.notes) {
        if (!first) row.assign(5, "");
        row.push_back(absl::StrCat(Printable(note.first.empty() ? "(the whole)" : note.first), ": ", note.second, ", ",
                                   count, "x"));
        rows.push_back(row);
        first = false;
      }
      if (first) rows.push_back(row);
    }
    if (common.json()) return;
    PrintTable(rows);
    Summary();
  }
};

}  // namespace

void AddSchemaCheck(CLI::App& group, int& exit_code) {
  auto check = std::make_shared<Checker>();
  CLI::App* verb = AddVerb(
      group, exit_code, "check", "How payloads, or stored events, are typed",
      "  hookstream schema check -p stripe captured/*.json\n"
      "  hookstream schema check -p github -H 'X-GitHub-Event: push' push.json\n"
      "  hookstream schema check -p acme --type order.paid --schema acme.binpb order.json\n"
      "  hookstream schema check --events --last 2h --schema acme.binpb\n\n"
      "JSON output has a line for each file: file, type, status, message, pointers, notes, data; with --events\n"
      "one for each type. Several events in one body are several lines. Exits 1 when any is not FULL.\n"
      "Files need no relay. Stored events are typed anew by the built-in messages and --schema; without --schema\n"
      "as the relay types them.",
      [check] { check->Run(); });
  check->payloads.Add(*verb, false);
  verb->add_option("--type,-t", check->type, "the event's type (default: what the preset reads from the request)");
  verb->add_option("--schema,-s", check->schemas, "a FileDescriptorSet of your own; may be repeated")
      ->type_name("FILE.binpb")
      ->allow_extra_args(false);
  verb->add_option("file", check->files, "files with a request's body, JSON or a form; - is stdin")->type_name("FILE");
  verb->add_flag("--events", check->events, "the relay's stored events instead of files");
  check->stored.Add(*verb);
  AddCommon(*verb, check->common);
}

}  // namespace hookstream::cli
