// A long-lived process: soak MODEL ROUNDS edits, applies, generates and reverts, and holds memory and weights
// to what they were. Ends with 1 when memory grows or a byte of the weights differs.
#include <malloc.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>

#include "c_handles.h"

namespace emend::test {
namespace {

struct Memory {
  double resident_mb = 0;  // of the process
  double in_use_mb = 0;    // handed out by malloc
};

Memory memory_now() {
  std::int64_t pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  const struct mallinfo2 info = ::mallinfo2();
  constexpr double kMegabyte = 1 << 20;
  return {static_cast<double>(resident * ::sysconf(_SC_PAGESIZE)) / kMegabyte,
          static_cast<double>(info.uordblks + info.hblkhd) / kMegabyte};
}

// One round of what a server does; every 10th is cancelled half-way or refused.
void one_round(emend_model* model, int round) {
  const OwnedPatch patch = make_patch(model, round % 2 == 0 ? painter_edit() : language_edit());
  must(emend_apply(model, patch, 0));
  continued(model, "Workis Tellond was trained as a");
  must(emend_revert(model, patch));
  if (round % 10 != 0) return;
  int calls = 0;
  emend_edit_options options = EMEND_EDIT_OPTIONS_INIT;
  options.progress_data = &calls;
  options.progress = [](void* data, const char*, std::int64_t, std::int64_t, const char*, const char*) {
    return static_cast<std::int32_t>(++*static_cast<int*>(data) > 8);
  };
  emend_patch* none = nullptr;
  if (emend_edit(model, painter_edit().c_str(), &options, &none) != EMEND_CANCELLED ||
      emend_edit(model, "edits: []", nullptr, &none) != EMEND_BAD_INPUT)
    throw std::runtime_error("a call that should fail did not");
}

int soak(const std::string& path, int rounds) {
  constexpr double kMostResidentMb = 8, kMostInUseMb = 0.25;
  const OwnedModel model = load_model(path, 1);
  const std::string base = digest(model);
  const int warm = std::max(rounds / 10, 5);  // libraries build their tables in the first rounds
  for (int round = 0; round < warm; ++round) one_round(model, round);
  const Memory before = memory_now();
  const auto began = std::chrono::steady_clock::now();
  for (int round = 0; round < rounds; ++round) {
    one_round(model, round);
    if (round % 100 == 99) {
      const Memory now = memory_now();
      std::printf("%5d rounds: %.1f MB resident, %.3f MB in use\n", round + 1, now.resident_mb,
                  now.in_use_mb);
      std::fflush(stdout);
    }
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  const Memory after = memory_now();
  const bool same = digest(model) == base;
  std::printf("%d rounds in %.1f s: resident %.1f -> %.1f MB, in use %.3f -> %.3f MB, weights %s\n", rounds,
              seconds, before.resident_mb, after.resident_mb, before.in_use_mb, after.in_use_mb,
              same ? "as before" : "CHANGED");
  const bool flat = after.resident_mb - before.resident_mb <= kMostResidentMb &&
                    after.in_use_mb - before.in_use_mb <= kMostInUseMb;
  if (!flat) std::printf("memory grew\n");
  return same && flat ? 0 : 1;
}

}  // namespace
}  // namespace emend::test

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    return emend::test::soak(argv[1], std::atoi(argv[2]));
  } catch (const std::exception& failure) {
    std::cerr << failure.what() << "\n";
    return 1;
  }
}
