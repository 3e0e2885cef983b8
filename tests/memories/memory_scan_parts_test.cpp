// A scan in parts: stopped and resumed, in shards, in other blocks, from text of the model's own, and swept
// by tensor operations.
#include <gmock/gmock.h>

#include "base/expect_error.h"
#include "emend/memory_scan.h"
#include "memories/index_files.h"
#include "memories/index_text.h"
#include "memories/scan_state.h"
#include "memories/scan_visitor.h"
#include "memories/scans.h"
#include "memories/state_numbers.h"
#include "support/stop_at.h"

namespace emend {
namespace {

using test::scan_into;
using ::testing::HasSubstr;

class ScanParts : public test::WorldScans {};
INSTANTIATE_TEST_SUITE_P(Shapes, ScanParts, ::testing::Values("gpt2", "llama"),
                         [](const auto& shape) { return shape.param; });

TEST_P(ScanParts, AStoppedScanGoesOnToTheSameBytes) {
  scan_into(model_, options_, folder_ / "whole");
  SilentProgress silent;
  const MemoryScan scan(model_, options_, silent);
  const std::filesystem::path stopped = folder_ / "stopped";
  for (int signs = 3; !std::filesystem::exists(stopped / "checkpoint.safetensors"); signs += 2) {
    ASSERT_LT(signs, 100);
    test::StopAt stopping(signs);
    test::error_of(ErrorKind::kInterrupted, [&] { scan.run({stopped, false}, stopping); });
  }
  EXPECT_THAT(test::error_of(ErrorKind::kConfig,
                             [&] {
                               scan.run({stopped, false}, silent);
                             }),
              HasSubstr("resume"));
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { MemoryIndex{stopped}; }), HasSubstr("not finished"));
  const ScanOutcome outcome = scan.run({stopped, true}, silent);
  EXPECT_GT(outcome.resumed_blocks, 0);
  test::expect_same_folder(folder_ / "whole", stopped);
  // What is finished is taken as it is.
  EXPECT_EQ(scan.run({stopped, true}, silent).resumed_blocks, outcome.plan.blocks);
}

TEST_P(ScanParts, ShardsMergeToTheSameBytes) {
  for (const Dedup dedup : {Dedup::kNone, Dedup::kWindow, Dedup::kSuffix}) {
    options_.dedup = dedup;
    const std::string name = to_string(dedup);
    scan_into(model_, options_, folder_ / ("whole_" + name));
    std::vector<std::filesystem::path> parts;
    for (const int shard : {2, 0, 1}) {
      ScanOptions own = options_;
      own.shard = shard;
      own.shards = 3;
      parts.push_back(folder_ / (name + std::to_string(shard)));
      EXPECT_TRUE(scan_into(model_, own, parts.back()).is_part);
    }
    SilentProgress silent;
    merge_scans(parts, folder_ / ("merged_" + name), silent);
    test::expect_same_folder(folder_ / ("whole_" + name), folder_ / ("merged_" + name));
  }
}

TEST_P(ScanParts, BlocksAndBudgetsChangeNoTable) {
  options_.layers = {1};
  scan_into(model_, options_, folder_ / "a");
  options_.block_tokens = 100000;
  options_.token_budget = 300;
  scan_into(model_, options_, folder_ / "b");
  const MemoryIndex a(folder_ / "a"), b(folder_ / "b");
  int same = 0, all = 0;
  for (int cell = 0; cell < model_.config().d_ff; ++cell) {
    const MemoryRecord x = a.cell({1, cell}), y = b.cell({1, cell});
    for (std::size_t place = 0; place < x.high.size(); ++place, ++all) {
      same += x.high[place].document == y.high[place].document ? 1 : 0;
      // A batch of other rows rounds the products in another way.
      EXPECT_NEAR(x.high[place].coefficient, y.high[place].coefficient, 1e-4);
    }
    for (std::size_t place = 0; place < x.random.size(); ++place)
      EXPECT_EQ(x.random[place].position, y.random[place].position);
  }
  EXPECT_GT(same, all * 0.98);
}

TEST_P(ScanParts, StatesTravelAsNumbers) {
  const StateShape shape = StateShape::of(model_, 0, options_);
  LayerState a(shape), b(shape);
  const auto fill = [&](LayerState& state, std::uint32_t address) {
    const std::vector<float> extra(static_cast<std::size_t>(state.high.extras()), 0.5F);
    state.high.offer(3, {1.5F, address}, extra, address);
    state.counts.tokens = address;
    state.counts.sum[4].add(0.1 * address);
    state.counts.least[2] = -static_cast<float>(address);
  };
  fill(a, 7);
  fill(b, 9);
  std::vector<std::uint64_t> numbers = numbers_of(a);
  for (const std::uint64_t number : numbers_of(b)) numbers.push_back(number);
  const LayerState both = state_of(numbers, shape);
  a.merge(b);
  EXPECT_EQ(numbers_of(both), numbers_of(a));
  EXPECT_EQ(both.counts.tokens, 16);
  EXPECT_EQ(both.high.size(3), 2U);
}

