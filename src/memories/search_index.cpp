#include "memories/search_index.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "analysis/text_file.h"

namespace emend {
namespace {

constexpr std::int64_t kPlaces = 50;

// The tokens of a trigger list, each at its best place.
void add_reads(std::vector<Posting>& postings, const TailTriggers& tail, MatchPlace place,
               std::uint32_t cell) {
  std::set<std::int64_t> seen;
  for (std::size_t rank = 0; rank < tail.read.size() && rank < kPlaces; ++rank)
    if (seen.insert(tail.read[rank]).second)
      postings.push_back({static_cast<std::uint32_t>(tail.read[rank]), cell, static_cast<std::uint8_t>(place),
                          static_cast<std::uint8_t>(rank)});
}

template <typename Number>
at::Tensor column(const std::vector<Posting>& postings, at::ScalarType type, Number Posting::*member) {
  at::Tensor tensor = at::empty({static_cast<std::int64_t>(postings.size())}, type);
  auto* const numbers = static_cast<Number*>(tensor.data_ptr());
  for (std::size_t i = 0; i < postings.size(); ++i) numbers[i] = postings[i].*member;
  return tensor;
}

}  // namespace

std::filesystem::path search_file(const std::filesystem::path& folder) {
  return folder / "search.safetensors";
}

void SearchIndexBuilder::add_list(const at::Tensor& ids, MatchPlace place, std::uint32_t first_cell) {
  const auto* id = ids.const_data_ptr<std::int64_t>();
  for (std::int64_t cell = 0; cell < ids.size(0); ++cell, id += ids.size(1))
    for (std::int64_t rank = 0; rank < std::min(ids.size(1), kPlaces); ++rank)
      postings_.push_back({static_cast<std::uint32_t>(id[rank]),
                           first_cell + static_cast<std::uint32_t>(cell), static_cast<std::uint8_t>(place),
                           static_cast<std::uint8_t>(rank)});
}

void SearchIndexBuilder::add(const ValueTable& table, const std::vector<CellTriggers>& triggers) {
  const auto first = static_cast<std::uint32_t>(table.layer * table.norm.size(0));
  add_list(table.top_ids.contiguous(), MatchPlace::kTop, first);
  add_list(table.bottom_ids.contiguous(), MatchPlace::kBottom, first);
  for (std::size_t cell = 0; cell < triggers.size(); ++cell) {
    const auto number = first + static_cast<std::uint32_t>(cell);
    add_reads(postings_, triggers[cell].high, MatchPlace::kHighTrigger, number);
    add_reads(postings_, triggers[cell].low, MatchPlace::kLowTrigger, number);
  }
}

std::filesystem::path SearchIndexBuilder::write(const std::filesystem::path& folder,
                                                const Tokenizer& tokenizer, std::int64_t cells_of_layer) {
  std::sort(postings_.begin(), postings_.end(), [](const Posting& a, const Posting& b) {
    return std::tie(a.token, a.place, a.rank, a.cell) < std::tie(b.token, b.place, b.rank, b.cell);
  });
  std::vector<std::int64_t> posting_end, text_end;
  std::string text;
  std::size_t posting = 0;
  for (std::int64_t id = 0; id < tokenizer.size(); ++id) {
    while (posting < postings_.size() && postings_[posting].token == static_cast<std::uint32_t>(id))
      ++posting;
    posting_end.push_back(static_cast<std::int64_t>(posting));
    text += tokenizer.token_bytes(id);
    text_end.push_back(static_cast<std::int64_t>(text.size()));
  }
  at::Tensor bytes = at::empty({static_cast<std::int64_t>(text.size())}, at::kByte);
  std::copy(text.begin(), text.end(), static_cast<char*>(bytes.data_ptr()));
  FileWriter writer;
  writer.add("posting.end", posting_end);
  writer.add("posting.cell", column(postings_, at::kUInt32, &Posting::cell));
  writer.add("posting.place", column(postings_, at::kByte, &Posting::place));
  writer.add("posting.rank", column(postings_, at::kByte, &Posting::rank));
  writer.add("token.end", text_end);
  writer.add("token.bytes", bytes);
  writer.set("kind", "memory search");
  writer.set("cells", std::to_string(cells_of_layer));
  writer.write(search_file(folder));
  return search_file(folder);
}

}  // namespace emend
