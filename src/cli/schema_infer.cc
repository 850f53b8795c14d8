// `hookstream schema infer`: a .proto with mapping from captured payloads, checked against them.
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/json_text.h"
#include "cli/schema_common.h"
#include "cli/schema_verbs.h"
#include "schema/compile.h"
#include "schema/infer.h"
#include "schema/lock.h"
#include "typing/pattern.h"

namespace hookstream::cli {
namespace {

namespace fs = std::filesystem;

struct NamedSample {
  std::string name;
  std::string type;  // the event's
  typing::ContentKind kind = typing::ContentKind::kJson;
  std::string document;
};

// How the samples are typed by what was made of them.
struct Figures {
  std::map<typing::TypedStatus, int64_t> counts;
  size_t empties = 0;
  std::vector<typing::Note> notes;  // the first of each pointer

  int64_t full() const {
    const auto found = counts.find(typing::TypedStatus::kFull);
    return found == counts.end() ? 0 : found->second;
  }
};

std::string TextOf(const absl::Status& status) { return std::string(status.message()); }

struct Infer {
  Common common;
  PayloadReader payloads;
  StoredEvents stored;
  schema::InferOptions options;
  std::vector<std::string> files;
  std::string output;
  std::string lock_file;
  bool events = false;
  bool form = false;
  bool no_enums = false;

  void Run() {
    payloads.Resolve();
    options.provider = payloads.family();
    options.enums = !no_enums;
    if (events == !files.empty()) FailUsage("say which: files with samples, or --events");
    auto inference = schema::Inference::Create(options);
    if (!inference.ok()) FailUsage(TextOf(inference.status()));
    const std::vector<NamedSample> samples = events ? FromRelay() : FromFiles();
    for (const NamedSample& sample : samples) {
      const absl::Status status = sample.kind == typing::ContentKind::kForm
                                      ? inference->AddForm(sample.name, sample.document)
                                      : inference->Add(sample.name, sample.document);
      if (!status.ok()) Fail(TextOf(status));
    }
    std::vector<schema::ProtoFile> made;
    made.push_back(std::move(*inference).File());
    schema::Lock lock = ReadLock();
    if (const absl::Status status = lock.Apply(made); !status.ok()) Fail(TextOf(status));
    const std::string path = made.front().path;
    const std::string text = schema::WriteProto(made.front());
    const Figures figures = Verify(path, text, samples);
    if (!lock_file.empty()) WriteFile(lock_file, lock.Text());
    Report(path, text, made.front(), figures, samples.size());
    if (figures.full() != static_cast<int64_t>(samples.size())) Fail("");
  }

  // --- samples ---

  std::vector<NamedSample> FromFiles() {
    std::vector<NamedSample> samples;
    // Where no type is known, any that the patterns match stands for them all.
    const std::string type = AnyTypeOf(options.types.front());
    for (const std::string& file : files) {
      const std::string body = ReadInput(file);
      if (payloads.preset() == nullptr) {
        samples.push_back({file, type, form ? typing::ContentKind::kForm : typing::ContentKind::kJson, body});
        continue;
      }
      // What the preset splits is inferred item by item, as it will be typed.
      std::vector<Payload> found = payloads.Read(body, type);
      if (found.empty()) Fail(absl::StrCat(file, ": the preset finds no event in it"));
      for (size_t i = 0; i < found.size(); ++i) {
        samples.push_back({found.size() == 1 ? file : absl::StrCat(file, " (event ", i + 1, ")"), type, found[i].kind,
                           std::move(found[i].document)});
      }
    }
    return samples;
  }

  // A type that the pattern matches: its stars become "x".
  static std::string AnyTypeOf(const std::string& pattern) {
    std::string type;
    for (size_t i = 0; i < pattern.size(); ++i) {
      if (pattern[i] != '*') {
        type.push_back(pattern[i]);
      } else if (type.empty() || type.back() != 'x' || pattern[i - 1] != '*') {
        type.push_back('x');
      }
    }
    return type;
  }

