#include "schema/lock.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "schema/json.h"

namespace hookstream::schema {
namespace {

constexpr std::string_view kRetired = "_retired";
constexpr int kMaxNumber = (1 << 29) - 1;
constexpr int kMaxEnumNumber = 0x7fffffff;
// Kept by Protobuf for itself.
constexpr int kFirstInternal = 19000;
constexpr int kLastInternal = 19999;

absl::Status Bad(std::string_view name, std::string_view where, std::string_view why) {
  std::string text(name);
  text.append(": ").append(where).append(": ").append(why);
  return absl::InvalidArgumentError(text);
}

// "19 repeated string" -> 19, "repeated string".
bool ParseEntry(absl::string_view text, int& number, std::string& type) {
  const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(text, absl::MaxSplits(' ', 1));
  type = std::string(parts.second);
  return absl::SimpleAtoi(parts.first, &number) && number > 0;
}

std::string TypeOf(const ProtoField& field) {
  switch (field.cardinality) {
    case Cardinality::kRepeated: return "repeated " + field.type;
    case Cardinality::kMap: return absl::StrCat("map<string, ", field.type, ">");
    default: return field.type;
  }
}

// Ascending numbers as ranges.
std::vector<ReservedRange> Ranges(std::vector<int> numbers) {
  std::sort(numbers.begin(), numbers.end());
  std::vector<ReservedRange> out;
  for (const int number : numbers) {
    if (!out.empty() && out.back().last == number - 1) {
      out.back().last = number;
    } else {
      out.push_back({number, number});
    }
  }
  return out;
}

// "Issue.State" in the scope of "Issue".
std::string Scoped(const std::string& scope, const std::string& name) {
  return scope.empty() ? name : absl::StrCat(scope, ".", name);
}

}  // namespace

absl::Status Lock::Read(std::string_view name, std::string_view what, const Json& section,
                        std::map<std::string, Numbers>& out) {
  if (section.is_null()) return absl::OkStatus();
  if (!section.is_object()) return Bad(name, what, "is no map");
  const bool fields = what == "messages";
  for (const auto& [type_name, members] : section.members()) {
    const auto [it, added] = out.emplace(type_name, Numbers());
    if (!added) return Bad(name, type_name, "is there twice");
    Numbers& numbers = it->second;
    std::set<int> taken;
    const auto take = [&](int number) {
      numbers.highest = std::max(numbers.highest, number);
      return number > 0 && number <= (fields ? kMaxNumber : kMaxEnumNumber) && taken.insert(number).second;
    };
    for (const auto& [member, value] : members.members()) {
      const std::string where = absl::StrCat(type_name, ".", member);
      if (member == kRetired) {
        for (const absl::string_view text : absl::StrSplit(value.text(), ',')) {
          int number = 0;
          if (!absl::SimpleAtoi(text, &number) || !take(number)) return Bad(name, where, "is no list of free numbers");
          numbers.retired.push_back(number);
        }
        continue;
      }
      Entry entry;
      if (!ParseEntry(value.text(), entry.number, entry.type) || entry.type.empty() == fields) {
        return Bad(name, where, fields ? "is not `NUMBER TYPE`" : "is no number");
      }
      if (!take(entry.number)) return Bad(name, where, "has a number that is out of range or given twice");
      if (!numbers.names.emplace(member, entry).second) return Bad(name, where, "is there twice");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Lock> Lock::Parse(std::string_view text, std::string_view name) {
  Lock lock;
  HS_ASSIGN_OR_RETURN(const Json root, ParseYaml(text, name));
  if (root.is_null()) return lock;
  if (!root.is_object()) return Bad(name, "the file", "is no lock");
  for (const auto& [key, section] : root.members()) {
    if (key == "messages") {
      HS_RETURN_IF_ERROR(Read(name, key, section, lock.messages_));
    } else if (key == "enums") {
      HS_RETURN_IF_ERROR(Read(name, key, section, lock.enums_));
    } else {
      return Bad(name, key, "is neither `messages` nor `enums`");
    }
  }
  return lock;
}

absl::Status Lock::ApplyMessage(ProtoMessage& message, const std::string& scope) {
  const std::string full = Scoped(scope, message.name);
  Numbers& numbers = messages_[full];
  std::set<std::string> present;
  for (ProtoField& field : message.fields) {
    present.insert(field.name);
    Entry& entry = numbers.names[field.name];
    std::string type = TypeOf(field);
    if (entry.number != 0 && entry.type != type) {
      numbers.retired.push_back(entry.number);
      entry.number = 0;
    }
    if (entry.number == 0) {
      if (numbers.highest + 1 == kFirstInternal) numbers.highest = kLastInternal;
      if (numbers.highest >= kMaxNumber) {
        return absl::ResourceExhaustedError(absl::StrCat(full, ".", field.name, ": no field number is left"));
      }
      entry.number = ++numbers.highest;
    }
    entry.type = std::move(type);
    field.number = entry.number;
  }
  std::sort(message.fields.begin(), message.fields.end(),
            [](const ProtoField& a, const ProtoField& b) { return a.number < b.number; });
  std::vector<int> reserved = numbers.retired;
  message.reserved_names.clear();
  for (const auto& [name, entry] : numbers.names) {
    if (present.count(name) != 0) continue;
    reserved.push_back(entry.number);
    message.reserved_names.push_back(name);
  }
  message.reserved = Ranges(std::move(reserved));
  for (ProtoMessage& inner : message.messages) HS_RETURN_IF_ERROR(ApplyMessage(inner, full));
  for (ProtoEnum& inner : message.enums) HS_RETURN_IF_ERROR(ApplyEnum(inner, full));
  return absl::OkStatus();
}

absl::Status Lock::ApplyEnum(ProtoEnum& type, const std::string& scope) {
  const std::string full = Scoped(scope, type.name);
  Numbers& numbers = enums_[full];
  std::set<std::string> present;
  // The first value is the unspecified one, 0, and needs no lock.
  for (size_t i = 1; i < type.values.size(); ++i) {
    ProtoEnumValue& value = type.values[i];
    present.insert(value.name);
    Entry& entry = numbers.names[value.name];
    if (entry.number == 0) {
      if (numbers.highest == kMaxEnumNumber) {
        return absl::ResourceExhaustedError(absl::StrCat(full, ".", value.name, ": no number is left"));
      }
      entry.number = ++numbers.highest;
    }
    value.number = entry.number;
  }
  std::sort(type.values.begin(), type.values.end(),
            [](const ProtoEnumValue& a, const ProtoEnumValue& b) { return a.number < b.number; });
  std::vector<int> reserved = numbers.retired;
  type.reserved_names.clear();
  for (const auto& [name, entry] : numbers.names) {
    if (present.count(name) != 0) continue;
    reserved.push_back(entry.number);
    type.reserved_names.push_back(name);
  }
  type.reserved = Ranges(std::move(reserved));
  return absl::OkStatus();
}

absl::Status Lock::Apply(std::vector<ProtoFile>& files) {
  for (ProtoFile& file : files) {
    for (ProtoMessage& message : file.messages) HS_RETURN_IF_ERROR(ApplyMessage(message, ""));
    for (ProtoEnum& type : file.enums) HS_RETURN_IF_ERROR(ApplyEnum(type, ""));
  }
  return absl::OkStatus();
}

void Lock::Write(const std::map<std::string, Numbers>& section, std::string& out) {
  for (const auto& [name, numbers] : section) {
    std::vector<std::pair<int, std::string>> lines;
    for (const auto& [member, entry] : numbers.names) {
      lines.emplace_back(entry.number, absl::StrCat("    ", member, ": ", entry.number, entry.type.empty() ? "" : " ",
                                                    entry.type, "\n"));
    }
    std::sort(lines.begin(), lines.end());
    absl::StrAppend(&out, "  ", name, lines.empty() && numbers.retired.empty() ? ": {}\n" : ":\n");
    for (const auto& [number, line] : lines) out += line;
    if (numbers.retired.empty()) continue;
    std::vector<int> retired = numbers.retired;
    std::sort(retired.begin(), retired.end());
    absl::StrAppend(&out, "    ", std::string(kRetired), ": ", absl::StrJoin(retired, ", "), "\n");
  }
}

std::string Lock::Text() const {
  std::string out =
      "# Numbers of fields and enum values. Written by `hookstream schema`; nothing is removed from it.\n";
  if (!messages_.empty()) out += "messages:\n";
  Write(messages_, out);
  if (!enums_.empty()) out += "enums:\n";
  Write(enums_, out);
  return out;
}

}  // namespace hookstream::schema
