// An HTTP request out of a fuzzer's bytes, in a form that a person can write into a corpus:
//   METHOD TARGET\n Name: value\n ... \n\n body
#pragma once

#include <string_view>
#include <vector>

#include "provider/request.h"

namespace hookstream {

struct FuzzRequest {
  explicit FuzzRequest(std::string_view input) {
    const auto line = [&input] {
      const size_t end = input.find('\n');
      const std::string_view text = input.substr(0, end);
      input = end == std::string_view::npos ? std::string_view() : input.substr(end + 1);
      return text;
    };
    const std::string_view first = line();
    const size_t space = first.find(' ');
    request.method = first.substr(0, space);
    request.target = space == std::string_view::npos ? std::string_view("/") : first.substr(space + 1);
    while (!input.empty() && headers.size() < 64) {
      const std::string_view text = line();
      if (text.empty()) break;
      const size_t colon = text.find(": ");
      if (colon == std::string_view::npos) continue;
      headers.push_back({text.substr(0, colon), text.substr(colon + 2)});
    }
    request.public_url = "https://hooks.example.com";
    request.headers = headers;
    request.body = input;
  }

  std::vector<provider::HeaderView> headers;
  provider::Request request;
};

}  // namespace hookstream
