// A Progress that keeps what it is told.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "emend/progress.h"

namespace emend::test {

class KeepNotes : public Progress {
 public:
  void begin(std::string_view, std::int64_t, std::string_view) override {}
  void update(std::int64_t, std::string_view) override {}
  void end() override {}
  void note(std::string_view text) override { notes.emplace_back(text); }

  std::vector<std::string> notes;
};

}  // namespace emend::test
