// Typed events as programs read them that know nothing of the relay but its protos: readers/.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/http_client.h"
#include "schema/compile.h"
#include "tests/support/process/process.h"

namespace hookstream::testing {
namespace {

namespace fs = std::filesystem;

// Numbers that a double does not have, so that nobody reads them by way of one.
constexpr char kPayment[] = R"({"id":"evt_1","object":"event","type":"payment_intent.succeeded","created":1730000000,
  "livemode":false,"data":{"object":{"id":"pi_1","object":"payment_intent","amount":9007199254740993,"currency":"usd",
  "status":"succeeded","created":1730000000,"metadata":{"order":"17"}}}})";
constexpr char kStar[] = R"({"action":"created","starred_at":"2024-10-27T03:33:20Z",
  "repository":{"id":9007199254740995,"full_name":"acme/shop","private":false}})";
constexpr char kOrder[] = R"({"id":"ord_1","type":"order.paid","at":1730000001,"order":{"total":9007199254740997,
  "state":"paid","lines":[{"article":"pen","count":2},{"article":"ink","count":1}],"labels":{"channel":"web"}}})";
constexpr char kLines[] =
    "linked hookstream.stripe.v1.PaymentIntentEvent amount=9007199254740993 status=PAYMENT_INTENT_STATUS_SUCCEEDED"
    " created=2024-10-27T03:33:20Z order=17\n"
    "unlinked hookstream.github.v1.StarEvent repository=acme/shop id=9007199254740995\n"
    "own acme.v1.OrderEvent total=9007199254740997 state=ORDER_STATE_PAID at=2024-10-27T03:33:21Z lines=2 last=ink"
    " channel=web\n";

constexpr char kConfiguration[] = R"(
providers: [{path: acme.yaml}]
schemas: [{file: acme.binpb}]
sources:
  - {name: stripe, provider: stripe, verification: none}
  - {name: github, provider: github, verification: none}
  - {name: acme, provider: acme, verification: none}
subscriptions: [{name: reader, start: earliest}]
)";
constexpr char kAcme[] = R"(
name: acme
verify: {scheme: hmac-sha256, signature: header.X-Acme-Signature}
event: {type: json/type, id: json/id}
)";

class ReadersTest : public ::testing::Test {
 protected:
  ReadersTest() : relay_(kConfiguration) {
    const fs::path proto = fs::path(HOOKSTREAM_INTEGRATION) / "readers" / "acme" / "v1" / "order.proto";
    const auto set = schema::CompileProtos({{"acme/v1/order.proto", ReadFile(proto)}});
    EXPECT_TRUE(set.ok()) << set.status();
    WriteFile(relay_.folder() / "acme.yaml", kAcme);
    WriteFile(relay_.folder() / "acme.binpb", set.value_or(""));
  }

  // `built`: there when ./dev test has made the reader. Its `command` gets the relay's address, the subscription and
  // how many events there are.
  void ExpectReads(std::vector<std::string> command, const fs::path& built) {
    if (!fs::exists(built)) {
      if (std::getenv("CI") != nullptr) FAIL() << "the reader is not built: no " << built;
      GTEST_SKIP() << "the reader is not built; ./dev test does it";
    }
    ASSERT_TRUE(relay_.Start().ok()) << relay_.Log();
    Post("stripe", kPayment);
    Post("github", kStar);
    Post("acme", kOrder);

    const fs::path out = relay_.folder() / "out";
    const fs::path err = relay_.folder() / "err";
    command.insert(command.end(), {relay_.GrpcAddress(), "reader", "3"});
    Child reader(command, out, err);
    EXPECT_EQ(reader.Wait(absl::Seconds(90)), 0) << ReadFile(err) << relay_.Log();
    EXPECT_EQ(ReadFile(out), kLines) << ReadFile(err);
  }

  RelayProcess relay_;

 private:
  void Post(const std::string& source, const std::string& body) {
    cli::HttpRequest request;
    request.url = *cli::ParseHttpUrl(relay_.Url(source));
    request.headers = {{"Content-Type", "application/json"}, {"X-GitHub-Event", "star"}};
    request.body = body;
    const auto response = cli::HttpClient(absl::Seconds(30)).Send(request);
    ASSERT_TRUE(response.ok()) << response.status();
    ASSERT_EQ(response->status, 200) << response->body;
  }
};

TEST_F(ReadersTest, Cpp) { ExpectReads({HOOKSTREAM_CPP_READER}, HOOKSTREAM_CPP_READER); }

TEST_F(ReadersTest, Go) {
  const fs::path reader = fs::path(HOOKSTREAM_READERS) / "go" / "reader";
  ExpectReads({reader.string()}, reader);
}

TEST_F(ReadersTest, Python) {
  const fs::path folder = fs::path(HOOKSTREAM_READERS) / "python";
  ExpectReads({(folder / "venv" / "bin" / "python").string(), (folder / "reader.py").string()}, folder / "reader.py");
}

TEST_F(ReadersTest, TypeScript) {
  const fs::path reader = fs::path(HOOKSTREAM_READERS) / "node" / "out" / "reader.js";
  ExpectReads({"node", reader.string()}, reader);
}

TEST_F(ReadersTest, Java) {
  const fs::path folder = fs::path(HOOKSTREAM_READERS) / "java";
  const std::string classes = absl::StrCat((folder / "classes").string(), ":", (folder / "lib").string(), "/*");
  ExpectReads({"java", "-cp", classes, "com.example.reader.Reader"}, folder / "classes" / "com");
}

}  // namespace
}  // namespace hookstream::testing
