// Reads typed events: those whose classes it was built with, and any others by the relay's descriptors.
//
//   reader HOST:PORT SUBSCRIPTION COUNT
//
// acknowledges COUNT events and prints a line of each.
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/util/time_util.h>
#include <grpcpp/grpcpp.h>

#include <cstdlib>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>

#include "acme/v1/order.pb.h"
#include "hookstream/stripe/v1/payment_intent.pb.h"
#include "hookstream/v1/schema_service.grpc.pb.h"
#include "hookstream/v1/subscriber_service.grpc.pb.h"

namespace {

using google::protobuf::Any;
using google::protobuf::util::TimeUtil;
namespace v1 = hookstream::v1;

std::string NameOf(const Any& data) { return data.type_url().substr(data.type_url().rfind('/') + 1); }

void Check(const grpc::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.error_message());
}

// Messages that this program was built without.
class Unlinked {
 public:
  explicit Unlinked(const std::shared_ptr<grpc::Channel>& channel) : schemas_(v1::SchemaService::NewStub(channel)) {}

  // Lives as long as this.
  std::unique_ptr<google::protobuf::Message> Decode(const Any& data) {
    v1::GetDescriptorsRequest request;
    request.set_message(data.type_url());
    v1::GetDescriptorsResponse response;
    grpc::ClientContext context;
    Check(schemas_->GetDescriptors(&context, request, &response));
    google::protobuf::FileDescriptorSet set;
    if (!set.ParseFromString(response.file_descriptor_set())) throw std::runtime_error("no descriptors");
    for (const auto& file : set.file()) {
      if (pool_.FindFileByName(file.name()) == nullptr) pool_.BuildFile(file);
    }
    const google::protobuf::Descriptor* const descriptor = pool_.FindMessageTypeByName(NameOf(data));
    if (descriptor == nullptr) throw std::runtime_error(NameOf(data) + " is not in the descriptors");
    std::unique_ptr<google::protobuf::Message> message(factory_.GetPrototype(descriptor)->New());
    if (!message->ParseFromString(data.value())) throw std::runtime_error(NameOf(data) + ": can't be parsed");
    return message;
  }

 private:
  std::unique_ptr<v1::SchemaService::Stub> schemas_;
  google::protobuf::DescriptorPool pool_;
  google::protobuf::DynamicMessageFactory factory_;
};

void Print(Unlinked& unlinked, const Any& data) {
  hookstream::stripe::v1::PaymentIntentEvent payment_event;
  acme::v1::OrderEvent order_event;
  if (data.UnpackTo(&payment_event)) {
    const auto& payment = payment_event.payment_intent();
    std::cout << "linked " << NameOf(data) << " amount=" << payment.amount()
              << " status=" << hookstream::stripe::v1::PaymentIntentStatus_Name(payment.status())
              << " created=" << TimeUtil::ToString(payment_event.created())
              << " order=" << payment.metadata().at("order");
  } else if (data.UnpackTo(&order_event)) {
    const auto& order = order_event.order();
    std::cout << "own " << NameOf(data) << " total=" << order.total()
              << " state=" << acme::v1::OrderState_Name(order.state()) << " at=" << TimeUtil::ToString(order_event.at())
              << " lines=" << order.lines_size() << " last=" << order.lines().rbegin()->article()
              << " channel=" << order.labels().at("channel");
  } else {
    const auto event = unlinked.Decode(data);
    const auto field = [](const google::protobuf::Message& message, const char* name) {
      return message.GetDescriptor()->FindFieldByName(name);
    };
    const auto& repository = event->GetReflection()->GetMessage(*event, field(*event, "repository"));
    const auto& read = *repository.GetReflection();
    std::cout << "unlinked " << NameOf(data)
              << " repository=" << read.GetString(repository, field(repository, "full_name"))
              << " id=" << read.GetInt64(repository, field(repository, "id"));
  }
  std::cout << '\n';
}

void Run(const std::string& target, const std::string& subscription, int count) {
  const auto channel = grpc::CreateChannel(target, grpc::InsecureChannelCredentials());
  Unlinked unlinked(channel);
  const auto subscriber = v1::SubscriberService::NewStub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1));
  const auto stream = subscriber->Subscribe(&context);
  v1::SubscribeRequest open;
  open.mutable_open()->set_subscription(subscription);
  stream->Write(open);
  v1::SubscribeResponse response;
  for (int read = 0; stream->Read(&response);) {
    if (!response.has_deliveries()) continue;
    v1::SubscribeRequest settle;
    for (const v1::Delivery& delivery : response.deliveries().deliveries()) {
      Print(unlinked, delivery.event().data());
      v1::Settlement& settlement = *settle.mutable_settle()->add_settlements();
      settlement.set_delivery_id(delivery.delivery_id());
      settlement.mutable_ack();
      ++read;
    }
    stream->Write(settle);
    // The relay ends its half when it has taken what was sent.
    if (read >= count) stream->WritesDone();
  }
  Check(stream->Finish());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: reader HOST:PORT SUBSCRIPTION COUNT\n";
    return 2;
  }
  try {
    Run(argv[1], argv[2], std::atoi(argv[3]));
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
