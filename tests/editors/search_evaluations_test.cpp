// How often a value search asks the model.
#include <ATen/record_function.h>

#include <memory>
#include <string_view>

#include "search_fixture.h"

namespace emend::editors {
namespace {

// Evaluations of a search: each takes its losses from one log-softmax.
class EvaluationCount {
 public:
  EvaluationCount() {
    counted() = 0;
    handle_ = at::addThreadLocalCallback(
        at::RecordFunctionCallback(&EvaluationCount::begin).scopes({at::RecordScope::FUNCTION}));
  }
  ~EvaluationCount() { at::removeCallback(handle_); }
  EvaluationCount(const EvaluationCount&) = delete;
  EvaluationCount& operator=(const EvaluationCount&) = delete;

  static int evaluations() { return counted(); }

 private:
  static int& counted() {
    thread_local int count = 0;
    return count;
  }
  static std::unique_ptr<at::ObserverContext> begin(const at::RecordFunction& call) {
    if (std::string_view(call.name()) == "aten::log_softmax") ++counted();
    return nullptr;
  }

  at::CallbackHandle handle_ = 0;
};

class SearchEvaluations : public SearchFixture {};
INSTANTIATE_TEST_SUITE_P(Shapes, SearchEvaluations, ::testing::Values("gpt2", "gptj", "llama"),
                         [](const auto& shape) { return shape.param; });

// The loss is measured once more with all tokens moved, but what was said before the edit is known by then.
TEST_P(SearchEvaluations, WhatWasSaidBeforeTheEditIsAskedOnce) {
  SearchUnit unit = units_[0];
  const SearchRow drift = drift_row(unit);
  unit.rows.push_back(drift);
  options_.kl_factor = 0.5;
  options_.reach = 0.5;  // tokens that move by half of their length at most are taken for still
  const EvaluationCount count;
  const SearchResult result = search({unit})[0];
  const int once_more = EvaluationCount::evaluations() - static_cast<int>(result.losses.size());
  EXPECT_LE(once_more, 1);
  if (GetParam() == "llama") {
    EXPECT_EQ(once_more, 1) << "the residual moves tokens in front of the rows";
  }
  const TokenIds ids = whole(drift);
  const auto t = static_cast<std::int64_t>(drift.lookup);
  const at::Tensor alpha = at::mv(plain_keys(drift), unit.a);
  const at::Tensor before = plain_logprobs(ids, at::zeros({alpha.size(0), 32}))[t],
                   now = plain_logprobs(ids, at::outer(alpha, result.r))[t];
  EXPECT_NEAR(result.kl, (now.exp() * (now - before)).sum().item<double>(), 1e-4);
  EXPECT_NEAR(result.nll, plain_loss(unit, result.r), 1e-4);
}

}  // namespace
}  // namespace emend::editors
