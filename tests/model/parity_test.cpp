// Logits of tiny random checkpoints against those that `transformers` computed
// (tools/fixtures/tiny_models.py).
#include <c10/core/GradMode.h>

#include "emend/model.h"
#include "support/model_files.h"

namespace emend {
namespace {

using test::data_path;

at::Tensor all_logits(const Model& model, const at::Tensor& ids) {
  const c10::NoGradGuard no_grad;
  PassInput input;
  std::int64_t tokens = 0;
  for (std::int64_t row = 0; row < ids.size(0); ++row) {
    const auto* data = ids.const_data_ptr<std::int64_t>() + row * ids.size(1);
    input.ids.emplace_back(data, data + ids.size(1));
    for (std::int64_t t = 0; t < ids.size(1); ++t) input.logit_tokens.push_back(tokens++);
  }
  return model.forward(input).logits.view({ids.size(0), ids.size(1), -1});
}

class Parity : public ::testing::TestWithParam<std::string> {};

TEST_P(Parity, LogitsEqualTheRecordedOnes) {
  const std::string folder = data_path("parity/" + GetParam());
  const Model model = Model::load(folder);
  const auto recorded = open_safetensors(folder + "/logits.safetensors");
  const at::Tensor wanted = test::read_tensor(*recorded, "logits");
  EXPECT_TRUE(test::near(all_logits(model, test::read_tensor(*recorded, "input_ids")), wanted, 2e-5));
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, Parity,
                         ::testing::Values("gpt2", "gpt2_no_prefix", "gpt2_f16", "llama_gqa_tied",
                                           "llama_untied_llama3_rope", "gptj", "gptj_whole_heads",
                                           "llama_old_rope_spelling", "llama_head_dim", "llama_biases",
                                           "llama_sharded", "llama_bf16"),
                         [](const auto& family) { return family.param; });

}  // namespace
}  // namespace emend
