// Whatever lies in a write-ahead log: the check ends with a verdict, and the quick one is never stricter than the full
// one.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "store/embedded/wal_check.h"

using hookstream::store::embedded::CheckWal;
using hookstream::store::embedded::WalVerdict;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const WalVerdict quick = CheckWal(bytes, /*check_sums=*/false);
  const WalVerdict full = CheckWal(bytes, /*check_sums=*/true);
  if (full == WalVerdict::kWhole && quick != WalVerdict::kWhole) std::abort();
  return 0;
}
