// The simulation of delivery.
//   sim_test                      the tests, with some hundred seeds
//   sim_test --seeds=N [--from=S] N seeds, for a long search
//   sim_test --seed=S             one seed, with a trace of all that happens (also HOOKSTREAM_SIM_SEED=S)
#include <cstdio>
#include <cstdlib>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/sim/world.h"

namespace hookstream::sim {
namespace {

constexpr uint64_t kSeedsInTests = 2000;

std::string Describe(uint64_t seed, const RunResult& result) {
  return absl::StrCat("seed ", seed, ": invariant ", result.violation->invariant, " broken at ",
                      absl::FormatDuration(result.at), ": ", result.violation->what,
                      "\nreplay: sim_test --seed=", seed);
}

// The number of seeds that break an invariant.
int Search(uint64_t from, uint64_t count) {
  int broken = 0;
  RunResult total;
  for (uint64_t seed = from; seed < from + count; ++seed) {
    const RunResult result = Simulate({.seed = seed});
    total.deliveries += result.deliveries;
    total.settled += result.settled;
    total.dead += result.dead;
    total.restarts += result.restarts;
    if (!result.violation.has_value()) continue;
    ++broken;
    std::printf("%s\n", Describe(seed, result).c_str());
  }
  std::printf("%d of %lu seeds broken; %ld deliveries, %ld settled, %ld dead, %d restarts\n", broken,
              static_cast<unsigned long>(count), static_cast<long>(total.deliveries), static_cast<long>(total.settled),
              static_cast<long>(total.dead), total.restarts);
  return broken;
}

TEST(Simulation, EveryInvariantHoldsOnEverySeed) { EXPECT_EQ(Search(1, kSeedsInTests), 0); }

TEST(Simulation, ASeedReplaysExactly) {
  std::set<uint64_t> digests;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const RunResult first = Simulate({.seed = seed});
    const RunResult second = Simulate({.seed = seed});
    EXPECT_EQ(first.digest, second.digest) << "seed " << seed;
    EXPECT_EQ(first.at, second.at) << "seed " << seed;
    digests.insert(first.digest);
  }
  EXPECT_EQ(digests.size(), 20u) << "seeds differ";
}

struct Planted {
  const char* name;
  Mutant mutant;
  int invariant;
};

void PrintTo(const Planted& planted, std::ostream* out) { *out << planted.name; }

class PlantedViolation : public testing::TestWithParam<Planted> {};

// Found within a few seeds, and the first thing that is named is the invariant that was broken.
TEST_P(PlantedViolation, IsFoundAndNamed) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    const RunResult result = Simulate({.seed = seed, .mutant = GetParam().mutant});
    if (!result.violation.has_value()) continue;
    EXPECT_EQ(result.violation->invariant, GetParam().invariant) << Describe(seed, result);
    return;
  }
  FAIL() << "not found in 50 seeds";
}

INSTANTIATE_TEST_SUITE_P(
    EachKind, PlantedViolation,
    testing::Values(
        Planted{"AckInsteadOfRetry", Mutant::kAckInsteadOfRetry, 1}, Planted{"EarlyOk", Mutant::kEarlyOk, 3},
        Planted{"RedeliverSettled", Mutant::kRedeliverSettled, 3}, Planted{"AttemptJump", Mutant::kAttemptJump, 4},
        Planted{"HalfCloseIsLost", Mutant::kHalfCloseIsLost, 4}, Planted{"StaleIdSettles", Mutant::kStaleIdSettles, 5},
        Planted{"TwoLeases", Mutant::kTwoLeases, 5}, Planted{"Miscount", Mutant::kMiscount, 6},
        Planted{"ShortDelay", Mutant::kShortDelay, 8}, Planted{"OverCredit", Mutant::kOverCredit, 9},
        Planted{"OverWant", Mutant::kOverWant, 9}, Planted{"DeadNotSynced", Mutant::kDeadNotSynced, 10},
        Planted{"WallClockExpires", Mutant::kWallClockExpires, 11}, Planted{"LostCommit", Mutant::kLostCommit, 13}),
    [](const auto& test) { return test.param.name; });

int Replay(uint64_t seed) {
  const RunResult result = Simulate({.seed = seed, .trace = true});
  if (!result.violation.has_value()) {
    std::printf("seed %lu: no invariant broken\n", static_cast<unsigned long>(seed));
    return 0;
  }
  std::printf("%s\n", Describe(seed, result).c_str());
  return 1;
}

}  // namespace
}  // namespace hookstream::sim

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  uint64_t seed = 0;
  uint64_t seeds = 0;
  uint64_t from = 1;
  const char* env = std::getenv("HOOKSTREAM_SIM_SEED");
  bool valid = env == nullptr || absl::SimpleAtoi(env, &seed);
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    const auto value = [&](std::string_view flag, uint64_t& out) {
      return arg.starts_with(flag) && absl::SimpleAtoi(argv[i] + flag.size(), &out);
    };
    valid = valid && (value("--seed=", seed) || value("--seeds=", seeds) || value("--from=", from));
  }
  if (!valid) {
    std::fprintf(stderr, "usage: sim_test [--seed=S | --seeds=N [--from=S]] [--gtest_...]\n");
    return 2;
  }
  if (seed != 0) return hookstream::sim::Replay(seed);
  if (seeds != 0) return hookstream::sim::Search(from, seeds) == 0 ? 0 : 1;
  return RUN_ALL_TESTS();
}
