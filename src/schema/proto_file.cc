#include "schema/proto_file.h"

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "schema/naming.h"

namespace hookstream::schema {
namespace {

constexpr size_t kColumns = 120;

// A string literal of the proto language.
std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (byte < 0x20 || byte == 0x7f) {
      constexpr char kOctal[] = "01234567";
      out.push_back('\\');
      out.push_back(kOctal[byte >> 6]);
      out.push_back(kOctal[byte >> 3 & 7]);
      out.push_back(kOctal[byte & 7]);
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
  return out;
}

// "hookstream/github/v1/team.proto" -> "TeamProto". Left to protoc it would be "Team", which is also the class of a
// message Team when another file of the package has that.
std::string OuterClass(std::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash != path.npos) path.remove_prefix(slash + 1);
  return CamelName(path.substr(0, path.rfind(".proto"))) + "Proto";
}

// `{name: "a", names: ["a", "b"]}` as buf format lays messages and lists out.
class Literal {
 public:
  explicit Literal(int indent) : indent_(indent) {}

  void Add(std::string_view name, std::string_view value) {
    Line(absl::StrCat(std::string(name), ": ", std::string(value)));
  }
  void AddText(std::string_view name, std::string_view text) { Add(name, Quoted(text)); }
  void AddTexts(std::string_view name, const std::vector<std::string>& texts) {
    if (texts.empty()) return;
    if (texts.size() == 1) return Add(name, absl::StrCat("[", Quoted(texts[0]), "]"));
    std::string out = absl::StrCat(std::string(name), ": [");
    for (size_t i = 0; i < texts.size(); ++i) {
      absl::StrAppend(&out, i == 0 ? "\n" : ",\n", std::string(static_cast<size_t>(indent_) + 2, ' '),
                      Quoted(texts[i]));
    }
    Line(absl::StrCat(out, "\n", std::string(static_cast<size_t>(indent_), ' '), "]"));
  }
  void AddMessage(std::string_view name, const Literal& inner) {
    Line(
        absl::StrCat(std::string(name), ": {", inner.body_, "\n", std::string(static_cast<size_t>(indent_), ' '), "}"));
  }
  int indent() const { return indent_; }
  // The message as an option's value.
  std::string Text() const {
    return absl::StrCat("{", body_, "\n", std::string(static_cast<size_t>(indent_) - 2, ' '), "}");
  }

 private:
  void Line(const std::string& text) {
    absl::StrAppend(&body_, "\n", std::string(static_cast<size_t>(indent_), ' '), text);
  }

  const int indent_;
  std::string body_;
};

std::vector<std::string> Texts(const google::protobuf::RepeatedPtrField<std::string>& field) {
  return {field.begin(), field.end()};
}

bool HasMapping(const ProtoField& field) { return field.mapping.ByteSizeLong() != 0; }

bool UsesMapping(const ProtoEnum& type) {
  return std::any_of(type.values.begin(), type.values.end(),
                     [](const ProtoEnumValue& value) { return !value.texts.empty(); });
}

bool UsesMapping(const ProtoMessage& message) {
  return !message.events.empty() || std::any_of(message.fields.begin(), message.fields.end(), HasMapping) ||
         std::any_of(message.messages.begin(), message.messages.end(),
                     [](const ProtoMessage& inner) { return UsesMapping(inner); }) ||
         std::any_of(message.enums.begin(), message.enums.end(),
                     [](const ProtoEnum& inner) { return UsesMapping(inner); });
}

void AddTypes(const ProtoMessage& message, std::set<std::string>& types) {
  for (const ProtoField& field : message.fields) types.insert(field.type);
  for (const ProtoMessage& inner : message.messages) AddTypes(inner, types);
}

class Writer {
 public:
  explicit Writer(const ProtoFile& file) : file_(file) {
    // Inside "acme.google.v1" the name google.protobuf.Timestamp begins at acme.google.
    const std::vector<std::string> parts = absl::StrSplit(file.package, '.');
    google_taken_ = std::find(parts.begin(), parts.end(), "google") != parts.end();
    hookstream_taken_ = std::find(parts.begin() + 1, parts.end(), "hookstream") != parts.end();
  }

  std::string Write() {
    out_ = "syntax = \"proto3\";\n\n";
    Comment(file_.comment, 0);
    absl::StrAppend(&out_, "package ", file_.package, ";\n");
    Imports();
    FileOptions();
    std::set<std::string> written;
    for (const ProtoMessage& message : file_.messages) {
      out_ += "\n";
      Message(message, 0);
      std::set<std::string> types;
      AddTypes(message, types);
      for (const ProtoEnum& type : file_.enums) {
        if (types.count(type.name) != 0) FileEnum(type, written);
      }
    }
    for (const ProtoEnum& type : file_.enums) FileEnum(type, written);
    return std::move(out_);
  }

