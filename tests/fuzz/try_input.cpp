#include <cstdio>
#include <cstdlib>

#include "emend/error.h"
#include "read_input.h"

namespace emend::fuzz {

void abort_unless(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "a property does not hold: %s\n", property);
  std::abort();
}

bool try_input(std::string_view input) {
  try {
    read_input(input);
    return true;
  } catch (const Error& refusal) {
    abort_unless(*refusal.what() != '\0', "a refusal says why");
    return false;
  }
}

}  // namespace emend::fuzz