  std::vector<NamedSample> FromRelay() {
    std::vector<typing::TypePattern> patterns;
    for (const std::string& type : options.types) patterns.push_back(*typing::TypePattern::Parse(type));
    std::string filter = absl::StrCat("provider == ", FilterText(options.provider));
    if (options.types.size() == 1 && !absl::StrContains(options.types[0], "*")) {
      absl::StrAppend(&filter, " && type == ", FilterText(options.types[0]));
    }
    std::vector<NamedSample> samples;
    stored.ForEach(common, filter, [&](const v1::Event& event) {
      const bool wanted = std::any_of(patterns.begin(), patterns.end(),
                                      [&](const auto& pattern) { return pattern.Matches(event.type()); });
      if (!wanted) return;
      Payload payload = PayloadOf(event);
      samples.push_back({absl::StrCat("event ", event.id()), event.type(), payload.kind, std::move(payload.document)});
    });
    if (samples.empty()) Fail("the relay has no such events");
    // Fields are numbered in the order in which they came up.
    std::reverse(samples.begin(), samples.end());
    return samples;
  }

  // --- what was made ---

  schema::Lock ReadLock() const {
    std::error_code error;
    const bool present = !lock_file.empty() && fs::exists(lock_file, error);
    auto lock = schema::Lock::Parse(present ? ReadInput(lock_file) : "", lock_file);
    if (!lock.ok()) Fail(TextOf(lock.status()));
    return *std::move(lock);
  }

  Figures Verify(const std::string& path, const std::string& text, const std::vector<NamedSample>& samples) const {
    const auto set = schema::CompileProtos({{path, text}});
    // Whatever the samples are, this is a defect of the inference, and the text is what shows it.
    if (!set.ok()) Fail(absl::StrCat("the inferred file does not compile, which is a bug:\n", TextOf(set.status())));
    typing::RegistryOptions registry_options;
    registry_options.user_sets.push_back({path, *set, {}});
    const auto registry = typing::Registry::Build(registry_options);
    if (!registry.ok()) Fail(absl::StrCat("the inferred file can't be loaded: ", TextOf(registry.status())));
    Figures figures;
    typing::Converter converter;
    for (const NamedSample& sample : samples) {
      typing::Typed typed = converter.Convert(**registry, options.provider, sample.type, sample.kind, sample.document);
      ++figures.counts[typed.status];
      figures.empties += typed.empties;
      if (typed.status == typing::TypedStatus::kFull) continue;
      for (typing::Note& note : typed.notes) {
        const bool known = std::any_of(figures.notes.begin(), figures.notes.end(),
                                       [&](const auto& other) { return other.pointer == note.pointer; });
        if (!known) figures.notes.push_back({absl::StrCat(note.pointer), note.reason, sample.name});
      }
    }
    return figures;
  }

