// A client of SubscriberService for tests: a stream whose deliveries are waited for.
//
// Thread-safe. The destructor cancels a stream that was not ended: for the relay, a lost connection.
#pragma once

#include <grpcpp/grpcpp.h>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/time/time.h"
#include "base/mutex.h"
#include "hookstream/v1/subscriber_service.grpc.pb.h"

namespace hookstream::testing {

class Subscriber {
 public:
  // Opens `open`; with confirmed settlements, whatever it says.
  Subscriber(const std::string& server, v1::Open open);
  Subscriber(const std::string& server, const std::string& subscription);
  ~Subscriber();

  // The next delivery; nullopt when none comes within `timeout`, or the stream has ended.
  std::optional<v1::Delivery> Next(absl::Duration timeout = absl::Seconds(20));
  // Only writes. False: the stream is gone.
  bool Send(const v1::Settlement& settlement);
  bool Ack(const std::string& delivery_id);
  bool Nack(const std::string& delivery_id, const std::string& reason,
            std::optional<absl::Duration> delay = std::nullopt);
  bool Reject(const std::string& delivery_id, const std::string& reason);
  // The settlement's result; nullopt when it does not come.
  std::optional<v1::SettlementStatus> Result(const std::string& delivery_id,
                                             absl::Duration timeout = absl::Seconds(20));
  // Ack and wait for OK.
  bool AckConfirmed(const std::string& delivery_id);

  // What the relay has said of its end; nullopt when it does not come.
  std::optional<v1::Drain> WaitDrain(absl::Duration timeout = absl::Seconds(20));
  void HalfClose();
  // The end of the stream; nullopt when it does not come.
  std::optional<grpc::Status> Finish(absl::Duration timeout = absl::Seconds(20));

 private:
  void Read();
  // Waits until `done` holds, or the stream has ended, or the time is over.
  template <typename Done>
  void Wait(absl::Duration timeout, const Done& done) HS_REQUIRES(mutex_);

  grpc::ClientContext context_;
  std::unique_ptr<v1::SubscriberService::Stub> stub_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::SubscribeRequest, v1::SubscribeResponse>> stream_;
  Mutex write_mutex_;
  bool half_closed_ HS_GUARDED_BY(write_mutex_) = false;
  Mutex mutex_;
  CondVar changed_;
  std::deque<v1::Delivery> deliveries_ HS_GUARDED_BY(mutex_);
  std::map<std::string, v1::SettlementStatus> results_ HS_GUARDED_BY(mutex_);
  std::optional<v1::Drain> drain_ HS_GUARDED_BY(mutex_);
  std::optional<grpc::Status> finished_ HS_GUARDED_BY(mutex_);
  std::thread reader_;
};

}  // namespace hookstream::testing
