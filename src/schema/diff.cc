#include "schema/diff.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"
#include "hookstream/v1/mapping.pb.h"
#include "typing/editions.h"
#include "typing/pattern.h"

namespace hookstream::schema {
namespace {

namespace pb = google::protobuf;
using Type = pb::FieldDescriptor::Type;

// One pattern of one message.
struct Mapped {
  std::string provider;
  typing::TypePattern pattern;
  std::string root;
  std::string when;
  const pb::Descriptor* message;
};

std::string WhenText(const v1::EventMapping& event) {
  std::vector<std::string> texts;
  for (const v1::Condition& condition : event.when()) {
    texts.push_back(absl::StrCat(condition.pointer(), condition.equals().empty() ? "" : " in ",
                                 absl::StrJoin(condition.equals(), "|")));
  }
  std::sort(texts.begin(), texts.end());
  return absl::StrJoin(texts, ", ");
}

struct LoadedSet {
  pb::DescriptorPool pool;
  std::map<std::string, const pb::Descriptor*> messages;
  std::map<std::string, const pb::EnumDescriptor*> enums;
  std::vector<Mapped> mapped;
};

void AddEnums(const pb::Descriptor& message, LoadedSet& set) {
  for (int i = 0; i < message.enum_type_count(); ++i) {
    set.enums.emplace(message.enum_type(i)->full_name(), message.enum_type(i));
  }
}

void AddMessage(const pb::Descriptor& message, LoadedSet& set) {
  if (message.options().map_entry()) return;
  set.messages.emplace(message.full_name(), &message);
  AddEnums(message, set);
  for (int i = 0; i < message.nested_type_count(); ++i) AddMessage(*message.nested_type(i), set);
}

bool IsOwn(const std::string& path) { return absl::StartsWith(path, "hookstream/"); }
bool IsGoogle(const std::string& path) { return absl::StartsWith(path, "google/protobuf/"); }

absl::Status Load(const NamedSet& from, const pb::FileDescriptorSet& files, bool own_too, LoadedSet& out) {
  std::map<std::string, const pb::FileDescriptorProto*> todo;
  for (const pb::FileDescriptorProto& file : files.file()) todo.emplace(file.name(), &file);
  while (!todo.empty()) {
    const size_t before = todo.size();
    for (auto it = todo.begin(); it != todo.end();) {
      const auto& imports = it->second->dependency();
      if (std::any_of(imports.begin(), imports.end(), [&](const auto& import) { return todo.count(import) != 0; })) {
        ++it;
        continue;
      }
      const auto built = typing::AddToPool(*it->second, out.pool);
      if (!built.ok()) return absl::InvalidArgumentError(absl::StrCat(from.name, ": ", built.status().message()));
      if (!IsGoogle(it->first) && (own_too || !IsOwn(it->first))) {
        for (int i = 0; i < (*built)->message_type_count(); ++i) AddMessage(*(*built)->message_type(i), out);
        for (int i = 0; i < (*built)->enum_type_count(); ++i) {
          out.enums.emplace((*built)->enum_type(i)->full_name(), (*built)->enum_type(i));
        }
      }
      it = todo.erase(it);
    }
    if (todo.size() == before) {
      return absl::InvalidArgumentError(absl::StrCat(from.name, ": files import each other in a circle"));
    }
  }
  for (const auto& [name, message] : out.messages) {
    for (int i = 0; i < message->options().ExtensionSize(v1::event); ++i) {
      const v1::EventMapping& event = message->options().GetExtension(v1::event, i);
      for (const std::string& type : event.types()) {
        auto pattern = typing::TypePattern::Parse(type);
        if (!pattern.ok()) {
          return absl::InvalidArgumentError(absl::StrCat(from.name, ": ", name, ": ", pattern.status().message()));
        }
        out.mapped.push_back(
            {event.provider().empty() ? message->file()->options().GetExtension(v1::provider) : event.provider(),
             *std::move(pattern), event.root(), WhenText(event), message});
      }
    }
  }
  return absl::OkStatus();
}

std::string TypeName(const pb::FieldDescriptor& field) {
  if (field.is_map()) {
    return absl::StrCat("map<", TypeName(*field.message_type()->map_key()), ", ",
                        TypeName(*field.message_type()->map_value()), ">");
  }
  switch (field.cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_MESSAGE: return field.message_type()->full_name();
    case pb::FieldDescriptor::CPPTYPE_ENUM: return field.enum_type()->full_name();
    default: return field.type_name();
  }
}

std::string Declared(const pb::FieldDescriptor& field) {
  const bool optional = field.has_presence() && field.cpp_type() != pb::FieldDescriptor::CPPTYPE_MESSAGE &&
                        field.real_containing_oneof() == nullptr;
  return absl::StrCat(field.is_repeated() && !field.is_map() ? "repeated "
                      : optional                             ? "optional "
                                                             : "",
                      TypeName(field));
}

// Types of one class read each other's bytes; 0: only themselves.
int WireClass(Type type) {
  switch (type) {
    case pb::FieldDescriptor::TYPE_INT32:
    case pb::FieldDescriptor::TYPE_INT64:
    case pb::FieldDescriptor::TYPE_UINT32:
    case pb::FieldDescriptor::TYPE_UINT64:
    case pb::FieldDescriptor::TYPE_BOOL:
    case pb::FieldDescriptor::TYPE_ENUM: return 1;
    case pb::FieldDescriptor::TYPE_SINT32:
    case pb::FieldDescriptor::TYPE_SINT64: return 2;
    case pb::FieldDescriptor::TYPE_FIXED32:
    case pb::FieldDescriptor::TYPE_SFIXED32: return 3;
    case pb::FieldDescriptor::TYPE_FIXED64:
    case pb::FieldDescriptor::TYPE_SFIXED64: return 4;
    case pb::FieldDescriptor::TYPE_STRING:
    case pb::FieldDescriptor::TYPE_BYTES: return 5;
    default: return 0;
  }
}

bool SameWire(const pb::FieldDescriptor& before, const pb::FieldDescriptor& after) {
  if (before.is_repeated() != after.is_repeated()) return false;
  if (before.type() == after.type()) return TypeName(before) == TypeName(after);
  return WireClass(before.type()) != 0 && WireClass(before.type()) == WireClass(after.type());
}

std::vector<std::string> Pointers(const pb::FieldDescriptor& field) {
  const v1::FieldMapping& mapping = field.options().GetExtension(v1::field);
  if (mapping.from().empty()) return {absl::StrCat("/", field.json_name())};
  return {mapping.from().begin(), mapping.from().end()};
}

std::string Listed(const std::vector<std::string>& pointers) {
  std::vector<std::string> texts;
  for (const std::string& pointer : pointers) texts.push_back(pointer.empty() ? "the value itself" : pointer);
  return absl::StrJoin(texts, " or ");
}

bool IsRest(const pb::FieldDescriptor& field) { return field.options().GetExtension(v1::field).rest(); }

bool HasRest(const pb::Descriptor& message) {
  for (int i = 0; i < message.field_count(); ++i) {
    if (IsRest(*message.field(i))) return true;
  }
  return false;
}

std::string OneofName(const pb::FieldDescriptor& field) {
  return field.real_containing_oneof() == nullptr ? "" : field.real_containing_oneof()->name();
}

class Comparison {
 public:
  Comparison(const LoadedSet& before, const LoadedSet& after) : before_(before), after_(after) {}