  void Report(const std::string& path, const std::string& text, const schema::ProtoFile& file, const Figures& figures,
              size_t samples) {
    std::string written;
    if (!output.empty()) {
      std::error_code error;
      const bool folder = absl::EndsWith(output, "/") || fs::is_directory(output, error);
      written = folder ? (fs::path(output) / path).string() : output;
      WriteFile(written, text);
    }
    const auto count = [&](typing::TypedStatus status) {
      const auto found = figures.counts.find(status);
      return found == figures.counts.end() ? int64_t{0} : found->second;
    };
    size_t fields = 0;
    for (const schema::ProtoMessage& message : file.messages) fields += message.fields.size();
    if (common.json()) {
      JsonObject line;
      line.Add("file", written).Add("path", path).Add("message", absl::StrCat(file.package, ".", options.message));
      line.Add("samples", static_cast<int64_t>(samples)).Add("full", count(typing::TypedStatus::kFull));
      line.Add("partial", count(typing::TypedStatus::kPartial)).Add("untyped", count(typing::TypedStatus::kUntyped));
      line.Add("messages", static_cast<int64_t>(file.messages.size())).Add("fields", static_cast<int64_t>(fields));
      line.Add("empties", static_cast<int64_t>(figures.empties)).AddJson("notes", NotesJson(figures.notes));
      if (written.empty()) line.Add("proto", text);
      std::cout << line.Text() << '\n';
      return;
    }
    if (written.empty()) {
      std::cout << text << std::flush;
    } else {
      std::cerr << "written: " << written << '\n';
      if (!absl::EndsWith(fs::path(written).generic_string(), path)) {
        std::cerr << "buf and protoc want it at " << path << " below a proto root\n";
      }
    }
    std::cerr << samples << " samples: " << count(typing::TypedStatus::kFull) << " full, "
              << count(typing::TypedStatus::kPartial) << " partial, " << count(typing::TypedStatus::kUntyped)
              << " untyped; " << file.messages.size() << " messages, " << file.enums.size() << " enums, " << fields
              << " fields";
    if (figures.empties > 0) std::cerr << "; " << figures.empties << " empty values of another kind taken as absent";
    std::cerr << std::endl;
    for (const typing::Note& note : figures.notes) {
      std::cerr << "  " << Printable(note.text) << ": "
                << Printable(note.pointer.empty() ? "(the whole)" : note.pointer) << ": " << note.reason << std::endl;
    }
  }
};

}  // namespace

void AddSchemaInfer(CLI::App& group, int& exit_code) {
  auto infer = std::make_shared<Infer>();
  CLI::App* verb =
      AddVerb(group, exit_code, "infer", "A .proto with mapping from samples",
              "  hookstream schema infer captured/*.json --package acme.v1 -p acme --type 'order.*' -o proto/\n"
              "  hookstream schema infer --events --last 24h --package acme.v1 -p acme --type order.paid\n\n"
              "Writes the file (to stdout without -o; below a folder at its package's place), loads it, types every "
              "sample with\n"
              "it, and says how many are FULL. Exits 1 when one is not. No value of a sample gets into the file but "
              "the texts of\n"
              "enums, unless --examples is given. docs/typing.md has the rules.",
              [infer] { infer->Run(); });
  infer->payloads.Add(*verb, true);
  verb->add_option("--package", infer->options.package, "the file's package")->required()->type_name("acme.v1");
  verb->add_option("--type,-t", infer->options.types, "which events it is for, e.g. 'order.*'; may be repeated")
      ->required()
      ->type_name("PATTERN")
      ->allow_extra_args(false);
  verb->add_option("--message,-m", infer->options.message, "the message's name (default: from the type)");
  verb->add_option("sample", infer->files, "files with one JSON document each; - is stdin")->type_name("FILE");
  verb->add_flag("--events", infer->events, "the relay's stored events instead of files");
  infer->stored.Add(*verb);
  verb->add_flag("--form", infer->form, "the files are forms; where a preset reads them it knows");
  verb->add_option("--out,-o", infer->output, "where to write: a file, or the folder of a proto root")
      ->type_name("FILE|DIR/");
  verb->add_option("--lock", infer->lock_file, "keeps the fields' numbers from one time to the next")
      ->type_name("FILE");
  verb->add_flag("--rest", infer->options.rest, "a last field with all keys that the samples do not have");
  verb->add_flag("--no-enums", infer->no_enums, "strings where texts look like a closed set");
  verb->add_flag("--examples", infer->options.examples, "values of the samples in comments; they may be secrets");
  verb->add_option("--server", infer->common.server, "with --events: where the relay's gRPC port is")
      ->envname("HOOKSTREAM_SERVER")
      ->capture_default_str()
      ->type_name("HOST:PORT");
  static const std::map<std::string, Output> kOutputs = {{"text", Output::kText}, {"json", Output::kJson}};
  verb->add_option("--output", infer->common.output, "text, or json: the figures as one object")
      ->transform(CLI::CheckedTransformer(kOutputs).description(""))
      ->type_name("text|json");
}

}  // namespace hookstream::cli
