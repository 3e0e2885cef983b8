#include "io/quantised_checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/base/expect_error.h"
#include "tests/base/temp_folder.h"

namespace emend {
namespace {

using namespace test;  // builders only
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const std::string kDown = "model.layers.0.mlp.down_proj";

// A checkpoint with a plain embedding and these tensors of one element each.
class Checkpoint {
 public:
  explicit Checkpoint(const std::string& config, const std::vector<std::string>& names = {},
                      const std::string& dtype = "F32") {
    folder_.write("config.json", config);
    const std::string bytes(8, '\0');
    std::vector<TensorToWrite> tensors = {
        {"model.embed_tokens.weight", "F32", {1, 2}, std::as_bytes(std::span(bytes))}};
    for (const std::string& name : names)
      tensors.push_back(
          {name, dtype, {1}, std::as_bytes(std::span(bytes)).first(find_element_type(dtype)->block_bytes)});
    write_safetensors(folder_ / "model.safetensors", tensors, {});
    file_ = open_safetensors_folder(folder_.path());
  }

  std::optional<QuantisedLayout> layout() const { return find_quantised_layout(*file_, folder_.path()); }
  std::string name() const { return layout() ? layout()->name : "none"; }
  const TempFolder& folder() const { return folder_; }
  const TensorFile& file() const { return *file_; }

 private:
  TempFolder folder_;
  std::unique_ptr<TensorFile> file_;
};

std::string config_of(const std::string& method) {
  return R"({"model_type": "llama", "quantization_config": {"quant_method": ")" + method + R"("}})";
}

TEST(QuantisedCheckpoint, PlainCheckpointsAreNone) {
  EXPECT_EQ(Checkpoint("{}", {kDown + ".weight", kDown + ".bias"}).name(), "none");
  EXPECT_EQ(Checkpoint(R"({"quantization_config": null})").name(), "none");
}

TEST(QuantisedCheckpoint, ConfigNamesTheMethod) {
  for (const auto& [method, name] :
       std::vector<std::pair<std::string, std::string>>{{"compressed-tensors", "compressed-tensors"},
                                                        {"gptq", "GPTQ"},
                                                        {"awq", "AWQ"},
                                                        {"bitsandbytes", "bitsandbytes"},
                                                        {"fp8", "fp8"},
                                                        {"newer-than-this", "newer-than-this"}})
    EXPECT_EQ(Checkpoint(config_of(method)).name(), name);
  const Checkpoint blocks(
      R"({"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}})");
  EXPECT_EQ(blocks.name(), "fp8 in blocks");
  EXPECT_EQ(blocks.layout()->evidence, "config.json names quant_method \"fp8\"");
}

TEST(QuantisedCheckpoint, OldSpellingsOfTheConfigCountToo) {
  EXPECT_EQ(Checkpoint(R"({"quantization_config": {"load_in_4bit": true}})").name(), "bitsandbytes");
  EXPECT_EQ(Checkpoint(R"({"compression_config": {"quant_method": "compressed-tensors"}})").name(),
            "compressed-tensors");
  EXPECT_EQ(Checkpoint(R"({"text_config": {"quantization_config": {"quant_method": "gptq"}}})").name(),
            "GPTQ");
}

TEST(QuantisedCheckpoint, TensorsTellWhereTheConfigDoesNot) {
  const auto name_of = [](const std::vector<std::string>& endings) {
    std::vector<std::string> names;
    for (const std::string& ending : endings) names.push_back(kDown + ending);
    return Checkpoint("{}", names).name();
  };
  EXPECT_EQ(name_of({".weight", ".weight_scale_inv"}), "fp8 in blocks");
  EXPECT_EQ(name_of({".weight_packed", ".weight_scale", ".weight_shape"}), "compressed-tensors");
  EXPECT_EQ(name_of({".weight_scale", ".weight_zero_point"}), "compressed-tensors");
  EXPECT_EQ(name_of({".weight", ".weight_scale", ".weight_scale_2"}), "ModelOpt NVFP4");
  EXPECT_EQ(name_of({".qweight", ".qzeros", ".scales", ".g_idx"}), "GPTQ");
  EXPECT_EQ(name_of({".qweight", ".qzeros", ".scales"}), "AWQ or GPTQ");
  EXPECT_EQ(name_of({".weight", ".weight.absmax", ".weight.quant_map"}), "bitsandbytes");
  EXPECT_EQ(name_of({".weight", ".SCB"}), "bitsandbytes");
}

TEST(QuantisedCheckpoint, TheErrorNamesFileMethodAndWhatWorksInstead) {
  const Checkpoint checkpoint(config_of("gptq"), {kDown + ".qweight"}, "I32");
  EXPECT_THAT(error_of(ErrorKind::kModel,
                       [&] { require_plain_weights(checkpoint.file(), checkpoint.folder().path()); }),
              AllOf(HasSubstr(checkpoint.folder().path().string()), HasSubstr("quantised as GPTQ"),
                    HasSubstr("quant_method \"gptq\""), HasSubstr("without quantisation"), HasSubstr("GGUF"),
                    Not(HasSubstr("plain floats"))));
}

TEST(QuantisedCheckpoint, AConfigThatWasLeftBehindIsToldApart) {
  const Checkpoint left(config_of("fp8"), {kDown + ".weight"});
  EXPECT_TRUE(left.layout()->only_in_config);
  EXPECT_THAT(quantised_layout_text(*left.layout()), HasSubstr("take \"quantization_config\" out"));
  EXPECT_FALSE(Checkpoint(config_of("fp8"), {kDown + ".weight"}, "F8_E4M3").layout()->only_in_config);
}

}  // namespace
}  // namespace emend
