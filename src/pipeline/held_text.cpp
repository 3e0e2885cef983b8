#include "pipeline/held_text.h"

#include <algorithm>

namespace emend {
namespace {

constexpr std::int64_t kRowTokens = 512;

}  // namespace

TextRows held_rows(const Model& model, const std::vector<std::int64_t>& prefix,
                   const std::vector<std::string>& texts) {
  const auto room =
      std::min(kRowTokens, model.config().max_positions) - static_cast<std::int64_t>(prefix.size());
  TextRows rows;
  for (const std::string& text : texts) {
    const std::vector<std::int64_t> ids = model.tokenizer().encode(text, SpecialTokens::kNone).ids;
    const auto step = static_cast<std::size_t>(std::max<std::int64_t>(room, 1));
    for (std::size_t begin = 0; begin < ids.size(); begin += step) {
      std::vector<std::int64_t> row = prefix;
      const std::size_t end = std::min(begin + step, ids.size());
      row.insert(row.end(), ids.begin() + static_cast<std::ptrdiff_t>(begin),
                 ids.begin() + static_cast<std::ptrdiff_t>(end));
      if (row.size() >= 2) rows.push_back(std::move(row));
    }
  }
  return rows;
}

std::int64_t measured_tokens(const TextRows& rows) {
  std::int64_t tokens = 0;
  for (const auto& row : rows) tokens += static_cast<std::int64_t>(row.size()) - 1;
  return tokens;
}

}  // namespace emend
