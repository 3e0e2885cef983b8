// Models over tensors that somebody else holds: the same as those of a file with these tensors.
#include "emend/wrap_model.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <cstring>
#include <filesystem>
#include <map>
#include <numeric>

#include "base/expect_error.h"
#include "base/files.h"
#include "emend/tensor_file.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

const fs::path kData = EMEND_TEST_DATA;

// What a program that has loaded the folder would hold.
std::vector<GivenTensor> tensors_of(const fs::path& folder) {
  const std::map<std::string_view, at::ScalarType> types = {{"F32", at::kFloat}, {"BF16", at::kBFloat16}};
  const auto file = open_checkpoint(folder);
  std::vector<GivenTensor> tensors;
  for (const TensorInfo& info : file->tensors()) {
    const auto type = types.find(info.type->name);
    if (type == types.end()) continue;  // buffers
    at::Tensor tensor = at::empty(info.shape, type->second);
    std::memcpy(tensor.data_ptr(), file->bytes(info).data(), info.bytes);
    tensors.push_back({info.name, tensor});
  }
  return tensors;
}

WrapOptions options_of(const fs::path& folder) {
  return {.config = read_text_file(folder / "config.json"), .path = folder};
}

at::Tensor logits_of(const Model& model) {
  PassInput input;
  input.ids = {{3, 1, 4, 1, 5, 9, 2, 6}, {5, 3}};
  input.logit_tokens.resize(10);
  std::iota(input.logit_tokens.begin(), input.logit_tokens.end(), 0);
  return model.forward(input).logits;
}

// Folders of checkpoints whose weights are stored in a type that the CPU computes with.
std::vector<fs::path> folders() {
  std::vector<fs::path> found;
  for (const char* parent : {"families", "parity"})
    for (const fs::directory_entry& entry : fs::directory_iterator(kData / parent))
      if (fs::exists(entry.path() / "config.json") &&
          (fs::exists(entry.path() / "model.safetensors") ||
           fs::exists(entry.path() / "model.safetensors.index.json")) &&
          !entry.path().filename().string().ends_with("f16"))
        found.push_back(entry.path());
  return found;
}

TEST(WrapModel, EveryFamilyIsThatOfItsFile) {
  int wrapped = 0;
  for (const fs::path& folder : folders()) {
    SCOPED_TRACE(folder.string());
    std::vector<GivenTensor> tensors = tensors_of(folder);
    ASSERT_FALSE(tensors.empty());
    ModelOptions how;
    if (tensors.front().tensor.scalar_type() == at::kBFloat16) how.dtype = ComputeType::kBfloat16;
    const Model file = Model::load(folder, how);
    const Model model = wrap_model(std::move(tensors), options_of(folder));
    EXPECT_EQ(model.fingerprint(), file.fingerprint());
    EXPECT_EQ(model.bytes(), file.bytes());
    EXPECT_EQ(model.compute_type(), file.compute_type());
    EXPECT_TRUE(at::allclose(logits_of(model), logits_of(file), 1e-4, 1e-5));
    ++wrapped;
  }
  EXPECT_GE(wrapped, 30);
}

TEST(WrapModel, WeightsAreTheGivenTensors) {
  for (const char* name : {"gpt2", "llama_gqa_tied"}) {
    const fs::path folder = kData / "parity" / name;
    std::map<std::string, at::Tensor> held;  // as the holder has them: what moved is replaced
    for (const GivenTensor& given : tensors_of(folder)) held[given.name] = given.tensor;
    const std::map<std::string, at::Tensor> before = held;
    std::vector<GivenTensor> tensors;
    for (const auto& [key, tensor] : held) tensors.push_back({key, tensor});
    WrapOptions options = options_of(folder);
    options.moved = [&](const std::string& key, const at::Tensor& view) { held[key] = view; };
    const Model model = wrap_model(std::move(tensors), options);
    const at::Tensor clean = logits_of(model);
    for (auto& [key, tensor] : held) {
      ASSERT_TRUE(at::equal(tensor, before.at(key))) << key;
      const at::Tensor kept = tensor.clone();
      tensor.add_(1);  // whatever the holder writes, the model reads
      EXPECT_FALSE(at::equal(logits_of(model), clean)) << key;
      tensor.copy_(kept);
    }
    EXPECT_TRUE(at::equal(logits_of(model), clean));
  }
}

TEST(WrapModel, TellsWhatMoved) {
  const fs::path folder = kData / "parity" / "llama_gqa_tied";
  WrapOptions options = options_of(folder);
  std::vector<std::string> moved;
  options.moved = [&](const std::string& name, const at::Tensor&) { moved.push_back(name); };
  wrap_model(tensors_of(folder), options);
  EXPECT_EQ(moved.size(), 10U);  // of two blocks: queries, keys, values, gate, up
  EXPECT_THAT(moved, Contains("model.layers.1.self_attn.k_proj.weight"));
  EXPECT_THAT(moved, Not(Contains(HasSubstr("down_proj"))));
}

std::string refusal(std::vector<GivenTensor> tensors, const WrapOptions& options) {
  return test::error_of(ErrorKind::kModel, [&] { wrap_model(std::move(tensors), options); });
}

TEST(WrapModel, RefusesWhatIsNoModel) {
  const fs::path folder = kData / "parity" / "llama_gqa_tied";
  const WrapOptions options = options_of(folder);
  EXPECT_THAT(refusal({}, options), HasSubstr("no tensors were given"));

  std::vector<GivenTensor> tensors = tensors_of(folder);
  tensors[2].tensor = tensors[2].tensor.to(at::kBFloat16);
  EXPECT_THAT(refusal(tensors, options), AllOf(HasSubstr(tensors[2].name), HasSubstr("all must be alike")));

  tensors = tensors_of(folder);
  for (GivenTensor& given : tensors) given.tensor = given.tensor.to(at::kHalf);
  EXPECT_THAT(refusal(tensors, options), HasSubstr("of type Half on cpu"));

  tensors = tensors_of(folder);
  tensors.push_back(tensors.front());
  EXPECT_THAT(refusal(tensors, options), HasSubstr("two tensors are named " + tensors.front().name));

  tensors = tensors_of(folder);
  tensors[4].tensor.view(-1)[3] = std::numeric_limits<float>::infinity();
  EXPECT_THAT(refusal(tensors, options), AllOf(HasSubstr(tensors[4].name), HasSubstr("NaN or infinite")));

  tensors = tensors_of(folder);
  tensors.push_back({"base_model.lora_A", at::zeros({2, 2})});
  EXPECT_THAT(refusal(tensors, options), AllOf(HasSubstr("unexpected"), HasSubstr("lora_A")));

  tensors = tensors_of(folder);
  tensors.pop_back();
  EXPECT_THAT(refusal(tensors, options), HasSubstr("missing"));

  WrapOptions quantised = options;
  quantised.config.insert(1, R"("quantization_config": {"quant_method": "bitsandbytes"}, )");
  EXPECT_THAT(refusal(tensors_of(folder), quantised), HasSubstr("quantised"));
}

}  // namespace
}  // namespace emend
