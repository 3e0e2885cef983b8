// Statistics of several texts joined, and those of other programs taken in.
#include <gmock/gmock.h>

#include <cstring>

#include "base/expect_error.h"
#include "base/temp_folder.h"
#include "emend/statistics.h"
#include "emend/statistics_run.h"
#include "support/npz_builder.h"
#include "support/tiny_models.h"
#include "support/world.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

class StatisticsMerge : public ::testing::Test {
 protected:
  StatisticsMerge() : model_(test::load_world("gpt2")) {
    const std::string text = test::read_all(test::data_path("world/text.txt"));
    const std::size_t middle = text.find('\n', text.size() / 2) + 1;
    first_ = folder_.write("first.txt", text.substr(0, middle));
    second_ = folder_.write("second.txt", text.substr(middle));
    options_.layers = {1, 3};
    options_.prefix = model_.tokenizer().automatic_prefix();
    options_.tokens = 2000;
  }
  fs::path collect(const std::string& name, const fs::path& corpus, bool keep_sums = false) {
    options_.corpus = {corpus};
    StatisticsRun(model_, options_, silent_).collect_into({folder_ / name, false, keep_sums}, silent_);
    return folder_ / name;
  }
  std::string refusal(ErrorKind kind, const std::vector<fs::path>& folders) {
    const std::string message =
        test::error_of(kind, [&] { merge_statistics(folders, folder_ / "refused", silent_); });
    EXPECT_FALSE(fs::exists(folder_ / "refused"));
    return message;
  }

  Model model_;
  SilentProgress silent_;
  StatisticsOptions options_;
  test::TempFolder folder_;
  fs::path first_, second_;
};

TEST_F(StatisticsMerge, OfFinishedLayersIsTheMeanOverAllKeys) {
  const fs::path a = collect("a", first_);
  options_.tokens = 3000;
  const fs::path b = collect("b", second_);
  const MergeReport report = merge_statistics({a, b}, folder_ / "m", silent_);
  const Statistics in_a = load_statistics(model_, {1, 3}, options_.prefix, a),
                   in_b = load_statistics(model_, {1, 3}, options_.prefix, b);
  const Statistics merged = load_statistics(model_, {1, 3}, options_.prefix, folder_ / "m");
  for (const int layer : {1, 3}) {
    EXPECT_EQ(merged.layers.at(layer).tokens, 5000);
    const at::Tensor wanted = (in_a.layers.at(layer).C * 2000 + in_b.layers.at(layer).C * 3000) / 5000;
    EXPECT_LT((merged.layers.at(layer).C - wanted).norm().item<double>(),
              1e-6 * wanted.norm().item<double>());
    ASSERT_TRUE(merged.layers.at(layer).quality.error_estimate.has_value());
    EXPECT_GT(*merged.layers.at(layer).quality.error_estimate, 0);
  }
  EXPECT_EQ(report.layers.size(), 2u);
  EXPECT_THAT(merged.source(), AllOf(HasSubstr("text: 1 file"), HasSubstr(" + ")));
  EXPECT_EQ(merged.held_text.size(), in_a.held_text.size() + in_b.held_text.size());
  EXPECT_EQ(merged.documents.size(), in_a.documents.size() + in_b.documents.size());
}

TEST_F(StatisticsMerge, OfSumsAddsInFloat64AndEqualsTheFinishedOnes) {
  const MergeReport sums =
      merge_statistics({collect("a", first_, true), collect("b", second_, true)}, folder_ / "sums", silent_);
  const MergeReport layers =
      merge_statistics({collect("c", first_), collect("d", second_)}, folder_ / "layers", silent_);
  EXPECT_EQ(sums.fingerprint, layers.fingerprint);
  const Statistics x = load_statistics(model_, {1, 3}, options_.prefix, folder_ / "sums"),
                   y = load_statistics(model_, {1, 3}, options_.prefix, folder_ / "layers");
  for (const int layer : {1, 3})
    EXPECT_LT((x.layers.at(layer).C - y.layers.at(layer).C).norm().item<double>(),
              1e-6 * x.layers.at(layer).C.norm().item<double>());
  EXPECT_THAT(refusal(ErrorKind::kConfig, {folder_ / "a", folder_ / "d"}), HasSubstr("partial sums"));
}

TEST_F(StatisticsMerge, OrderOfTheFoldersDoesNotMatter) {
  const fs::path a = collect("a", first_, true), b = collect("b", second_, true);
  merge_statistics({a, b}, folder_ / "ab", silent_);
  merge_statistics({b, a}, folder_ / "ba", silent_);
  EXPECT_EQ(test::read_all(folder_ / "ab/layer_3.safetensors"),
            test::read_all(folder_ / "ba/layer_3.safetensors"));
}

TEST_F(StatisticsMerge, TextThatIsInBothIsFound) {
  const fs::path a = collect("a", first_);
  EXPECT_THAT(refusal(ErrorKind::kConfig, {a, a / "."}), HasSubstr("twice"));
  fs::copy(a, folder_ / "copy", fs::copy_options::recursive);
  EXPECT_THAT(refusal(ErrorKind::kConfig, {a, folder_ / "copy"}),
              AllOf(HasSubstr("documents are in both"), HasSubstr("copy")));
  const fs::path whole = folder_.write("whole.txt", test::read_all(first_) + test::read_all(second_));
  options_.tokens = kAllTokens;
  EXPECT_THAT(refusal(ErrorKind::kConfig, {a, collect("whole", whole)}), HasSubstr("documents are in both"));
}

