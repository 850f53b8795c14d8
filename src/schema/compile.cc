#include "schema/compile.h"

#include <google/protobuf/compiler/parser.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "hookstream/v1/mapping.pb.h"
#include "typing/registry.h"

namespace hookstream::schema {
namespace {

namespace pb = google::protobuf;

class ParseErrors final : public pb::io::ErrorCollector {
 public:
  explicit ParseErrors(const std::string& file) : file_(file) {}
  void AddError(int line, int column, const std::string& message) override {
    if (first.empty()) first = absl::StrCat(file_, ":", line + 1, ":", column + 1, ": ", message);
  }
  std::string first;

 private:
  const std::string& file_;
};

class BuildErrors final : public pb::DescriptorPool::ErrorCollector {
 public:
  void AddError(const std::string& file, const std::string& element, const pb::Message*, ErrorLocation,
                const std::string& message) override {
    if (first.empty()) first = absl::StrCat(file, ": ", element, ": ", message);
  }
  std::string first;
};

std::map<std::string, pb::FileDescriptorProto> Known() {
  std::map<std::string, pb::FileDescriptorProto> out;
  for (const pb::FileDescriptor* file :
       {pb::Struct::descriptor()->file(), pb::Timestamp::descriptor()->file(), pb::Duration::descriptor()->file(),
        pb::FileDescriptorProto::descriptor()->file(), v1::FieldMapping::descriptor()->file()}) {
    file->CopyTo(&out[file->name()]);
  }
  return out;
}

class Compiler {
 public:
  absl::Status Parse(const TextFile& file) {
    pb::FileDescriptorProto& proto = files_[file.name];
    proto.Clear();
    pb::io::ArrayInputStream stream(file.text.data(), static_cast<int>(file.text.size()));
    ParseErrors errors(file.name);
    pb::io::Tokenizer tokenizer(&stream, &errors);
    pb::compiler::Parser parser;
    parser.RecordErrorsTo(&errors);
    if (!parser.Parse(&tokenizer, &proto)) return absl::InvalidArgumentError(errors.first);
    proto.set_name(file.name);
    return absl::OkStatus();
  }

  // The file after its imports.
  absl::Status Add(const std::string& name, const std::string& importer) {
    if (done_.count(name) != 0) return absl::OkStatus();
    const auto it = files_.find(name);
    if (it == files_.end())
      return absl::InvalidArgumentError(absl::StrCat(importer, ": imports ", name, ", which is not there"));
    if (!open_.insert(name).second)
      return absl::InvalidArgumentError(absl::StrCat(importer, ": imports ", name, ", which imports it"));
    for (const std::string& import : it->second.dependency()) HS_RETURN_IF_ERROR(Add(import, name));
    BuildErrors errors;
    const pb::FileDescriptor* const built = pool_.BuildFileCollectingErrors(it->second, &errors);
    if (built == nullptr) return absl::InvalidArgumentError(errors.first);
    // As protoc writes it: options resolved, json_name always there.
    pb::FileDescriptorProto& out = *set_.add_file();
    built->CopyTo(&out);
    built->CopyJsonNameTo(&out);
    done_.insert(name);
    return absl::OkStatus();
  }

  std::string Set() const { return set_.SerializeAsString(); }

 private:
  std::map<std::string, pb::FileDescriptorProto> files_ = Known();
  std::set<std::string> open_;
  std::set<std::string> done_;
  pb::DescriptorPool pool_;
  pb::FileDescriptorSet set_;
};

}  // namespace

absl::StatusOr<std::string> CompileProtos(const std::vector<TextFile>& files) {
  Compiler compiler;
  for (const TextFile& file : files) HS_RETURN_IF_ERROR(compiler.Parse(file));
  for (const TextFile& file : files) HS_RETURN_IF_ERROR(compiler.Add(file.name, file.name));
  return compiler.Set();
}

absl::Status CheckProtos(const std::vector<TextFile>& files) {
  HS_ASSIGN_OR_RETURN(const std::string compiled, CompileProtos(files));
  // A registry registers nothing of hookstream/** in a user's set; under other paths our own files are as any.
  pb::FileDescriptorSet set;
  if (!set.ParseFromString(compiled)) return absl::InternalError("the compiler's own output is no descriptor set");
  const auto moved = [&](const std::string& name) {
    for (const TextFile& file : files) {
      if (file.name == name) return "checked/" + name;
    }
    return name;
  };
  for (pb::FileDescriptorProto& file : *set.mutable_file()) {
    file.set_name(moved(file.name()));
    for (std::string& import : *file.mutable_dependency()) import = moved(import);
  }
  typing::RegistryOptions options;
  options.builtin = false;
  options.user_sets.push_back({"the schema", set.SerializeAsString(), {}});
  return typing::Registry::Build(options).status();
}

}  // namespace hookstream::schema
