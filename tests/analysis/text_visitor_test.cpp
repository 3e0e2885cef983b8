// Any visitor sees the same tokens and vectors, from given text and from the model's own, in blocks that
// resume and that shards divide. The visitor here is not the statistics: it keeps the largest key of every
// cell.
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <tuple>

#include "analysis/given_text.h"
#include "analysis/own_text.h"
#include "analysis/text_options.h"
#include "analysis/text_walk.h"
#include "base/expect_error.h"
#include "base/temp_folder.h"
#include "support/stop_at.h"
#include "support/tiny_models.h"
#include "support/world.h"
#include "text/corpus.h"

namespace emend {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

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

// Keeps every token and its vectors at two sites of one layer.
class Everything : public TextVisitor {
 public:
  explicit Everything(int layer) : layers_{layer} {}
  const std::vector<int>& layers() const override { return layers_; }
  std::vector<Site> sites() const override { return {Site::kKey, Site::kMlpOutput}; }
  void visit(const TextPortion& portion) override {
    tokens.insert(tokens.end(), portion.tokens.begin(), portion.tokens.end());
    halves.insert(halves.end(), portion.tokens.size(), portion.half);
    keys.push_back(portion.vectors.at(0).cpu());
    outputs.push_back(portion.vectors.at(1).cpu());
  }
  void save(FileWriter&) const override {}
  void load(const TensorFile&) override {}
  void reduce(ShardGroup&) override {}

  std::vector<TextToken> tokens;
  std::vector<int> halves;
  std::vector<at::Tensor> keys, outputs;

