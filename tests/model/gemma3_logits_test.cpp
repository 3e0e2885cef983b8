// The real Gemma 3 270M, out of its Q4_K_M file, against what `transformers` computed from the same weights
// in float32 on texts of 1,200 ids, past the window of 512 (tools/fixtures/gemma3_reference.py). A bound of
// 0.005 tells a window off by one, an exact GELU and a bfloat16 embedding scale, which move log-probabilities
// by 0.01. Skipped where the file is not there.
#include <c10/core/GradMode.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "emend/generate.h"
#include "emend/model.h"
#include "support/gemma_file.h"
#include "support/model_files.h"

namespace emend {
namespace {

TEST(Gemma3Logits, EqualTheRecordedOnes) {
  if (!std::filesystem::exists(test::gemma_file())) GTEST_SKIP() << test::gemma_file() << " is not there";
  const c10::NoGradGuard no_grad;
  const Model model = Model::load(test::gemma_file());
  std::ifstream in(test::data_path("gemma3/logits.json"));
  const auto recorded = nlohmann::json::parse(in);
  ASSERT_EQ(recorded.size(), 2U);
  for (const auto& text : recorded) {
    SCOPED_TRACE(text.at("name").get<std::string>());
    PassInput input;
    input.ids = {text.at("ids").get<TokenIds>()};
    ASSERT_EQ(input.ids[0].size(), 1200U);
    input.logit_tokens = text.at("positions").get<std::vector<std::int64_t>>();
    const at::Tensor found = model.forward(input).logits.to(at::kDouble).log_softmax(-1);
    for (std::size_t i = 0; i < input.logit_tokens.size(); ++i) {
      const at::Tensor top = at::tensor(text.at("top").at(i).get<TokenIds>(), at::kLong);
      const at::Tensor wanted = at::tensor(text.at("logprobs").at(i).get<std::vector<double>>(), at::kDouble);
      const at::Tensor row = found[static_cast<std::int64_t>(i)];
      EXPECT_TRUE(test::near(row.index_select(0, top), wanted, 0.005))
          << "position " << input.logit_tokens[i];
      EXPECT_LE(row.max().item<double>(), wanted[0].item<double>() + 0.005)
          << "position " << input.logit_tokens[i];
    }
  }
}

}  // namespace
}  // namespace emend
