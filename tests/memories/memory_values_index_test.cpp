// Agreement of values with the triggers of a scan, against the same counted from the cells of the index.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <set>
#include <string>

#include "analysis/text_file.h"
#include "base/expect_error.h"
#include "emend/memory_explain.h"
#include "emend/memory_search.h"
#include "emend/memory_values.h"
#include "emend/memory_view.h"
#include "memories/lens.h"
#include "memories/scans.h"
#include "memories/search_index.h"
#include "reports/values_report.h"

namespace emend {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

class ValuesOfAnIndex : public ::testing::TestWithParam<std::string> {
 protected:
  ValuesOfAnIndex() { test::scan_into(model_, test::small_scan(model_), folder_ / "index"); }

  const Model model_ = test::load_world(GetParam());
  const test::TempFolder folder_;
};
INSTANTIATE_TEST_SUITE_P(Shapes, ValuesOfAnIndex, ::testing::Values("gpt2", "llama"),
                         [](const auto& shape) { return shape.param; });

TEST_P(ValuesOfAnIndex, AgreementIsCountedFromItsCells) {
  const c10::NoGradGuard no_grad;
  ValueOptions options;
  options.index = folder_ / "index";
  options.top = 8;
  const ValuesOutcome outcome = run_values(model_, options, no_progress());
  ASSERT_THAT(outcome.layers, SizeIs(2)) << "the layers that were scanned";
  const MemoryIndex index(options.index);
  const Lens lens(model_, {});
  std::int64_t all_cells = 0;
  for (const LayerValues& layer : outcome.layers) {
    ASSERT_TRUE(layer.agreement.has_value());
    const at::Tensor z = lens.logits(FfnView(model_, layer.layer).values(ValueSide::kArriving), layer.layer);
    std::int64_t defined = 0, agree = 0, echo = 0, hit10 = 0;
    double precision = 0, reciprocal = 0;
    for (int cell = 0; cell < model_.config().d_ff; ++cell) {
      const MemoryRecord record = index.cell({layer.layer, cell});
      const double high = record.high.empty() ? 0 : std::abs(record.high[0].coefficient);
      const double low = record.low.empty() ? 0 : std::abs(record.low[0].coefficient);
      const auto& examples = high >= low ? record.high : record.low;
      const at::Tensor own = high >= low ? z[cell] : -z[cell];
      if (examples.empty() || !examples[0].next_id) continue;
      const auto favourite = own.argmax().item<std::int64_t>();
      const std::int64_t next = *examples[0].next_id;
      const auto rank = (own > own[next]).sum().item<std::int64_t>();
      ++defined;
      agree += favourite == next ? 1 : 0;
      echo += favourite == examples[0].token_id ? 1 : 0;
      hit10 += rank < 10 ? 1 : 0;
      reciprocal += 1.0 / static_cast<double>(rank + 1);
      double hits = 0, known = 0;
      for (const MemoryExample& example : examples) {
        known += example.next_id ? 1 : 0;
        hits += example.next_id == favourite ? 1 : 0;
      }
      precision += hits / known;
    }
    all_cells += defined;
    const auto count = static_cast<double>(defined);
    const ValueAgreement& found = *layer.agreement;
    EXPECT_EQ(found.defined, defined);
    EXPECT_NEAR(found.agreement, static_cast<double>(agree) / count, 1e-12);
    EXPECT_NEAR(found.echo, static_cast<double>(echo) / count, 1e-12);
    EXPECT_NEAR(found.hit10, static_cast<double>(hit10) / count, 2 / count);
    EXPECT_NEAR(found.mean_reciprocal_rank, reciprocal / count, 1e-4);
    EXPECT_NEAR(found.precision, precision / count, 1e-9);
    EXPECT_GT(found.shuffled, 0);
    EXPECT_EQ(found.triggers, 5);
    EXPECT_TRUE(read_values(options.index, layer.layer).has_value());
  }
  EXPECT_THAT(values_text(outcome, options, 200), HasSubstr("precision@5 "));
  EXPECT_THAT(values_page(outcome, options, model_), HasSubstr("precision@5"));
  ASSERT_THAT(outcome.equal_width, SizeIs(8));
  ASSERT_THAT(outcome.equal_count, SizeIs(8));
  std::int64_t in_bins = 0;
  for (const PredictiveBin& bin : outcome.equal_width) in_bins += bin.cells;
  EXPECT_EQ(in_bins, all_cells);
}

// Every cell that a plain look through values and triggers finds, with its score.
TEST_P(ValuesOfAnIndex, SearchFindsWhatTheListsHold) {
  ValueOptions options;
  options.index = folder_ / "index";
  options.top = 8;
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { search_memories(options.index, {"the"}); }),
              HasSubstr("reading the values into the index"));
  options.layers = {0};
  run_values(model_, options, no_progress());
  options.layers = {2};  // the tables of layer 0 stay
  run_values(model_, options, no_progress());
  const MemoryIndex index(options.index);
  const Tokenizer& tokenizer = model_.tokenizer();
  // Without the space in front, in lower case.
  const auto word_of = [&](std::int64_t token) {
    std::string text = tokenizer.token_bytes(token);
    text.erase(0, std::min(text.find_first_not_of(" \n\t\r"), text.size()));
    for (char& letter : text) letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
    return text;
  };
  const std::string word = word_of(index.cell({2, 1}).high.at(0).token_id);
  ASSERT_FALSE(word.empty());
  std::set<std::int64_t> ids;
  for (std::int64_t token = 0; token < tokenizer.size(); ++token)
    if (word_of(token) == word) ids.insert(token);
  std::map<MemoryId, double> wanted;
  for (const int layer : {0, 2}) {
    const ValueTable table = read_values(options.index, layer)->table;
    for (int cell = 0; cell < model_.config().d_ff; ++cell) {
      double score = 0;
      for (const at::Tensor& list : {table.top_ids, table.bottom_ids})
        for (std::int64_t k = 0; k < list.size(1); ++k)
          if (ids.contains(list[cell][k].item<std::int64_t>())) score += 1.0 / static_cast<double>(k + 1);
      const MemoryRecord record = index.cell({layer, cell});
      for (const auto& examples : {record.high, record.low}) {
        std::set<std::int64_t> seen;
        for (std::size_t k = 0; k < examples.size(); ++k)
          if (ids.contains(examples[k].token_id) && seen.insert(examples[k].token_id).second)
            score += 1.0 / static_cast<double>(k + 1);
      }
      if (score > 0) wanted[{layer, cell}] = score;
    }
  }
  const SearchOutcome outcome = search_memories(options.index, {word}, 100'000);
  EXPECT_EQ(outcome.found, static_cast<std::int64_t>(wanted.size()));
  ASSERT_THAT(outcome.hits, SizeIs(wanted.size()));
  for (const SearchHit& hit : outcome.hits)
    EXPECT_NEAR(hit.score, wanted.at(hit.cell), 1e-9) << to_string(hit.cell);
  for (std::size_t i = 1; i < outcome.hits.size(); ++i)
    EXPECT_GE(outcome.hits[i - 1].score, outcome.hits[i].score);
  EXPECT_THAT(search_memories(options.index, {word}, 2).hits,
              SizeIs(std::min<std::size_t>(2, wanted.size())));
  EXPECT_THAT(test::error_of(ErrorKind::kConfig,
                             [&] {
                               search_memories(options.index, {word, word + "qzx"});
                             }),
              testing::AllOf(HasSubstr("qzx"), HasSubstr("nearest")));
  test::error_of(ErrorKind::kUsage, [&] { search_memories(options.index, {}); });
  test::error_of(ErrorKind::kUsage, [&] { search_memories(options.index, {word}, 0); });
  for (const char* empty : {"", " "})
    EXPECT_THAT(test::error_of(ErrorKind::kUsage,
                               [&] {
                                 search_memories(options.index, {word, empty});
                               }),
                HasSubstr("is empty"));
}