TEST_P(ScanParts, DocumentsCountOverTheCorpusInTheOrderGiven) {
  const std::string again = "The river rose again in Thidov, and the bridge at Josov was closed.\n";
  const auto line = [](int i) {
    return "In year " + std::to_string(i) + " the firm of Drostant Works moved to the city of Thonon.\n";
  };
  options_.corpus = {folder_.write("b.txt", line(1) + again + line(2)),
                     folder_.write("a.txt", line(3) + again + line(4))};
  options_.tokens = kAllTokens;
  const auto text = test::text_of(model_, options_);
  std::vector<std::int64_t> documents;
  std::uint64_t address = 0;
  for (const PlacedRow& row : text->rows()) {
    documents.push_back(row.document);
    EXPECT_EQ(row.address, address);
    address += row.ids.size();
    const std::string read = model_.tokenizer().decode(row.ids, true);
    const int lines[] = {1, 0, 2, 3, 0, 4};
    if (row.document != 1) {
      EXPECT_THAT(read, HasSubstr("year " + std::to_string(lines[row.document])));
    }
  }
  EXPECT_EQ(documents, (std::vector<std::int64_t>{0, 1, 2, 3, 5}));  // 4 stands there already
  const test::Recorder all = test::record(model_, *text, 0);
  for (const PlacedRow& row : text->rows())
    for (std::size_t j = 0; j < row.ids.size(); ++j) {
      const TextToken& token = all.tokens.at(row.address + j);
      EXPECT_EQ(token.id, row.ids[j]);
      EXPECT_EQ(token.position, static_cast<std::int64_t>(j));
    }
}

TEST_P(ScanParts, TextOfTheModelsOwnIsScannedAsGivenTextIs) {
  options_.corpus.clear();
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { scan_into(model_, options_, folder_ / "x"); }),
              HasSubstr("no corpus"));
  options_.own_text = true;
  options_.tokens = 600;
  options_.block_tokens = 200;
  options_.layers = {1};
  scan_into(model_, options_, folder_ / "index");
  const MemoryIndex index(folder_ / "index");
  EXPECT_EQ(index.head().tokens, 600);
  EXPECT_THAT(index.head().corpus, HasSubstr("self"));
  const MemoryRecord record = index.cell({1, 4});
  ASSERT_FALSE(record.high.empty());
  EXPECT_THAT(record.high[0].source, HasSubstr("the model's own"));
  // The same coefficient from the row alone.
  const IndexText text(folder_ / "index/text.safetensors", options_.prefix.size());
  for (std::uint64_t address = 0; address < text.tokens();) {
    const IndexText::Row& row = *text.find(address)->row;
    address += row.length;
    if (row.document != record.high[0].document) continue;
    PassInput input;
    input.ids.emplace_back();
    for (std::int64_t j = 0; j < static_cast<std::int64_t>(row.length); ++j)
      input.ids[0].push_back(text.id({&row, j}));
    input.recordings = {{Site::kKey, 1, {}}};
    const at::Tensor key = model_.forward(input).recorded[0];
    EXPECT_NEAR(key[record.high[0].position][4].item<float>(), record.high[0].coefficient, 1e-4);
  }
  scan_into(model_, options_, folder_ / "again");
  test::expect_same_folder(folder_ / "index", folder_ / "again");
  for (int shard = 0; shard < 2; ++shard) {
    options_.shard = shard;
    options_.shards = 2;
    scan_into(model_, options_, folder_ / "parts");
  }
  SilentProgress silent;
  merge_scans({folder_ / "parts"}, folder_ / "merged", silent);
  test::expect_same_folder(folder_ / "index", folder_ / "merged");
  options_ = test::small_scan(model_);
  options_.own_text = true;
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { scan_into(model_, options_, folder_ / "x"); }),
              HasSubstr("its own text"));
}

// Work that tells of its first stage.
class NoStage : public SilentProgress {
 public:
  void begin(std::string_view stage, std::int64_t, std::string_view) override {
    throw Error(ErrorKind::kInterrupted, std::string(stage));
  }
};

TEST_P(ScanParts, NoTextIsWrittenForAPlanOrAFolderThatIsRefused) {
  NoStage nothing;
  scan_into(model_, options_, folder_ / "index");
  EXPECT_THAT(test::error_of(ErrorKind::kConfig,
                             [&] { scan_memories(model_, options_, {folder_ / "index"}, nothing); }),
              HasSubstr("resume"));
  options_.corpus.clear();
  options_.own_text = true;
  options_.tokens = 600;
  options_.block_tokens = 200;
  EXPECT_THAT(test::error_of(ErrorKind::kConfig,
                             [&] { scan_memories(model_, options_, {folder_ / "index"}, nothing); }),
              HasSubstr("resume"));
  const ScanPlan plan = plan_memories(model_, options_, nothing);
  EXPECT_EQ(plan.tokens, 600);
  EXPECT_EQ(plan.blocks, 3);
  EXPECT_EQ(plan.rows, 0);
  EXPECT_THAT(test::error_of(ErrorKind::kInterrupted,
                             [&] { scan_memories(model_, options_, {folder_ / "other"}, nothing); }),
              HasSubstr("writing text"));
}

