// GGUF models as checkpoints of transformers: every family's file in tests/data/families, and what is
// refused.
#include "emend/export_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/expect_error.h"
#include "emend/edit.h"
#include "support/family_models.h"
#include "support/tiny_models.h"
#include "support/world_gguf.h"
#include "tests/delivery/tiny_edit.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

double largest_gap(const Model& a, const Model& b, const TokenIds& ids) {
  const at::Tensor wanted = test::plain_logits(a, ids);
  return ((test::plain_logits(b, ids) - wanted).abs().max() / wanted.std()).item<double>();
}

std::vector<std::string> gguf_families() {
  std::vector<std::string> names;
  for (const std::string& name : test::family_checkpoints())
    if (fs::exists(test::data_path("families/" + name + "/model.gguf"))) names.push_back(name);
  return names;
}

class ExportFamily : public ::testing::TestWithParam<std::string> {
 protected:
  // Without the folder's own config and tokenizer beside it.
  fs::path gguf() const {
    const fs::path file = folder_ / "model.gguf";
    if (!fs::exists(file)) fs::copy_file(test::data_path("families/" + GetParam() + "/model.gguf"), file);
    return file;
  }
  test::TempFolder folder_;
};

TEST_P(ExportFamily, IsTheSameModelInSafetensors) {
  Model model = test::load_quietly(gguf());
  const ExportModelOutcome outcome = export_model(model, {folder_ / "out"});
  EXPECT_EQ(outcome.rounding, 0);
  const Model written = test::load_quietly(folder_ / "out");
  const TokenIds ids = test::counting(2, 26);
  EXPECT_LE(largest_gap(model, written, ids), 1e-5);

  // With an edit on it, at the last layer.
  const Patch patch = test::tiny_patch(model, model.config().layers - 1, 2, 1);
  const ScopedEdit scope(model, patch.edit.changes);
  export_model(model, {folder_ / "edited"});
  const Model edited = test::load_quietly(folder_ / "edited");
  EXPECT_LE(largest_gap(model, edited, ids), 1e-5);
  EXPECT_GT(largest_gap(written, edited, ids), 1e-4) << "the edit must matter";
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, ExportFamily, ::testing::ValuesIn(gguf_families()),
                         [](const auto& one) { return one.param; });

class ExportModel : public ::testing::Test {
 protected:
  Model world(const std::string& type) {
    return Model::load(folder_.write("model.gguf", test::world_gguf(type)));
  }
  std::string refusal(ErrorKind kind, const Model& model, const ExportModelOptions& options) {
    const std::string message = test::error_of(kind, [&] { export_model(model, options); });
    EXPECT_FALSE(fs::exists(options.out)) << "nothing is left behind";
    return message;
  }
  test::TempFolder folder_;
};

TEST_F(ExportModel, GoesByWhatFilesHoldAndNotByTheirNames) {
  const fs::path file = folder_.write("blob", test::world_gguf("F16"));
  const Model model = Model::load(file);
  EXPECT_NO_THROW(require_exportable_model(file, {folder_ / "out"}));
  EXPECT_EQ(export_model(model, {folder_ / "out"}).architecture, "GPT2LMHeadModel");
  EXPECT_THAT(refusal(ErrorKind::kUsage, model, {folder_ / "model.safetensors"}),
              HasSubstr("model.safetensors: what is written here is a folder, and the name ends in "
                        ".safetensors"));
  fs::rename(folder_ / "out", folder_ / "folder.gguf");
  EXPECT_THAT(refusal(ErrorKind::kUsage, Model::load(folder_ / "folder.gguf"), {folder_ / "again"}),
              HasSubstr("folder.gguf is no GGUF file"));
}

TEST_F(ExportModel, OfAQuantisedFileHasItsNumbersAndItsTokenizer) {
  const Model model = world("Q8_0");
  const ExportModelOutcome outcome = export_model(model, {folder_ / "out"});
  EXPECT_TRUE(outcome.has_tokenizer);
  EXPECT_EQ(outcome.architecture, "GPT2LMHeadModel");
  const Model written = test::load_quietly(folder_ / "out");
  EXPECT_EQ(written.tokenizer().fingerprint(), model.tokenizer().fingerprint());
  EXPECT_EQ(written.weights_digest(), model.weights_digest());
}

TEST_F(ExportModel, SaysHowFarSixteenBitsRound) {
  Model model = world("F32");
  EXPECT_EQ(export_model(model, {folder_ / "exact", "F16"}).rounding, 0) << "its numbers are of 16 bits";
  const at::Tensor weight = model.weight({0, Role::kMlpDown});
  model.weight({0, Role::kMlpDown}) = weight * 1.1;
  const ExportModelOutcome half = export_model(model, {folder_ / "half", "f16"});
  const ExportModelOutcome brain = export_model(model, {folder_ / "brain", "BF16"});
  EXPECT_LE(half.rounding, 0x1p-11);
  EXPECT_GT(half.rounding, 0x1p-13);
  EXPECT_LE(brain.rounding, 0x1p-8);
  EXPECT_GT(brain.rounding, half.rounding);
  EXPECT_EQ(half.bytes * 2, export_model(model, {folder_ / "whole"}).bytes);
  const auto config = nlohmann::json::parse(test::read_all(folder_ / "half/config.json"));
  EXPECT_EQ(config.at("torch_dtype"), "float16");
  EXPECT_EQ(open_safetensors(folder_ / "half/model.safetensors")->tensors().front().type->name, "F16");
}

TEST_F(ExportModel, RefusesWhatItCannotWrite) {
  Model model = world("F32");
  EXPECT_THAT(refusal(ErrorKind::kUsage, model, {folder_ / "out", "Q4_0"}),
              AllOf(HasSubstr("Q4_0"), HasSubstr("F32, F16 or BF16")));
  const Model folder = test::load_quietly(test::data_path("world/gpt2"));
  EXPECT_THAT(refusal(ErrorKind::kUsage, folder, {folder_ / "out"}), HasSubstr("no GGUF file"));
  ModelOptions narrow;
  narrow.dtype = ComputeType::kBfloat16;
  const Model rounded = Model::load(folder_ / "model.gguf", narrow);
  EXPECT_THAT(refusal(ErrorKind::kUsage, rounded, {folder_ / "out"}), HasSubstr("float32"));
  const at::Tensor weight = model.weight({0, Role::kMlpDown});
  model.weight({0, Role::kMlpDown}) = weight * 1e6;
  EXPECT_THAT(refusal(ErrorKind::kModel, model, {folder_ / "out", "F16"}),
              AllOf(HasSubstr("transformer.h.0.mlp.c_proj.weight"), HasSubstr("F16 cannot hold")));
}

// Of a file of many gigabytes that is known before it is read.
TEST_F(ExportModel, IsRefusedBeforeTheModelIsLoaded) {
  const fs::path file = folder_.write("model.gguf", test::world_gguf("F32"));
  EXPECT_NO_THROW(require_exportable_model(file, {folder_ / "out"}));
  EXPECT_THAT(test::error_of(ErrorKind::kUsage,
                             [&] {
                               require_exportable_model(file, {folder_ / "out", "Q4_0"});
                             }),
              HasSubstr("F32, F16 or BF16"));
  EXPECT_THAT(test::error_of(ErrorKind::kUsage,
                             [&] { require_exportable_model(test::data_path("world/gpt2"), {"out"}); }),
              HasSubstr("no GGUF file"));
}

}  // namespace
}  // namespace emend
