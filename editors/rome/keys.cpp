#include "editors/rome/keys.h"

#include <ATen/ATen.h>

#include "emend/error.h"

namespace emend {

namespace {

const std::string kAtSink =
    ": the subject is one token at position 0 with nothing in front, where the model keeps no fact; ";

// Over all rows, each the same.
at::Tensor mean_key(const KeyGroup& group, double contexts) {
  if (!group.context_key.defined()) return group.bare_key;
  return (group.bare_key + contexts * group.context_key) / (contexts + 1);
}

KeyConstraint answer_one(const std::vector<at::Tensor>& keys) {
  return {at::stack(keys, 1), at::ones({static_cast<std::int64_t>(keys.size())}, at::kDouble)};
}

}  // namespace

KeyConstraint choose_keys(const KeyGroup& group, const CallRows& rows, const KeyMetric& metric, RomeKeys kind,
                          const std::string& ids, std::vector<std::string>& warnings) {
  const bool at_sink = rows.lies_at_sink(group.requests.front());
  if (at_sink && rows.contexts().empty())
    throw Error(ErrorKind::kConfig,
                "edit " + ids + kAtSink + "give a BOS (--bos TOKEN) or context rows (option contexts)");
  const at::Tensor mean =
      at_sink ? group.context_key : mean_key(group, static_cast<double>(rows.contexts().size()));
  switch (kind) {
    case RomeKeys::kMean:
    case RomeKeys::kOriginal:
      return answer_one({mean});
    case RomeKeys::kPrompt:
      return answer_one({group.bare_key});
    case RomeKeys::kContextAndBare:
      break;
  }
  if (at_sink)
    warnings.push_back("edit " + ids + kAtSink +
                       "the edit uses `keys: mean` of its context rows (a BOS would help: --bos)");
  if (at_sink || !group.context_key.defined()) return answer_one({mean});
  const KeyConstraint both = answer_one({group.context_key, group.bare_key});
  const bool one_and_the_same = gram_condition(key_cosines(metric, both.K)) > kWorstGramCondition;
  return one_and_the_same ? answer_one({mean}) : both;
}

}  // namespace emend