TEST_F(StatisticsMerge, OtherModelsAndSettingsAreRefusedWithTheReason) {
  const fs::path a = collect("a", first_);
  options_.window = 64;
  EXPECT_THAT(refusal(ErrorKind::kModel, {a, collect("window", second_)}),
              AllOf(HasSubstr("window 64"), HasSubstr("window 128")));
  options_.window = 512;
  options_.prefix = {5};
  EXPECT_THAT(refusal(ErrorKind::kModel, {a, collect("bos", second_)}), HasSubstr("BOS"));
  options_.prefix = model_.tokenizer().automatic_prefix();
  options_.layers = {1};
  EXPECT_THAT(refusal(ErrorKind::kConfig, {a, collect("layers", second_)}), HasSubstr("different layers"));
  options_.layers = {1, 3};
  const Model other = test::load_world("llama");
  options_.corpus = {second_};
  options_.prefix = other.tokenizer().automatic_prefix();
  StatisticsRun(other, options_, silent_).collect_into({folder_ / "other", false, false}, silent_);
  EXPECT_THAT(refusal(ErrorKind::kModel, {a, folder_ / "other"}), HasSubstr("different model"));
  EXPECT_THAT(refusal(ErrorKind::kIo, {a, folder_ / "absent"}), HasSubstr("absent"));
}

TEST_F(StatisticsMerge, ShardsMustBeAllThereAndEachOnce) {
  options_.shards = 3;
  options_.block_tokens = 500;
  for (options_.shard = 0; options_.shard < 2; ++options_.shard)
    collect("shard" + std::to_string(options_.shard), first_);
  EXPECT_THAT(refusal(ErrorKind::kConfig, {folder_ / "shard0", folder_ / "shard1"}),
              HasSubstr("shard 2 of 3"));
  fs::copy(folder_ / "shard0", folder_ / "again", fs::copy_options::recursive);
  EXPECT_THAT(refusal(ErrorKind::kConfig, {folder_ / "shard0", folder_ / "again"}), HasSubstr("same shard"));
}

// Layers 0 and 1 of one text, 1 and 2 of another: layer 1 alone would be of both.
TEST_F(StatisticsMerge, RunsOverOtherLayersAreRefused) {
  options_.layers = {0, 1};
  const fs::path a = collect("a", first_, true);
  options_.layers = {1, 2};
  EXPECT_THAT(refusal(ErrorKind::kConfig, {a, collect("b", second_, true)}), HasSubstr("different layers"));
}

TEST_F(StatisticsMerge, LayersOfSeveralCollectionsAreRefused) {
  const fs::path a = collect("a", first_), b = collect("b", second_);
  options_.layers = {5};
  const fs::path c = collect("c", second_);
  collect("b", second_);
  EXPECT_THAT(refusal(ErrorKind::kConfig, {a, b}),
              AllOf(HasSubstr("collected at different times"), HasSubstr("layer_5.safetensors")));
  fs::remove(b / "layer_5.safetensors");
  merge_statistics({a, b}, folder_ / "of_one", silent_);  // whose documents are still known
  // As earlier versions left it: the documents of the latest collection in place of all.
  fs::copy_file(c / "held_text.safetensors", b / "held_text.safetensors",
                fs::copy_options::overwrite_existing);
  EXPECT_THAT(refusal(ErrorKind::kConfig, {a, b}),
              AllOf(HasSubstr("collected at different times"), HasSubstr("not known any more")));
}

TEST_F(StatisticsMerge, OwnTextOfOtherBlocksOverlaps) {
  options_.corpus.clear();
  options_.tokens = 600;
  std::vector<fs::path> folders;
  for (const std::int64_t block : {600, 1200}) {
    options_.block_tokens = block;
    folders.push_back(folder_ / std::to_string(block));
    StatisticsRun(model_, options_, silent_).collect_into({folders.back(), false, false}, silent_);
  }
  EXPECT_THAT(refusal(ErrorKind::kConfig, folders), HasSubstr("documents are in both"));
}

TEST_F(StatisticsMerge, NothingIsWrittenWhenALaterLayerIsBroken) {
  const fs::path a = collect("a", first_), b = collect("b", second_);
  std::string bytes = test::read_all(b / "layer_3.safetensors");
  folder_.write("b/layer_3.safetensors", bytes.substr(0, bytes.size() - 4));
  EXPECT_THAT(refusal(ErrorKind::kFormat, {a, b}), HasSubstr("layer_3"));
}

