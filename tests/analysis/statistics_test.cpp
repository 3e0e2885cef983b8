#include "emend/statistics.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <limits>

#include "analysis/moments_in_file.h"
#include "base/expect_error.h"
#include "base/temp_folder.h"
#include "emend/edit.h"
#include "emend/statistics_run.h"
#include "emend/tensor_file.h"
#include "linalg/spd_factor.h"
#include "support/tiny_models.h"
#include "support/world.h"
#include "text/corpus.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

// float32 sums of a test model are compared after division by the largest element.
double relative_gap(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).norm().item<double>() / b.norm().item<double>();
}

class StatisticsOfText : public ::testing::TestWithParam<std::string> {
 protected:
  StatisticsOfText() : model_(test::load_world(GetParam())) {
    options_.layers = {1, 3};
    options_.prefix = model_.tokenizer().automatic_prefix();
    options_.corpus = {test::data_path("world/text.txt")};
    options_.tokens = model_.config().d_ff + 100;
  }
  Model model_;
  StatisticsOptions options_;
  SilentProgress silent_;
};
INSTANTIATE_TEST_SUITE_P(World, StatisticsOfText, ::testing::Values("gpt2", "llama"),
                         [](const auto& shape) { return shape.param; });

// The rows that a run takes, from the pieces that it is made of: documents by rank, the first ones held back.
std::vector<TokenIds> expected_rows(const Model& model, const StatisticsOptions& options) {
  SilentProgress silent;
  const CorpusIndex index = scan_corpus(options.corpus, "text", options.seed, silent);
  std::size_t to_hold = std::min<std::size_t>(16, index.documents.size() / 10);
  std::vector<TokenIds> rows;
  for (const SampledDocument& document : read_documents(index, 0, index.documents.size())) {
    const auto ids = model.tokenizer().encode(document.text, SpecialTokens::kNone).ids;
    const auto of_document = document_rows(ids, options.prefix, 128);
    if (of_document.empty()) continue;
    if (to_hold > 0)
      --to_hold;
    else
      rows.insert(rows.end(), of_document.begin(), of_document.end());
  }
  return rows;
}

TEST_P(StatisticsOfText, EqualAPlainSumOverRecordedKeys) {
  const Statistics statistics = collect_statistics(model_, options_, silent_);
  ASSERT_EQ(statistics.layers.size(), 2u);
  const auto rows = expected_rows(model_, options_);
  for (const int layer : {1, 3}) {
    // Rows one at a time, float64, position 0 left out, up to the number asked for.
    at::Tensor sum = at::zeros({model_.config().d_ff, model_.config().d_ff}, at::kDouble);
    std::int64_t left = options_.tokens;
    for (std::size_t i = 0; i < rows.size() && left > 0; ++i) {
      const at::Tensor keys = test::plain_vectors(model_, rows[i], Site::kKey, layer);
      const std::int64_t count = std::min(left, keys.size(0) - 1);
      const at::Tensor used = keys.narrow(0, 1, count).to(at::kDouble);
      sum += at::matmul(used.t(), used);
      left -= count;
    }
    ASSERT_EQ(left, 0);
    EXPECT_EQ(statistics.layers.at(layer).tokens, options_.tokens);
    const at::Tensor& C = statistics.layers.at(layer).C;
    EXPECT_LT(relative_gap(C, sum / static_cast<double>(options_.tokens)), 1e-6);
    EXPECT_TRUE(at::equal(C, C.t()));
    EXPECT_TRUE(solve_with_ridge(C, 1e-5, C.narrow(1, 0, 1)).has_value())
        << "positive definite after the stated ridge";
  }
}

TEST_P(StatisticsOfText, DoNotDependOnTheTokenBudgetOrOnOtherLayers) {
  const Statistics whole = collect_statistics(model_, options_, silent_);
  options_.token_budget = 200;
  const Statistics portions = collect_statistics(model_, options_, silent_);
  options_.layers = {3};
  const Statistics alone = collect_statistics(model_, options_, silent_);
  EXPECT_LT(relative_gap(portions.layers.at(3).C, whole.layers.at(3).C), 1e-5);
  EXPECT_LT(relative_gap(alone.layers.at(3).C, whole.layers.at(3).C), 1e-5);
  EXPECT_EQ(portions.fingerprint(), whole.fingerprint());
}

