#include "cli/json.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver_util.h>
#include <google/protobuf/wrappers.pb.h>

#include <iostream>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "typing/editions.h"

namespace hookstream::cli {
namespace {

namespace pb = google::protobuf;

constexpr char kPrefix[] = "type.googleapis.com";

// The descriptors of one answer of SchemaService: each has its own pool, since two users' sets may differ in a file of
// the same name.
struct Pool {
  pb::DescriptorPool descriptors{pb::DescriptorPool::generated_pool()};
  std::unique_ptr<pb::util::TypeResolver> resolver;
};

}  // namespace

class JsonWriter::Resolver final : public pb::util::TypeResolver {
 public:
  explicit Resolver(const std::shared_ptr<grpc::Channel>& channel)
      : schemas_(v1::SchemaService::NewStub(channel)),
        linked_(pb::util::NewTypeResolverForDescriptorPool(kPrefix, pb::DescriptorPool::generated_pool())) {}

  pb::util::Status ResolveMessageType(const std::string& url, pb::Type* type) override {
    if (auto status = linked_->ResolveMessageType(url, type); status.ok()) return status;
    // The types within a payload are in the pool of the payload, which was asked for just before.
    for (auto pool = pools_.rbegin(); pool != pools_.rend(); ++pool) {
      if (auto status = (*pool)->resolver->ResolveMessageType(url, type); status.ok()) return status;
    }
    return linked_->ResolveMessageType(url, type);
  }

  pb::util::Status ResolveEnumType(const std::string& url, pb::Enum* type) override {
    if (auto status = linked_->ResolveEnumType(url, type); status.ok()) return status;
    for (auto pool = pools_.rbegin(); pool != pools_.rend(); ++pool) {
      if (auto status = (*pool)->resolver->ResolveEnumType(url, type); status.ok()) return status;
    }
    return linked_->ResolveEnumType(url, type);
  }

  // Whether the payload's message is known now.
  bool Learn(const std::string& type_url) {
    const std::string name = type_url.substr(type_url.rfind('/') + 1);
    if (known_.count(name) > 0 || pb::DescriptorPool::generated_pool()->FindMessageTypeByName(name) != nullptr)
      return true;
    if (unknown_.count(name) > 0) return false;
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    v1::GetDescriptorsRequest request;
    request.set_message(name);
    v1::GetDescriptorsResponse response;
    const grpc::Status status = schemas_->GetDescriptors(&context, request, &response);
    std::string problem;
    if (!status.ok()) {
      problem = status.error_message();
    } else if (Add(response.file_descriptor_set(), name)) {
      known_.insert(name);
      return true;
    } else {
      problem = "its descriptors can't be used";
    }
    std::cerr << "the schema of " << name << " is missing, its payloads are not shown: " << Printable(problem)
              << std::endl;
    unknown_.insert(name);
    return false;
  }

 private:
  bool Add(const std::string& bytes, const std::string& name) {
    pb::FileDescriptorSet set;
    if (!set.ParseFromString(bytes)) return false;
    auto pool = std::make_unique<Pool>();
    for (const pb::FileDescriptorProto& file : set.file()) {
      if (pb::DescriptorPool::generated_pool()->FindFileByName(file.name()) != nullptr) continue;
      if (!typing::AddToPool(file, pool->descriptors).ok()) return false;
    }
    if (pool->descriptors.FindMessageTypeByName(name) == nullptr) return false;
    pool->resolver.reset(pb::util::NewTypeResolverForDescriptorPool(kPrefix, &pool->descriptors));
    pools_.push_back(std::move(pool));
    return true;
  }

  std::unique_ptr<v1::SchemaService::Stub> schemas_;
  std::unique_ptr<pb::util::TypeResolver> linked_;
  std::vector<std::unique_ptr<Pool>> pools_;
  std::set<std::string> known_;
  std::set<std::string> unknown_;
};

JsonWriter::JsonWriter(const std::shared_ptr<grpc::Channel>& channel)
    : resolver_(std::make_unique<Resolver>(channel)) {}
JsonWriter::~JsonWriter() = default;

namespace {

// Every Any within a message, by reflection; payloads can sit in events, deliveries, dead letters and lists of them.
template <typename Visit>
void ForEachPayload(pb::Message& message, const Visit& visit) {
  if (message.GetDescriptor() == pb::Any::descriptor()) {
    visit(static_cast<pb::Any&>(message));
    return;
  }
  const pb::Reflection& reflection = *message.GetReflection();
  std::vector<const pb::FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const pb::FieldDescriptor* field : fields) {
    if (field->cpp_type() != pb::FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      ForEachPayload(*reflection.MutableMessage(&message, field), visit);
    } else if (!field->is_map()) {
      for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
        ForEachPayload(*reflection.MutableRepeatedMessage(&message, field, i), visit);
      }
    }
  }
}

}  // namespace

std::string JsonWriter::ToJson(const pb::Message& message) {
  std::unique_ptr<pb::Message> copy(message.New());
  copy->CopyFrom(message);
  ForEachPayload(*copy, [&](pb::Any& payload) {
    if (payload.type_url().empty() || resolver_->Learn(payload.type_url())) return;
    // Canonical JSON has no form for an unknown type; a BytesValue shows the bytes and loses nothing.
    pb::BytesValue bytes;
    bytes.set_value(payload.value());
    payload.PackFrom(bytes);
  });
  std::string json;
  const auto status =
      pb::util::BinaryToJsonString(resolver_.get(), absl::StrCat(kPrefix, "/", message.GetDescriptor()->full_name()),
                                   copy->SerializeAsString(), &json);
  if (!status.ok()) Fail(absl::StrCat("can't write a message as JSON: ", std::string(status.message())));
  return json;
}

std::string JsonWriter::PayloadText(const pb::Any& payload, int indent) {
  if (payload.type_url().empty() || !resolver_->Learn(payload.type_url())) return "";
  pb::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.preserve_proto_field_names = true;
  std::string json;
  const auto status =
      pb::util::BinaryToJsonString(resolver_.get(), payload.type_url(), payload.value(), &json, options);
  if (!status.ok()) return "";
  std::string text;
  for (const auto line : absl::StrSplit(json, '\n', absl::SkipEmpty())) {
    text.append(static_cast<size_t>(indent), ' ');
    absl::StrAppend(&text, line, "\n");
  }
  return text;
}

}  // namespace hookstream::cli
