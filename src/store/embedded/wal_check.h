// Decides whether a break in a write-ahead log is the torn end of an unacknowledged commit, or damage to
// acknowledged data.
//
// Why it can be decided: every commit is synced before the next one is written, so at most the last record of the last
// log may be incomplete. If a record *begins* behind a break, the broken one had been synced and acknowledged.
// RocksDB alone does not tell: a flipped bit in a record's length in the last block looks to it like the end of the
// log, and point-in-time recovery drops everything behind a flipped bit without a word.
//
// Format: RocksDB 7.8, db/log_format.h: blocks of 32 KiB; a record's fragments have a header of masked CRC-32C (4
// bytes), length (2), type (1: whole, 2: first, 3: middle, 4: last), little-endian. WAL recycling is not used.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace rocksdb {
class FileSystem;
}

namespace hookstream::store::embedded {

enum class WalVerdict {
  kWhole,     // ends with a complete record
  kTornTail,  // a break, and nothing that begins behind it
  kDamaged,   // a break, and a record that begins behind it
};

// `bytes`: a whole log file. `check_sums` false only follows the lengths, which is quick; behind a break everything is
// looked at in either case.
WalVerdict CheckWal(std::string_view bytes, bool check_sums);

// Checks the logs in `dir`. DATA_LOSS, naming the file, when acknowledged data is damaged. True: there is a torn tail.
absl::StatusOr<bool> CheckWals(rocksdb::FileSystem& fs, const std::string& dir, bool check_sums);

}  // namespace hookstream::store::embedded
