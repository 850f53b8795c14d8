// What the verbs of `schema` share: descriptor sets from files, payloads and their typing without a relay, and stored
// events from one.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/common.h"
#include "provider/provider.h"
#include "typing/converter.h"
#include "typing/registry.h"

namespace hookstream::cli {

// The built-in messages and those of descriptor set files, which go before them. Fails with the file that is wrong.
std::shared_ptr<const typing::Registry> LoadRegistry(const std::vector<std::string>& schema_files);

// With the folders on the way to it. Fails when that can't be done.
void WriteFile(const std::string& path, const std::string& text);

// "FULL", "PARTIAL", "UNTYPED".
std::string_view StatusName(typing::TypedStatus status);
// The message as Protobuf's canonical JSON on one line; "null" when it is UNTYPED.
std::string PayloadJson(const typing::Registry& registry, const typing::Typed& typed);
// [{"pointer":...,"reason":...,"text":...}, ...]
std::string NotesJson(const std::vector<typing::Note>& notes);
// ["/a", ...], each once.
std::string PointersJson(const std::vector<typing::Note>& notes);

// What is typed: an event's type and its document.
struct Payload {
  std::string type;
  typing::ContentKind kind = typing::ContentKind::kJson;
  std::string document;
};

// --provider and --header: whose payloads these are, and how its preset reads them.
class PayloadReader {
 public:
  void Add(CLI::App& verb, bool required);
  // Finds the preset: a built-in one by its name, or a file. A name that is no preset's is a family without one.
  void Resolve();

  bool given() const { return !name_.empty(); }
  const std::string& family() const { return family_; }
  const provider::Provider* preset() const { return preset_; }

  // The events in one request's body; `type`, when it is not empty, is taken instead of what the preset reads. Several
  // only where the preset splits bodies; none when it finds no event in it.
  std::vector<Payload> Read(const std::string& body, const std::string& type) const;

 private:
  std::string name_;
  std::vector<std::string> headers_;
  std::string family_;
  const provider::Provider* preset_ = nullptr;
  std::unique_ptr<const provider::Provider> own_;
};

// --last, --filter and --limit: which of the relay's stored events.
struct StoredEvents {
  std::string last = "24h";
  std::string filter;
  int64_t limit = 1'000;

  void Add(CLI::App& verb);
  // The newest first, with their raw bodies, large ones too. Says on stderr when there are more than `limit`.
  void ForEach(const Common& common, const std::string& filter_expression,
               const std::function<void(const v1::Event&)>& visit) const;
};

// What of a stored event is typed.
Payload PayloadOf(const v1::Event& event);

// `first && second`; either may be empty.
std::string BothFilters(const std::string& first, const std::string& second);
// As a literal of the filter language.
std::string FilterText(std::string_view text);

}  // namespace hookstream::cli