TEST_F(StatisticsMerge, BrokenPartsAreRefusedByName) {
  const fs::path a = collect("a", first_, true);
  const fs::path file = a / "sums_1-3.safetensors";
  const std::string bytes = test::read_all(file);
  folder_.write("a/sums_1-3.safetensors", bytes.substr(0, bytes.size() - 3));
  EXPECT_THAT(refusal(ErrorKind::kFormat, {a}), HasSubstr("sums_1-3"));
  std::string nan = bytes;
  std::uint64_t header = 0;
  std::memcpy(&header, nan.data(), sizeof header);
  const std::size_t entry = nan.find("\"data_offsets\":[", nan.find("\"layer.1.a\"")) + 16;
  nan.replace(8 + header + std::stoul(nan.substr(entry)), 8,
              std::string("\0\0\0\0\0\0\xf8\x7f", 8));  // the first number of a sum
  folder_.write("a/sums_1-3.safetensors", nan);
  EXPECT_THAT(refusal(ErrorKind::kFormat, {a}), HasSubstr("is not a sum of keys"));
  std::string large = bytes;
  const std::size_t size = large.find("\"emend.d_ff\":\"") + 14;
  large.replace(size, large.find('"', size) - size, std::string(large.find('"', size) - size, '9'));
  folder_.write("a/sums_1-3.safetensors", large);
  EXPECT_THAT(refusal(ErrorKind::kFormat, {a}), HasSubstr("is not a sum of keys of 9"));
}

// --- archives of kmeng01/rome

class ImportedStatistics : public ::testing::Test {
 protected:
  ImportedStatistics() : model_(test::tiny_model("gpt2", 3)) {}
  fs::path write(const std::string& name, std::int64_t size, double count) {
    std::vector<float> sum;
    for (std::int64_t i = 0; i < size; ++i)
      for (std::int64_t j = 0; j < size; ++j) sum.push_back(i == j ? 7.0F + static_cast<float>(i) : 0.5F);
    const std::string shape = std::to_string(size) + ", " + std::to_string(size);
    return folder_.write(
        "stats/tiny/wikipedia_stats/" + name,
        test::zip(
            {{"mom2.constructor.npy", test::npy("<U4", "", std::string(16, 'x')), false, true},
             {"mom2.count.npy", test::npy("<i8", "", test::bytes_of(static_cast<std::int64_t>(count))), false,
              true},
             {"mom2.mom2.npy", test::npy("<f4", shape, test::floats(sum)), false, true},
             {"sample_size.npy", test::npy("<i8", "", test::bytes_of(std::int64_t{100000})), false, true}}));
  }
  Model model_;
  test::TempFolder folder_;
};

TEST_F(ImportedStatistics, AreTheSumOverTheCount) {
  const fs::path file = write("transformer.h.2.mlp.c_proj_float32_mom2_100000.npz", 96, 500);
  const Statistics statistics = import_mom2({file}, model_, {});
  ASSERT_EQ(statistics.layers.size(), 1u);
  const LayerStatistics& layer = statistics.layers.at(2);
  EXPECT_EQ(layer.tokens, 500);
  EXPECT_DOUBLE_EQ(layer.C[3][3].item<double>(), 10.0 / 500);
  EXPECT_DOUBLE_EQ(layer.C[3][4].item<double>(), 0.5 / 500);
  EXPECT_EQ(statistics.source(), "imported: tiny/wikipedia_stats");
  save_statistics(statistics, model_, {}, folder_ / "out");
  const Statistics loaded = load_statistics(model_, {2}, {}, folder_ / "out");
  EXPECT_EQ(loaded.layers.at(2).tokens, 500);
  EXPECT_TRUE(loaded.held_text.empty());
  EXPECT_EQ(import_mom2({write("model.layers.1.mlp.down_proj_float32_mom2_100000.npz", 96, 5)}, model_, {})
                .layers.begin()
                ->first,
            1);
}

TEST_F(ImportedStatistics, ThatDoNotFitAreRefused) {
  const auto refusal = [&](ErrorKind kind, const std::vector<fs::path>& files) {
    return test::error_of(kind, [&] { import_mom2(files, model_, {}); });
  };
  EXPECT_THAT(refusal(ErrorKind::kModel, {write("transformer.h.1.mlp.c_proj_float32_mom2.npz", 80, 5)}),
              HasSubstr("96 x 96"));
  EXPECT_THAT(refusal(ErrorKind::kModel, {write("transformer.h.9.mlp.c_proj_float32_mom2.npz", 96, 5)}),
              HasSubstr("layer 9"));
  EXPECT_THAT(refusal(ErrorKind::kFormat, {write("unnamed.npz", 96, 5)}), HasSubstr("contains no layer"));
  EXPECT_THAT(refusal(ErrorKind::kFormat, {write("transformer.h.1.mlp.c_proj_float32_mom2.npz", 96, 0)}),
              HasSubstr("mom2.count"));
  EXPECT_THAT(
      refusal(ErrorKind::kFormat,
              {folder_.write("a.1.npz", test::zip({{"x.npy", test::npy("<f4", "1", test::floats({1}))}}))}),
      HasSubstr("mom2.mom2"));
  const fs::path good = write("transformer.h.1.mlp.c_proj_float32_mom2.npz", 96, 5);
  EXPECT_THAT(refusal(ErrorKind::kConfig, {good, good}), HasSubstr("twice"));
}

}  // namespace
}  // namespace emend