TEST_P(StatisticsOfText, HeldTextIsNotAmongTheSums) {
  const Statistics statistics = collect_statistics(model_, options_, silent_);
  ASSERT_EQ(statistics.held_text.size(), 16u);
  ASSERT_EQ(statistics.held_documents.size(), 16u);
  ASSERT_FALSE(statistics.documents.empty());
  for (std::size_t i = 0; i < statistics.held_text.size(); ++i) {
    const TokenIds& held = statistics.held_text[i];
    EXPECT_EQ(held.front(), options_.prefix.front());
    EXPECT_GT(held.size(), 1u);
    EXPECT_LE(held.size(), 48u);
    EXPECT_FALSE(std::binary_search(statistics.documents.begin(), statistics.documents.end(),
                                    statistics.held_documents[i]));
  }
}

TEST_P(StatisticsOfText, TheSampleIsOfTheSeed) {
  const Statistics a = collect_statistics(model_, options_, silent_);
  options_.seed = 1;
  const Statistics b = collect_statistics(model_, options_, silent_);
  EXPECT_NE(a.documents, b.documents);
  EXPECT_NE(a.fingerprint(), b.fingerprint());
}

TEST_P(StatisticsOfText, FewerKeysThanDimensionsGiveASingularC) {
  const test::TempFolder folder;
  options_.corpus = {folder.write("short.txt", "It rained in Josov for twenty days.\n")};
  const Statistics statistics = collect_statistics(model_, options_, silent_);
  const LayerStatistics& layer = statistics.layers.at(3);
  EXPECT_LT(layer.tokens, model_.config().d_ff);
  EXPECT_FALSE(layer.quality.condition.has_value());
  EXPECT_FALSE(layer.quality.error_estimate.has_value());
  EXPECT_TRUE(solve_with_ridge(layer.C, 1e-5, layer.C.narrow(1, 0, 1)).has_value());
}

TEST_P(StatisticsOfText, ACorpusThatIsNotThereOrHoldsNothingIsRefused) {
  const test::TempFolder folder;
  options_.corpus = {folder / "absent.txt"};
  EXPECT_THAT(test::error_of(ErrorKind::kIo, [&] { collect_statistics(model_, options_, silent_); }),
              HasSubstr("absent.txt"));
  options_.corpus = {folder.write("tiny.txt", "Ha\n")};
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { collect_statistics(model_, options_, silent_); }),
              HasSubstr("8 tokens"));
}

TEST_P(StatisticsOfText, ALayerOutOfRangeIsRefused) {
  for (const std::vector<int>& layers : {std::vector<int>{9}, {-1}, {}}) {
    options_.layers = layers;
    EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { collect_statistics(model_, options_, silent_); }),
                HasSubstr("layer"));
  }
}

// --- text that the model writes itself

StatisticsOptions own_text(const Model& model, std::uint64_t seed) {
  StatisticsOptions options;
  options.layers = {0, 2};
  options.tokens = 2 * model.config().d_ff;
  options.seed = seed;
  return options;
}

class StatisticsOfOwnText : public ::testing::TestWithParam<std::string> {
 protected:
  StatisticsOfOwnText() : model_(test::tiny_model(GetParam(), 3)) {}
  Model model_;
  SilentProgress silent_;
};
INSTANTIATE_TEST_SUITE_P(Shapes, StatisticsOfOwnText, ::testing::Values("gpt2", "llama"),
                         [](const auto& shape) { return shape.param; });

TEST_P(StatisticsOfOwnText, DependOnTheSeedAndNotOnTheTokenBudget) {
  StatisticsOptions options = own_text(model_, 4);
  const Statistics a = collect_statistics(model_, options, silent_);
  options.token_budget = 100;
  const Statistics b = collect_statistics(model_, options, silent_);
  options.seed = 5;
  const Statistics c = collect_statistics(model_, options, silent_);
  for (const int layer : {0, 2}) {
    EXPECT_TRUE(at::equal(a.layers.at(layer).C, b.layers.at(layer).C));
    EXPECT_FALSE(at::equal(a.layers.at(layer).C, c.layers.at(layer).C));
    EXPECT_EQ(a.layers.at(layer).tokens, options.tokens);
  }
  EXPECT_EQ(a.held_text, b.held_text);
  EXPECT_NE(a.held_text, c.held_text);
  EXPECT_EQ(a.fingerprint(), b.fingerprint());
  EXPECT_NE(a.fingerprint(), c.fingerprint());
}

