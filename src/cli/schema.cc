// `hookstream schema`: list, show and export; the other verbs have files of their own.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/json.h"
#include "cli/json_text.h"
#include "cli/schema_common.h"
#include "cli/schema_verbs.h"
#include "cli/verb_list.h"
#include "schema/builtin_protos.h"
#include "typing/editions.h"

namespace hookstream::cli {
namespace {

namespace fs = std::filesystem;
using Schemas = v1::SchemaService::Stub;

// A message's files: the pool lives as long as this.
struct Described {
  google::protobuf::DescriptorPool pool;
  const google::protobuf::Descriptor* message = nullptr;
  std::string fingerprint;
};

void Describe(const std::string& file_descriptor_set, const std::string& name, Described& out) {
  google::protobuf::FileDescriptorSet set;
  if (!set.ParseFromString(file_descriptor_set)) Fail("the answer is no FileDescriptorSet");
  for (const auto& file : set.file()) {
    const auto built = typing::AddToPool(file, out.pool);
    if (!built.ok()) Fail(absl::StrCat("descriptors can't be used: ", std::string(built.status().message())));
  }
  out.message = out.pool.FindMessageTypeByName(name);
  if (out.message == nullptr) Fail(absl::StrCat("the answer does not have ", name));
}

struct List {
  Common common;
  std::string provider;
  std::vector<std::string> schemas;
  bool builtin = false;

  void Run() {
    std::vector<std::vector<std::string>> rows = {{"PROVIDER", "TYPE", "MESSAGE"}};
    for (const v1::EventType& type : Types()) {
      if (common.json()) {
        JsonObject line;
        line.Add("provider", type.provider()).Add("pattern", type.pattern()).Add("message", type.message());
        std::cout << line.Add("schemaFingerprint", type.schema_fingerprint()).Text() << '\n';
      }
      rows.push_back({type.provider(), type.pattern(), type.message()});
    }
    if (!common.json()) PrintTable(rows);
  }

  std::vector<v1::EventType> Types() const {
    std::vector<v1::EventType> types;
    if (builtin || !schemas.empty()) {
      for (const typing::EventTypeInfo& info : LoadRegistry(schemas)->EventTypes(provider)) {
        v1::EventType& type = types.emplace_back();
        type.set_provider(info.provider);
        type.set_pattern(info.pattern);
        type.set_message(info.message);
        type.set_schema_fingerprint(info.fingerprint);
      }
      return types;
    }
    v1::ListEventTypesRequest request;
    request.set_provider(provider);
    const auto stub = v1::SchemaService::NewStub(Connect(common));
    const auto response = Call(common, *stub, &Schemas::ListEventTypes, request);
    types.assign(response.event_types().begin(), response.event_types().end());
    return types;
  }
};

struct Show {
  Common common;
  std::string message;
  std::vector<std::string> schemas;
  bool builtin = false;

  void Run() {
    const std::string name = message.substr(message.rfind('/') + 1);
    Described described;
    if (builtin || !schemas.empty()) {
      const auto registry = LoadRegistry(schemas);
      const auto files = registry->DescriptorsOfMessage(name);
      if (!files.ok()) Fail(absl::StrCat("there is no message ", name, " in the built-in schemas or --schema"));
      Describe(files->file_descriptor_set, name, described);
      described.fingerprint = files->fingerprint;
    } else {
      v1::GetDescriptorsRequest request;
      request.set_message(message);
      const auto stub = v1::SchemaService::NewStub(Connect(common));
      const auto response = Call(common, *stub, &Schemas::GetDescriptors, request);
      Describe(response.file_descriptor_set(), name, described);
      described.fingerprint = response.schema_fingerprint();
    }
    const google::protobuf::FileDescriptor& file = *described.message->file();
    // A built-in file that is the same here has its comments here too.
    std::string text = file.DebugString();
    if (const auto found = schema::BuiltinProtos().find(file.name()); found != schema::BuiltinProtos().end()) {
      const auto own = LoadRegistry({})->DescriptorsOfMessage(name);
      if (own.ok() && own->fingerprint == described.fingerprint) text = found->second;
    }
    if (!common.json()) {
      std::cout << text;
      return;
    }
    JsonObject line;
    line.Add("message", described.message->full_name()).Add("fingerprint", described.fingerprint);
    std::cout << line.Add("file", file.name()).Add("proto", text).Text() << '\n';
  }
};

struct Export {
  Common common;
  std::string folder;
  std::vector<std::string> providers;
  bool force = false;

  bool Wanted(const std::string& path) const {
    if (providers.empty() || absl::StartsWith(path, "hookstream/v1/")) return true;
    for (const std::string& provider : providers) {
      if (absl::StartsWith(path, absl::StrCat("hookstream/", provider, "/"))) return true;
    }
    return false;
  }

