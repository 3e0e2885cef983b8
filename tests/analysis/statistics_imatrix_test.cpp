// Diagonals of C from importance matrices of llama.cpp, and such files from statistics.
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <cmath>

#include "base/expect_error.h"
#include "base/temp_folder.h"
#include "emend/statistics.h"
#include "emend/tensor_file.h"
#include "io/imatrix.h"
#include "support/tiny_models.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ImatrixStatistics : public ::testing::Test {
 protected:
  ImatrixStatistics() : model_(test::tiny_model("llama", 3)) {
    for (int l = 0; l < model_.config().layers; ++l) {
      ImatrixEntry& entry = imatrix_.entries["blk." + std::to_string(l) + ".ffn_down.weight"];
      for (std::int64_t j = 0; j < model_.config().d_ff; ++j)
        entry.sums.push_back(static_cast<float>(10 * l + j + 1));
      entry.counts = {5};
    }
    imatrix_.entries["blk.0.attn_q.weight"] = {{1, 2}, {5}};  // of no interest, and of any size
    imatrix_.datasets = {"wiki.txt"};
  }
  fs::path write() const {
    write_imatrix(folder_ / "i.gguf", imatrix_);
    return folder_ / "i.gguf";
  }
  std::string refusal(ErrorKind kind) const {
    return test::error_of(kind, [&] { import_imatrix(write(), model_, {}); });
  }

  Model model_;
  Imatrix imatrix_;
  const test::TempFolder folder_;
};

TEST_F(ImatrixStatistics, AreTheSumsOverTheCountsOfEveryLayer) {
  const Statistics statistics = import_imatrix(write(), model_, {7});
  ASSERT_EQ(statistics.layers.size(), static_cast<std::size_t>(model_.config().layers));
  const LayerStatistics& layer = statistics.layers.at(2);
  EXPECT_TRUE(layer.is_diagonal());
  EXPECT_EQ(layer.tokens, 5);
  EXPECT_EQ(layer.C.numel(), model_.config().d_ff);
  EXPECT_DOUBLE_EQ(layer.C[3].item<double>(), 24.0 / 5);
  EXPECT_DOUBLE_EQ(*layer.quality.condition, (20.0 + static_cast<double>(model_.config().d_ff)) / 21);
  EXPECT_FALSE(layer.quality.error_estimate.has_value());
  EXPECT_EQ(statistics.source(), "imported: imatrix i.gguf of wiki.txt");
  EXPECT_THAT(statistics.settings(), HasSubstr("the first position of every chunk among the keys"));
  EXPECT_NE(statistics.fingerprint(), import_imatrix(write(), model_, {8}).fingerprint());
  EXPECT_THAT(*warning_of(statistics), AllOf(HasSubstr("only the diagonal of C is known at layers 0, 1"),
                                             HasSubstr("imatrix i.gguf")));
  EXPECT_FALSE(warning_of({}).has_value());
}

TEST_F(ImatrixStatistics, ComeBackFromTheirFolderAsDiagonals) {
  const Statistics made = import_imatrix(write(), model_, {});
  save_statistics(made, model_, {}, folder_ / "s");
  const Statistics loaded = load_statistics(model_, {0, 2}, {}, folder_ / "s");
  ASSERT_EQ(loaded.layers.size(), 2U);
  EXPECT_TRUE(loaded.layers.at(2).is_diagonal());
  EXPECT_TRUE(at::equal(loaded.layers.at(2).C, made.layers.at(2).C.to(at::kFloat).to(at::kDouble)));
  EXPECT_EQ(loaded.settings(), made.settings());
  // An older emend, which asks for the matrix, finds none.
  const auto file = open_safetensors(folder_ / "s/layer_2.safetensors");
  EXPECT_EQ(file->find("model.layers.2.C"), nullptr);
  ASSERT_NE(file->find("model.layers.2.C_diagonal"), nullptr);
  EXPECT_EQ(file->metadata().at("emend.tokens"), "5");
}

TEST_F(ImatrixStatistics, ABrokenDiagonalIsRefused) {
  save_statistics(import_imatrix(write(), model_, {}), model_, {}, folder_ / "s");
  const fs::path path = folder_ / "s/layer_2.safetensors";
  const auto metadata = open_safetensors(path)->metadata();
  const auto refusal_of = [&](std::vector<float> numbers) {
    write_safetensors(path,
                      {{"model.layers.2.C_diagonal",
                        "F32",
                        {static_cast<std::int64_t>(numbers.size())},
                        std::as_bytes(std::span(numbers))}},
                      metadata);
    return test::error_of(ErrorKind::kFormat, [&] { load_statistics(model_, {2}, {}, folder_ / "s"); });
  };
  std::vector<float> numbers(static_cast<std::size_t>(model_.config().d_ff), 1.0F);
  numbers[4] = -1;
  EXPECT_THAT(refusal_of(numbers), AllOf(HasSubstr("C_diagonal"), HasSubstr("negative")));
  numbers[4] = NAN;
  EXPECT_THAT(refusal_of(numbers), HasSubstr("NaN"));
  EXPECT_THAT(refusal_of({1, 2}), HasSubstr("expected the tensor model.layers.2.C_diagonal of " +
                                            std::to_string(model_.config().d_ff)));
}

