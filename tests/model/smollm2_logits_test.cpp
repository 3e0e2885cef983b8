// The real SmolLM2-135M-Instruct, out of its quantised GGUF file, against what `transformers` computed from
// the same weights (tools/fixtures/smollm2_reference.py). Skipped where the file is not there.
#include <c10/core/GradMode.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "emend/generate.h"
#include "support/model_files.h"

namespace emend {
namespace {

const std::filesystem::path kModel =
    std::filesystem::path(EMEND_SOURCE_DIR) / "models/smollm2-135m-instruct.gguf";

at::Tensor as_tensor(const nlohmann::json& numbers) {
  return at::tensor(numbers.get<std::vector<double>>(), at::kDouble);
}

TEST(SmolLm2Logits, EqualTheRecordedOnes) {
  if (!std::filesystem::exists(kModel)) GTEST_SKIP() << kModel << " is not there";
  const c10::NoGradGuard no_grad;
  const Model model = Model::load(kModel);
  std::ifstream in(test::data_path("smollm2/logits.json"));
  const auto recorded = nlohmann::json::parse(in);
  const at::Tensor vocabulary = at::tensor(recorded.at("vocabulary_ids").get<TokenIds>(), at::kLong);
  ASSERT_EQ(recorded.at("prompts").size(), 20u);
  PassInput input;  // all prompts as ragged rows of one pass
  std::int64_t tokens = 0;
  for (const auto& prompt : recorded.at("prompts")) {
    const auto ids = prompt.at("ids").get<TokenIds>();
    EXPECT_EQ(model.tokenizer().encode(prompt.at("text").get<std::string>(), SpecialTokens::kAuto).ids, ids);
    input.ids.push_back(ids);
    tokens += static_cast<std::int64_t>(ids.size());
    input.logit_tokens.push_back(tokens - 1);
  }
  const at::Tensor logits = model.forward(input).logits.to(at::kDouble);
  const auto likeliest = next_tokens(model, input.ids, 5);
  for (std::size_t i = 0; i < input.ids.size(); ++i) {
    const auto& prompt = recorded.at("prompts").at(i);
    SCOPED_TRACE(prompt.at("text").get<std::string>());
    const auto top = prompt.at("top").get<TokenIds>();
    TokenIds found;
    for (const TokenLogprob& token : likeliest[i]) found.push_back(token.id);
    EXPECT_EQ(found, top);
    const at::Tensor row = logits[static_cast<std::int64_t>(i)];
    EXPECT_TRUE(test::near(row.index_select(0, at::tensor(top, at::kLong)),
                           as_tensor(prompt.at("top_logits")), 1e-3));
    EXPECT_TRUE(test::near(row.index_select(0, vocabulary), as_tensor(prompt.at("logits")), 1e-3));
  }
}

}  // namespace
}  // namespace emend
