// Many payloads of one kind -> one .proto file with a mapping that types them all. docs/typing.md has the rules.
//
// Lifecycle: Add() each sample, then File(), once. Not thread-safe. Deterministic: the same samples in the same order
// give the same file. Holds what the samples have in common (observed.h), not the samples.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "schema/proto_file.h"

namespace hookstream::schema {

struct InferOptions {
  std::string package = "acme.v1";
  std::string provider = "acme";
  std::vector<std::string> types;  // event patterns, at least one
  std::string message;             // name of the event's message; empty: from the first pattern
  bool rest = false;               // closes the event's message with a `rest` field
  bool enums = true;               // closed sets of texts become enums
  bool examples = false;           // values of the samples in comments
};

class Inference {
 public:
  // INVALID_ARGUMENT: a package, provider, pattern or message name that is none.
  static absl::StatusOr<Inference> Create(InferOptions options);
  ~Inference();
  Inference(Inference&&) noexcept;
  Inference& operator=(Inference&&) noexcept;

  // INVALID_ARGUMENT: no JSON; names the sample, line and column. What only a strict reader refuses (a byte order mark,
  // a raw tab in a string, ...) is read as the relay reads it.
  absl::Status Add(std::string_view name, std::string_view json);
  // A form, read as an object of strings.
  absl::Status AddForm(std::string_view name, std::string_view form);
  int64_t samples() const;

  // The file; numbers of fields and values are not yet given (lock.h). At least one sample.
  ProtoFile File() &&;

 private:
  struct State;
  explicit Inference(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace hookstream::schema