  static std::optional<std::string> Present(const fs::path& path) {
    std::error_code error;
    if (!fs::exists(path, error)) return std::nullopt;
    return ReadInput(path.string());
  }

  void Run() {
    struct File {
      fs::path path;
      const std::string* text;
      std::string state;
    };
    std::vector<File> files;
    for (const std::string& provider : providers) {
      const auto found = schema::BuiltinProtos().lower_bound(absl::StrCat("hookstream/", provider, "/"));
      if (found == schema::BuiltinProtos().end() ||
          !absl::StartsWith(found->first, absl::StrCat("hookstream/", provider, "/"))) {
        FailUsage(absl::StrCat("there are no built-in protos of '", provider, "'"));
      }
    }
    std::string differing;
    for (const auto& [path, text] : schema::BuiltinProtos()) {
      if (!Wanted(path)) continue;
      File& file = files.emplace_back(File{fs::path(folder) / path, &text, "written"});
      const std::optional<std::string> present = Present(file.path);
      if (present == text) {
        file.state = "unchanged";
      } else if (present.has_value()) {
        file.state = "replaced";
        absl::StrAppend(&differing, "\n  ", file.path.string());
      }
    }
    // Before anything is written: all or nothing.
    if (!differing.empty() && !force) Fail(absl::StrCat("these files differ; --force replaces them:", differing));
    for (const File& file : files) {
      if (file.state != "unchanged") WriteFile(file.path.string(), *file.text);
      if (common.json()) {
        JsonObject line;
        std::cout << line.Add("file", file.path.string()).Add("state", file.state).Text() << '\n';
      } else {
        std::cout << file.state << std::string(sizeof("unchanged") - file.state.size(), ' ') << file.path.string()
                  << '\n';
      }
    }
  }
};

void AddLocal(CLI::App& verb, bool& builtin, std::vector<std::string>& schemas) {
  verb.add_flag("--builtin", builtin, "what this program has built in, without a relay");
  verb.add_option("--schema,-s", schemas, "a FileDescriptorSet, without a relay; may be repeated")
      ->type_name("FILE.binpb")
      ->allow_extra_args(false);
}

}  // namespace

void AddSchemaList(CLI::App& group, int& exit_code) {
  auto list = std::make_shared<List>();
  CLI::App* verb = AddVerb(group, exit_code, "list", "Event types that have a message",
                           "  hookstream schema list --provider stripe\n  hookstream schema list --builtin\n"
                           "  hookstream schema list --schema acme.binpb -p acme",
                           [list] { list->Run(); });
  verb->add_option("--provider,-p", list->provider, "only this family's");
  AddLocal(*verb, list->builtin, list->schemas);
  AddCommon(*verb, list->common);
}

void AddSchemaShow(CLI::App& group, int& exit_code) {
  auto show = std::make_shared<Show>();
  CLI::App* verb = AddVerb(group, exit_code, "show", "The .proto file that defines a message",
                           "  hookstream schema show hookstream.stripe.v1.PaymentIntentEvent\n"
                           "  hookstream schema show --builtin hookstream.github.v1.PushEvent",
                           [show] { show->Run(); });
  verb->add_option("message", show->message, "full name, or type URL")->required();
  AddLocal(*verb, show->builtin, show->schemas);
  AddCommon(*verb, show->common);
}

void AddSchemaExport(CLI::App& group, int& exit_code) {
  auto exported = std::make_shared<Export>();
  CLI::App* verb = AddVerb(group, exit_code, "export", "Write the built-in .proto files into a folder",
                           "  hookstream schema export proto\n  hookstream schema export --provider stripe proto\n\n"
                           "What buf and protoc need to build stubs, or protos that import the mapping options.\n"
                           "Needs no relay. A file that is there and differs is not touched without --force.",
                           [exported] { exported->Run(); });
  verb->add_option("folder", exported->folder, "where hookstream/ is made")->required()->type_name("DIR");
  verb->add_option("--provider,-p", exported->providers, "only hookstream/v1 and this provider's; may be repeated")
      ->allow_extra_args(false);
  verb->add_flag("--force", exported->force, "replace files that differ");
  AddOutput(*verb, exported->common);
}

void AddSchema(CLI::App& app, int& exit_code) {
  CLI::App* group = AddGroup(app, "schema", "The messages that events are typed into");
  AddSchemaList(*group, exit_code);
  AddSchemaShow(*group, exit_code);
  AddSchemaCheck(*group, exit_code);
  AddSchemaInfer(*group, exit_code);
  AddSchemaDiff(*group, exit_code);
  AddSchemaExport(*group, exit_code);
  AddSchemaImport(*group, exit_code);
}

}  // namespace hookstream::cli
