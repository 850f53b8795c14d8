#include "provider/multipart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace hookstream::provider {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Optional;

// Written with \n, sent with CRLF.
std::string Body(std::string_view text) {
  return absl::StrReplaceAll(absl::string_view(text.data(), text.size()), {{"\n", "\r\n"}});
}

// "name=value" of each part; a file's with its name in parentheses.
std::optional<std::vector<std::string>> Parts(std::string_view body, std::string_view boundary = "b") {
  const auto parts = ParseMultipart(body, boundary);
  if (!parts) return std::nullopt;
  std::vector<std::string> texts;
  for (const MultipartPart& part : *parts) {
    EXPECT_TRUE(part.value.data() >= body.data() && part.value.data() + part.value.size() <= body.data() + body.size());
    const std::string name = part.is_file ? absl::StrCat("(", part.name, ")") : part.name;
    texts.push_back(absl::StrCat(name, "=", std::string(part.value)));
  }
  return texts;
}

std::string Field(std::string_view parameters) {
  return absl::StrCat("--b\r\nContent-Disposition: form-data; ", std::string(parameters), "\r\n\r\nv\r\n--b--\r\n");
}

TEST(MultipartBoundary, IsReadFromTheContentTypeQuotedOrNot) {
  EXPECT_THAT(MultipartBoundary("multipart/form-data; boundary=xYzZY"), Optional(std::string("xYzZY")));
  EXPECT_THAT(MultipartBoundary("Multipart/Form-Data;Boundary=\"x Y/:=?z\" ; charset=utf-8"),
              Optional(std::string("x Y/:=?z")));
  EXPECT_THAT(MultipartBoundary("multipart/form-data; boundary=----=_Part/1"), Optional(std::string("----=_Part/1")));
  EXPECT_THAT(MultipartBoundary("multipart/form-data; boundary=" + std::string(70, 'x')),
              Optional(std::string(70, 'x')));
}

TEST(MultipartBoundary, IsMissingWhereItIsNotCertain) {
  for (const char* type :
       {"", "multipart/form-data", "multipart/form-data;", "multipart/form-data; boundary",
        "multipart/form-data; boundary=", "multipart/form-data; boundary=\"\"", "multipart/form-data; boundary=\"x",
        "multipart/form-data; boundary=a b", "multipart/form-data; boundary=\"a \"",
        "multipart/form-data; boundary=a; boundary=b", "multipart/form-data; boundary=a\"b",
        "multipart/form-data; boundary=\"a\"b", "multipart/form-data; boundary=a&b", "multipart/mixed; boundary=a",
        "application/x-www-form-urlencoded; boundary=a", "multipart/form-data; =a; boundary=a"}) {
    EXPECT_EQ(MultipartBoundary(type), std::nullopt) << type;
  }
  EXPECT_EQ(MultipartBoundary("multipart/form-data; boundary=" + std::string(71, 'x')), std::nullopt);
}

TEST(Multipart, FieldsAndFilesKeepTheirBytes) {
  EXPECT_THAT(Parts(Body("--b\n"
                         "Content-Disposition: form-data; name=\"a\"\n"
                         "\n"
                         "one\n"
                         "--b\n"
                         "content-disposition:form-data;name=b\n"
                         "Content-Type: text/plain; charset=utf-8\n"
                         "Content-Transfer-Encoding: 8bit\n"
                         "\n"
                         "\ntwo--b\n-- b\n"
                         "--b \t\n"
                         "Content-Disposition: form-data; name=\"f\"; filename=\"C:\\temp\\x.txt\"\n"
                         "Content-Transfer-Encoding: base64\n"
                         "\n"
                         "ZmlsZQ==\n"
                         "--b\n"
                         "Content-Disposition: form-data; name=\"none\"; filename=\"\"\n"
                         "\n"
                         "\n"
                         "--b--\n")),
              Optional(ElementsAre("a=one", "b=\r\ntwo--b\r\n-- b", "(f)=ZmlsZQ==", "(none)=")));
}

