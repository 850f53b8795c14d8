#include "schema/builtin_protos.h"

#include <zstd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "absl/strings/numbers.h"

// HOOKSTREAM_PROTO_TEXTS is the path of what proto/pack.cmake wrote; the assembler reads it.
__asm__(
    ".section .rodata\n"
    ".balign 16\n"
    "hookstream_proto_texts_begin:\n"
    ".incbin \"" HOOKSTREAM_PROTO_TEXTS
    "\"\n"
    "hookstream_proto_texts_end:\n"
    ".byte 0\n"
    ".global hookstream_proto_texts_begin\n"
    ".global hookstream_proto_texts_end\n"
    ".text\n");

extern "C" {
extern const char hookstream_proto_texts_begin[];
extern const char hookstream_proto_texts_end[];
}

namespace hookstream::schema {
namespace {

// It was embedded by the build, so that it can't be read is a broken binary.
[[noreturn]] void Broken() {
  std::fputs("hookstream: the embedded protos are damaged\n", stderr);
  std::abort();
}

std::string Unpacked() {
  std::string out;
  ZSTD_DStream* const stream = ZSTD_createDStream();
  if (stream == nullptr) Broken();
  ZSTD_inBuffer in = {hookstream_proto_texts_begin,
                      static_cast<size_t>(hookstream_proto_texts_end - hookstream_proto_texts_begin), 0};
  std::vector<char> chunk(ZSTD_DStreamOutSize());
  size_t left = 1;
  while (in.pos < in.size && left != 0) {
    ZSTD_outBuffer part = {chunk.data(), chunk.size(), 0};
    left = ZSTD_decompressStream(stream, &part, &in);
    if (ZSTD_isError(left) != 0) Broken();
    out.append(chunk.data(), part.pos);
  }
  ZSTD_freeDStream(stream);
  if (left != 0) Broken();
  return out;
}

std::map<std::string, std::string, std::less<>> Parsed(std::string_view packed) {
  std::map<std::string, std::string, std::less<>> files;
  while (!packed.empty()) {
    const size_t end = packed.find('\n');
    const size_t space = packed.substr(0, end).rfind(' ');
    if (end == std::string_view::npos || space == std::string_view::npos) Broken();
    size_t size = 0;
    if (!absl::SimpleAtoi(absl::string_view(packed.data() + space + 1, end - space - 1), &size) ||
        size > packed.size() - end - 1) {
      Broken();
    }
    files.emplace(packed.substr(0, space), packed.substr(end + 1, size));
    packed.remove_prefix(end + 1 + size);
  }
  return files;
}

}  // namespace

const std::map<std::string, std::string, std::less<>>& BuiltinProtos() {
  static const auto* const files = new std::map<std::string, std::string, std::less<>>(Parsed(Unpacked()));
  return *files;
}

}  // namespace hookstream::schema
