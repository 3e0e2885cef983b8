// A scan of the invented world, held against the plain way over the same rows, in parts, and with a planted
// memory.
#include "emend/memory_scan.h"

#include <gmock/gmock.h>

#include <cmath>

#include "base/expect_error.h"
#include "emend/memory_patterns.h"
#include "memories/index_files.h"
#include "memories/index_text.h"
#include "memories/mutation_prefix.h"
#include "memories/scans.h"
#include "memories/state_numbers.h"
#include "support/stop_at.h"

namespace emend {
namespace {

using test::scan_into;
using ::testing::HasSubstr;

class MemoryScans : public test::WorldScans {};
INSTANTIATE_TEST_SUITE_P(Shapes, MemoryScans, ::testing::Values("gpt2", "llama"),
                         [](const auto& shape) { return shape.param; });

// By score and address, with one token of each row.
std::vector<std::pair<float, std::uint64_t>> plain_top(const test::Recorder& all, std::int64_t cell,
                                                       float sign, std::size_t top) {
  std::vector<std::pair<float, std::uint64_t>> tokens;
  for (const auto& [address, key] : all.keys)
    if (all.tokens.at(address).position > 0)
      tokens.emplace_back(-sign * key.const_data_ptr<float>()[cell], address);
  std::sort(tokens.begin(), tokens.end());
  std::vector<std::pair<float, std::uint64_t>> kept;
  std::map<std::pair<std::uint64_t, std::int64_t>, bool> seen;
  for (const auto& [score, address] : tokens) {
    const TextToken& token = all.tokens.at(address);
    if (std::exchange(seen[{token.document, token.window}], true)) continue;
    kept.emplace_back(-sign * score, address);
    if (kept.size() == top) break;
  }
  return kept;
}

TEST_P(MemoryScans, TopsEqualThePlainWayOverTheSameRows) {
  scan_into(model_, options_, folder_ / "index");
  const MemoryIndex index(folder_ / "index");
  const auto text = test::text_of(model_, options_);
  std::map<std::int64_t, std::int64_t> number_of;  // sampled document: place in the corpus
  for (const PlacedRow& row : text->rows()) number_of[static_cast<std::int64_t>(row.sampled)] = row.document;
  for (const int layer : options_.layers) {
    const test::Recorder all = test::record(model_, *text, layer);
    for (std::int64_t cell = 0; cell < model_.config().d_ff; ++cell) {
      const MemoryRecord record = index.cell({layer, static_cast<int>(cell)});
      ASSERT_EQ(record.tokens, options_.tokens);
      for (const float sign : {1.0F, -1.0F}) {
        const auto& found = sign > 0 ? record.high : record.low;
        const auto plain = plain_top(all, cell, sign, 5);
        ASSERT_EQ(found.size(), plain.size());
        for (std::size_t place = 0; place < plain.size(); ++place) {
          const TextToken& token = all.tokens.at(plain[place].second);
          ASSERT_EQ(found[place].coefficient, plain[place].first) << to_string(record.id);
          ASSERT_EQ(found[place].document, number_of.at(static_cast<std::int64_t>(token.document)));
          ASSERT_EQ(found[place].window, token.window);
          ASSERT_EQ(found[place].position, token.position);
          ASSERT_EQ(found[place].token_id, token.id);
          ASSERT_EQ(found[place].next_id.value_or(TextToken::kNone), token.next);
        }
      }
      double active = 0;
      for (const auto& [address, key] : all.keys)
        if (all.tokens.at(address).position > 0 && !record.quadrants)
          active += key.const_data_ptr<float>()[cell] > 0 ? 1 : 0;
      if (!record.quadrants) {
        ASSERT_NEAR(record.active_share, active / 2500, 1e-12);
      }
    }
  }
}

// Rows on their own, without a batch: the numbers are those of the model.
TEST_P(MemoryScans, CoefficientsAreThoseOfRowsOnTheirOwn) {
  scan_into(model_, options_, folder_ / "index");
  const MemoryIndex index(folder_ / "index");
  const auto text = test::text_of(model_, options_);
  for (const int cell : {0, 301}) {
    const MemoryRecord record = index.cell({2, cell});
    for (const auto* list : {&record.high, &record.low, &record.random})
      for (const MemoryExample& example : *list)
        for (const PlacedRow& row : text->rows()) {
          if (row.document != example.document || row.window != example.window) continue;
          const TokenIds ids(row.ids.begin(), row.ids.end());
          const auto at = [&](Site site) {
            return test::plain_vectors(model_, ids, site, 2)[example.position][cell].item<float>();
          };
          EXPECT_NEAR(at(Site::kKey), example.coefficient,
                      1e-4 * std::max(1.0F, std::abs(example.coefficient)));
          if (!example.gate) continue;
          EXPECT_NEAR(at(Site::kGate), *example.gate, 1e-3);
          EXPECT_NEAR(at(Site::kUp), *example.up, 1e-3);
        }
  }
}

TEST_P(MemoryScans, TextIsWhatWasReadAndDecoded) {
  scan_into(model_, options_, folder_ / "index");
  const MemoryRecord record = MemoryIndex(folder_ / "index").cell({0, 5});
  for (const MemoryExample& example : record.high) {
    EXPECT_TRUE(example.text.ends_with(example.token)) << example.text;
    EXPECT_TRUE(!example.next_id || example.after.empty() || example.after.starts_with(example.next));
    EXPECT_THAT(example.source, HasSubstr("world/text.txt:"));
    const TokenIds one = {example.token_id};
    EXPECT_EQ(example.token, model_.tokenizer().decode(one, false, Position::kContinuation));
  }
}

// Without attention and positions, the stream at a token is that token's own: a gate along it fires on it
// alone (fixtures F2 and F3).
class PlantedMemory : public MemoryScans {
 protected:
  static constexpr int kCell = 11, kDead = 12;

