// search_memories: words against the inverted index, which is mapped and not read as a whole.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstring>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "analysis/text_file.h"
#include "base/nearest.h"
#include "base/strings.h"
#include "emend/error.h"
#include "emend/tensor_file.h"
#include "memories/index_files.h"
#include "memories/search_index.h"

namespace emend {
namespace {

// A tensor as it lies in the file.
template <typename Number>
class Mapped {
 public:
  Mapped(const TensorFile& file, const std::string& name, const char* type) {
    const TensorInfo* const info = file.find(name);
    if (info == nullptr || info->type->name != type)
      throw Error(ErrorKind::kFormat,
                  fmt::format("{}: the {} tensor {} is missing", file.path().string(), type, name));
    bytes_ = file.bytes(*info);
  }
  std::size_t size() const { return bytes_.size() / sizeof(Number); }
  Number operator[](std::size_t i) const {
    Number number;
    std::memcpy(&number, bytes_.data() + i * sizeof(Number), sizeof number);
    return number;
  }
  std::string_view text(std::size_t begin, std::size_t end) const {
    return {reinterpret_cast<const char*>(bytes_.data()) + begin, end - begin};
  }

 private:
  std::span<const std::byte> bytes_;
};

// Lower-case ASCII, without the spaces around it.
std::string folded(std::string_view text) {
  std::string word(trim(text));
  std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) {
    return c < 0x80 ? static_cast<char>(std::tolower(c)) : static_cast<char>(c);
  });
  return word;
}

class Search {
 public:
  explicit Search(const std::filesystem::path& folder)
      : file_(open(folder)),
        end_(*file_, "posting.end", "I64"),
        cell_(*file_, "posting.cell", "U32"),
        place_(*file_, "posting.place", "U8"),
        rank_(*file_, "posting.rank", "U8"),
        text_end_(*file_, "token.end", "I64"),
        text_(*file_, "token.bytes", "U8"),
        cells_(metadata_number(*file_, "cells")) {
    const std::size_t postings = cell_.size(), tokens = end_.size();
    bool fits =
        place_.size() == postings && rank_.size() == postings && text_end_.size() == tokens && cells_ > 0;
    for (std::size_t t = 0; fits && t < tokens; ++t)
      fits = begin_of(end_, t) <= end_[t] && begin_of(text_end_, t) <= text_end_[t];
    if (!fits || (tokens > 0 && (end_[tokens - 1] > static_cast<std::int64_t>(postings) ||
                                 text_end_[tokens - 1] > static_cast<std::int64_t>(text_.size()))))
      throw Error(ErrorKind::kFormat,
                  file_->path().string() +
                      ": its lists do not fit together; reading the values into the index writes it again");
    const MemoryIndexHead head = read_head(index_head_file(folder)).head;
    if (head.cells != cells_)
      throw Error(ErrorKind::kFormat,
                  fmt::format("{}: it is of layers of {} cells, but the index has {} in a layer",
                              file_->path().string(), cells_, head.cells));
    all_cells_ = static_cast<std::size_t>(head.model_layers) * static_cast<std::size_t>(cells_);
  }

  SearchOutcome run(const std::vector<std::string>& words, int limit) const {
    const std::vector<std::set<std::size_t>> tokens = tokens_of(words);
    const std::vector<Tally> tallies = tallied(tokens);
    std::vector<std::uint32_t> cells;
    for (std::size_t cell = 0; cell < tallies.size(); ++cell)
      if (tallies[cell].words > 0) cells.push_back(static_cast<std::uint32_t>(cell));
    SearchOutcome outcome;
    outcome.found = static_cast<std::int64_t>(cells.size());
    const std::size_t kept = std::min(cells.size(), static_cast<std::size_t>(limit));
    std::partial_sort(cells.begin(), cells.begin() + static_cast<std::ptrdiff_t>(kept), cells.end(),
                      [&](std::uint32_t a, std::uint32_t b) {
                        const Tally &x = tallies[a], &y = tallies[b];
                        if (x.words != y.words) return x.words > y.words;
                        return x.score != y.score ? x.score > y.score : a < b;
                      });
    cells.resize(kept);
    for (const std::uint32_t cell : cells)
      outcome.hits.push_back(
          {{static_cast<int>(cell / cells_), static_cast<int>(cell % cells_)}, tallies[cell].score, {}});
    add_matches(cells, tokens, words, outcome.hits);
    return outcome;
  }

 private:
  // What a cell has of the words.
  struct Tally {
    double score = 0;
    std::uint32_t words = 0;  // how many of them
    std::uint32_t last = 0;   // the last one of these, counted from 1
  };

  // Calls `take(word, posting)` for each posting of each word.
  template <typename Take>
  void visit(const std::vector<std::set<std::size_t>>& tokens, const Take& take) const {
    for (std::size_t w = 0; w < tokens.size(); ++w)
      for (const std::size_t token : tokens[w])
        for (auto i = static_cast<std::size_t>(begin_of(end_, token));
             i < static_cast<std::size_t>(end_[token]); ++i)
          take(w, i);
  }

