#include "schema/naming.h"

#include "gtest/gtest.h"

namespace hookstream::schema {
namespace {

TEST(NamingTest, Snake) {
  EXPECT_EQ(SnakeName("fullName"), "full_name");
  EXPECT_EQ(SnakeName("HTMLUrl"), "html_url");
  EXPECT_EQ(SnakeName("Full-Name of it"), "full_name_of_it");
  EXPECT_EQ(SnakeName("projects_v2_item"), "projects_v2_item");
  EXPECT_EQ(SnakeName("_links"), "links");
  EXPECT_EQ(SnakeName("a__b"), "a_b");
  EXPECT_EQ(SnakeName("+1"), "plus_1");
  EXPECT_EQ(SnakeName("-1"), "minus_1");
  EXPECT_EQ(SnakeName("2fa"), "n2fa");
  EXPECT_EQ(SnakeName("größe"), "gr_u00f6_u00df_e");
  EXPECT_EQ(SnakeName(""), "empty");
  EXPECT_EQ(SnakeName("$"), "empty");
}

TEST(NamingTest, CamelAndUpper) {
  EXPECT_EQ(CamelName("pull-request"), "PullRequest");
  EXPECT_EQ(CamelName("pull_request$opened"), "PullRequestOpened");
  EXPECT_EQ(CamelName("v2.account"), "V2Account");
  EXPECT_EQ(CamelName("3d_secure"), "N3dSecure");
  EXPECT_EQ(UpperName("in-progress"), "IN_PROGRESS");
  EXPECT_EQ(UpperName("3d_secure"), "3D_SECURE");
}

TEST(NamingTest, KeywordsAndTakenNamesAreAvoided) {
  EXPECT_EQ(FieldName("private", true), "is_private");
  EXPECT_EQ(FieldName("from", false), "from_value");
  EXPECT_EQ(FieldName("package", false), "package_value");
  EXPECT_EQ(FieldName("type", false), "type");
  EXPECT_EQ(FieldName("class_name", false), "class_name");
  EXPECT_EQ(TypeName("object"), "ObjectValue");
  EXPECT_EQ(TypeName("none"), "NoneValue");
  EXPECT_EQ(TypeName("charge"), "Charge");
  for (const char* keyword : {"abstract", "yield", "wchar_t", "co_await", "and_eq", "static_cast", "is", "func"}) {
    EXPECT_TRUE(IsKeyword(keyword)) << keyword;
  }
}

TEST(NamingTest, UniqueCountsFromTwo) {
  std::set<std::string> taken;
  EXPECT_EQ(Unique("a", taken), "a");
  EXPECT_EQ(Unique("a", taken), "a2");
  EXPECT_EQ(Unique("a", taken), "a3");
}

TEST(NamingTest, DefaultJsonNameIsProtobufs) {
  EXPECT_EQ(DefaultJsonName("full_name"), "fullName");
  EXPECT_EQ(DefaultJsonName("line1"), "line1");
  EXPECT_EQ(DefaultJsonName("plus_1"), "plus1");
}

TEST(NamingTest, Singular) {
  EXPECT_EQ(Singular("commits"), "commit");
  EXPECT_EQ(Singular("categories"), "category");
  EXPECT_EQ(Singular("branches"), "branch");
  EXPECT_EQ(Singular("statuses"), "status");
  EXPECT_EQ(Singular("status"), "status");
  EXPECT_EQ(Singular("address"), "address");
  EXPECT_EQ(Singular("addresses"), "address");
  EXPECT_EQ(Singular("boxes"), "box");
  EXPECT_EQ(Singular("data"), "data");
}

}  // namespace
}  // namespace hookstream::schema