void expect_same_findings(const ScanVisitor& one, const ScanVisitor& other) {
  for (std::size_t i = 0; i < one.states().size(); ++i) {
    const LayerState &a = one.states()[i], &b = other.states()[i];
    for (const auto table : {&LayerState::high, &LayerState::low, &LayerState::random, &LayerState::spread}) {
      EXPECT_EQ((a.*table).scores(), (b.*table).scores());
      EXPECT_EQ((a.*table).addresses(), (b.*table).addresses());
      EXPECT_EQ((a.*table).all_extras(), (b.*table).all_extras());
    }
    EXPECT_EQ(a.counts.histogram, b.counts.histogram);
    EXPECT_EQ(a.counts.active, b.counts.active);
    EXPECT_EQ(a.counts.both, b.counts.both);
    EXPECT_EQ(a.counts.tokens, 2500);
    EXPECT_EQ(b.counts.tokens, 2500);
    EXPECT_EQ(a.counts.least, b.counts.least);
    EXPECT_NEAR(a.counts.variance(5), b.counts.variance(5), 1e-5 * a.counts.variance(5));
  }
}

// What sweep is used for a pass on the CPU, and what for one on a GPU, over the same coefficients.
TEST_P(ScanParts, BothSweepsFindTheSameInOnePass) {
  options_.token_budget = 600;
  for (const Dedup dedup : {Dedup::kNone, Dedup::kWindow, Dedup::kSuffix}) {
    options_.dedup = dedup;
    const ScanOptions settled = settle_scan_options(model_, options_);
    const auto text = test::text_of(model_, settled);
    for (const SweepPlace place : {SweepPlace::kByTensors, SweepPlace::kByKernels}) {
      ScanVisitor one(model_, settled, "", 2500), other(model_, settled, "", 2500, place);
      SilentProgress silent;
      for (ScanVisitor* visitor : {&one, &other})
        walk_text(model_, *text, *visitor, {"scanning", {}, {}, false}, silent);
      expect_same_findings(one, other);
    }
  }
}

// The last portion is fetched when it is asked for, in a layer that no other one follows as well.
TEST_P(ScanParts, TokensOfTheLastPortionOnADeviceCount) {
  options_.token_budget = 600;
  options_.layers = {1};
  const ScanOptions settled = settle_scan_options(model_, options_);
  const auto text = test::text_of(model_, settled);
  for (const SweepPlace place : {SweepPlace::kByTensors, SweepPlace::kByKernels}) {
    ScanVisitor visitor(model_, settled, "", 2500, place);
    SilentProgress silent;
    walk_text(model_, *text, visitor, {"scanning", {}, {}, false}, silent);
    EXPECT_EQ(visitor.tokens(), 2500);
  }
}

// The histogram of a long text is of a sample: shares are of what it holds.
TEST_P(ScanParts, SharesOfASampleAreThoseOfAllTokens) {
  options_.layers = {2};
  scan_into(model_, options_, folder_ / "index");
  const ScanOptions settled = settle_scan_options(model_, options_);
  const auto text = test::text_of(model_, settled);
  ScanVisitor visitor(model_, settled, "", 4 * 32768);  // of which 1 token in 4 is in the sample
  SilentProgress silent;
  walk_text(model_, *text, visitor, {"scanning", {}, {}, false}, silent);
  const std::vector<int> cells = {0, 3, 17};
  std::vector<MemoryRecord> whole;
  const MemoryIndex before(folder_ / "index");
  for (const int cell : cells) whole.push_back(before.cell({2, cell}));
  write_index_layer(folder_ / "index", visitor.finish().front(), before.head().fingerprint);
  const MemoryIndex sampled(folder_ / "index");
  for (const MemoryRecord& all : whole) {
    const MemoryRecord some = sampled.cell(all.id);
    std::int64_t counted = 0;
    for (const std::int64_t bin : some.histogram) counted += bin;
    EXPECT_EQ(some.tokens, 2500);
    EXPECT_GT(counted, 2500 / 8);
    EXPECT_LT(counted, 2500 / 2);
    ASSERT_FALSE(some.high.empty());
    EXPECT_EQ(some.high[0].coefficient, all.high.at(0).coefficient);
    EXPECT_NEAR(some.high[0].share, all.high[0].share, 0.05);
    EXPECT_GT(some.high[0].share, 0.9) << "next to no token has a larger coefficient";
  }
}

}  // namespace
}  // namespace emend