TEST_P(ValuesOfAnIndex, SearchRefusesCellsThatAreNotThere) {
  const auto write = [&](std::int64_t cell, std::int64_t cells) {
    at::Tensor cells_named = at::empty({1}, at::kUInt32);
    *static_cast<std::uint32_t*>(cells_named.data_ptr()) = static_cast<std::uint32_t>(cell);
    FileWriter writer;
    writer.add("posting.end", std::vector<std::int64_t>{1});
    writer.add("posting.cell", cells_named);
    writer.add("posting.place", at::zeros({1}, at::kByte));
    writer.add("posting.rank", at::zeros({1}, at::kByte));
    writer.add("token.end", std::vector<std::int64_t>{1});
    writer.add("token.bytes", at::full({1}, 97, at::kByte));
    writer.set("kind", "memory search");
    writer.set("cells", std::to_string(cells));
    writer.write(search_file(folder_ / "index"));
  };
  const std::int64_t cells = model_.config().d_ff;
  write(cells, cells);
  EXPECT_EQ(search_memories(folder_ / "index", {"a"}).hits.at(0).cell, (MemoryId{1, 0}));
  write(4'000'000'000, cells);
  EXPECT_THAT(test::error_of(ErrorKind::kFormat, [&] { search_memories(folder_ / "index", {"a"}); }),
              HasSubstr("4000000000"));
  write(0, cells + 1);
  EXPECT_THAT(test::error_of(ErrorKind::kFormat, [&] { search_memories(folder_ / "index", {"a"}); }),
              HasSubstr("in a layer"));
}

TEST_P(ValuesOfAnIndex, ExplainShowsTriggers) {
  ExplainOptions options;
  options.prompt = test::world_edits(1)[0].prompt;
  options.index = folder_ / "index";
  options.cells = 60;
  const ExplainOutcome outcome = run_explain(model_, options, no_progress());
  bool any = false;
  for (const ExplainCell& cell : outcome.cells) {
    const bool scanned = cell.cell.layer == 0 || cell.cell.layer == 2;
    if (!scanned) {
      EXPECT_TRUE(cell.triggers.empty());
    }
    any = any || !cell.triggers.empty();
  }
  EXPECT_TRUE(any);
}

TEST_P(ValuesOfAnIndex, RefusesAnotherModelAndOtherLayers) {
  ValueOptions options;
  options.index = folder_ / "index";
  options.layers = {1};
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { run_values(model_, options, no_progress()); }),
              HasSubstr("layer 1 was not scanned"));
  options.layers = {};
  const Model other = test::load_world(GetParam() == "gpt2" ? "llama" : "gpt2");
  EXPECT_THAT(test::error_of(ErrorKind::kModel, [&] { run_values(other, options, no_progress()); }),
              HasSubstr("another model"));
}

}  // namespace
}  // namespace emend
