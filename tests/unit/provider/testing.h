// Requests for tests.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "provider/context.h"
#include "provider/loader.h"
#include "provider/provider.h"

namespace hookstream::provider {

// Owns what a Request views.
struct TestRequest {
  std::string method = "POST";
  std::string public_url = "https://hooks.example.com";
  std::string target = "/in/acme?a=1&b=x%20y&a=2";
  std::vector<std::pair<std::string, std::string>> headers = {{"Content-Type", "application/json"}};
  std::string body;

  Request View() {
    header_views.clear();
    for (const auto& [name, value] : headers) header_views.push_back({name, value});
    Request request;
    request.method = method;
    request.public_url = public_url;
    request.target = target;
    request.headers = header_views;
    request.body = body;
    return request;
  }

  std::vector<HeaderView> header_views;
};

inline TestRequest FormRequest(std::string body) {
  TestRequest request;
  request.headers = {{"Content-Type", "application/x-www-form-urlencoded"}};
  request.body = std::move(body);
  return request;
}

// The boundary is "b"; each part is a form's field, or with a file name in its parameters a file.
inline TestRequest MultipartRequest(const std::vector<std::pair<std::string, std::string>>& parts) {
  TestRequest request;
  request.headers = {{"Content-Type", "multipart/form-data; boundary=b"}};
  for (const auto& [parameters, value] : parts) {
    request.body += "--b\r\nContent-Disposition: form-data; name=" + parameters + "\r\n\r\n" + value + "\r\n";
  }
  request.body += "--b--\r\n";
  return request;
}

inline std::unique_ptr<const Provider> MustLoad(std::string_view yaml) {
  auto provider = LoadProvider(yaml, "test.yaml");
  if (!provider.ok()) {
    ADD_FAILURE() << provider.status() << "\n" << yaml;
    return std::make_unique<const Provider>();
  }
  return *std::move(provider);
}

}  // namespace hookstream::provider
