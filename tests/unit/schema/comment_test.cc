#include "schema/comment.h"

#include "gtest/gtest.h"

namespace hookstream::schema {
namespace {

TEST(CommentTest, IsOneParagraphOfPlainText) {
  EXPECT_EQ(CommentOf(" The <b>name</b> of\n the\t[repository](https://example.com/a). "),
            "The name of the repository.");
  EXPECT_EQ(CommentOf("See <a href=\"x\">the page</a>."), "See the page.");
  EXPECT_EQ(CommentOf("**Bold** `code` &lt;b&gt; 1 < 2"), "Bold `code` <b> 1 < 2.");
  EXPECT_EQ(CommentOf("As `refs/heads/<branch name>`.<br/>"), "As `refs/heads/<branch name>`.");
  EXPECT_EQ(CommentOf("![logo](x.png) ok"), "logo ok.");
  EXPECT_EQ(CommentOf("[not a link]"), "[not a link].");
  EXPECT_EQ(CommentOf("Either 'a' or 'b'"), "Either 'a' or 'b'.");
  EXPECT_EQ(CommentOf("<p></p>"), "");
  EXPECT_EQ(CommentOf(""), "");
  EXPECT_EQ(CommentOf("bad \xff byte"), "bad ? byte.");
}

TEST(CommentTest, KeepsWholeSentencesThatFit) {
  const std::string sentence = "A" + std::string(98, 'a') + ".";
  EXPECT_EQ(CommentOf(sentence + " " + sentence + " " + sentence), sentence + " " + sentence);
  EXPECT_EQ(CommentOf("Where it is, e.g. Berlin. Then more."), "Where it is, e.g. Berlin. Then more.");
  const std::string cut = CommentOf(std::string(200, 'a') + " " + std::string(200, 'b'));
  EXPECT_EQ(cut, std::string(200, 'a') + " ...");
  // No character is cut.
  std::string umlauts;
  for (int i = 0; i < 200; ++i) umlauts += "ä";
  EXPECT_EQ(CommentOf(umlauts).size(), 280u + 4);
  EXPECT_EQ(CommentOf("a" + umlauts).size(), 279u + 4);
}

TEST(CommentTest, TextsThatAreNotNamedAreAdded) {
  std::string comment = "Its state.";
  AddTexts(comment, {"open", "closed"});
  EXPECT_EQ(comment, "Its state. \"open\", \"closed\".");
  comment = "Either `open` or \"closed\".";
  AddTexts(comment, {"open", "closed"});
  EXPECT_EQ(comment, "Either `open` or \"closed\".");
  AddTexts(comment, {"open", "locked"});
  EXPECT_EQ(comment, "Either `open` or \"closed\". Also \"locked\".");
  comment.clear();
  AddTexts(comment, {"1", "2", "3", "4", "5", "6", "7", "8", "9"});
  EXPECT_EQ(comment, "\"1\", \"2\", \"3\", \"4\", \"5\", \"6\", \"7\", \"8\", ...");
  AddTexts(comment, {});
}

}  // namespace
}  // namespace hookstream::schema