 private:
  std::vector<int> layers_;
};

// Rows of ids by document and window: what the tokens of a walk should be of.
using Rows = std::map<std::pair<std::uint64_t, std::int64_t>, TokenIds>;

class TextVisits : public ::testing::TestWithParam<std::string> {
 protected:
  TextVisits() : model_(test::load_world("gpt2")) {
    options_.prefix = model_.tokenizer().automatic_prefix();
    if (GetParam() == "text") options_.corpus = {test::data_path("world/text.txt")};
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

  // Given text from the pieces that it is made of: documents by rank, the first ones held back. Own text from
  // the tokens themselves; other tests hold it against generate().
  Rows expected_rows(const std::vector<TextToken>& tokens) {
    Rows rows;
    if (options_.corpus.empty()) {
      for (const TextToken& token : tokens) {
        TokenIds& row = rows[{token.document, token.window}];
        row.resize(std::max(row.size(), static_cast<std::size_t>(token.position) + 1),
                   options_.prefix.front());
        row[static_cast<std::size_t>(token.position)] = token.id;
      }
      return rows;
    }
    const CorpusIndex index = scan_corpus(options_.corpus, "text", options_.seed, silent_);
    std::size_t to_hold = std::min<std::size_t>(16, index.documents.size() / 10);
    std::uint64_t document = 0;
    for (const SampledDocument& text : read_documents(index, 0, index.documents.size())) {
      const auto ids = model_.tokenizer().encode(text.text, SpecialTokens::kNone).ids;
      const auto of_document = document_rows(ids, options_.prefix, options_.window);
      if (of_document.empty()) continue;
      if (to_hold > 0) {
        --to_hold;
        continue;
      }
      for (std::size_t window = 0; window < of_document.size(); ++window)
        rows[{document, static_cast<std::int64_t>(window)}] = of_document[window];
      ++document;
    }
    return rows;
  }

  Model model_;
  TextOptions options_;
  SilentProgress silent_;
  test::TempFolder folder_;
};
INSTANTIATE_TEST_SUITE_P(Sources, TextVisits, ::testing::Values("text", "self"),
                         [](const auto& source) { return source.param; });

bool follows(const TextToken& a, const TextToken& b) {
  return a.document == b.document && a.window == b.window && a.position + 1 == b.position;
}

TEST_P(TextVisits, EveryTokenComesOnceWithItsVectorsAndWhatFollowsIt) {
  Everything seen(3);
  walk_text(model_, *source(), seen, walk(), silent_);
  ASSERT_EQ(static_cast<std::int64_t>(seen.tokens.size()), options_.tokens);
  const at::Tensor keys = at::cat(seen.keys), outputs = at::cat(seen.outputs);
  ASSERT_EQ(keys.size(1), model_.config().d_ff);
  ASSERT_EQ(outputs.size(1), model_.config().d_model);
  Rows rows = expected_rows(seen.tokens);
  std::map<std::pair<std::uint64_t, std::int64_t>, std::pair<at::Tensor, at::Tensor>> plain;
  std::set<std::tuple<std::uint64_t, std::int64_t, std::int64_t>> places;
  for (std::size_t i = 0; i < seen.tokens.size(); ++i) {
    const TextToken& token = seen.tokens[i];
    EXPECT_GT(token.position, 0);
    EXPECT_TRUE(places.insert({token.document, token.window, token.position}).second);
    ASSERT_TRUE(rows.contains({token.document, token.window}));
    const TokenIds& row = rows.at({token.document, token.window});
    ASSERT_LT(token.position, static_cast<std::int64_t>(row.size()));
    EXPECT_EQ(token.id, row[static_cast<std::size_t>(token.position)]);
    auto& vectors = plain[{token.document, token.window}];
    if (!vectors.first.defined())
      vectors = {test::plain_vectors(model_, row, Site::kKey, 3),
                 test::plain_vectors(model_, row, Site::kMlpOutput, 3)};
    const auto at_row = static_cast<std::int64_t>(i);
    EXPECT_TRUE(at::allclose(keys[at_row], vectors.first[token.position], 1e-4, 1e-4));
    EXPECT_TRUE(at::allclose(outputs[at_row], vectors.second[token.position], 1e-4, 1e-4));
    const auto after = static_cast<std::size_t>(token.position) + 1;
    if (after < row.size() && token.next != TextToken::kNone) {
      EXPECT_EQ(token.next, row[after]);
    }
  }
}

// What follows a token is unknown only where a given text ends, or is cut at the number of tokens asked for.
TEST_P(TextVisits, TheNextTokenIsKnownInsideADocument) {
  Everything seen(1);
  walk_text(model_, *source(), seen, walk(), silent_);
  std::size_t unknown = 0;
  for (std::size_t i = 0; i < seen.tokens.size(); ++i) {
    const TextToken& token = seen.tokens[i];
    unknown += token.next == TextToken::kNone ? 1 : 0;
    if (GetParam() == "text" && i + 1 < seen.tokens.size() && follows(token, seen.tokens[i + 1])) {
      EXPECT_EQ(token.next, seen.tokens[i + 1].id);
    }
  }
  if (GetParam() == "self") {
    EXPECT_EQ(unknown, 0U) << "every token was followed by a draw";
  }
}

TEST_P(TextVisits, TheLargestKeysAreThoseOfAPlainPass) {
  const LargestKeys found = whole();
  EXPECT_EQ(found.count(), options_.tokens);
  EXPECT_GE(found.largest_portion(), 200) << "vectors come in portions";
  Everything all(3);
  walk_text(model_, *source(), all, walk(), silent_);
  const Rows rows = expected_rows(all.tokens);
  at::Tensor largest = at::full({model_.config().d_ff}, -std::numeric_limits<float>::infinity());
  std::map<std::pair<std::uint64_t, std::int64_t>, at::Tensor> plain;
  for (const TextToken& token : all.tokens) {
    at::Tensor& keys = plain[{token.document, token.window}];
    if (!keys.defined())
      keys = test::plain_vectors(model_, rows.at({token.document, token.window}), Site::kKey, 3);
    largest = at::maximum(largest, keys[token.position]);
  }
  // Many texts begin alike, so a cell's largest key may stand in several places: the place is checked by its
  // value.
  for (std::int64_t cell = 0; cell < model_.config().d_ff; ++cell) {
    const Trigger& best = found.best(1)[static_cast<std::size_t>(cell)];
    const double value = largest[cell].item<double>(), near = 1e-4 * std::max(1.0, std::abs(value));
    EXPECT_NEAR(best.value, value, near);
    const at::Tensor& there = plain.at({best.token.document, best.token.window});
    EXPECT_NEAR(there[best.token.position][cell].item<double>(), value, near);
  }
}

TEST_P(TextVisits, TheTokenBudgetChangesNeitherTokensNorPortions) {
  Everything a(1), b(1);
  walk_text(model_, *source(), a, walk(), silent_);
  options_.token_budget = 150;
  walk_text(model_, *source(), b, walk(), silent_);
  ASSERT_EQ(a.keys.size(), b.keys.size());
  for (std::size_t i = 0; i < a.keys.size(); ++i)
    EXPECT_TRUE(at::allclose(a.keys[i], b.keys[i], 1e-4, 1e-4)) << "portion " << i;
  EXPECT_EQ(a.halves, b.halves);
  ASSERT_EQ(a.tokens.size(), b.tokens.size());
  for (std::size_t i = 0; i < a.tokens.size(); ++i) {
    EXPECT_EQ(a.tokens[i].document, b.tokens[i].document);
    EXPECT_EQ(a.tokens[i].window, b.tokens[i].window);
    EXPECT_EQ(a.tokens[i].position, b.tokens[i].position);
    EXPECT_EQ(a.tokens[i].id, b.tokens[i].id);
    EXPECT_EQ(a.tokens[i].next, b.tokens[i].next);
  }
}

TEST_P(TextVisits, DocumentsAreNamedAndHaveFingerprints) {
  const auto text = source();
  Everything seen(1);
  const Walk done = walk_text(model_, *text, seen, walk(), silent_);
  EXPECT_EQ(done.blocks_done, text->blocks());
  for (const TextToken& token : seen.tokens) {
    const TextDocument document = text->document(token.document);
    EXPECT_TRUE(std::binary_search(done.documents.begin(), done.documents.end(), document.fingerprint));
    EXPECT_THAT(document.name, HasSubstr(GetParam() == "text" ? "document " : "the model's own"));
  }
}

TEST_P(TextVisits, AStoppedWalkGoesOnFromItsCheckpoint) {
  const LargestKeys wanted = whole();
  WalkOptions options = walk();
  options.checkpoint = folder_ / "state.safetensors";
  LargestKeys stopped = visitor();
  for (int signs = 1; !std::filesystem::exists(options.checkpoint); ++signs) {
    ASSERT_LT(signs, 1000);
    stopped = visitor();
    test::StopAt stopping(signs);
    EXPECT_EQ(test::error_of(ErrorKind::kInterrupted,
                             [&] { walk_text(model_, *source(), stopped, options, stopping); }),
              "stopped");
  }
  options.resume = true;
  LargestKeys resumed = visitor();
  const Walk done = walk_text(model_, *source(), resumed, options, silent_);
  EXPECT_GT(done.resumed_blocks, 0);
  EXPECT_EQ(done.blocks_done, source()->blocks());
  EXPECT_EQ(resumed.count(), wanted.count());
  for (std::size_t layer = 0; layer < 2; ++layer) EXPECT_EQ(resumed.best(layer), wanted.best(layer));
  options.run.seed = "7";
  LargestKeys other = visitor();
  EXPECT_THAT(
      test::error_of(ErrorKind::kConfig, [&] { walk_text(model_, *source(), other, options, silent_); }),
      AllOf(HasSubstr("another run"), HasSubstr("the seed")));
}

// The other process has called first: what it handed in waits here.
class TwoProcesses : public ShardGroup {
 public:
  explicit TwoProcesses(int rank) : rank_(rank) {}
  void use(TwoProcesses& other) { other_ = &other; }
  int rank() const override { return rank_; }
  int size() const override { return 2; }
  void sum_to_first(double* numbers, std::int64_t count) override {
    for (std::int64_t i = 0; i < count; ++i) {
      if (rank_ == 0)
        numbers[i] += other_->sums_.at(next_sum_++);
      else
        sums_.push_back(numbers[i]);
    }
  }
  std::vector<std::uint64_t> gather_to_first(const std::vector<std::uint64_t>& numbers) override {
    std::vector<std::uint64_t> all = numbers;
    if (rank_ == 0)
      all.insert(all.end(), other_->gathered_.begin(), other_->gathered_.end());
    else
      gathered_ = numbers;
    return all;
  }
  void wait_for_all() override {}