  std::vector<Change> Run() {
    for (const auto& [name, message] : before_.messages) {
      const auto other = after_.messages.find(name);
      if (other == after_.messages.end()) {
        Add(true, Aspect::kWire, name, "message removed");
      } else {
        Messages(*message, *other->second);
      }
    }
    for (const auto& [name, message] : after_.messages) {
      if (before_.messages.count(name) == 0) Add(false, Aspect::kWire, name, "message added");
    }
    for (const auto& [name, type] : before_.enums) {
      const auto other = after_.enums.find(name);
      if (other == after_.enums.end()) {
        Add(true, Aspect::kSource, name, "enum removed");
      } else {
        Enums(*type, *other->second);
      }
    }
    for (const auto& [name, type] : after_.enums) {
      if (before_.enums.count(name) == 0) Add(false, Aspect::kSource, name, "enum added");
    }
    Patterns();
    std::stable_sort(changes_.begin(), changes_.end(),
                     [](const Change& a, const Change& b) { return a.element < b.element; });
    return std::move(changes_);
  }

 private:
  void Add(bool breaking, Aspect aspect, const std::string& element, std::string what) {
    changes_.push_back({breaking, aspect, element, std::move(what)});
  }

  void Messages(const pb::Descriptor& before, const pb::Descriptor& after) {
    for (int i = 0; i < before.field_count(); ++i) {
      const pb::FieldDescriptor& field = *before.field(i);
      if (const auto* const other = after.FindFieldByNumber(field.number()); other != nullptr) {
        Fields(field, *other);
      } else if (const auto* const moved = after.FindFieldByName(field.name()); moved != nullptr) {
        Add(true, Aspect::kWire, field.full_name(), absl::StrCat("number: ", field.number(), " -> ", moved->number()));
      } else {
        Add(true, Aspect::kWire, field.full_name(), absl::StrCat("field ", field.number(), " removed"));
      }
    }
    const bool rest = HasRest(before) && HasRest(after);
    for (int i = 0; i < after.field_count(); ++i) {
      const pb::FieldDescriptor& field = *after.field(i);
      if (before.FindFieldByNumber(field.number()) != nullptr || before.FindFieldByName(field.name()) != nullptr) {
        continue;
      }
      Add(false, Aspect::kWire, field.full_name(),
          absl::StrCat("field ", field.number(), " added: ", Declared(field), IsRest(field) ? ", the rest" : ""));
      // `rest` has the keys that no other field reads from.
      if (rest && !IsRest(field)) {
        Add(true, Aspect::kMapping, field.full_name(),
            absl::StrCat("its key (", Listed(Pointers(field)), ") leaves the message's `rest`"));
      }
    }
  }

