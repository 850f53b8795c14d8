// Whatever lies in the database: no parser of the stored formats crashes, and what one takes is written the same again.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "store/embedded/format.h"

using namespace hookstream::store;
using namespace hookstream::store::embedded;

namespace {

void Check(bool holds) {
  if (!holds) std::abort();
}

// Encoding is a normal form: what was parsed and written is parsed to the same text again.
template <typename Parse, typename Encode>
void RoundTrip(std::string_view bytes, Parse parse, Encode encode) {
  const auto value = parse(bytes);
  if (!value.ok()) return;
  const std::string text = encode(*value);
  const auto again = parse(text);
  Check(again.ok());
  Check(encode(*again) == text);
}

void Chunk(std::string_view bytes) {
  ChunkIndex index;
  if (!ParseChunkIndex(7, bytes, index).ok()) return;
  Check(ParseChunkHeader(bytes).ok());
  Check(index.entries.size() == index.header.count);
  // The input stands for the chunk of bodies too: an entry lies in it or is refused.
  for (size_t i = 0; i < index.entries.size(); ++i) {
    const auto event = ReadEvent(index.first + i, index.entries[i], bytes);
    if (event.ok()) Check((*event)->data.Bytes() == index.entries[i].Bytes());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 9) {
    case 0: Chunk(bytes); break;
    case 1: RoundTrip(bytes, ParseDedupeEntry, EncodeDedupeEntry); break;
    case 2:
      RoundTrip(
          bytes, [](std::string_view text) { return ParseSpec(3, text); }, EncodeSpec);
      break;
    case 3: RoundTrip(bytes, ParseProgress, EncodeProgress); break;
    case 4: RoundTrip(bytes, ParsePage, EncodePage); break;
    case 5: RoundTrip(bytes, ParseRetry, EncodeRetry); break;
    case 6: RoundTrip(bytes, ParseDead, EncodeDead); break;
    case 7: RoundTrip(bytes, ParseClockMark, EncodeClockMark); break;
    default:
      (void)ParseSubscriptionKey(bytes);
      (void)ParseNumber(bytes);
      break;
  }
  return 0;
}