TEST_P(StatisticsOfOwnText, HeldTextIsThere) {
  const Statistics statistics = collect_statistics(model_, own_text(model_, 4), silent_);
  ASSERT_FALSE(statistics.held_text.empty());
  for (const TokenIds& row : statistics.held_text) {
    EXPECT_EQ(row.front(), start_token(model_, {}));
    EXPECT_GT(row.size(), 1u);
    EXPECT_LE(row.size(), 40u) << "no longer than the model's positions";
  }
}

// The texts that are summed can be written again by `generate`: row i draws from stream i.
TEST_P(StatisticsOfOwnText, AreOfTheTokensThatTheModelDrawsWithoutPosition0) {
  constexpr std::int64_t kSideBySide = 64;
  StatisticsOptions options = own_text(model_, 0);
  options.tokens = model_.config().d_ff;  // all second tokens and some third ones
  const std::int64_t start = start_token(model_, {});
  GenerateOptions sampling;
  sampling.max_new = 2;
  sampling.temperature = 1;
  std::vector<TokenIds> texts;
  const auto restarts = [&] {  // a drawn start token would begin a new text
    return std::any_of(texts.begin(), texts.end(),
                       [&](const TokenIds& text) { return text[0] == start || text[1] == start; });
  };
  do {
    sampling.seed = ++options.seed;
    texts = generate(model_, std::vector<TokenIds>(kSideBySide, {start}), sampling);
  } while (restarts() && options.seed < 1000);
  ASSERT_FALSE(restarts());
  at::Tensor sum = at::zeros({options.tokens, options.tokens}, at::kDouble);
  for (std::int64_t row = 0; row < kSideBySide; ++row) {
    const at::Tensor keys =
        test::plain_vectors(model_, {start, texts[row][0], texts[row][1]}, Site::kKey, 2).to(at::kDouble);
    sum += at::outer(keys[1], keys[1]);
    if (row < options.tokens - kSideBySide) sum += at::outer(keys[2], keys[2]);
  }
  const Statistics statistics = collect_statistics(model_, options, silent_);
  EXPECT_LT(relative_gap(statistics.layers.at(2).C, sum / static_cast<double>(options.tokens)), 1e-5);
}

// --- on disk

class StatisticsFile : public ::testing::Test {
 protected:
  StatisticsFile() : model_(test::tiny_model("llama", 3)) {
    StatisticsOptions options = own_text(model_, 4);
    options.prefix = prefix_;
    statistics_ = collect_statistics(model_, options, silent_);
    save_statistics(statistics_, model_, prefix_, folder_.path());
  }
  std::string refusal(ErrorKind kind) {
    return test::error_of(kind, [&] { load_statistics(model_, {0, 2}, prefix_, folder_.path()); });
  }

  const std::vector<std::int64_t> prefix_ = {3};
  Model model_;
  SilentProgress silent_;
  test::TempFolder folder_;
  Statistics statistics_;
};

TEST_F(StatisticsFile, ComesBackAsItWas) {
  const Statistics loaded = load_statistics(model_, {2, 0}, prefix_, folder_.path());
  ASSERT_EQ(loaded.layers.size(), 2u);
  for (const int layer : {0, 2}) {
    EXPECT_TRUE(
        at::equal(loaded.layers.at(layer).C, statistics_.layers.at(layer).C.to(at::kFloat).to(at::kDouble)));
    EXPECT_EQ(loaded.layers.at(layer).tokens, statistics_.layers.at(layer).tokens);
  }
  EXPECT_EQ(loaded.held_text, statistics_.held_text);
  EXPECT_EQ(loaded.source(), statistics_.source());
  EXPECT_EQ(loaded.fingerprint(), statistics_.fingerprint());
}

TEST_F(StatisticsFile, CanStayWhereItIs) {
  const Statistics read = load_statistics(model_, {0, 2}, prefix_, folder_.path());
  const Statistics left = load_statistics_in_file(model_, {0, 2}, prefix_, folder_.path());
  std::filesystem::remove_all(folder_.path());
  for (const int layer : {0, 2}) {
    const LayerStatistics& its = left.layers.at(layer);
    EXPECT_EQ(its.C.scalar_type(), at::kFloat);
    EXPECT_TRUE(at::equal(its.C.to(at::kDouble), read.layers.at(layer).C));
    let_go_of(its.C);
    EXPECT_TRUE(at::equal(its.C.to(at::kDouble), read.layers.at(layer).C)) << "it is read again";
    EXPECT_TRUE(at::equal(its.probes, read.layers.at(layer).probes));
  }
  EXPECT_EQ(left.fingerprint(), read.fingerprint());
}