 private:
  void Line(int indent, const std::string& text) {
    out_.append(static_cast<size_t>(indent), ' ');
    absl::StrAppend(&out_, text, "\n");
  }

  void Comment(const std::string& comment, int indent) {
    if (comment.empty()) return;
    const size_t room = kColumns - static_cast<size_t>(indent) - 3;
    for (const absl::string_view paragraph : absl::StrSplit(comment, '\n')) {
      std::string line;
      for (const absl::string_view word : absl::StrSplit(paragraph, ' ', absl::SkipEmpty())) {
        if (!line.empty() && line.size() + 1 + word.size() > room) {
          Line(indent, absl::StrCat("// ", line));
          line.clear();
        }
        absl::StrAppend(&line, line.empty() ? "" : " ", word);
      }
      Line(indent, line.empty() ? "//" : absl::StrCat("// ", line));
    }
  }

  void Imports() {
    std::set<std::string> imports(file_.imports.begin(), file_.imports.end());
    std::set<std::string> types;
    for (const ProtoMessage& message : file_.messages) AddTypes(message, types);
    for (const std::string& type : types) {
      if (type == "google.protobuf.Timestamp") imports.insert("google/protobuf/timestamp.proto");
      if (type == "google.protobuf.Duration") imports.insert("google/protobuf/duration.proto");
      if (type == "google.protobuf.Struct" || type == "google.protobuf.Value" || type == "google.protobuf.ListValue") {
        imports.insert("google/protobuf/struct.proto");
      }
    }
    const auto uses = [](const auto& type) { return UsesMapping(type); };
    if (!file_.provider.empty() || std::any_of(file_.messages.begin(), file_.messages.end(), uses) ||
        std::any_of(file_.enums.begin(), file_.enums.end(), uses)) {
      imports.insert("hookstream/v1/mapping.proto");
    }
    imports.erase(file_.path);
    if (!imports.empty()) out_ += "\n";
    for (const std::string& import : imports) Line(0, absl::StrCat("import ", Quoted(import), ";"));
  }

  void FileOptions() {
    if (file_.go_package.empty() && file_.java_package.empty() && file_.provider.empty()) return;
    out_ += "\n";
    if (!file_.go_package.empty()) Line(0, absl::StrCat("option go_package = ", Quoted(file_.go_package), ";"));
    if (!file_.java_package.empty()) {
      Line(0, "option java_multiple_files = true;");
      Line(0, absl::StrCat("option java_outer_classname = ", Quoted(OuterClass(file_.path)), ";"));
      Line(0, absl::StrCat("option java_package = ", Quoted(file_.java_package), ";"));
    }
    if (!file_.provider.empty()) {
      Line(0, absl::StrCat("option (", Option("provider"), ") = ", Quoted(file_.provider), ";"));
    }
  }

  std::string Option(std::string_view name) const {
    return absl::StrCat(hookstream_taken_ ? ".hookstream.v1." : "hookstream.v1.", std::string(name));
  }

  std::string TypeText(const ProtoField& field) const {
    const bool google = absl::StartsWith(field.type, "google.");
    std::string type = google && google_taken_ ? "." + field.type : field.type;
    switch (field.cardinality) {
      case Cardinality::kSingle: return type;
      case Cardinality::kOptional: return "optional " + type;
      case Cardinality::kRepeated: return "repeated " + type;
      case Cardinality::kMap: return absl::StrCat("map<string, ", type, ">");
    }
    return type;
  }

  void FileEnum(const ProtoEnum& type, std::set<std::string>& written) {
    if (!written.insert(type.name).second) return;
    out_ += "\n";
    Enum(type, 0);
  }

  // [a = 1], or one a line where there are several.
  static std::string Options(const std::vector<std::string>& options, int indent) {
    if (options.empty()) return "";
    if (options.size() == 1) return absl::StrCat(" [", options[0], "]");
    const std::string inner = absl::StrCat("\n", std::string(static_cast<size_t>(indent) + 2, ' '));
    return absl::StrCat(" [", inner, absl::StrJoin(options, "," + inner), "\n",
                        std::string(static_cast<size_t>(indent), ' '), "]");
  }

  void Field(const ProtoField& field, int indent) {
    Comment(field.comment, indent);
    std::vector<std::string> options;
    if (field.deprecated) options.push_back("deprecated = true");
    if (!field.json_name.empty()) options.push_back("json_name = " + Quoted(field.json_name));
    const std::string option = absl::StrCat("(", Option("field"), ").");
    for (const std::string& from : field.mapping.from()) {
      options.push_back(absl::StrCat(option, "from = ", Quoted(from)));
    }
    if (!field.mapping.id().empty()) options.push_back(absl::StrCat(option, "id = ", Quoted(field.mapping.id())));
    if (field.mapping.time() != v1::NUMBER_TIME_UNSPECIFIED) {
      options.push_back(absl::StrCat(option, "time = ", v1::NumberTime_Name(field.mapping.time())));
    }
    if (field.mapping.text()) options.push_back(option + "text = true");
    if (field.mapping.json()) options.push_back(option + "json = true");
    if (field.mapping.rest()) options.push_back(option + "rest = true");
    if (field.mapping.numbered()) options.push_back(option + "numbered = true");
    Line(indent, absl::StrCat(TypeText(field), " ", field.name, " = ", field.number, Options(options, indent), ";"));
  }

