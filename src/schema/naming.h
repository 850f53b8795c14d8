// Names in a .proto for what a document calls its keys, objects and texts: as buf's STANDARD rules want them, and such
// that the generated code of C++, Java, Go, Python and TypeScript compiles and reads well. Pure and deterministic.
#pragma once

#include <set>
#include <string>
#include <string_view>

namespace hookstream::schema {

// "fullName", "Full-Name" -> "full_name"; "HTMLUrl" -> "html_url"; "+1" -> "plus_1"; "-1" -> "minus_1"; "2fa" ->
// "n2fa"; what is not ASCII becomes its code points, "ü" -> "u00fc". Never empty, never a leading or double underscore.
std::string SnakeName(std::string_view text);
// "pull-request", "pull_request$opened" -> "PullRequest", "PullRequestOpened".
std::string CamelName(std::string_view text);
// "in-progress" -> "IN_PROGRESS". A digit may come first: an enum's prefix goes before it.
std::string UpperName(std::string_view text);

// A keyword of one of the five languages. `type`, which is one of Go's, is not counted: Go writes fields with capitals.
bool IsKeyword(std::string_view name);
// A name that generated code of one of the languages would take for its own: "Object", "String", "None", ...
bool IsTakenType(std::string_view name);

// The field for a key: SnakeName; a keyword becomes "is_private" for a bool, "from_value" otherwise.
std::string FieldName(std::string_view key, bool is_bool);
// The message or enum for a key or a title: CamelName; a taken one gets "Value" behind it.
std::string TypeName(std::string_view text);

// `name`, or with the lowest number from 2 behind it that makes it new; inserted into `taken`.
std::string Unique(std::string name, std::set<std::string>& taken);

// What Protobuf takes as the json_name of a field of this name: "full_name" -> "fullName".
std::string DefaultJsonName(std::string_view field);

// "posts" -> "post", "categories" -> "category": of a list's key the name of its elements. A word that is no
// plural stays as it is.
std::string Singular(std::string_view name);

}  // namespace hookstream::schema
