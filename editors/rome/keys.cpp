#include "editors/rome/keys.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>

#include "emend/error.h"

namespace emend::editors {

namespace {

constexpr const char* kAtSink =
    ": the subject is a single token at position 0, where the key hardly depends on the token; ";

// A product of two vectors below this share of their lengths is rounding.
constexpr double kOrthogonal = 1e-12;

// Over all rows, each the same.
at::Tensor mean_key(const SubjectKeys& keys, double contexts) {
  if (!keys.contexts.defined()) return keys.bare;
  return (keys.bare + contexts * keys.contexts) / (contexts + 1);
}

KeyConstraint answer_one(const std::vector<at::Tensor>& keys) {
  return {at::stack(keys, 1), at::ones({static_cast<std::int64_t>(keys.size())}, at::kDouble)};
}

}  // namespace

KeyConstraint choose_keys(const KeyGroup& group, const CallRows& rows, const KeyMetric& metric, RomeKeys kind,
                          const std::string& ids, std::vector<std::string>& warnings) {
  const SubjectKeys& keys = group.keys.front();
  const bool at_sink = rows.lies_at_sink(group.requests.front());
  if (at_sink && rows.contexts().empty())
    throw Error(
        ErrorKind::kConfig,
        fmt::format("edit {}{}give a BOS (option bos) or context rows (option contexts)", ids, kAtSink));
  const at::Tensor mean =
      at_sink ? keys.contexts : mean_key(keys, static_cast<double>(rows.contexts().size()));
  switch (kind) {
    case RomeKeys::kMean:
    case RomeKeys::kOriginal:
      return answer_one({mean});
    case RomeKeys::kPrompt:
      return answer_one({keys.bare});
    case RomeKeys::kContextAndBare:
      break;
  }
  if (at_sink)
    warnings.push_back(fmt::format(
        "edit {}{}the edit uses `keys: mean` of its context rows (a BOS would help)", ids, kAtSink));
  if (at_sink || !keys.contexts.defined()) return answer_one({mean});
  const KeyConstraint both = answer_one({keys.contexts, keys.bare});
  const bool one_and_the_same = gram_condition(key_cosines(metric, both.K)) > kWorstGramCondition;
  return one_and_the_same ? answer_one({mean}) : both;
}

std::optional<at::Tensor> published_response(const KeyMetric& metric, const at::Tensor& direction_key,
                                             const at::Tensor& answer_key) {
  const at::Tensor u = metric.solve(direction_key.unsqueeze(1)).squeeze(1);
  const double product = at::dot(u, answer_key).item<double>();
  if (std::abs(product) < kOrthogonal * u.norm().item<double>() * answer_key.norm().item<double>())
    return std::nullopt;
  return u / product;
}

}  // namespace emend::editors
