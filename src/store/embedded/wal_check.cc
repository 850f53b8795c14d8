#include "store/embedded/wal_check.h"

#include <rocksdb/file_system.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace hookstream::store::embedded {
namespace {

constexpr size_t kBlockBytes = 32 << 10;
constexpr size_t kHeaderBytes = 7;
constexpr uint8_t kFull = 1;
constexpr uint8_t kFirst = 2;
constexpr uint8_t kMiddle = 3;
constexpr uint8_t kLast = 4;

// CRC-32C, eight bytes a step.
using CrcTables = std::array<std::array<uint32_t, 256>, 8>;
constexpr CrcTables MakeCrcTables() {
  CrcTables tables{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
    tables[0][i] = crc;
  }
  for (size_t t = 1; t < 8; ++t) {
    for (size_t i = 0; i < 256; ++i) tables[t][i] = (tables[t - 1][i] >> 8) ^ tables[0][tables[t - 1][i] & 0xff];
  }
  return tables;
}
constexpr CrcTables kCrcTables = MakeCrcTables();

uint32_t Crc32c(std::string_view bytes) {
  uint32_t crc = ~0u;
  const auto* p = reinterpret_cast<const uint8_t*>(bytes.data());
  size_t n = bytes.size();
  for (; n >= 8; n -= 8, p += 8) {
    uint64_t word;
    std::memcpy(&word, p, sizeof(word));
    word ^= crc;
    crc = 0;
    for (size_t i = 0; i < 8; ++i) crc ^= kCrcTables[7 - i][(word >> (8 * i)) & 0xff];
  }
  for (; n > 0; --n, ++p) crc = (crc >> 8) ^ kCrcTables[0][(crc ^ *p) & 0xff];
  return ~crc;
}

struct Fragment {
  uint32_t masked_crc;
  size_t length;
  uint8_t type;
};

Fragment ReadHeader(std::string_view bytes) {
  Fragment fragment{};
  std::memcpy(&fragment.masked_crc, bytes.data(), sizeof(fragment.masked_crc));
  fragment.length = static_cast<uint8_t>(bytes[4]) | static_cast<size_t>(static_cast<uint8_t>(bytes[5])) << 8;
  fragment.type = static_cast<uint8_t>(bytes[6]);
  return fragment;
}

// `bytes` begins with the fragment's header and holds its payload.
bool SumIsRight(const Fragment& fragment, std::string_view bytes) {
  const uint32_t crc = Crc32c(bytes.substr(kHeaderBytes - 1, fragment.length + 1));
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u == fragment.masked_crc;
}

bool AllZero(std::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == 0; });
}

// Does a complete fragment that begins a record lie anywhere in `block` from `offset` on? Every offset is tried: after
// damage no length can be trusted.
bool RecordBeginsIn(std::string_view block, size_t offset) {
  for (; offset + kHeaderBytes <= block.size(); ++offset) {
    const std::string_view rest = block.substr(offset);
    const auto type = static_cast<uint8_t>(rest[6]);
    if (type != kFull && type != kFirst) continue;
    const Fragment fragment = ReadHeader(rest);
    if (fragment.length == 0 || kHeaderBytes + fragment.length > rest.size()) continue;
    if (SumIsRight(fragment, rest)) return true;
  }
  return false;
}

}  // namespace