  // The token that stands most often in the text, so that there are enough of it.
  std::int64_t plant(const std::vector<PlacedRow>& rows) {
    const c10::NoGradGuard no_grad;
    std::map<std::int64_t, int> count;
    for (const PlacedRow& row : rows)
      for (std::size_t j = 1; j < row.ids.size(); ++j) ++count[row.ids[j]];
    const std::int64_t token = std::max_element(count.begin(), count.end(), [](const auto& a, const auto& b) {
                                 return a.second < b.second;
                               })->first;
    const ModelWeights& w = model_.weights();
    const BlockWeights& block = w.blocks[0];
    block.attention_out.zero_();
    if (block.attention_out_bias.defined()) block.attention_out_bias.zero_();
    if (w.position_embedding.defined()) w.position_embedding.zero_();
    block.mlp_norm.fill_(1);
    if (block.mlp_norm_bias.defined()) block.mlp_norm_bias.zero_();
    at::Tensor stream = w.token_embedding[token].clone();
    if (block.mlp_norm_bias.defined()) stream -= stream.mean();
    stream /= stream.norm();
    const double root = std::sqrt(static_cast<double>(stream.numel()));
    block.mlp_in[kCell].copy_(stream);
    block.mlp_in[kDead].zero_();
    if (block.mlp_in_bias.defined()) {
      block.mlp_in_bias[kCell].fill_(-0.95 * root);  // nothing but the token itself is so near to it
      block.mlp_in_bias[kDead].fill_(-1);
    } else {
      block.mlp_in[model_.config().d_ff + kCell].copy_(stream);
    }
    return token;
  }
};
INSTANTIATE_TEST_SUITE_P(Shapes, PlantedMemory, ::testing::Values("gpt2", "llama"),
                         [](const auto& shape) { return shape.param; });

TEST_P(PlantedMemory, FiresOnItsTokenAndTellsTheNextOne) {
  options_.dedup = Dedup::kNone;
  options_.layers = {0};
  const auto text = test::text_of(model_, options_);
  const std::vector<PlacedRow> rows = text->rows();
  const std::int64_t token = plant(rows);
  scan_into(model_, options_, folder_ / "index");
  const MemoryIndex index(folder_ / "index");
  const MemoryRecord record = index.cell({0, kCell});
  ASSERT_EQ(record.high.size(), 5U);
  for (const MemoryExample& example : record.high) {
    EXPECT_EQ(example.token_id, token);  // what was read, not what follows
    const auto row = std::find_if(rows.begin(), rows.end(), [&](const PlacedRow& one) {
      return one.document == example.document && one.window == example.window;
    });
    ASSERT_NE(row, rows.end());
    EXPECT_EQ(row->ids[static_cast<std::size_t>(example.position)], token);
    if (static_cast<std::size_t>(example.position) + 1 < row->ids.size()) {
      EXPECT_EQ(example.next_id, row->ids[static_cast<std::size_t>(example.position) + 1]);
    }
  }
  std::int64_t times = 0;
  for (const PlacedRow& row : rows) times += std::count(row.ids.begin() + 1, row.ids.end(), token);
  if (!record.quadrants) {
    EXPECT_NEAR(record.active_share * static_cast<double>(record.tokens), static_cast<double>(times), 0.5);
  }
  EXPECT_FALSE(record.dead);
  EXPECT_TRUE(index.cell({0, kDead}).dead);
  EXPECT_GE(index.layers().front().dead, 1);
}

// Of each prefix: text of its row up to the token, without what begins every row.
TEST_P(MemoryScans, SentencesAreRowsOfTheirOwn) {
  options_.corpus = {
      folder_.write("two.txt",
                    "Mara went to Josov by the early train. The river had risen in the night! "
                    "Nobody knew why.\n\nAnother text has one sentence and no more than that\n")};
  options_.tokens = 0;
  options_.block_tokens = 0;
  options_.layers = {1};
  options_.sentences = true;
  options_.dedup = Dedup::kNone;
  options_.top = 200;
  scan_into(model_, options_, folder_ / "index");
  const MemoryIndex index(folder_ / "index");
  EXPECT_THAT(index.head().settings, HasSubstr("sentences"));
  std::map<std::string, int> first_words;  // of what was read
  int ends = 0;
  for (const MemoryExample& example : index.cell({1, 0}).high) {
    const std::string text = example.text;
    for (const char* begin : {"Mara", "The river", "Nobody", "Another"})
      if (text.find(begin) != std::string::npos) ++first_words[begin];
    const bool ends_here = text.ends_with("train.") || text.ends_with("night!") || text.ends_with("why.") ||
                           text.ends_with("that");
    EXPECT_EQ(!example.next_id.has_value(), ends_here) << text << "|" << example.next;
    ends += ends_here ? 1 : 0;
    if (!ends_here) {
      EXPECT_EQ(text.find_first_of(".!"), std::string::npos) << "two sentences in " << text;
    }
  }
  EXPECT_EQ(first_words.size(), 4U);
  EXPECT_EQ(ends, 4);
}

// The cells of a layer at the end with the larger coefficient, without looking for patterns.
PatternsOutcome cells_of(const MemoryIndex& index, int layer, const std::vector<int>& cells) {
  PatternsOutcome outcome;
  outcome.layers.push_back({layer});
  for (const int cell : cells) {
    const MemoryRecord record = index.cell({layer, cell});
    outcome.cells.push_back({{layer, cell}, record.most >= -record.least, {}, {}});
  }
  return outcome;
}

// F2: without attention a key that fires on one token loses all when that token goes, and nothing otherwise.
TEST_P(PlantedMemory, F2TakingTheLastTokenAwayTakesAll) {
  options_.dedup = Dedup::kNone;
  options_.layers = {0};
  plant(test::text_of(model_, options_)->rows());
  scan_into(model_, options_, folder_ / "index");
  PatternsOutcome outcome = cells_of(MemoryIndex(folder_ / "index"), 0, {kCell});
  measure_mutations(model_, {.index = folder_ / "index"}, {.unit = MutationUnit::kToken}, outcome);
  ASSERT_EQ(outcome.mutated.size(), 1U);
  const CellMutation& cell = outcome.mutated[0];
  EXPECT_EQ(cell.prefixes, 5);
  EXPECT_NEAR(cell.change[static_cast<std::size_t>(Mutation::kLast)], -100, 15)
      << "nothing but the token fires";
  EXPECT_NEAR(cell.change[static_cast<std::size_t>(Mutation::kFirst)], 0, 1e-3);
  EXPECT_NEAR(cell.change[static_cast<std::size_t>(Mutation::kRandom)], 0, 1e-3);
  EXPECT_GT(cell.shallow_index, 0.85);
  EXPECT_NEAR(outcome.mutations[0].change[static_cast<std::size_t>(Mutation::kFirst)].mean, 0, 1e-3);
}

// What is left without the last token is the coefficient of the token in front of it, in the scan itself.
TEST_P(MemoryScans, WithoutTheLastTokenACoefficientIsTheOneBefore) {
  options_.layers = {2};
  scan_into(model_, options_, folder_ / "index");
  const MemoryIndex index(folder_ / "index");
  const auto text = test::text_of(model_, options_);
  const std::vector<PlacedRow> rows = text->rows();
  const test::Recorder seen = test::record(model_, *text, 2);
  PatternsOutcome outcome = cells_of(index, 2, {0, 3, 17});
  MutationOptions how{.unit = MutationUnit::kToken};
  how.longest = std::min<std::int64_t>(512, model_.config().max_positions);
  measure_mutations(model_, {.index = folder_ / "index"}, how, outcome);
  const auto last = static_cast<std::size_t>(Mutation::kLast);
  std::vector<double> changes;
  for (std::size_t c = 0; c < outcome.cells.size(); ++c) {
    const MemoryRecord record = index.cell(outcome.cells[c].cell);
    const double sign = outcome.cells[c].high ? 1 : -1;
    double sum = 0;
    int count = 0;
    for (const MemoryExample& example : outcome.cells[c].high ? record.high : record.low) {
      const auto row = std::find_if(rows.begin(), rows.end(), [&](const PlacedRow& one) {
        return one.document == example.document && one.window == example.window;
      });
      if (example.position - static_cast<std::int64_t>(options_.prefix.size()) < 1) continue;
      const at::Tensor& before =
          seen.keys.at(row->address + static_cast<std::uint64_t>(example.position) - 1);
      const double m = std::abs(static_cast<double>(example.coefficient));
      sum += 100 * (sign * before[record.id.index].item<double>() - m) / m;
      ++count;
    }
    EXPECT_EQ(outcome.mutated[c].prefixes, count);
    EXPECT_NEAR(outcome.mutated[c].change[last], sum / count, 1e-2);
    changes.push_back(outcome.mutated[c].change[last]);
  }
  EXPECT_NEAR(outcome.mutations[0].change[last].mean, (changes[0] + changes[1] + changes[2]) / 3, 1e-9);
  PatternsOutcome small = cells_of(index, 2, {0, 3, 17});
  how.token_budget = 40;
  measure_mutations(model_, {.index = folder_ / "index"}, how, small);
  for (std::size_t c = 0; c < changes.size(); ++c)
    for (std::size_t m = 0; m < kMutations; ++m)
      EXPECT_NEAR(small.mutated[c].change[m], outcome.mutated[c].change[m], 1e-2) << "whatever the batches";
  how.clip = true;
  measure_mutations(model_, {.index = folder_ / "index"}, how, small);
  for (const CellMutation& cell : small.mutated) EXPECT_GE(cell.change[last], -100);
  how.longest = 4;
  EXPECT_THAT(test::error_of(ErrorKind::kUsage,
                             [&] { measure_mutations(model_, {.index = folder_ / "index"}, how, small); }),
              HasSubstr("longest"));
  const Model other = test::load_world(GetParam() == "gpt2" ? "llama" : "gpt2");
  EXPECT_THAT(test::error_of(ErrorKind::kModel,
                             [&] { measure_mutations(other, {.index = folder_ / "index"}, {}, small); }),
              HasSubstr("another model"));
}

// Text of the model's own stands behind a start token also where no text begins with one; it is never taken.
TEST_P(MemoryScans, TheStartTokenOfTextOfTheModelsOwnIsNotTaken) {
  options_.corpus.clear();
  options_.own_text = true;
  options_.tokens = 200;
  options_.block_tokens = 100;
  options_.layers = {1};
  options_.prefix.clear();
  scan_into(model_, options_, folder_ / "index");
  const MemoryIndex index(folder_ / "index");
  EXPECT_TRUE(is_of_own_text(index.head()));
  PatternsOutcome outcome = cells_of(index, 1, {3});
  measure_mutations(model_, {.index = folder_ / "index"}, {.unit = MutationUnit::kToken}, outcome);
  const MemoryRecord record = index.cell({1, 3});
  const IndexText text(folder_ / "index/text.safetensors", 0);
  double sum = 0;
  int count = 0;
  for (const MemoryExample& example : outcome.cells[0].high ? record.high : record.low) {
    if (example.position < 2 || example.position >= 128) continue;  // two units and the whole prefix
    PassInput input;
    input.ids.emplace_back();
    for (std::uint64_t address = 0; address < text.tokens();) {
      const IndexText::Row& row = *text.find(address)->row;
      address += row.length;
      if (row.document != example.document) continue;
      for (std::int64_t j = 0; j <= example.position; ++j)
        if (j != 1) input.ids[0].push_back(text.id({&row, j}));
    }
    input.recordings = {{Site::kKey, 1, {}}};
    const double left = model_.forward(input).recorded[0][-1][3].item<double>(),
                 size = std::abs(static_cast<double>(example.coefficient));
    sum += 100 * ((outcome.cells[0].high ? left : -left) - size) / size;
    ++count;
  }
  ASSERT_GT(count, 0);
  ASSERT_EQ(outcome.mutated[0].prefixes, count);
  const double first = outcome.mutated[0].change[static_cast<std::size_t>(Mutation::kFirst)];
  EXPECT_NEAR(first, sum / count, 0.01 + 1e-3 * std::abs(first));
}

TEST(MutationPrefix, WordsAreTakenWithAllTheirTokens) {
  const std::vector<std::string> texts = {"<s>", "The", " extr", "atrop", "ical", ",", " 19", "45", "."};
  const std::vector<PrefixUnit> units = word_units(texts, 1);
  ASSERT_EQ(units.size(), 5U);
  EXPECT_EQ(units[1].begin, 2U);
  EXPECT_EQ(units[1].end, 5U) << "extratropical";
  EXPECT_EQ(units[2].end, 6U) << "a comma stands alone";
  EXPECT_EQ(units[3].end, 8U) << "1945";
  EXPECT_EQ(without({9, 1, 2, 3, 4, 5}, units[1]), (std::vector<std::int64_t>{9, 1, 5}));
  EXPECT_EQ(token_units(4, 1).size(), 3U);
}

TEST_P(MemoryScans, TokensAtPositionZeroCountOnlyIfAskedFor) {
  options_.layers = {1};
  const MemoryRecord without =
      (scan_into(model_, options_, folder_ / "a"), MemoryIndex(folder_ / "a").cell({1, 0}));
  options_.include_first = true;
  const MemoryRecord with =
      (scan_into(model_, options_, folder_ / "b"), MemoryIndex(folder_ / "b").cell({1, 0}));
  const auto text = test::text_of(model_, options_);
  EXPECT_EQ(without.tokens, 2500);
  EXPECT_EQ(with.tokens, 2500 + static_cast<std::int64_t>(text->rows().size()));
  for (const auto* list : {&without.high, &without.low, &without.random, &without.middle})
    for (const MemoryExample& example : *list) EXPECT_GT(example.position, 0);
}

}  // namespace
}  // namespace emend
