#include "typing/builtin_set.h"

// HOOKSTREAM_DESCRIPTOR_SET is the file's path. The assembler reads it, so that half a megabyte costs no compile time.
__asm__(
    ".section .rodata\n"
    ".balign 16\n"
    "hookstream_builtin_set_begin:\n"
    ".incbin \"" HOOKSTREAM_DESCRIPTOR_SET
    "\"\n"
    "hookstream_builtin_set_end:\n"
    ".byte 0\n"
    ".global hookstream_builtin_set_begin\n"
    ".global hookstream_builtin_set_end\n"
    ".text\n");

extern "C" {
extern const char hookstream_builtin_set_begin[];
extern const char hookstream_builtin_set_end[];
}

namespace hookstream::typing {

std::string_view BuiltinDescriptorSet() {
  return {hookstream_builtin_set_begin, static_cast<size_t>(hookstream_builtin_set_end - hookstream_builtin_set_begin)};
}

}  // namespace hookstream::typing