TEST(Multipart, WhatIsBeforeAndBehindIsIgnored) {
  EXPECT_THAT(Parts(Body("preamble\n--b\nContent-Disposition: form-data; name=a\n\n1\n--b--  \nepilogue\n--b\n")),
              Optional(ElementsAre("a=1")));
  EXPECT_THAT(Parts("--b--"), Optional(IsEmpty()));
  EXPECT_THAT(Parts(Body("--b--\n")), Optional(IsEmpty()));
}

TEST(Multipart, NamesAreQuotedInTheirWays) {
  EXPECT_THAT(Parts(Field("name=\"a \\\"b\\\" \\\\ \\c; =\"")), Optional(ElementsAre("a \"b\" \\ \\c; ==v")));
  EXPECT_THAT(Parts(Field("name=\"\"")), Optional(ElementsAre("=v")));
  EXPECT_THAT(Parts(Field("name=\"%22\"")), Optional(ElementsAre("%22=v")));
  EXPECT_THAT(Parts(Field("filename*=utf-8''x; name=a")), Optional(ElementsAre("(a)=v")));
}

TEST(Multipart, RefusesWhatAnotherParserMightReadInAnotherWay) {
  const std::string good = Field("name=a");
  ASSERT_THAT(Parts(good), Optional(ElementsAre("a=v")));
  for (const std::string& body : {
           std::string(),
           std::string("no boundary"),
           good.substr(0, good.size() - 9),                         // no last boundary
           good.substr(0, good.size() - 4),                         // "--b" and then nothing
           absl::StrReplaceAll(good, {{"\r\n", "\n"}}),             // bare line feeds
           absl::StrReplaceAll(good, {{"--b\r\nC", "--bc\r\nC"}}),  // a longer line
           absl::StrReplaceAll(good, {{"--b--", "--b--x"}}),        // "
           absl::StrReplaceAll(good, {{"v\r\n--b", "v\r\n--bx\r\n--b"}}),
           absl::StrReplaceAll(good, {{"form-data; ", "attachment; "}}),
           absl::StrReplaceAll(good, {{"Content-Disposition", "Content-Type"}}),
           absl::StrReplaceAll(good, {{"\r\n\r\nv", "\r\nContent-Disposition: form-data; name=b\r\n\r\nv"}}),
           absl::StrReplaceAll(good, {{"\r\n\r\nv", "\r\n folded: x\r\n\r\nv"}}),
           absl::StrReplaceAll(good, {{"\r\n\r\nv", "\r\nContent-Transfer-Encoding: base64\r\n\r\nv"}}),
           absl::StrReplaceAll(good, {{"\r\n\r\nv", "\r\nX y: z\r\n\r\nv"}}),
           absl::StrReplaceAll(good, {{"\r\n\r\nv", "\nX: y\r\n\r\nv"}}),
           absl::StrReplaceAll(good, {{"\r\n\r\nv", "\r\nv"}}),  // no empty line
           absl::StrReplaceAll(good, {{"v\r\n", "--b\r\n"}}),    // no line of its own, or an empty part
           Field("name=a; name=b"),
           Field("filename=a"),
           Field("name"),
           Field("name="),
           Field("name=\"a"),
           Field("name=\"a\"b"),
           Field("name=a b"),
       }) {
    EXPECT_EQ(Parts(body), std::nullopt) << body;
  }
}

TEST(Multipart, KeepsItsBounds) {
  const std::string part = "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n";
  std::string body;
  for (size_t i = 0; i < kMaxMultipartParts; ++i) body += part;
  EXPECT_EQ(ParseMultipart(body + "--b--", "b").value().size(), kMaxMultipartParts);
  EXPECT_EQ(ParseMultipart(body + part + "--b--", "b"), std::nullopt);

  const std::string head = "Content-Disposition: form-data; name=a\r\nX: ";
  const auto with_headers = [&](size_t bytes) {
    return absl::StrCat("--b\r\n", head, std::string(bytes - head.size(), 'x'), "\r\n\r\nv\r\n--b--");
  };
  EXPECT_THAT(Parts(with_headers(kMaxPartHeaderBytes)), Optional(ElementsAre("a=v")));
  EXPECT_EQ(Parts(with_headers(kMaxPartHeaderBytes + 1)), std::nullopt);
}

}  // namespace
}  // namespace hookstream::provider
