#include "typing/registry.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "base/status_macros.h"
#include "base/text.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/message.h"
#include "hookstream/v1/mapping.pb.h"
#include "typing/builtin_set.h"
#include "typing/editions.h"
#include "typing/pattern.h"
#include "typing/table.h"

namespace hookstream::typing {
namespace {

namespace pb = google::protobuf;

template <typename... Args>
absl::Status Bad(const Args&... args) {
  return absl::InvalidArgumentError(absl::StrCat(args...));
}

std::string Serialized(const pb::Message& message) {
  std::string out;
  {
    pb::io::StringOutputStream stream(&out);
    pb::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  return out;
}

std::string Fingerprint(std::string_view bytes) {
  const Hash128 hash = HashOf(bytes);
  return absl::BytesToHexString(ToAbsl(hash.AsBytes().substr(0, 8)));
}

// Files that a user's set brings along for its imports only.
bool IsImportOnly(const std::string& filename) {
  return filename.rfind("hookstream/", 0) == 0 || filename.rfind("google/protobuf/", 0) == 0;
}

void AddNested(const pb::Descriptor& message, std::vector<const pb::Descriptor*>& out) {
  out.push_back(&message);
  for (int i = 0; i < message.nested_type_count(); ++i) AddNested(*message.nested_type(i), out);
}

// Nested ones too.
std::vector<const pb::Descriptor*> MessagesOf(const pb::FileDescriptor& file) {
  std::vector<const pb::Descriptor*> messages;
  for (int i = 0; i < file.message_type_count(); ++i) AddNested(*file.message_type(i), messages);
  return messages;
}

std::vector<std::string> SymbolsOf(const pb::FileDescriptor& file) {
  std::vector<std::string> names;
  for (int i = 0; i < file.message_type_count(); ++i) names.push_back(file.message_type(i)->full_name());
  for (int i = 0; i < file.enum_type_count(); ++i) names.push_back(file.enum_type(i)->full_name());
  for (int i = 0; i < file.service_count(); ++i) names.push_back(file.service(i)->full_name());
  for (int i = 0; i < file.extension_count(); ++i) names.push_back(file.extension(i)->full_name());
  return names;
}

// True when no document fulfils both.
bool Exclusive(const std::vector<WhenCondition>& a, const std::vector<WhenCondition>& b) {
  for (const WhenCondition& x : a) {
    for (const WhenCondition& y : b) {
      if (x.pointer != y.pointer || x.equals.empty() || y.equals.empty()) continue;
      if (std::none_of(x.equals.begin(), x.equals.end(), [&](const std::string& text) {
            return std::find(y.equals.begin(), y.equals.end(), text) != y.equals.end();
          })) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace

struct Registry::Set {
  std::string name;
  bool builtin = false;
  std::string fingerprint;
  std::string bytes;                                      // canonical FileDescriptorSet
  std::vector<std::string> order;                         // file names, imports first
  std::map<std::string, std::string, std::less<>> files;  // serialized FileDescriptorProto by name
  std::unique_ptr<pb::DescriptorPool> pool = std::make_unique<pb::DescriptorPool>();
  TableCompiler tables;

  absl::Status Load(std::string_view serialized);
  absl::Status AddMappings(const std::vector<EventOverride>& overrides, size_t index,
                           std::vector<std::unique_ptr<Mapping>>& mappings);
  // The file and its imports, in the order of `order`.
  std::vector<const pb::FileDescriptor*> Closure(const pb::FileDescriptor& file) const;

 private:
  absl::Status AddMapping(const pb::Descriptor& message, const v1::EventMapping& event, const std::string& provider,
                          size_t index, std::vector<std::unique_ptr<Mapping>>& mappings);
};

struct Registry::Index {
  struct Provider {
    absl::flat_hash_map<std::string, std::vector<const Mapping*>> by_head;  // first segment, with those of `wild`
    std::vector<const Mapping*> wild;                                       // patterns that begin with a star
  };
  std::vector<std::unique_ptr<Mapping>> mappings;  // best first
  absl::flat_hash_map<std::string, Provider> providers;
};

absl::Status Registry::Set::Load(std::string_view serialized) {
  if (serialized.size() > kMaxSetBytes) return Bad(name, ": larger than 64 MiB");
  pb::FileDescriptorSet set;
  if (!set.ParseFromArray(serialized.data(), static_cast<int>(serialized.size())) || set.file_size() == 0) {
    return Bad(name,
               ": no FileDescriptorSet (make one with `buf build -o` or `protoc --include_imports "
               "--descriptor_set_out`)");
  }
  std::map<std::string, pb::FileDescriptorProto*> by_name;
  for (pb::FileDescriptorProto& file : *set.mutable_file()) {
    file.clear_source_code_info();
    if (!by_name.emplace(file.name(), &file).second) return Bad(name, ": ", file.name(), " is in it twice");
  }
  // Imports first; in the order of names where that leaves a choice, so that the fingerprint does not depend on the
  // tool that wrote the set.
  std::set<std::string> placed;
  pb::FileDescriptorSet canonical;
  while (placed.size() < by_name.size()) {
    const size_t before = placed.size();
    for (const auto& [filename, file] : by_name) {
      if (placed.count(filename) != 0) continue;
      bool ready = true;
      for (const std::string& import : file->dependency()) {
        if (by_name.count(import) == 0) {
          return Bad(name, ": ", filename, " imports ", import,
                     ", which is not in the set: write it with `protoc "
                     "--include_imports` or `buf build`");
        }
        ready &= placed.count(import) != 0;
      }
      if (!ready) continue;
      placed.insert(filename);
      order.push_back(filename);
      *canonical.add_file() = *file;
    }
    if (placed.size() == before) return Bad(name, ": files import each other in a circle");
  }
  bytes = Serialized(canonical);
  fingerprint = Fingerprint(bytes);
  for (const pb::FileDescriptorProto& file : canonical.file()) {
    files[file.name()] = Serialized(file);
    const auto built = AddToPool(file, *pool);
    if (!built.ok()) return Bad(name, ": ", built.status().message());
  }
  return absl::OkStatus();
}

absl::Status Registry::Set::AddMappings(const std::vector<EventOverride>& overrides, size_t index,
                                        std::vector<std::unique_ptr<Mapping>>& mappings) {
  for (const std::string& filename : order) {
    if (!builtin && IsImportOnly(filename)) continue;
    const pb::FileDescriptor& file = *pool->FindFileByName(filename);
    for (const pb::Descriptor* message : MessagesOf(file)) {
      for (int i = 0; i < message->options().ExtensionSize(v1::event); ++i) {
        const v1::EventMapping& event = message->options().GetExtension(v1::event, i);
        HS_RETURN_IF_ERROR(CheckKnown(event, absl::StrCat(name, ": ", filename, ": ", message->full_name())));
        const std::string& provider =
            event.provider().empty() ? file.options().GetExtension(v1::provider) : event.provider();
        HS_RETURN_IF_ERROR(AddMapping(*message, event, provider, index, mappings));
      }
    }
  }
  for (const EventOverride& override : overrides) {
    const pb::Descriptor* const message = pool->FindMessageTypeByName(override.message);
    if (message == nullptr) return Bad(name, ": has no message ", override.message);
    v1::EventMapping event;
    event.mutable_types()->Add(override.types.begin(), override.types.end());
    HS_RETURN_IF_ERROR(AddMapping(*message, event, override.provider, index, mappings));
  }
  return absl::OkStatus();
}

absl::Status Registry::Set::AddMapping(const pb::Descriptor& message, const v1::EventMapping& event,
                                       const std::string& provider, size_t index,
                                       std::vector<std::unique_ptr<Mapping>>& mappings) {
  const std::string where = absl::StrCat(name, ": ", message.file()->name(), ": ", message.full_name());
  const auto at = [&](const absl::Status& status) { return Bad(where, ": ", status.message()); };
  if (provider.empty()) return Bad(where, ": names no provider, and its file has no (hookstream.v1.provider)");
  if (event.types().empty()) return Bad(where, ": names no event types");
  const auto table = tables.Compile(message);
  if (!table.ok()) return Bad(name, ": ", message.file()->name(), ": ", table.status().message());
  auto root = ParsePointer(event.root());
  if (!root.ok()) return at(root.status());
  std::vector<WhenCondition> when;
  for (const v1::Condition& condition : event.when()) {
    auto pointer = ParsePointer(condition.pointer());
    if (!pointer.ok()) return at(pointer.status());
    when.push_back({*std::move(pointer), {condition.equals().begin(), condition.equals().end()}});
  }
  for (const std::string& type : event.types()) {
    auto pattern = TypePattern::Parse(type);
    if (!pattern.ok()) return at(pattern.status());
    mappings.push_back(std::make_unique<Mapping>(
        Mapping{provider, *std::move(pattern), *root, event.root(), when, *table, &fingerprint, index}));
  }
  return absl::OkStatus();
}

std::vector<const pb::FileDescriptor*> Registry::Set::Closure(const pb::FileDescriptor& file) const {
  std::vector<const pb::FileDescriptor*> todo = {&file};
  std::set<std::string> wanted = {file.name()};
  while (!todo.empty()) {
    const pb::FileDescriptor* const next = todo.back();
    todo.pop_back();
    for (int i = 0; i < next->dependency_count(); ++i) {
      if (wanted.insert(next->dependency(i)->name()).second) todo.push_back(next->dependency(i));
    }
  }
  std::vector<const pb::FileDescriptor*> result;
  for (const std::string& filename : order) {
    if (wanted.count(filename) != 0) result.push_back(pool->FindFileByName(filename));
  }
  return result;
}

Registry::Registry() : index_(std::make_unique<Index>()) {}
Registry::~Registry() = default;

absl::StatusOr<std::shared_ptr<const Registry>> Registry::Build(const RegistryOptions& options) {
  if (options.user_sets.size() > kMaxUserSets) return Bad("more than ", kMaxUserSets, " descriptor sets");
  const std::shared_ptr<Registry> registry(new Registry());
  std::vector<std::unique_ptr<Mapping>>& mappings = registry->index_->mappings;
  std::string fingerprints;
  if (options.builtin) {
    auto set = std::make_unique<Set>();
    set->name = "built-in";
    set->builtin = true;
    HS_RETURN_IF_ERROR(set->Load(BuiltinDescriptorSet()));
    HS_RETURN_IF_ERROR(set->AddMappings({}, 0, mappings));
    absl::StrAppend(&fingerprints, set->fingerprint);
    registry->sets_.push_back(std::move(set));
  }
  // Where each full name is defined. The same file in two sets is one definition.
  struct Definition {
    const Set* set;
    std::string file;
  };
  std::map<std::string, Definition> definitions;
  const auto define = [&](const Set& set) -> absl::Status {
    for (const std::string& filename : set.order) {
      if (!set.builtin && IsImportOnly(filename)) continue;
      for (const std::string& symbol : SymbolsOf(*set.pool->FindFileByName(filename))) {
        const auto [it, added] = definitions.emplace(symbol, Definition{&set, filename});
        if (added || it->second.set->files.at(it->second.file) == set.files.at(filename)) continue;
        return Bad(symbol, " is defined twice: in ", it->second.set->name, " (", it->second.file, ") and in ", set.name,
                   " (", filename, ")");
      }
    }
    return absl::OkStatus();
  };
  for (const auto& set : registry->sets_) HS_RETURN_IF_ERROR(define(*set));
  for (const UserSet& user : options.user_sets) {
    auto set = std::make_unique<Set>();
    set->name = user.name;
    HS_RETURN_IF_ERROR(set->Load(user.bytes));
    HS_RETURN_IF_ERROR(define(*set));
    HS_RETURN_IF_ERROR(set->AddMappings(user.events, registry->sets_.size(), mappings));
    absl::StrAppend(&fingerprints, "\n", set->fingerprint);
    for (const EventOverride& event : user.events) {
      absl::StrAppend(&fingerprints, " ", event.message, " ", event.provider);
      for (const std::string& type : event.types) absl::StrAppend(&fingerprints, " ", type);
    }
    registry->sets_.push_back(std::move(set));
  }
  registry->fingerprint_ = Fingerprint(fingerprints);

  const auto builtin = [&](const Mapping& mapping) { return registry->sets_[mapping.set]->builtin; };
  // Best first; what follows `when` only makes the order the same every time.
  std::sort(mappings.begin(), mappings.end(), [&](const auto& a, const auto& b) {
    const auto key = [&](const Mapping& m) {
      return std::make_tuple(builtin(m), -m.pattern.literals(), m.when.empty(), m.pattern.double_stars(),
                             std::string_view(m.provider), std::string_view(m.pattern.text()),
                             std::string_view(m.table->descriptor->full_name()), m.set);
    };
    return key(*a) < key(*b);
  });
  for (size_t i = 0; i < mappings.size(); ++i) {
    const Mapping& a = *mappings[i];
    for (size_t j = i + 1; j < mappings.size(); ++j) {
      const Mapping& b = *mappings[j];
      if (builtin(a) != builtin(b) || a.pattern.literals() != b.pattern.literals() ||
          a.when.empty() != b.when.empty()) {
        break;  // sorted: none further on is a peer
      }
      const bool same = a.table->descriptor->full_name() == b.table->descriptor->full_name() && a.root == b.root;
      if (a.provider != b.provider || same || !a.pattern.Overlaps(b.pattern) || Exclusive(a.when, b.when)) continue;
      return Bad("both ", a.table->descriptor->full_name(), " (", registry->sets_[a.set]->name, ", '", a.pattern.text(),
                 "') and ", b.table->descriptor->full_name(), " (", registry->sets_[b.set]->name, ", '",
                 b.pattern.text(), "') map the same events of provider ", a.provider, ", and neither is more specific");
    }
  }

  auto& providers = registry->index_->providers;
  for (const auto& mapping : mappings) {
    Index::Provider& provider = providers[mapping->provider];
    if (const std::string_view head = mapping->pattern.head(); !head.empty()) provider.by_head[ToAbsl(head)];
  }
  for (const auto& mapping : mappings) {
    Index::Provider& provider = providers[mapping->provider];
    if (const std::string_view head = mapping->pattern.head(); !head.empty()) {
      provider.by_head[ToAbsl(head)].push_back(mapping.get());
    } else {
      provider.wild.push_back(mapping.get());
      for (auto& [_, list] : provider.by_head) list.push_back(mapping.get());
    }
  }
  return registry;
}

const std::vector<const Mapping*>& Registry::Candidates(std::string_view provider, std::string_view type,
                                                        std::vector<const Mapping*>& scratch) const {
  scratch.clear();
  const auto found = index_->providers.find(ToAbsl(provider));
  if (found == index_->providers.end()) return scratch;
  const std::string_view head = type.substr(0, type.find_first_of("./:"));
  const auto bucket = found->second.by_head.find(ToAbsl(head));
  for (const Mapping* mapping : bucket == found->second.by_head.end() ? found->second.wild : bucket->second) {
    if (mapping->pattern.Matches(type)) scratch.push_back(mapping);
  }
  return scratch;
}

std::vector<EventTypeInfo> Registry::EventTypes(std::string_view provider) const {
  std::vector<EventTypeInfo> types;
  for (const auto& mapping : index_->mappings) {
    if (!provider.empty() && mapping->provider != provider) continue;
    types.push_back(
        {mapping->provider, mapping->pattern.text(), mapping->table->descriptor->full_name(), *mapping->fingerprint});
  }
  std::stable_sort(types.begin(), types.end(), [](const EventTypeInfo& a, const EventTypeInfo& b) {
    return std::tie(a.provider, a.pattern) < std::tie(b.provider, b.pattern);
  });
  return types;
}

const pb::Descriptor* Registry::FindMessage(std::string_view full_name) const {
  for (const auto& set : sets_) {
    const pb::Descriptor* const message = set->pool->FindMessageTypeByName(std::string(full_name));
    if (message != nullptr) return message;
  }
  return nullptr;
}

absl::StatusOr<DescriptorFiles> Registry::DescriptorsOfMessage(std::string_view message) const {
  const size_t slash = message.rfind('/');
  const std::string name(slash == std::string_view::npos ? message : message.substr(slash + 1));
  for (const auto& set : sets_) {
    const pb::Descriptor* const descriptor = set->pool->FindMessageTypeByName(name);
    if (descriptor == nullptr) continue;
    // A FileDescriptorSet is its files, each as field 1: put together without parsing them again.
    DescriptorFiles result;
    result.fingerprint = set->fingerprint;
    pb::io::StringOutputStream stream(&result.file_descriptor_set);
    pb::io::CodedOutputStream coded(&stream);
    for (const pb::FileDescriptor* file : set->Closure(*descriptor->file())) {
      const std::string& bytes = set->files.at(file->name());
      coded.WriteTag(1 << 3 | 2);
      coded.WriteVarint64(bytes.size());
      coded.WriteString(bytes);
    }
    coded.Trim();
    return result;
  }
  return absl::NotFoundError(absl::StrCat("no message ", name));
}

absl::StatusOr<DescriptorFiles> Registry::DescriptorsOfFingerprint(std::string_view fingerprint) const {
  for (const auto& set : sets_) {
    if (set->fingerprint == fingerprint) return DescriptorFiles{set->bytes, set->fingerprint};
  }
  return absl::NotFoundError(absl::StrCat("no schema ", ToAbsl(fingerprint)));
}

template <typename Find>
absl::StatusOr<std::vector<std::string>> Registry::FilesOf(const Find& find, const std::string& what) const {
  for (const auto& set : sets_) {
    const pb::FileDescriptor* const file = find(*set->pool);
    if (file == nullptr) continue;
    std::vector<std::string> files;
    for (const pb::FileDescriptor* part : set->Closure(*file)) files.push_back(set->files.at(part->name()));
    std::reverse(files.begin(), files.end());
    return files;
  }
  return absl::NotFoundError(what);
}

absl::StatusOr<std::vector<std::string>> Registry::FilesWithSymbol(std::string_view symbol) const {
  const std::string name(symbol);
  return FilesOf([&](const pb::DescriptorPool& pool) { return pool.FindFileContainingSymbol(name); },
                 absl::StrCat("no symbol ", name));
}

absl::StatusOr<std::vector<std::string>> Registry::FilesWithName(std::string_view filename) const {
  const std::string name(filename);
  return FilesOf([&](const pb::DescriptorPool& pool) { return pool.FindFileByName(name); },
                 absl::StrCat("no file ", name));
}

absl::StatusOr<std::vector<std::string>> Registry::FilesWithExtension(std::string_view extendee, int number) const {
  const std::string name(extendee);
  return FilesOf(
      [&](const pb::DescriptorPool& pool) -> const pb::FileDescriptor* {
        const pb::Descriptor* const message = pool.FindMessageTypeByName(name);
        if (message == nullptr) return nullptr;
        const pb::FieldDescriptor* const extension = pool.FindExtensionByNumber(message, number);
        return extension == nullptr ? nullptr : extension->file();
      },
      absl::StrCat("no extension ", number, " of ", name));
}

absl::StatusOr<std::vector<int>> Registry::ExtensionNumbers(std::string_view extendee) const {
  std::set<int> numbers;
  bool found = false;
  for (const auto& set : sets_) {
    const pb::Descriptor* const message = set->pool->FindMessageTypeByName(std::string(extendee));
    if (message == nullptr) continue;
    found = true;
    std::vector<const pb::FieldDescriptor*> extensions;
    set->pool->FindAllExtensions(message, &extensions);
    for (const pb::FieldDescriptor* extension : extensions) numbers.insert(extension->number());
  }
  if (!found) return absl::NotFoundError(absl::StrCat("no message ", ToAbsl(extendee)));
  return std::vector<int>(numbers.begin(), numbers.end());
}

}  // namespace hookstream::typing
