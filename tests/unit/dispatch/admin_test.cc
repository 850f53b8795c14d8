#include "dispatch/admin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/dispatch/harness.h"

namespace hookstream::dispatch {
namespace {

class AdminTest : public Harness {
 protected:
  absl::StatusOr<v1::ListEventsResponse> List(const v1::ListEventsRequest& request) {
    Waiter<absl::StatusOr<v1::ListEventsResponse>> waiter;
    admin_.ListEvents(request, waiter.Callback());
    return waiter.Get();
  }
  absl::StatusOr<v1::ListDeadLettersResponse> ListDead(const v1::ListDeadLettersRequest& request) {
    Waiter<absl::StatusOr<v1::ListDeadLettersResponse>> waiter;
    admin_.ListDeadLetters(request, waiter.Callback());
    return waiter.Get();
  }
  static absl::StatusOr<DeadLetterJob::Progress> Step(DeadLetterJob& job) {
    Waiter<absl::StatusOr<DeadLetterJob::Progress>> waiter;
    job.Step(waiter.Callback());
    return waiter.Get();
  }
  static std::vector<std::string> Ids(const v1::ListEventsResponse& response) {
    std::vector<std::string> ids;
    for (const auto& event : response.events()) ids.push_back(event.id());
    return ids;
  }
  static testing::EventShape At(int64_t hour, const std::string& type = "push") {
    return {.type = type, .received_at = absl::FromUnixSeconds(1'700'000'000 + hour * 3600)};
  }
  // A subscription "billing" with `count` dead letters, and its stream.
  TestStream& MakeDead(int count) {
    v1::Subscription message = Plain("billing");
    message.set_max_attempts(1);
    EXPECT_TRUE(Create(message).ok());
    TestStream& stream = Open(OpenOf("billing"));
    for (int i = 0; i < count; ++i) Add();
    for (const auto& delivery : stream.Take(static_cast<size_t>(count))) {
      EXPECT_TRUE(Settle(stream, NackOf(delivery, "broken")).ok());
    }
    stream.TakeResults(static_cast<size_t>(count));
    return stream;
  }
};

TEST_F(AdminTest, EventsAreListedByFilterAndTimeInPages) {
  for (int hour = 0; hour < 6; ++hour) Add(At(hour, hour % 2 == 0 ? "push" : "ping"));
  v1::ListEventsRequest request;
  request.mutable_query()->set_filter("type == 'push'");
  request.set_page_size(2);
  const auto first = List(request);
  ASSERT_TRUE(first.ok()) << first.status().ToString();
  EXPECT_EQ(Ids(*first), (std::vector<std::string>{IdOf(1), IdOf(3)}));
  EXPECT_FALSE(first->events(0).has_raw());
  request.set_page_token(first->next_page_token());
  const auto second = List(request);
  EXPECT_EQ(Ids(*second), (std::vector<std::string>{IdOf(5)}));
  EXPECT_EQ(second->next_page_token(), "");

  v1::ListEventsRequest between;
  between.mutable_query()->mutable_since()->set_seconds(1'700'000'000 + 3600);
  between.mutable_query()->mutable_until()->set_seconds(1'700'000'000 + 4 * 3600);
  between.set_view(v1::VIEW_RAW);
  EXPECT_EQ(Ids(*List(between)), (std::vector<std::string>{IdOf(2), IdOf(3), IdOf(4)}));
  EXPECT_EQ(List(between)->events(0).raw().body(), testing::EventShape().body);
  between.set_descending(true);
  between.set_page_size(2);
  const auto newest = List(between);
  EXPECT_EQ(Ids(*newest), (std::vector<std::string>{IdOf(4), IdOf(3)}));
  between.set_page_token(newest->next_page_token());
  EXPECT_EQ(Ids(*List(between)), (std::vector<std::string>{IdOf(2)}));
}

TEST_F(AdminTest, BadRequestsNameTheField) {
  v1::ListEventsRequest request;
  request.set_page_token("3");
  EXPECT_THAT(std::string(List(request).status().message()), ::testing::StartsWith("page_token: "));
  request.clear_page_token();
  request.set_page_size(1'001);
  EXPECT_THAT(std::string(List(request).status().message()), ::testing::StartsWith("page_size: "));
  request.clear_page_size();
  request.mutable_query()->set_filter("x");
  EXPECT_THAT(std::string(List(request).status().message()), ::testing::StartsWith("query.filter: column 1"));
  v1::ListDeadLettersRequest dead;
  dead.set_subscription("nobody");
  EXPECT_EQ(ListDead(dead).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(AdminTest, OneEventIsRead) {
  const Seq seq = Add();
  v1::GetEventRequest request;
  request.set_id(IdOf(seq));
  Waiter<absl::StatusOr<v1::GetEventResponse>> found, missing, foreign;
  admin_.GetEvent(request, found.Callback());
  EXPECT_EQ(found.Get()->event().raw().body(), testing::EventShape().body);
  request.set_id(IdOf(99));
  admin_.GetEvent(request, missing.Callback());
  EXPECT_EQ(missing.Get().status().code(), absl::StatusCode::kNotFound);
  request.set_id(FormatEventId(1, 1));
  admin_.GetEvent(request, foreign.Callback());
  EXPECT_EQ(foreign.Get().status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(AdminTest, DeadLettersSayWhy) {
  MakeDead(3);
  v1::ListDeadLettersRequest request;
  request.set_subscription("billing");
  request.set_page_size(2);
  const auto page = ListDead(request);
  ASSERT_TRUE(page.ok());
  ASSERT_EQ(page->dead_letters_size(), 2);
  EXPECT_EQ(page->dead_letters(0).event().id(), IdOf(1));
  EXPECT_EQ(page->dead_letters(0).attempts(), 1);
  EXPECT_EQ(page->dead_letters(0).failures(0).reason(), "broken");
  EXPECT_EQ(page->dead_letters(0).failures(0).kind(), v1::FAILURE_KIND_NACK);
  EXPECT_TRUE(page->dead_letters(0).has_dead_at());
  request.set_page_token(page->next_page_token());
  EXPECT_EQ(ListDead(request)->dead_letters_size(), 1);
}

TEST_F(AdminTest, RedrivenDeadLettersAreDeliveredAnew) {
  TestStream& stream = MakeDead(3);
  v1::RedriveDeadLettersRequest request;
  request.set_subscription("billing");
  request.set_dry_run(true);
  auto dry = admin_.Redrive(request);
  ASSERT_TRUE(dry.ok());
  const auto counted = Step(**dry);
  EXPECT_EQ(counted->matched, 3);
  EXPECT_EQ(counted->changed, 0);
  EXPECT_TRUE(counted->finished);

  request.set_dry_run(false);
  request.set_max_events_per_second(2);
  auto job = admin_.Redrive(request);
  ASSERT_TRUE(job.ok());
  const auto first = Step(**job);
  EXPECT_EQ(first->changed, 2);
  EXPECT_FALSE(first->finished);
  EXPECT_EQ(first->pause, absl::Seconds(1));
  const auto last = Step(**job);
  EXPECT_EQ(last->matched, 3);
  EXPECT_EQ(last->changed, 3);
  EXPECT_TRUE(last->finished);
  for (const auto& delivery : stream.Take(3)) EXPECT_EQ(delivery.attempt, 1);
}

TEST_F(AdminTest, ChosenDeadLettersArePurged) {
  MakeDead(3);
  v1::PurgeDeadLettersRequest request;
  request.set_subscription("billing");
  request.add_event_ids(IdOf(3));
  request.add_event_ids(IdOf(2));
  auto job = admin_.Purge(request);
  ASSERT_TRUE(job.ok());
  EXPECT_EQ(Step(**job)->changed, 2);
  v1::ListDeadLettersRequest list;
  list.set_subscription("billing");
  const auto rest = ListDead(list);
  ASSERT_EQ(rest->dead_letters_size(), 1);
  EXPECT_EQ(rest->dead_letters(0).event().id(), IdOf(1));
  request.add_event_ids("x");
  EXPECT_EQ(admin_.Purge(request).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace hookstream::dispatch
