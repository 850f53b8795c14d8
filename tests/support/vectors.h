// Requests with known verdicts: of providers' documentation and libraries (tests/data/provider-vectors.json), and
// signed by the documented rule, independently of this code (provider-vectors-*.json).
#pragma once

#include <gtest/gtest.h>
#include <simdjson.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "provider/encoding.h"

namespace hookstream::testing {

struct RequestVector {
  std::string id;
  std::string preset;
  std::string secret;
  std::string method;
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  bool valid = false;
  // When it is looked at, in Unix seconds; absent: the time does not matter.
  std::optional<int64_t> now;
  // What is a text among the vector's `params`.
  std::map<std::string, std::string, std::less<>> params;

  // Those among the names that the vector has, for the source that it is meant for.
  std::map<std::string, std::string, std::less<>> ParamsOf(const std::vector<std::string>& names) const {
    std::map<std::string, std::string, std::less<>> found;
    for (const std::string& name : names) {
      if (const auto param = params.find(name); param != params.end()) found.insert(*param);
    }
    return found;
  }
};

inline void LoadVectorFile(const std::string& path, std::vector<RequestVector>& vectors) {
  const auto text = [](simdjson::dom::element element) { return std::string(element.get_string().value()); };
  simdjson::dom::parser parser;
  for (const simdjson::dom::element element : parser.load(path).get_array()) {
    RequestVector vector;
    vector.id = text(element["id"].value());
    vector.preset = text(element["provider"].value());
    vector.secret = text(element["secret"].value());
    const simdjson::dom::element request = element["request"].value();
    vector.method = text(request["method"].value());
    vector.url = text(request["url"].value());
    for (const auto header : request["headers"].get_object()) {
      vector.headers.emplace_back(std::string(header.key), text(header.value));
    }
    vector.body = provider::DecodeBase64(text(request["body_base64"].value()), provider::Padding::kRequired).value();
    vector.valid = text(element["expect"].value()) == "valid";
    if (int64_t now = 0; element["now"].get(now) == simdjson::SUCCESS) vector.now = now;
    if (simdjson::dom::object params; element["params"].get(params) == simdjson::SUCCESS) {
      for (const auto param : params) {
        if (param.value.is_string()) vector.params[std::string(param.key)] = text(param.value);
      }
    }
    vectors.push_back(std::move(vector));
  }
}

inline std::vector<RequestVector> LoadVectors() {
  std::vector<RequestVector> vectors;
  for (const auto& entry : std::filesystem::directory_iterator(HOOKSTREAM_TEST_DATA)) {
    if (entry.path().filename().string().starts_with("provider-vectors"))
      LoadVectorFile(entry.path().string(), vectors);
  }
  EXPECT_GE(vectors.size(), 441u);
  return vectors;
}

}  // namespace hookstream::testing
