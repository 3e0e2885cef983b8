#include "emend/model_check.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "base/expect_error.h"
#include "support/gguf_checkpoint.h"
#include "support/tiny_models.h"

namespace emend {
namespace {

using test::CheckpointCopy;
using test::GgufType;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

// All that the check says is not supported, as one text.
std::string limits(const ModelCheck& check) {
  std::string text;
  for (const Unsupported& entry : check.unsupported) text += entry.what + ": " + entry.why + "\n";
  return text;
}

ModelCheck check_gguf(const test::GgufCheckpoint& gguf) {
  const test::TempFolder folder;
  return check_model_file(folder.write("model.gguf", gguf.bytes()));
}

TEST(ModelCheckFile, KnowsWhatTheLoadedModelKnows) {
  for (const std::string name : {"gpt2", "llama_gqa_tied", "llama_biases", "gptj"}) {
    SCOPED_TRACE(name);
    const std::string path = test::data_path("parity/" + name);
    const ModelCheck check = check_model_file(path);
    const Model model = Model::load(path);
    ASSERT_FALSE(check.refusal);
    EXPECT_EQ(check.format, "safetensors");
    EXPECT_EQ(check.config->family, model.config().family);
    std::int64_t tensors = 0;
    for (const RoleLine& line : check.roles) tensors += line.tensors;
    EXPECT_EQ(tensors, static_cast<std::int64_t>(model.roles().size()));
    EXPECT_EQ(check.ffn.all_parameters * 4, model.bytes());
    EXPECT_EQ(check.memory.front().work, "loading");
    EXPECT_GE(check.memory.front().bytes, model.bytes());
    const ModelCheck loaded = check_model(model);
    EXPECT_EQ(loaded.roles.size(), check.roles.size());
    EXPECT_EQ(loaded.ffn.parameters, check.ffn.parameters);
  }
}

TEST(ModelCheckFile, ReadsNoWeights) {
  CheckpointCopy copy("llama_gqa_tied");
  std::string& bytes = copy.tensors.at("model.layers.0.mlp.down_proj.weight").bytes;
  std::fill(bytes.begin(), bytes.end(), '\xFF');  // NaN
  EXPECT_FALSE(check_model_file(copy.write()).refusal);
  test::error_of(ErrorKind::kModel, [&] { Model::load(copy.folder().path()); });
}

TEST(ModelCheckFile, AModelWithoutTokenizerSaysWhatToDo) {
  const ModelCheck check = check_model_file(test::data_path("parity/gpt2"));
  EXPECT_FALSE(check.tokenizer);
  EXPECT_THAT(limits(check), AllOf(HasSubstr("reads text"), HasSubstr("put tokenizer.json beside")));
}

TEST(ModelCheckFile, AGgufFileWithTheTokenizerNoneIsAModelWithoutOne) {
  for (const std::string none : {"none", "no_vocab"}) {
    auto gguf = test::tiny_gguf("llama", GgufType::kF32);
    gguf.add_text("tokenizer.ggml.model", none);
    const ModelCheck check = check_gguf(gguf);
    EXPECT_FALSE(check.refusal) << check.refusal->what();
    EXPECT_FALSE(check.tokenizer);
    EXPECT_THAT(limits(check), AllOf(HasSubstr("tokenizer.ggml"), HasSubstr("convert the model again")));
    const test::TempFolder folder;
    const Model model = Model::load(folder.write("model.gguf", gguf.bytes()));
    EXPECT_FALSE(model.has_tokenizer());
    EXPECT_THAT(test::error_of(ErrorKind::kModel, [&] { model.tokenizer(); }), HasSubstr("no tokenizer"));
  }
}

TEST(ModelCheckFile, AnotherKindOfTokenizerIsNotNone) {
  auto gguf = test::tiny_gguf("llama", GgufType::kF32);
  gguf.add_text("tokenizer.ggml.model", "rwkv");
  const ModelCheck check = check_gguf(gguf);
  ASSERT_TRUE(check.refusal);
  EXPECT_THAT(check.refusal->what(), HasSubstr("rwkv"));
  EXPECT_THAT(check.roles, Not(IsEmpty())) << "all but the tokenizer is known";
}

TEST(ModelCheckFile, ARefusedFamilySaysWhatIsKnown) {
  CheckpointCopy copy("llama_gqa_tied");
  copy.config["model_type"] = "mixtral";
  const std::size_t tensors = copy.tensors.size();
  const ModelCheck check = check_model_file(copy.write());
  ASSERT_TRUE(check.refusal);
  EXPECT_EQ(check.refusal->kind(), ErrorKind::kModel);
  EXPECT_THAT(check.refusal->what(), HasSubstr("mixture of experts"));
  EXPECT_EQ(check.architecture, "mixtral");
  EXPECT_EQ(check.tensors, static_cast<std::int64_t>(tensors));
  ASSERT_THAT(check.types, SizeIs(1));
  EXPECT_EQ(check.types.begin()->second.tensors, check.tensors);
  EXPECT_FALSE(check.config);
  EXPECT_EQ(test::error_of(ErrorKind::kModel, [&] { Model::load(copy.folder().path()); }),
            check.refusal->what());
}

TEST(ModelCheckFile, QuantisedCheckpointsAreRefusedByNameBeforeTheirTensorsAreMissed) {
  CheckpointCopy copy("llama_gqa_tied");
  copy.config["quantization_config"] = {{"quant_method", "gptq"}, {"bits", 4}};
  const std::string weight = "model.layers.0.mlp.down_proj.weight";
  copy.tensors["model.layers.0.mlp.down_proj.qweight"] = copy.tensors.at(weight);
  copy.tensors.erase(weight);
  const ModelCheck check = check_model_file(copy.write());
  ASSERT_TRUE(check.refusal);
  EXPECT_THAT(check.refusal->what(), AllOf(HasSubstr("quantised as GPTQ"), Not(HasSubstr("missing"))));
  EXPECT_THAT(test::error_of(ErrorKind::kModel, [&] { Model::load(copy.folder().path()); }),
              HasSubstr("quantised as GPTQ"));
}

TEST(ModelCheckFile, ARefusedFamilyThatIsQuantisedTooHasBothReasons) {
  CheckpointCopy copy("llama_gqa_tied");
  copy.config["model_type"] = "deepseek_v3";
  copy.tensors["model.layers.0.mlp.down_proj.weight_scale_inv"] =
      copy.tensors.at("model.layers.0.input_layernorm.weight");
  const std::string text = limits(check_model_file(copy.write()));
  EXPECT_THAT(text, AllOf(HasSubstr("deepseek_v3"), HasSubstr("fp8 in blocks")));
}

TEST(ModelCheckFile, TypesThatAreReadButNotWrittenAreTold) {
  const ModelCheck check = check_gguf(test::tiny_gguf("llama", GgufType::kMxfp4));
  ASSERT_FALSE(check.refusal) << check.refusal->what();
  const bool writes = element_type("MXFP4").write != nullptr;
  EXPECT_EQ(check.types.at("MXFP4").can_write, writes);
  const auto told = AllOf(HasSubstr("edits in type MXFP4"), HasSubstr("in another one"));
  EXPECT_EQ(testing::Matches(told)(limits(check)), !writes);
}

TEST(ModelCheckFile, TensorsThatPlayNoRoleAreTold) {
  CheckpointCopy copy("llama_gqa_tied");
  copy.tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] =
      copy.tensors.at("model.layers.0.input_layernorm.weight");
  EXPECT_THAT(limits(check_model_file(copy.write())),
              AllOf(HasSubstr("play no role"), HasSubstr("inv_freq")));
}

}  // namespace
}  // namespace emend