  // Of every cell, by its number.
  std::vector<Tally> tallied(const std::vector<std::set<std::size_t>>& tokens) const {
    std::vector<Tally> tallies(all_cells_);
    visit(tokens, [&](std::size_t word, std::size_t posting) {
      const std::uint32_t cell = cell_[posting];
      if (cell >= tallies.size())
        throw Error(ErrorKind::kFormat, fmt::format("{}: it names cell number {}, but the model has {} cells",
                                                    file_->path().string(), cell, tallies.size()));
      Tally& tally = tallies[cell];
      tally.score += 1.0 / (1 + rank_[posting]);
      if (tally.last == word + 1) return;
      tally.last = static_cast<std::uint32_t>(word) + 1;
      ++tally.words;
    });
    return tallies;
  }

  // `hits` are those of `cells`, in that order.
  void add_matches(const std::vector<std::uint32_t>& cells, const std::vector<std::set<std::size_t>>& tokens,
                   const std::vector<std::string>& words, std::vector<SearchHit>& hits) const {
    std::unordered_map<std::uint32_t, std::size_t> place;
    for (std::size_t k = 0; k < cells.size(); ++k) place.emplace(cells[k], k);
    visit(tokens, [&](std::size_t word, std::size_t posting) {
      if (const auto found = place.find(cell_[posting]); found != place.end())
        hits[found->second].matches.push_back(
            {words[word], static_cast<MatchPlace>(place_[posting]), rank_[posting]});
    });
  }

  static std::unique_ptr<TensorFile> open(const std::filesystem::path& folder) {
    require_index(folder);
    const std::filesystem::path path = search_file(folder);
    if (!std::filesystem::exists(path))
      throw Error(
          ErrorKind::kConfig,
          fmt::format("{}: there is nothing to search in yet; reading the values into the index makes it",
                      folder.string()));
    return open_safetensors(path);
  }

  static std::int64_t begin_of(const Mapped<std::int64_t>& ends, std::size_t i) {
    return i == 0 ? 0 : ends[i - 1];
  }
  std::string_view bytes_of(std::size_t token) const {
    return text_.text(static_cast<std::size_t>(begin_of(text_end_, token)),
                      static_cast<std::size_t>(text_end_[token]));
  }
  std::string word_of(std::size_t token) const { return folded(bytes_of(token)); }

  // The tokens of each word.
  std::vector<std::set<std::size_t>> tokens_of(const std::vector<std::string>& words) const {
    std::map<std::string, std::set<std::size_t>> wanted;
    for (const std::string& word : words) wanted[folded(word)];
    std::set<std::size_t> lengths;  // most tokens are told apart by their length alone
    for (const auto& [word, tokens] : wanted) lengths.insert(word.size());
    for (std::size_t token = 0; token < end_.size(); ++token) {
      if (!lengths.contains(trim(bytes_of(token)).size())) continue;
      if (const auto found = wanted.find(word_of(token)); found != wanted.end()) found->second.insert(token);
    }
    std::vector<std::set<std::size_t>> tokens;
    for (const std::string& word : words) {
      tokens.push_back(wanted.at(folded(word)));
      if (tokens.back().empty()) refuse(word);
    }
    return tokens;
  }

  [[noreturn]] void refuse(const std::string& word) const {
    const std::string wanted = folded(word);
    constexpr std::size_t kNamed = 3;
    std::set<std::pair<std::size_t, std::string>> near;
    for (std::size_t token = 0; token < end_.size(); ++token) {
      const std::string known = word_of(token);
      const std::size_t longer = std::max(known.size(), wanted.size()),
                        shorter = std::min(known.size(), wanted.size());
      if (shorter < 2 || longer - shorter > 3) continue;
      near.emplace(edit_distance(wanted, known), known);
      if (near.size() > kNamed) near.erase(std::prev(near.end()));
    }
    std::vector<std::string> names;
    for (const auto& [distance, name] : near) names.push_back(quote(name));
    throw Error(ErrorKind::kConfig,
                fmt::format("no token is the word {}; the nearest ones: {}. Longer words are "
                            "several tokens: search for a part of them",
                            quote(word), names.empty() ? "none" : join(names)));
  }

  std::unique_ptr<TensorFile> file_;
  Mapped<std::int64_t> end_;
  Mapped<std::uint32_t> cell_;
  Mapped<std::uint8_t> place_, rank_;
  Mapped<std::int64_t> text_end_;
  Mapped<std::uint8_t> text_;
  std::int64_t cells_;         // of a layer
  std::size_t all_cells_ = 0;  // of the model
};

}  // namespace

std::string to_string(MatchPlace place) {
  switch (place) {
    case MatchPlace::kTop:
      return "+v";
    case MatchPlace::kBottom:
      return "-v";
    case MatchPlace::kHighTrigger:
      return "trigger +";
    case MatchPlace::kLowTrigger:
      return "trigger -";
  }
  return {};
}

SearchOutcome search_memories(const std::filesystem::path& index, const std::vector<std::string>& words,
                              int limit) {
  const auto began = std::chrono::steady_clock::now();
  if (words.empty()) throw Error(ErrorKind::kUsage, "give at least one word to search for");
  for (const std::string& word : words)
    if (trim(word).empty()) throw Error(ErrorKind::kUsage, "a word to search for is empty");
  if (limit < 1)
    throw Error(ErrorKind::kUsage, fmt::format("the option limit must be at least 1, found {}", limit));
  SearchOutcome outcome = Search(index).run(words, limit);
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  return outcome;
}

}  // namespace emend
