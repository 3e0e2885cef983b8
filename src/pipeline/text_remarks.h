// What the corpus and the number of tokens of a run over text mean for its result.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "emend/statistics_job.h"

namespace emend {

struct PlannedText {
  std::int64_t repaired, repeated;               // pieces that are not UTF-8; documents that are there twice
  const std::vector<std::string>& binary_files;  // passed over
  std::int64_t asked_tokens, tokens;             // as the options say; that the corpus gives
  std::int64_t blocks;                           // of this shard
};
std::vector<PlanRemark> text_remarks(const PlannedText& text);

}  // namespace emend
