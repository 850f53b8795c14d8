#include "rpc/reflection.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <set>

#include "absl/strings/str_cat.h"
#include "grpc/health/v1/health.pb.h"
#include "rpc/status.h"

namespace hookstream::rpc {
namespace {

void AddWithImports(const google::protobuf::FileDescriptor* file, std::set<std::string>& seen,
                    std::vector<std::string>& files) {
  if (!seen.insert(file->name()).second) return;
  google::protobuf::FileDescriptorProto proto;
  file->CopyTo(&proto);
  files.push_back(proto.SerializeAsString());
  for (int i = 0; i < file->dependency_count(); ++i) AddWithImports(file->dependency(i), seen, files);
}

// gRPC's own protocols, and nothing else that happens to be linked.
absl::StatusOr<std::vector<std::string>> Protocols(const google::protobuf::FileDescriptor* file) {
  if (file == nullptr || !std::string_view(file->package()).starts_with("grpc."))
    return absl::NotFoundError("not known");
  std::set<std::string> seen;
  std::vector<std::string> files;
  AddWithImports(file, seen, files);
  return files;
}

// Reads and answers in turns. Deletes itself when the client is done.
template <typename Request, typename Response>
class ReflectionCall final : public grpc::ServerBidiReactor<Request, Response> {
 public:
  ReflectionCall(const dispatch::RegistrySource& registry, const std::vector<std::string>& services)
      : registry_(registry), services_(services) {
    // A message that nothing refers to is dropped by the linker, and with it its descriptor.
    google::protobuf::LinkMessageReflection<grpc::health::v1::HealthCheckRequest>();
    this->StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      this->Finish(grpc::Status::OK);
      return;
    }
    response_.Clear();
    response_.set_valid_host(request_.host());
    *response_.mutable_original_request() = request_;
    Answer();
    this->StartWrite(&response_);
  }

  void OnWriteDone(bool ok) override {
    if (ok) {
      this->StartRead(&request_);
    } else {
      this->Finish({grpc::StatusCode::CANCELLED, "the client is gone"});
    }
  }

  void OnDone() override { delete this; }

 private:
  void Answer() {
    const auto registry = registry_();
    const auto* const linked = google::protobuf::DescriptorPool::generated_pool();
    switch (request_.message_request_case()) {
      case Request::kFileByFilename: {
        auto files = registry->FilesWithName(request_.file_by_filename());
        if (!files.ok()) files = Protocols(linked->FindFileByName(request_.file_by_filename()));
        return AnswerFiles(files, request_.file_by_filename());
      }
      case Request::kFileContainingSymbol: {
        auto files = registry->FilesWithSymbol(request_.file_containing_symbol());
        if (!files.ok()) files = Protocols(linked->FindFileContainingSymbol(request_.file_containing_symbol()));
        return AnswerFiles(files, request_.file_containing_symbol());
      }
      case Request::kFileContainingExtension: {
        const auto& extension = request_.file_containing_extension();
        return AnswerFiles(registry->FilesWithExtension(extension.containing_type(), extension.extension_number()),
                           extension.containing_type());
      }
      case Request::kAllExtensionNumbersOfType: {
        const auto numbers = registry->ExtensionNumbers(request_.all_extension_numbers_of_type());
        if (!numbers.ok()) return AnswerError(grpc::StatusCode::NOT_FOUND, request_.all_extension_numbers_of_type());
        auto& to = *response_.mutable_all_extension_numbers_response();
        to.set_base_type_name(request_.all_extension_numbers_of_type());
        for (const int number : *numbers) to.add_extension_number(number);
        return;
      }
      case Request::kListServices:
        for (const std::string& name : services_)
          response_.mutable_list_services_response()->add_service()->set_name(name);
        return;
      default: return AnswerError(grpc::StatusCode::INVALID_ARGUMENT, "message_request must be set");
    }
  }

  void AnswerFiles(const absl::StatusOr<std::vector<std::string>>& files, const std::string& what) {
    if (!files.ok()) return AnswerError(grpc::StatusCode::NOT_FOUND, what);
    for (const std::string& file : *files)
      response_.mutable_file_descriptor_response()->add_file_descriptor_proto(file);
  }

  void AnswerError(grpc::StatusCode code, const std::string& what) {
    response_.mutable_error_response()->set_error_code(code);
    response_.mutable_error_response()->set_error_message(code == grpc::StatusCode::NOT_FOUND ? "not found: " + what
                                                                                              : what);
  }

  const dispatch::RegistrySource& registry_;
  const std::vector<std::string>& services_;
  Request request_;
  Response response_;
};

}  // namespace

grpc::ServerBidiReactor<grpc::reflection::v1::ServerReflectionRequest, grpc::reflection::v1::ServerReflectionResponse>*
ReflectionV1::ServerReflectionInfo(grpc::CallbackServerContext*) {
  return new ReflectionCall<grpc::reflection::v1::ServerReflectionRequest,
                            grpc::reflection::v1::ServerReflectionResponse>(registry_, services_);
}

grpc::ServerBidiReactor<grpc::reflection::v1alpha::ServerReflectionRequest,
                        grpc::reflection::v1alpha::ServerReflectionResponse>*
ReflectionV1Alpha::ServerReflectionInfo(grpc::CallbackServerContext*) {
  return new ReflectionCall<grpc::reflection::v1alpha::ServerReflectionRequest,
                            grpc::reflection::v1alpha::ServerReflectionResponse>(registry_, services_);
}

}  // namespace hookstream::rpc