WalVerdict CheckWal(std::string_view bytes, bool check_sums) {
  bool in_record = false;
  for (size_t base = 0; base < bytes.size(); base += kBlockBytes) {
    const std::string_view block = bytes.substr(base, kBlockBytes);
    size_t offset = 0;
    bool broken = false;
    while (offset + kHeaderBytes <= block.size()) {
      const Fragment fragment = ReadHeader(block.substr(offset));
      // Space that was allocated and never written.
      if (fragment.type == 0 && fragment.length == 0) {
        broken = !AllZero(bytes.substr(base + offset));
        if (!broken) return in_record ? WalVerdict::kTornTail : WalVerdict::kWhole;
        break;
      }
      const bool begins = fragment.type == kFull || fragment.type == kFirst;
      const bool continues = fragment.type == kMiddle || fragment.type == kLast;
      if ((!begins && !continues) || begins == in_record || offset + kHeaderBytes + fragment.length > block.size() ||
          (check_sums && !SumIsRight(fragment, block.substr(offset)))) {
        broken = true;
        break;
      }
      in_record = fragment.type == kFirst || fragment.type == kMiddle;
      offset += kHeaderBytes + fragment.length;
    }
    // Less than a header is left: zeros fill a block up; at the end of the file it is a torn header.
    if (!broken && offset < block.size() && !AllZero(block.substr(offset))) broken = true;
    if (!broken) continue;
    // The record that is broken may itself begin here: it is no evidence of a later one.
    const Fragment fragment = offset + kHeaderBytes <= block.size() ? ReadHeader(block.substr(offset)) : Fragment{};
    const bool begins_a_second = in_record && (fragment.type == kFull || fragment.type == kFirst);
    if (RecordBeginsIn(block, begins_a_second ? offset : offset + 1)) return WalVerdict::kDamaged;
    for (base += kBlockBytes; base < bytes.size(); base += kBlockBytes) {
      if (RecordBeginsIn(bytes.substr(base, kBlockBytes), 0)) return WalVerdict::kDamaged;
    }
    return WalVerdict::kTornTail;
  }
  return in_record ? WalVerdict::kTornTail : WalVerdict::kWhole;
}

absl::StatusOr<bool> CheckWals(rocksdb::FileSystem& fs, const std::string& dir, bool check_sums) {
  const rocksdb::IOOptions io;
  std::vector<std::string> names;
  if (const auto status = fs.GetChildren(dir, io, &names, nullptr); !status.ok()) {
    if (status.IsNotFound() || status.IsPathNotFound()) return false;
    return absl::UnavailableError(absl::StrCat("the folder ", dir, " can't be read: ", status.ToString()));
  }
  std::vector<std::pair<uint64_t, std::string>> logs;
  for (const std::string& name : names) {
    uint64_t number = 0;
    if (!absl::EndsWith(name, ".log")) continue;
    if (absl::SimpleAtoi(name.substr(0, name.size() - 4), &number)) logs.emplace_back(number, name);
  }
  std::sort(logs.begin(), logs.end());
  std::string torn;
  for (const auto& [number, name] : logs) {
    const std::string path = dir + "/" + name;
    std::string bytes;
    uint64_t size = 0;
    if (const auto status = fs.GetFileSize(path, io, &size, nullptr); !status.ok()) {
      return absl::UnavailableError(absl::StrCat(path, " can't be read: ", status.ToString()));
    }
    std::unique_ptr<rocksdb::FSSequentialFile> file;
    auto status = fs.NewSequentialFile(path, rocksdb::FileOptions(), &file, nullptr);
    bytes.resize(size);
    size_t done = 0;
    while (status.ok() && done < size) {
      rocksdb::Slice part;
      status = file->Read(std::min<size_t>(size - done, 1 << 20), io, &part, bytes.data() + done, nullptr);
      if (part.empty()) break;
      if (part.data() != bytes.data() + done) std::memmove(bytes.data() + done, part.data(), part.size());
      done += part.size();
    }
    if (!status.ok()) return absl::UnavailableError(absl::StrCat(path, " can't be read: ", status.ToString()));
    bytes.resize(done);
    if (bytes.empty()) continue;
    // A later log was begun after everything in the earlier ones had been synced.
    if (!torn.empty() && !AllZero(bytes)) {
      return absl::DataLossError(
          absl::StrCat(torn, " is damaged: records follow it in ", name, ", so what it held had been acknowledged"));
    }
    switch (CheckWal(bytes, check_sums)) {
      case WalVerdict::kWhole: break;
      case WalVerdict::kTornTail: torn = path; break;
      case WalVerdict::kDamaged:
        return absl::DataLossError(
            absl::StrCat(path, " is damaged: records follow the break, so what it held had been acknowledged"));
    }
  }
  return !torn.empty();
}

}  // namespace hookstream::store::embedded