TEST_F(ImatrixStatistics, OfAnotherModelAreRefused) {
  const auto good = imatrix_;
  imatrix_.entries["blk.99.ffn_down.weight"] = {{1, 2}, {5}};
  EXPECT_THAT(refusal(ErrorKind::kModel), HasSubstr("blk.99.ffn_down.weight"));
  imatrix_ = good;
  imatrix_.entries["blk.1.ffn_down.weight"].sums.pop_back();
  EXPECT_THAT(refusal(ErrorKind::kModel), HasSubstr("channels"));
  imatrix_ = good;
  imatrix_.entries.erase("blk.1.ffn_down.weight");
  EXPECT_THAT(refusal(ErrorKind::kModel), HasSubstr("no entry for \"blk.1.ffn_down.weight\""));
  imatrix_ = good;
  for (float& sum : imatrix_.entries["blk.1.ffn_down.weight"].sums) sum = 0;
  EXPECT_THAT(refusal(ErrorKind::kFormat), HasSubstr("are 0"));
}

TEST_F(ImatrixStatistics, ExportWritesTokensTimesTheDiagonal) {
  const std::int64_t size = model_.config().d_ff;
  Statistics statistics;
  LayerStatistics& layer = statistics.layers[1];
  layer.C = at::full({size, size}, 0.25, at::kDouble) + at::diag(at::arange(size, at::kDouble) + 1);
  layer.tokens = 1000;
  layer.origin = {"self, seed 0", "own text, position 0 left out", "ab"};
  save_statistics(statistics, model_, {}, folder_ / "s");
  EXPECT_THAT(export_imatrix(folder_ / "s", folder_ / "o.gguf"), ElementsAre(1));
  const Imatrix written = read_imatrix(folder_ / "o.gguf");
  ASSERT_EQ(written.entries.size(), 1U);
  const ImatrixEntry& entry = written.entries.at("blk.1.ffn_down.weight");
  EXPECT_THAT(entry.counts, ElementsAre(1000));
  EXPECT_FLOAT_EQ(entry.sums[0], 1250);
  EXPECT_FLOAT_EQ(entry.sums[7], 8250);
  EXPECT_THAT(written.datasets, ElementsAre("self, seed 0"));
  EXPECT_EQ(written.chunk_size, 512);
  EXPECT_EQ(written.chunk_count, 2);
  EXPECT_EQ(written.settings, "own text, position 0 left out");
  // What is exported again is the same file, of a diagonal too.
  imatrix_.settings = "own text, position 0 left out";
  const Statistics imported = import_imatrix(write(), model_, {});
  EXPECT_EQ(imported.settings(), "imported diagonal, own text, position 0 left out");
  save_statistics(imported, model_, {}, folder_ / "d");
  export_imatrix(folder_ / "d", folder_ / "again.gguf");
  EXPECT_EQ(read_imatrix(folder_ / "again.gguf").entries.at("blk.2.ffn_down.weight").sums,
            imatrix_.entries.at("blk.2.ffn_down.weight").sums);
  EXPECT_EQ(import_imatrix(folder_ / "again.gguf", model_, {}).settings(), imported.settings());
}

TEST_F(ImatrixStatistics, AFolderThatCannotBeExportedLeavesTheFileAsItWas) {
  const fs::path out = folder_.write("o.gguf", "mine");
  EXPECT_THAT(test::error_of(ErrorKind::kIo, [&] { export_imatrix(folder_ / "none", out); }),
              HasSubstr("no such folder"));
  Statistics statistics;
  statistics.layers[0].C = at::full({model_.config().d_ff}, 1e37, at::kDouble);
  statistics.layers[0].tokens = 1000;
  save_statistics(statistics, model_, {}, folder_ / "s");
  EXPECT_THAT(test::error_of(ErrorKind::kFormat, [&] { export_imatrix(folder_ / "s", out); }),
              HasSubstr("layer_0.safetensors"));
  EXPECT_EQ(test::read_all(out), "mine");
  EXPECT_THAT(test::error_of(ErrorKind::kUsage, [&] { export_imatrix(folder_ / "s", folder_ / "o.npz"); }),
              HasSubstr("what is written here is a GGUF file, and the name ends in .npz"));
}

TEST_F(ImatrixStatistics, AreNotMergedWithMatrices) {
  // Two files of different text: the sums add up.
  save_statistics(import_imatrix(write(), model_, {}), model_, {}, folder_ / "a");
  for (auto& [name, entry] : imatrix_.entries) entry.counts = {15};
  save_statistics(import_imatrix(write(), model_, {}), model_, {}, folder_ / "b");
  SilentProgress silent;
  merge_statistics({folder_ / "a", folder_ / "b"}, folder_ / "ab", silent);
  const LayerStatistics merged = load_statistics(model_, {2}, {}, folder_ / "ab").layers.at(2);
  EXPECT_EQ(merged.tokens, 20);
  EXPECT_NEAR(merged.C[3].item<double>(), 48.0 / 20, 1e-6);
  Statistics matrix = import_imatrix(write(), model_, {});
  for (auto& [number, layer] : matrix.layers) {
    layer.C = at::diag(layer.C);
    layer.origin.fingerprint = "cd";
  }
  save_statistics(matrix, model_, {}, folder_ / "m");
  EXPECT_THAT(test::error_of(ErrorKind::kConfig,
                             [&] {
                               merge_statistics({folder_ / "a", folder_ / "m"}, folder_ / "x", silent);
                             }),
              HasSubstr("only the diagonal of C is known"));
  EXPECT_FALSE(fs::exists(folder_ / "x"));
}

}  // namespace
}  // namespace emend