 private:
  int rank_;
  TwoProcesses* other_ = nullptr;
  std::size_t next_sum_ = 0;
  std::vector<double> sums_;
  std::vector<std::uint64_t> gathered_;
};

TEST_P(TextVisits, ShardsTogetherAreTheWhole) {
  const LargestKeys wanted = whole();
  LargestKeys first = visitor(), second = visitor();
  const Walk a = walk_text(model_, *source(), first, walk(0, 2), silent_),
             b = walk_text(model_, *source(), second, walk(1, 2), silent_);
  EXPECT_EQ(a.blocks_done + b.blocks_done, source()->blocks());
  EXPECT_LT(first.count(), wanted.count());
  TwoProcesses rank_0(0), rank_1(1);
  rank_0.use(rank_1);
  second.reduce(rank_1);
  first.reduce(rank_0);
  EXPECT_EQ(first.count(), wanted.count());
  for (std::size_t layer = 0; layer < 2; ++layer) EXPECT_EQ(first.best(layer), wanted.best(layer));
}

TEST_P(TextVisits, AVisitorThatHasEnoughEndsTheWalkAtABlock) {
  LargestKeys some = visitor(700);
  const Walk done = walk_text(model_, *source(), some, walk(), silent_);
  EXPECT_EQ(done.blocks_done, 2);
  EXPECT_GE(some.count(), 700);
  EXPECT_LT(some.count(), options_.tokens);
}

}  // namespace
}  // namespace emend
