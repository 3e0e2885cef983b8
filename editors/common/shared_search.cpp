#include "editors/common/shared_search.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <iterator>
#include <string>
#include <utility>

#include "base/fingerprint.h"
#include "editors/common/search_record.h"
#include "emend/error.h"

namespace emend::editors {

namespace {

// What a search is, for processes that share it: how many values, in batches of what size, of which rows.
std::vector<std::uint64_t> identity_of(const std::vector<SearchUnit>& units, const LayerTrace& trace,
                                       std::int64_t most_tokens) {
  Sha256 rows;
  const auto add = [&](std::int64_t number) { rows.update_number(static_cast<std::uint64_t>(number)); };
  const auto add_ids = [&](const TokenIds& ids) {
    add(static_cast<std::int64_t>(ids.size()));
    for (const auto id : ids) add(id);
  };
  add(trace.layer());
  for (const TokenIds& front : trace.fronts()) add_ids(front);
  for (const SearchUnit& unit : units) {
    add(static_cast<std::int64_t>(unit.rows.size()));
    for (const SearchRow& row : unit.rows) {
      add(row.row.front);
      add_ids(row.row.own);
      add_ids(row.labels);
    }
  }
  constexpr std::size_t kDigits = 16;  // of 64 bits
  return {units.size(), static_cast<std::uint64_t>(most_tokens),
          std::stoull(rows.hex().substr(0, kDigits), nullptr, 16)};
}

}  // namespace

void require_same_search(const std::vector<SearchUnit>& units, const LayerTrace& trace,
                         std::int64_t most_tokens, ShardGroup& group) {
  const std::vector<std::uint64_t> own = identity_of(units, trace, most_tokens);
  const std::vector<std::uint64_t> all = group.gather_to_all(own);
  bool same = all.size() == own.size() * static_cast<std::size_t>(group.size());
  for (std::size_t i = 0; i < all.size(); ++i) same = same && all[i] == own[i % own.size()];
  if (!same)
    throw Error(ErrorKind::kConfig,
                fmt::format("the processes that share this edit do not search the same values ({} in process "
                            "{}): give all of them the same files, threads and kind of device, or let one "
                            "process edit alone",
                            own.front(), group.rank()));
}

// A process sends how many values it has, how long a residual is and how many numbers are beside it, then the
// bits of both tensors, each row of them on its own.
std::vector<SearchResult> shared_with_all(std::span<const SearchResult> own, ShardGroup& group,
                                          const at::Device& device) {
  const FoundValues mine = pack_results(own);
  std::vector<std::uint64_t> sent{static_cast<std::uint64_t>(mine.size()), 0, 0};
  if (mine.size() > 0) {
    sent[1] = static_cast<std::uint64_t>(mine.residuals.size(1));
    sent[2] = static_cast<std::uint64_t>(mine.numbers.size(1));
    const at::Tensor residuals = mine.residuals.contiguous(), numbers = mine.numbers.contiguous();
    const std::span floats(residuals.const_data_ptr<float>(), static_cast<std::size_t>(residuals.numel()));
    const std::span doubles(numbers.const_data_ptr<double>(), static_cast<std::size_t>(numbers.numel()));
    for (const float number : floats) sent.push_back(std::bit_cast<std::uint32_t>(number));
    for (const double number : doubles) sent.push_back(std::bit_cast<std::uint64_t>(number));
  }
  const std::vector<std::uint64_t> all = group.gather_to_all(sent);
  std::vector<SearchResult> results;
  for (auto next = all.begin(); next != all.end();) {
    const auto rows = static_cast<std::int64_t>(*next++), width = static_cast<std::int64_t>(*next++),
               columns = static_cast<std::int64_t>(*next++);
    if (rows == 0) continue;
    FoundValues found{at::empty({rows, width}, at::kFloat), at::empty({rows, columns}, at::kDouble)};
    for (float& number : std::span(found.residuals.data_ptr<float>(), static_cast<std::size_t>(rows * width)))
      number = std::bit_cast<float>(static_cast<std::uint32_t>(*next++));
    for (double& number :
         std::span(found.numbers.data_ptr<double>(), static_cast<std::size_t>(rows * columns)))
      number = std::bit_cast<double>(*next++);
    std::ranges::move(unpack_results(found, device), std::back_inserter(results));
  }
  return results;
}

}  // namespace emend::editors