  void Fields(const pb::FieldDescriptor& before, const pb::FieldDescriptor& after) {
    const std::string& name = before.full_name();
    if (before.name() != after.name()) {
      Add(true, Aspect::kSource, name, absl::StrCat("name: ", before.name(), " -> ", after.name()));
    }
    if (before.json_name() != after.json_name()) {
      Add(true, Aspect::kSource, name, absl::StrCat("JSON name: ", before.json_name(), " -> ", after.json_name()));
    }
    if (const std::string was = Declared(before), is = Declared(after); was != is) {
      // A field that becomes optional can only tell more.
      const bool only_presence = TypeName(before) == TypeName(after) && before.is_repeated() == after.is_repeated();
      Add(!only_presence || before.has_presence(), SameWire(before, after) ? Aspect::kSource : Aspect::kWire, name,
          absl::StrCat("type: ", was, " -> ", is));
    }
    if (const std::string was = OneofName(before), is = OneofName(after); was != is) {
      Add(true, Aspect::kSource, name,
          absl::StrCat("oneof: ", was.empty() ? "none" : was, " -> ", is.empty() ? "none" : is));
    }
    FieldMappings(before, after);
  }

  void FieldMappings(const pb::FieldDescriptor& before, const pb::FieldDescriptor& after) {
    const std::string& name = before.full_name();
    const v1::FieldMapping& was = before.options().GetExtension(v1::field);
    const v1::FieldMapping& is = after.options().GetExtension(v1::field);
    const auto flag = [&](const char* option, bool first, bool second, bool adding_breaks) {
      if (first == second) return;
      Add(first || adding_breaks, Aspect::kMapping, name, absl::StrCat(option, second ? ": added" : ": removed"));
    };
    if (!was.rest() && !is.rest()) {
      const std::vector<std::string> old = Pointers(before);
      const std::vector<std::string> now = Pointers(after);
      if (old != now) {
        // Further places after the old ones are read only where nothing was found.
        const bool longer = now.size() > old.size() && std::equal(old.begin(), old.end(), now.begin());
        Add(!longer, Aspect::kMapping, name, absl::StrCat("from: ", Listed(old), " -> ", Listed(now)));
      }
    }
    if (was.id() != is.id()) {
      Add(!was.id().empty(), Aspect::kMapping, name,
          absl::StrCat("id: ", was.id().empty() ? "none" : was.id(), " -> ", is.id().empty() ? "none" : is.id()));
    }
    if (was.time() != is.time()) {
      Add(was.time() != v1::NUMBER_TIME_UNSPECIFIED, Aspect::kMapping, name,
          absl::StrCat("time: ", v1::NumberTime_Name(was.time()), " -> ", v1::NumberTime_Name(is.time())));
    }
    flag("text", was.text(), is.text(), false);
    flag("json", was.json(), is.json(), true);
    flag("numbered", was.numbered(), is.numbered(), true);
    flag("rest", was.rest(), is.rest(), true);
  }

