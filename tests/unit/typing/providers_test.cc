// Payloads as the providers send them (tests/data) go into the built-in messages whole.
#include <algorithm>
#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "google/protobuf/descriptor.h"
#include "gtest/gtest.h"
#include "simdjson.h"
#include "tests/unit/typing/testing.h"

namespace hookstream::typing {
namespace {

std::string Data(const std::string& name) { return ReadFile(std::string(HOOKSTREAM_TEST_DATA) + "/" + name); }

struct Sample {
  const char* file;
  const char* type;
  const char* message;
  // Pointer in the message's JSON (fields' own names) and the value there.
  std::vector<std::pair<const char*, const char*>> expected;
};

std::ostream& operator<<(std::ostream& out, const Sample& sample) { return out << sample.file; }

class ProvidersTest : public testing::TestWithParam<Sample> {};

TEST_P(ProvidersTest, APayloadIsFullyTyped) {
  const Sample& sample = GetParam();
  const std::string file = sample.file;
  const bool form = file.ends_with(".form");
  // "stripe/refund.created.json" or "samples/slack/block_actions.json".
  const std::string path = file.substr(file.starts_with("samples/") ? 8 : 0);
  const std::string provider = path.substr(0, path.find('/'));
  const Typed typed =
      Convert(TestRegistry(), provider, sample.type, form ? ContentKind::kForm : ContentKind::kJson, Data(file));
  ASSERT_EQ(typed.status, TypedStatus::kFull) << Notes(typed);
  EXPECT_TRUE(typed.notes.empty()) << Notes(typed);
  EXPECT_EQ(typed.message,
            absl::StrCat("hookstream.", absl::StrReplaceAll(provider, {{"-", "_"}}), ".v1.", sample.message));
  const std::string json = ToJson(TestRegistry(), typed);
  simdjson::dom::parser parser;
  const simdjson::dom::element root = parser.parse(json).value();
  for (const auto& [pointer, value] : sample.expected) {
    simdjson::dom::element found;
    ASSERT_EQ(root.at_pointer(pointer).get(found), simdjson::SUCCESS) << pointer << "\n" << json;
    EXPECT_EQ(simdjson::minify(found), value) << pointer;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Samples, ProvidersTest,
    testing::Values(
        Sample{"stripe/payment_intent.succeeded.json",
               "payment_intent.succeeded",
               "PaymentIntentEvent",
               {{"/id", "\"evt_3QZx8sKx2Yc0Tq1m0kL5mN6o\""},
                {"/created", "\"2025-11-23T12:13:24Z\""},
                {"/request_id", "\"req_8sKx2Yc0Tq1mZl\""},
                {"/payment_intent/amount", "\"4999\""},
                {"/payment_intent/status", "\"PAYMENT_INTENT_STATUS_SUCCEEDED\""},
                {"/payment_intent/capture_method", "\"CAPTURE_METHOD_AUTOMATIC_ASYNC\""},
                {"/payment_intent/customer", "\"cus_R1s2T3u4V5w6X7\""},
                {"/payment_intent/metadata/order_id", "\"1042\""},
                {"/payment_intent/shipping/address/city", "\"Berlin\""},
                {"/payment_intent/payment_method_options/card/request_three_d_secure", "\"automatic\""},
                {"/payment_intent/payment_method_configuration_details/id", "\"pmc_1PaBcDeFgHiJkLmN\""}}},
        Sample{"stripe/payment_intent.payment_failed.json",
               "payment_intent.payment_failed",
               "PaymentIntentEvent",
               {{"/payment_intent/latest_charge", "\"ch_expanded\""},
                {"/payment_intent/last_payment_error/decline_code", "\"insufficient_funds\""},
                {"/payment_intent/last_payment_error/payment_method", "\"pm_1QZx8rKx2Yc0Tq1mKlMnOpQr\""}}},
        Sample{"stripe/charge.succeeded.json",
               "charge.succeeded",
               "ChargeEvent",
               {{"/charge/status", "\"CHARGE_STATUS_SUCCEEDED\""},
                {"/charge/outcome/risk_score", "\"23\""},
                {"/charge/payment_method_details/card/last4", "\"4242\""}}},
        Sample{"stripe/charge.refunded.json",
               "charge.refunded",
               "ChargeEvent",
               {{"/charge/refunded", "true"},
                {"/previous_attributes/refunded", "false"},
                {"/previous_attributes/receipt_number", "null"}}},
        Sample{"stripe/charge.dispute.created.json",
               "charge.dispute.created",
               "DisputeEvent",
               {{"/dispute/evidence_due_by", "\"2025-12-01T13:19:59Z\""}, {"/dispute/reason", "\"fraudulent\""}}},
        Sample{"stripe/refund.created.json", "refund.created", "RefundEvent", {{"/refund/amount", "\"4999\""}}},
        Sample{"stripe/customer.subscription.updated.json",
               "customer.subscription.updated",
               "SubscriptionEvent",
               {{"/subscription/status", "\"SUBSCRIPTION_STATUS_ACTIVE\""},
                {"/subscription/items/0/quantity", "\"12\""},
                {"/subscription/items/0/price/recurring/interval", "\"month\""},
                {"/subscription/items/0/price/unit_amount_decimal", "\"2900\""},
                {"/subscription/collection_method", "\"COLLECTION_METHOD_CHARGE_AUTOMATICALLY\""},
                {"/previous_attributes/items/data/0/quantity", "10"}}},
        Sample{"stripe/invoice.paid.json",
               "invoice.paid",
               "InvoiceEvent",
               {{"/invoice/status", "\"INVOICE_STATUS_PAID\""},
                {"/invoice/subscription", "\"sub_1QaBcDeFgHiJkLmN\""},
                {"/invoice/lines/0/price", "\"price_1PaBcDeFgHiJkLmN\""},
                {"/invoice/lines/0/product", "\"prod_QaBcDeFgHiJkLm\""},
                {"/invoice/lines/0/proration", "false"}}},
        Sample{"stripe/invoice.paid.2024-06-20.json",
               "invoice.paid",
               "InvoiceEvent",
               {{"/invoice/subscription", "\"sub_1QaBcDeFgHiJkLmN\""},
                {"/invoice/payment_intent", "\"pi_3QZx8sKx2Yc0Tq1m0aB1cD2e\""},
                {"/invoice/lines/0/price", "\"price_1PaBcDeFgHiJkLmN\""},
                {"/invoice/lines/0/product", "\"prod_QaBcDeFgHiJkLm\""},
                {"/invoice/lines/0/subscription_item", "\"si_R1s2T3u4V5w6X7\""}}},
        Sample{"stripe/checkout.session.completed.json",
               "checkout.session.completed",
               "CheckoutSessionEvent",
               {{"/session/payment_status", "\"CHECKOUT_PAYMENT_STATUS_PAID\""},
                {"/session/mode", "\"CHECKOUT_SESSION_MODE_PAYMENT\""},
                {"/session/customer_details/tax_ids/0/value", "\"DE123456789\""},
                {"/session/custom_fields/0/text/value", "\"Enjoy\""}}},
        Sample{"paypal/PAYMENT.CAPTURE.COMPLETED.json",
               "PAYMENT.CAPTURE.COMPLETED",
               "CaptureEvent",
               {{"/capture/amount/value", "\"49.99\""},
                {"/capture/seller_receivable_breakdown/paypal_fee/value", "\"1.64\""},
                {"/capture/custom_id", "\"order-1042\""}}},
        Sample{"paypal/BILLING.SUBSCRIPTION.ACTIVATED.json",
               "BILLING.SUBSCRIPTION.ACTIVATED",
               "SubscriptionEvent",
               {{"/subscription/status", "\"ACTIVE\""},
                {"/subscription/billing_info/next_billing_time", "\"2025-12-24T10:00:00Z\""}}},
        Sample{"paddle/transaction.completed.json",
               "transaction.completed",
               "TransactionEvent",
               {{"/transaction/details/totals/grand_total", "\"29000\""},
                {"/transaction/items/0/quantity", "\"10\""},
                {"/transaction/billing_period/ends_at", "\"2025-12-23T12:14:40Z\""},
                {"/transaction/custom_data/team", "\"7\""}}},
        Sample{"lemonsqueezy/subscription_created.json",
               "subscription_created",
               "SubscriptionEvent",
               {{"/subscription/status", "\"active\""},
                {"/subscription/first_subscription_item/quantity", "\"10\""},
                {"/custom_data/user_id", "\"42\""},
                {"/id", "\"96387\""}}},
        Sample{"gocardless/payments.failed.json",
               "payments.failed",
               "ResourceEvent",
               {{"/details/reason_code", "\"ARUDD-0\""},
                {"/links/payment", "\"PM001QZ8KX4T7\""},
                {"/resource_metadata/order_id", "\"1042\""}}},
        Sample{"chargebee/payment_succeeded.json",
               "payment_succeeded",
               "ContentEvent",
               {{"/content/transaction/amount", "\"2900\""},
                {"/content/transaction/date", "\"2025-11-23T12:14:58Z\""},
                {"/content/invoice/line_items/0/unit_amount", "\"2900\""},
                {"/content/customer/billing_address/city", "\"Berlin\""}}},
        Sample{"adyen/CHARGEBACK.json",
               "CHARGEBACK",
               "NotificationItemEvent",
               {{"/success", "true"},
                {"/original_reference", "\"MS9PK2Z7RTXRGG82\""},
                {"/chargeback_reason_code", "\"10.4\""},
                {"/defense_period_ends_at", "\"2025-12-11T22:59:59Z\""},
                {"/additional_data/disputeStatus", "\"Undefended\""}}},
        Sample{"github/push.json",
               "push",
               "PushEvent",
               {{"/repository/full_name", "\"acme-build/widgets\""},
                {"/repository/created_at", "\"2019-05-15T15:19:25Z\""},
                {"/head_commit/is_distinct", "true"}}},
        Sample{"github/pull_request.json",
               "pull_request.opened",
               "PullRequestEvent",
               {{"/pull_request/state", "\"PULL_REQUEST_STATE_OPEN\""}, {"/number", "\"2\""}}},
        Sample{"twilio/message.delivered.form",
               "message.delivered",
               "MessageStatusEvent",
               {{"/message_status", "\"MESSAGE_STATUS_DELIVERED\""},
                {"/to_number", "\"+15558675310\""},
                {"/rest/order", "\"1042\""}}},
        Sample{
            "twilio/message.undelivered.form", "message.undelivered", "MessageStatusEvent", {{"/error_code", "30006"}}},
        Sample{"twilio/message.received.form",
               "message.received",
               "InboundMessageEvent",
               {{"/body", "\"Two pictures \xE2\x9C\x93\""},
                {"/num_media", "2"},
                {"/media_urls", R"(["https://api.twilio.com/2/a.jpg","https://api.twilio.com/2/b.png"])"},
                {"/media_content_types", R"(["image/jpeg","image/png"])"},
                {"/channel_metadata/data/context/ProfileName", "\"Jo\""}}},
        Sample{"openai/response.completed.json",
               "response.completed",
               "ResponseEvent",
               {{"/response_id", "\"resp_abc123\""}, {"/created_at", "\"2025-06-18T22:50:18Z\""}}},
        Sample{"openai/batch.failed.json", "batch.failed", "BatchEvent", {{"/batch_id", "\"batch_abc123\""}}},
        Sample{"slack/message.json",
               "message",
               "MessageEvent",
               {{"/event/text", "\"Deploy is done :tada:\""},
                {"/event/ts", "\"1763900099.000200\""},
                {"/event/time", "\"2025-11-23T12:14:59.000200Z\""},
                {"/event/blocks/0/elements/0/elements/1/name", "\"tada\""},
                {"/event/files/0/size", "\"53221\""},
                {"/event/files/0/rest/original_w", "1200"},
                {"/authorizations/0/is_bot", "true"}}},
        Sample{"slack/message.channel_join.json",
               "message.channel_join",
               "MessageEvent",
               {{"/event/subtype", "\"channel_join\""}, {"/event/inviter", "\"U061F7AUR\""}}},
        Sample{"slack/message.message_changed.json",
               "message.message_changed",
               "MessageEvent",
               {{"/event/message/edited/user", "\"U2147483697\""},
                {"/event/previous_message/text", "\"Deploy is done :tada:\""}}},
        Sample{"samples/slack/view_submission.json",
               "view_submission",
               "ViewEvent",
               {{"/view/state/values/pick/actions/when/selected_date_time", "\"2025-11-23T12:14:59Z\""},
                {"/view/state/values/pick/actions/opts/selected_options/0/value", "\"maru\""},
                {"/team/domain", "\"acme\""}}},
        Sample{"samples/slack/im_created.json",
               "im_created",
               "ChannelEvent",
               {{"/event/channel", "\"D024BE91L\""}, {"/event/channel_info/user", "\"U061F7AUR\""}}},
        Sample{
            "samples/slack/channel_left.json", "channel_left", "ChannelEvent", {{"/event/channel", "\"C061EG9SL\""}}},
        Sample{"samples/meta/whatsapp_business_account.messages.json",
               "whatsapp_business_account.messages",
               "WhatsappMessagesEvent",
               {{"/contacts/0/name", "\"Sheena Nelson\""},
                {"/messages/0/text", "\"Does it come in another color?\""},
                {"/messages/2/interactive/nfm_reply/response/flow_token", "\"t\""}}},
        Sample{"samples/aws-sns/Notification.json",
               "Notification",
               "NotificationEvent",
               {{"/message", "\"Hello world!\""}, {"/message_attributes/store/value", "\"example_corp\""}}},
        Sample{"samples/aws-sns/Notification--json.json",
               "Notification",
               "NotificationEvent",
               {{"/message_json/Records/0/s3/object/key", "\"a.png\""}}},
        Sample{"samples/cloudevents/com.example.binary.json",
               "com.example.binary",
               "CloudEvent",
               {{"/data_base64", "\"aGVsbG8=\""}, {"/datacontenttype", "\"application/vnd.apache.thrift.binary\""}}},
        Sample{"samples/telegram/message.json",
               "message",
               "UpdateEvent",
               {{"/message/reply_markup/rows/0/buttons/1/url", "\"https://example.com\""},
                {"/message/sender/id", "\"1111111\""}}},
        Sample{"samples/sentry/error.created.json",
               "error.created",
               "ErrorEvent",
               {{"/error/tags/0/key", "\"browser\""}, {"/error/tags/0/value", "\"Chrome 75.0.3770\""}}},
        Sample{"samples/sendgrid/delivered.json",
               "delivered",
               "EmailEvent",
               {{"/category/0", "\"cat facts\""}, {"/custom_args/order", "\"1042\""}}},
        Sample{"samples/mailgun/failed.json",
               "failed",
               "EmailEvent",
               {{"/event_data/delivery_status/code", "605"},
                {"/event_data/timestamp", "\"2018-06-14T20:07:34.329574Z\""}}},
        Sample{"samples/mailgun/delivered.form",
               "delivered",
               "LegacyEmailEvent",
               {{"/message_id", "\"<2013@example.com>\""}, {"/rest/my_var_1", "\"x\""}}},
        Sample{"samples/twilio/call.no-answer.form",
               "call.no-answer",
               "CallEvent",
               {{"/call_status", "\"CALL_STATUS_NO_ANSWER\""}, {"/sip_response_code", "487"}}},
        Sample{"samples/mailchimp/subscribe.form",
               "subscribe",
               "AudienceEvent",
               {{"/first_name", "\"Mailchimp\""}, {"/fired_at", "\"2009-03-26T21:35:57Z\""}}}));

// A file in tests/data that nobody converts would say nothing.
TEST(ProviderSamplesTest, EverySampleIsUsed) {
  std::set<std::string> used;
  const auto* const suite = testing::UnitTest::GetInstance();
  for (int i = 0; i < suite->total_test_suite_count(); ++i) {
    const testing::TestSuite& tests = *suite->GetTestSuite(i);
    for (int j = 0; j < tests.total_test_count(); ++j) {
      const char* const value = tests.GetTestInfo(j)->value_param();
      if (value != nullptr) used.insert(value);
    }
  }
  for (const char* provider : {"stripe", "github", "twilio", "openai", "slack", "paypal", "paddle", "lemonsqueezy",
                               "gocardless", "chargebee", "adyen"}) {
    const std::filesystem::path folder = std::filesystem::path(HOOKSTREAM_TEST_DATA) / provider;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      const std::string name = absl::StrCat(provider, "/", entry.path().filename().string());
      EXPECT_EQ(used.count(name), 1u) << name;
    }
  }
}

}  // namespace
}  // namespace hookstream::typing