  void Reserved(const std::vector<ReservedRange>& ranges, const std::vector<std::string>& names, int indent) {
    if (!ranges.empty()) {
      std::vector<std::string> texts;
      for (const ReservedRange& range : ranges) {
        texts.push_back(range.first == range.last ? absl::StrCat(range.first)
                                                  : absl::StrCat(range.first, " to ", range.last));
      }
      Line(indent, absl::StrCat("reserved ", absl::StrJoin(texts, ", "), ";"));
    }
    if (!names.empty()) {
      std::vector<std::string> texts;
      for (const std::string& name : names) texts.push_back(Quoted(name));
      Line(indent, absl::StrCat("reserved ", absl::StrJoin(texts, ", "), ";"));
    }
  }

  void Event(const v1::EventMapping& event, int indent) {
    Literal literal(indent + 2);
    if (!event.provider().empty()) literal.AddText("provider", event.provider());
    literal.AddTexts("types", Texts(event.types()));
    if (!event.root().empty()) literal.AddText("root", event.root());
    for (const v1::Condition& condition : event.when()) {
      Literal inner(literal.indent() + 2);
      inner.AddText("pointer", condition.pointer());
      inner.AddTexts("equals", Texts(condition.equals()));
      literal.AddMessage("when", inner);
    }
    Line(indent, absl::StrCat("option (", Option("event"), ") = ", literal.Text(), ";"));
  }

  void Message(const ProtoMessage& message, int indent) {
    Comment(message.comment, indent);
    const bool empty = message.fields.empty() && message.messages.empty() && message.enums.empty() &&
                       message.events.empty() && message.reserved.empty() && message.reserved_names.empty() &&
                       !message.deprecated;
    if (empty) return Line(indent, absl::StrCat("message ", message.name, " {}"));
    Line(indent, absl::StrCat("message ", message.name, " {"));
    bool gap = false;  // a blank line goes before what comes next
    if (message.deprecated) Line(indent + 2, "option deprecated = true;");
    for (const v1::EventMapping& event : message.events) Event(event, indent + 2);
    gap = message.deprecated || !message.events.empty();
    const auto separate = [&] {
      if (gap) out_ += "\n";
      gap = true;
    };
    if (!message.reserved.empty() || !message.reserved_names.empty()) {
      separate();
      Reserved(message.reserved, message.reserved_names, indent + 2);
    }
    if (!message.fields.empty()) separate();
    for (const ProtoField& field : message.fields) Field(field, indent + 2);
    for (const ProtoMessage& inner : message.messages) {
      separate();
      Message(inner, indent + 2);
    }
    for (const ProtoEnum& inner : message.enums) {
      separate();
      Enum(inner, indent + 2);
    }
    Line(indent, "}");
  }

  void Enum(const ProtoEnum& type, int indent) {
    Comment(type.comment, indent);
    Line(indent, absl::StrCat("enum ", type.name, " {"));
    if (type.deprecated) Line(indent + 2, "option deprecated = true;");
    Reserved(type.reserved, type.reserved_names, indent + 2);
    for (const ProtoEnumValue& value : type.values) {
      Comment(value.comment, indent + 2);
      std::vector<std::string> options;
      for (const std::string& text : value.texts) {
        options.push_back(absl::StrCat("(", Option("value"), ").names = ", Quoted(text)));
      }
      Line(indent + 2, absl::StrCat(value.name, " = ", value.number, Options(options, indent + 2), ";"));
    }
    Line(indent, "}");
  }

  const ProtoFile& file_;
  std::string out_;
  bool google_taken_ = false;
  bool hookstream_taken_ = false;
};

}  // namespace

void SetLanguagePackages(ProtoFile& file) {
  if (!absl::StartsWith(file.package, "hookstream.")) {
    file.java_package = file.package;
    return;
  }
  const std::string folder = absl::StrReplaceAll(file.package, {{".", "/"}});
  std::string alias = file.package.substr(std::string("hookstream.").size());
  alias = absl::StrReplaceAll(alias, {{".", ""}, {"_", ""}});
  file.go_package = absl::StrCat("github.com/hookstream/hookstream/clients/go/", folder, ";", alias);
  file.java_package = "dev." + file.package;
}

std::string WriteProto(const ProtoFile& file) { return Writer(file).Write(); }

}  // namespace hookstream::schema
