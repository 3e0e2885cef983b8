#include "pipeline/text_remarks.h"

#include <fmt/format.h>

#include <utility>

#include "report/numbers.h"

namespace emend {

std::vector<PlanRemark> text_remarks(const PlannedText& text) {
  std::vector<PlanRemark> remarks;
  const auto warn = [&](std::string said) {
    remarks.push_back({PlanRemark::Kind::kWarning, std::move(said)});
  };
  const auto note = [&](std::string said) { remarks.push_back({PlanRemark::Kind::kNote, std::move(said)}); };
  if (text.repaired > 0)
    warn(count_text(text.repaired) + " pieces of the corpus are not UTF-8; each was read as U+FFFD");
  if (text.repeated > 0)
    note(count_text(text.repeated) + " documents stand in the corpus more than once and count once.");
  if (!text.binary_files.empty())
    note(fmt::format("{} files that are not text were passed over, {} first.",
                     count_text(static_cast<std::int64_t>(text.binary_files.size())),
                     text.binary_files.front()));
  if (text.asked_tokens > text.tokens)
    warn(fmt::format("the corpus gives {} of the {} tokens asked for", count_text(text.tokens),
                     count_text(text.asked_tokens)));
  if (text.blocks == 0) warn("this shard has no block: the text has fewer blocks than there are shards");
  return remarks;
}

}  // namespace emend