TEST_F(StatisticsFile, SavingTwiceGivesTheSameBytes) {
  const test::TempFolder again;
  save_statistics(statistics_, model_, prefix_, again.path());
  for (const char* name : {"layer_0.safetensors", "layer_2.safetensors", "held_text.safetensors"})
    EXPECT_EQ(test::read_all(again / name), test::read_all(folder_ / name)) << name;
}

TEST_F(StatisticsFile, AnAbsentLayerGivesNothingAtAll) {
  EXPECT_TRUE(load_statistics(model_, {0, 1}, prefix_, folder_.path()).layers.empty());
  EXPECT_TRUE(load_statistics(model_, {0}, prefix_, folder_ / "nowhere").layers.empty());
}

TEST_F(StatisticsFile, OfAnotherModelIsRefused) {
  const Model other = Model::make_random(test::tiny_config("llama", 3), 2, {});
  EXPECT_THAT(
      test::error_of(ErrorKind::kModel, [&] { load_statistics(other, {0}, prefix_, folder_.path()); }),
      ::testing::AllOf(HasSubstr("another model"), HasSubstr("layer_0.safetensors")));
}

TEST_F(StatisticsFile, OfAnotherBosIsRefused) {
  EXPECT_THAT(test::error_of(ErrorKind::kModel, [&] { load_statistics(model_, {0}, {}, folder_.path()); }),
              HasSubstr("another BOS"));
}

TEST_F(StatisticsFile, ABrokenOneIsRefused) {
  const std::string bytes = test::read_all(folder_ / "layer_2.safetensors");
  folder_.write("layer_2.safetensors", bytes.substr(0, bytes.size() - 5));
  EXPECT_THAT(refusal(ErrorKind::kFormat), HasSubstr("layer_2.safetensors"));
  std::string nan = bytes;
  nan.replace(nan.size() - 4, 4, std::string("\x00\x00\xc0\x7f", 4));  // the probes come last
  folder_.write("layer_2.safetensors", nan);
  EXPECT_THAT(refusal(ErrorKind::kFormat), ::testing::AllOf(HasSubstr("probes"), HasSubstr("NaN")));
  const auto header = static_cast<std::size_t>(static_cast<unsigned char>(bytes[0]) +
                                               256 * static_cast<unsigned char>(bytes[1]));
  nan = bytes;
  nan.replace(8 + header, 4, std::string("\x00\x00\xc0\x7f", 4));
  folder_.write("layer_2.safetensors", nan);
  EXPECT_THAT(refusal(ErrorKind::kFormat), ::testing::AllOf(HasSubstr("model.layers.2.C"), HasSubstr("NaN")));
  const auto leave_it = [&] { load_statistics_in_file(model_, {0, 2}, prefix_, folder_.path()); };
  EXPECT_THAT(test::error_of(ErrorKind::kFormat, leave_it), HasSubstr("NaN"));
  folder_.write("layer_2.safetensors", "");
  refusal(ErrorKind::kFormat);
  write_safetensors(folder_ / "layer_2.safetensors", {}, {});
  EXPECT_THAT(refusal(ErrorKind::kFormat), HasSubstr("emend."));
}

TEST_F(StatisticsFile, BrokenHeldTextIsRefused) {
  const auto write = [&](const std::vector<std::int64_t>& ids, const std::vector<std::int64_t>& lengths) {
    const auto tensor = [](const char* name, const std::vector<std::int64_t>& values) {
      return TensorToWrite{
          name, "I64", {static_cast<std::int64_t>(values.size())}, std::as_bytes(std::span(values))};
    };
    write_safetensors(folder_ / "held_text.safetensors", {tensor("ids", ids), tensor("lengths", lengths)},
                      {});
  };
  write({1, 2, 3}, {2, 2});
  EXPECT_THAT(refusal(ErrorKind::kFormat), HasSubstr("lengths"));
  write({1, 2, 3}, {3, -1});
  EXPECT_THAT(refusal(ErrorKind::kFormat), HasSubstr("lengths"));
  write({1, 2, 3}, {std::numeric_limits<std::int64_t>::max()});
  EXPECT_THAT(refusal(ErrorKind::kFormat), HasSubstr("lengths"));
  write({1, 96, 3}, {3});
  EXPECT_THAT(refusal(ErrorKind::kFormat), HasSubstr("96"));
  write({1, 2, 3}, {1, 2});
  EXPECT_EQ(load_statistics(model_, {0}, prefix_, folder_.path()).held_text,
            (std::vector<TokenIds>{{1}, {2, 3}}));
}

}  // namespace
}  // namespace emend
