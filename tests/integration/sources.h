// The sources and subscriptions that the tests' relays have.
#pragma once

namespace hookstream::testing {

inline constexpr char kStripeSecret[] = "whsec_sdk_test";
inline constexpr char kGitHubSecret[] = "github sdk test";
inline constexpr char kTwilioSecret[] = "0123456789abcdef0123456789abcdef";
inline constexpr char kStandardSecret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
inline constexpr char kSlackSecret[] = "8f742231b10e8888abcd99yyyzzz85a5";

inline constexpr char kSources[] = R"(
sources:
  - {name: stripe, provider: stripe, keys: [{id: main, inline: whsec_sdk_test}]}
  - {name: github, provider: github, keys: [{id: main, inline: github sdk test}]}
  - {name: twilio, provider: twilio, keys: [{id: main, inline: 0123456789abcdef0123456789abcdef}]}
  - {name: standard, provider: standard-webhooks, keys: [{id: main, inline: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}]}
  - {name: openai, provider: openai, keys: [{id: main, inline: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}]}
  - {name: slack, provider: slack, keys: [{id: main, inline: 8f742231b10e8888abcd99yyyzzz85a5}]}
)";

// Short times, so that retries are seen soon.
inline constexpr char kSubscriptions[] = R"(
subscriptions:
  - {name: all, ack_deadline: 30s, retry: {min_backoff: 50ms, max_backoff: 1s}, max_attempts: 3, start: earliest}
  - {name: hasty, ack_deadline: 1s, retry: {min_backoff: 50ms, max_backoff: 1s}, max_attempts: 3, start: earliest}
  - {name: stripe-only, filter: 'provider == "stripe"', start: earliest}
)";

}  // namespace hookstream::testing
