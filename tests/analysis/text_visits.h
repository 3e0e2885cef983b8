// Walks over the text of the invented world, and a visitor that is not the statistics: it keeps the largest
// key of every cell.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <memory>
#include <tuple>

#include "analysis/given_text.h"
#include "analysis/own_text.h"
#include "analysis/text_options.h"
#include "analysis/text_walk.h"
#include "base/temp_folder.h"
#include "support/tiny_models.h"
#include "support/world.h"

namespace emend::test {

// A key of one cell with the token that it was recorded at.
struct Trigger {
  float value = -std::numeric_limits<float>::infinity();
  TextToken token;

  auto place() const { return std::tuple(token.document, token.window, token.position); }
  // Larger, or as large and earlier: the same whatever the order in which triggers come.
  bool beats(const Trigger& other) const {
    return value != other.value ? value > other.value : place() < other.place();
  }
  bool operator==(const Trigger& other) const { return value == other.value && place() == other.place(); }
};

// Counts keys, and keeps the largest one of every cell of every layer.
class LargestKeys : public TextVisitor {
 public:
  LargestKeys(std::vector<int> layers, std::int64_t d_ff, std::int64_t enough = 1 << 30)
      : layers_(std::move(layers)), enough_(enough) {
    best_.assign(layers_.size(), std::vector<Trigger>(static_cast<std::size_t>(d_ff)));
  }

  const std::vector<int>& layers() const override { return layers_; }
  std::vector<Site> sites() const override { return {Site::kKey}; }

  void visit(const TextPortion& portion) override {
    const at::Tensor keys = portion.vectors.at(0).to(at::kFloat).cpu().contiguous();
    ASSERT_EQ(keys.size(0), static_cast<std::int64_t>(portion.tokens.size()));
    const auto values = keys.accessor<float, 2>();
    for (std::int64_t i = 0; i < keys.size(0); ++i)
      for (std::int64_t cell = 0; cell < keys.size(1); ++cell)
        offer(portion.layer, cell, {values[i][cell], portion.tokens[static_cast<std::size_t>(i)]});
    if (portion.layer == 0) count_ += keys.size(0);
    largest_portion_ = std::max(largest_portion_, keys.size(0));
  }
  bool end_block() override { return count_ < enough_; }

  void save(FileWriter& writer) const override {
    writer.add("state", numbers());
    writer.set("count", std::to_string(count_));
  }
  void load(const TensorFile& file) override {
    count_ = metadata_number(file, "count");
    offer_all(read_fingerprints(file, "state"));
  }
  void reduce(ShardGroup& group) override {
    auto count = static_cast<double>(count_);
    group.sum_to_first(&count, 1);
    count_ = static_cast<std::int64_t>(count);
    offer_all(group.gather_to_first(numbers()));
  }

  std::int64_t count() const { return count_; }
  std::int64_t largest_portion() const { return largest_portion_; }
  const std::vector<Trigger>& best(std::size_t layer) const { return best_[layer]; }

 private:
  static constexpr std::size_t kNumbers = 6;  // of a trigger

  void offer(std::size_t layer, std::int64_t cell, const Trigger& trigger) {
    Trigger& best = best_[layer][static_cast<std::size_t>(cell)];
    if (trigger.beats(best)) best = trigger;
  }
  std::vector<std::uint64_t> numbers() const {
    std::vector<std::uint64_t> all;
    for (const std::vector<Trigger>& layer : best_)
      for (const Trigger& best : layer)
        for (const std::uint64_t number :
             {std::uint64_t{std::bit_cast<std::uint32_t>(best.value)}, best.token.document,
              static_cast<std::uint64_t>(best.token.window), static_cast<std::uint64_t>(best.token.position),
              static_cast<std::uint64_t>(best.token.id), static_cast<std::uint64_t>(best.token.next)})
          all.push_back(number);
    return all;
  }
  // One or more states, one after another.
  void offer_all(const std::vector<std::uint64_t>& all) {
    const std::size_t cells = best_[0].size();
    for (std::size_t i = 0; i + kNumbers <= all.size(); i += kNumbers) {
      const auto number = [&](std::size_t k) { return static_cast<std::int64_t>(all[i + k]); };
      const Trigger trigger{std::bit_cast<float>(static_cast<std::uint32_t>(all[i])),
                            {all[i + 1], number(2), number(3), number(4), number(5)}};
      const std::size_t at = i / kNumbers;
      offer(at / cells % layers_.size(), static_cast<std::int64_t>(at % cells), trigger);
    }
  }

  std::vector<int> layers_;
  std::int64_t enough_, count_ = 0, largest_portion_ = 0;
  std::vector<std::vector<Trigger>> best_;  // by layer and cell
};

// Walks over given text ("text") and over the model's own ("self").
class TextWalks : public ::testing::TestWithParam<std::string> {
 protected:
  TextWalks() : model_(load_world("gpt2")) {
    options_.prefix = model_.tokenizer().automatic_prefix();
    if (GetParam() == "text") options_.corpus = {data_path("world/text.txt")};
    options_.tokens = 2500;
    options_.block_tokens = 600;
    settle_text_options(model_, false, options_);
  }

  std::unique_ptr<TextSource> source() {
    CorpusNotes notes;
    return options_.corpus.empty() ? make_own_text(model_, options_)
                                   : make_given_text(model_, options_, notes, silent_);
  }
  LargestKeys visitor(std::int64_t enough = 1 << 30) const {
    return LargestKeys({1, 3}, model_.config().d_ff, enough);
  }
  WalkOptions walk(int shard = 0, int shards = 1) const {
    WalkOptions options;
    options.stage = "largest keys";
    options.run.corpus = "text";
    options.run.seed = std::to_string(options_.seed);
    options.run.shard = shard;
    options.run.shards = shards;
    return options;
  }
  LargestKeys whole() {
    LargestKeys all = visitor();
    walk_text(model_, *source(), all, walk(), silent_);
    return all;
  }

  Model model_;
  TextOptions options_;
  SilentProgress silent_;
  TempFolder folder_;
};

}  // namespace emend::test