  void Enums(const pb::EnumDescriptor& before, const pb::EnumDescriptor& after) {
    for (int i = 0; i < before.value_count(); ++i) {
      const pb::EnumValueDescriptor& value = *before.value(i);
      const pb::EnumValueDescriptor* const other = after.FindValueByNumber(value.number());
      if (other == nullptr) {
        Add(true, Aspect::kSource, value.full_name(), absl::StrCat("value ", value.number(), " removed"));
        continue;
      }
      if (value.name() != other->name() && after.FindValueByName(value.name()) == nullptr) {
        Add(true, Aspect::kSource, value.full_name(), absl::StrCat("name: ", value.name(), " -> ", other->name()));
      }
      const auto texts = [](const pb::EnumValueDescriptor& of) {
        const auto& names = of.options().GetExtension(v1::value).names();
        return std::set<std::string>(names.begin(), names.end());
      };
      const std::set<std::string> was = texts(value);
      const std::set<std::string> is = texts(*other);
      for (const std::string& text : was) {
        if (is.count(text) == 0)
          Add(true, Aspect::kMapping, value.full_name(), absl::StrCat("text '", text, "' removed"));
      }
      for (const std::string& text : is) {
        if (was.count(text) == 0)
          Add(false, Aspect::kMapping, value.full_name(), absl::StrCat("text '", text, "' added"));
      }
    }
    for (int i = 0; i < after.value_count(); ++i) {
      const pb::EnumValueDescriptor& value = *after.value(i);
      if (before.FindValueByNumber(value.number()) == nullptr) {
        Add(false, Aspect::kSource, value.full_name(), absl::StrCat("value ", value.number(), " added"));
      }
    }
  }

  // --- which events a message is the payload of ---

  static const Mapped* Find(const LoadedSet& set, const Mapped& wanted) {
    for (const Mapped& mapped : set.mapped) {
      if (mapped.provider == wanted.provider && mapped.pattern.text() == wanted.pattern.text() &&
          mapped.message->full_name() == wanted.message->full_name()) {
        return &mapped;
      }
    }
    return nullptr;
  }

  void Patterns() {
    for (const Mapped& mapped : before_.mapped) {
      const Mapped* const other = Find(after_, mapped);
      const std::string& name = mapped.message->full_name();
      const std::string pattern = absl::StrCat(mapped.provider, " '", mapped.pattern.text(), "'");
      if (other == nullptr) {
        Add(true, Aspect::kMapping, name, absl::StrCat("events ", pattern, " removed"));
        continue;
      }
      if (mapped.root != other->root) {
        Add(true, Aspect::kMapping, name,
            absl::StrCat("events ", pattern, ": root: '", mapped.root, "' -> '", other->root, "'"));
      }
      if (mapped.when != other->when) {
        Add(true, Aspect::kMapping, name,
            absl::StrCat("events ", pattern, ": when: ", mapped.when.empty() ? "always" : mapped.when, " -> ",
                         other->when.empty() ? "always" : other->when));
      }
    }
    for (const Mapped& mapped : after_.mapped) {
      if (Find(before_, mapped) != nullptr) continue;
      std::string taken;
      for (const Mapped& old : before_.mapped) {
        // The more specific pattern wins, so a wider one takes nothing from it.
        if (old.provider == mapped.provider && old.message->full_name() != mapped.message->full_name() &&
            mapped.pattern.literals() >= old.pattern.literals() && mapped.pattern.Overlaps(old.pattern)) {
          taken = absl::StrCat(", of which some were ", old.message->full_name(), " ('", old.pattern.text(), "')");
          break;
        }
      }
      Add(!taken.empty(), Aspect::kMapping, mapped.message->full_name(),
          absl::StrCat("events ", mapped.provider, " '", mapped.pattern.text(), "' added", taken));
    }
  }

  const LoadedSet& before_;
  const LoadedSet& after_;
  std::vector<Change> changes_;
};

}  // namespace

std::string_view AspectName(Aspect aspect) {
  switch (aspect) {
    case Aspect::kWire: return "wire";
    case Aspect::kSource: return "source";
    case Aspect::kMapping: break;
  }
  return "mapping";
}

absl::StatusOr<std::vector<Change>> DiffSets(const NamedSet& before, const NamedSet& after) {
  pb::FileDescriptorSet files[2];
  const NamedSet* const sets[2] = {&before, &after};
  bool others = false;
  for (int i = 0; i < 2; ++i) {
    if (!files[i].ParseFromArray(sets[i]->bytes.data(), static_cast<int>(sets[i]->bytes.size())) ||
        files[i].file_size() == 0) {
      return absl::InvalidArgumentError(absl::StrCat(sets[i]->name,
                                                     ": no FileDescriptorSet (make one with `buf build -o` or `protoc "
                                                     "--include_imports --descriptor_set_out`)"));
    }
    for (const pb::FileDescriptorProto& file : files[i].file()) others |= !IsOwn(file.name()) && !IsGoogle(file.name());
  }
  LoadedSet loaded[2];
  for (int i = 0; i < 2; ++i) HS_RETURN_IF_ERROR(Load(*sets[i], files[i], !others, loaded[i]));
  return Comparison(loaded[0], loaded[1]).Run();
}

}  // namespace hookstream::schema
