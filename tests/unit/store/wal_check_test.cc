// Logs that RocksDB itself wrote, damaged at every place.
#include "store/embedded/wal_check.h"

#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "tests/conformance/harness.h"

namespace hookstream::store::embedded {
namespace {

// A log of records with the given sizes; `ends` gets where each ends.
std::string WriteLog(const std::vector<size_t>& sizes, std::vector<size_t>& ends) {
  const testing::TempDir dir;
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* raw = nullptr;
  EXPECT_TRUE(rocksdb::DB::Open(options, dir.path(), &raw).ok());
  const std::unique_ptr<rocksdb::DB> db(raw);
  std::string path;
  for (const auto& entry : std::filesystem::directory_iterator(dir.path())) {
    if (entry.path().extension() == ".log") path = entry.path().string();
  }
  for (const size_t size : sizes) {
    rocksdb::WriteOptions write;
    write.sync = true;
    EXPECT_TRUE(db->Put(write, "key", std::string(size, 'v')).ok());
    ends.push_back(std::filesystem::file_size(path));
  }
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

TEST(WalCheckTest, AWholeLogIsWholeAlsoWithSpaceBehindIt) {
  std::vector<size_t> ends;
  const std::string log = WriteLog({10, 40'000, 100, 32'000, 32'768, 70'000, 5}, ends);
  for (const bool sums : {false, true}) {
    EXPECT_EQ(CheckWal("", sums), WalVerdict::kWhole);
    EXPECT_EQ(CheckWal(log, sums), WalVerdict::kWhole);
    EXPECT_EQ(CheckWal(log + std::string(100'000, '\0'), sums), WalVerdict::kWhole);
  }
}

TEST(WalCheckTest, ACutLogIsTornUnlessItEndsWithARecord) {
  std::vector<size_t> ends;
  const std::string log = WriteLog({10, 33'000, 100}, ends);
  for (size_t size = 1; size < log.size(); size += size < 200 || size + 200 > log.size() ? 1 : 97) {
    const bool whole = std::find(ends.begin(), ends.end(), size) != ends.end();
    // Up to six bytes are left of a block after the record: they may be its filling.
    const WalVerdict verdict = CheckWal(std::string_view(log).substr(0, size), true);
    EXPECT_EQ(verdict, whole ? WalVerdict::kWhole : WalVerdict::kTornTail) << size;
  }
}

TEST(WalCheckTest, AFlippedBitIsDamageUnlessItIsInTheLastRecord) {
  std::vector<size_t> ends;
  const std::string log = WriteLog({300, 33'000, 100, 200, 80}, ends);
  const size_t last = ends[3];
  for (size_t at = 0; at < log.size(); at += at < 400 || at > 33'000 ? 1 : 301) {
    for (const int bit : {0, 6}) {
      std::string damaged = log;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      EXPECT_EQ(CheckWal(damaged, true), at < last ? WalVerdict::kDamaged : WalVerdict::kTornTail) << at;
    }
  }
}

TEST(WalCheckTest, WrongLengthsAreFoundWithoutTheSums) {
  std::vector<size_t> ends;
  const std::string log = WriteLog({300, 500, 100}, ends);
  std::string damaged = log;
  damaged[ends[0] + 5] = '\x7f';  // high byte of the second record's length: past the end
  EXPECT_EQ(CheckWal(damaged, false), WalVerdict::kDamaged);
}

}  // namespace
}  // namespace hookstream::store::embedded
