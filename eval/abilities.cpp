#include "emend/abilities.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "analysis/prompt_rows.h"
#include "emend/error.h"
#include "eval/results/bootstrap.h"
#include "eval/results/interval.h"
#include "eval/results/mcnemar.h"
#include "measure/answer_engine.h"
#include "text/jinja/characters.h"

namespace emend {
namespace {

struct EncodedChoice {
  TokenIds context, continuation;
};

// The ids of context + " " + choice are those of the whole text, cut behind as many as the context alone has;
// blanks at the end of the context belong to what follows (lm-evaluation-harness: TemplateLM._encode_pair).
EncodedChoice encode(const Tokenizer& tokenizer, const TokenIds& prefix, const ChoiceItem& item,
                     const std::string& choice) {
  const std::string context = item.context.substr(0, text::jinja::trailing_space(item.context));
  const RowForm form{prefix, PromptForm::kRaw};
  EncodedChoice ids{prompt_ids(tokenizer, context, form),
                    prompt_ids(tokenizer, item.context + " " + choice, form)};
  const auto own = static_cast<std::ptrdiff_t>(std::min(ids.context.size(), ids.continuation.size()));
  ids.continuation.erase(ids.continuation.begin(), ids.continuation.begin() + own);
  return ids;
}

// Leaves out the beginning of what does not fit: the last token is never read. Returns whether it did.
bool cut_to(std::int64_t positions, EncodedChoice& ids, const ChoiceItem& item) {
  const auto most = static_cast<std::size_t>(positions);
  if (ids.continuation.empty() || ids.continuation.size() > most)
    throw Error(ErrorKind::kConfig,
                fmt::format("{}: a choice of {} tokens does not fit into the model's {} positions",
                            item.where, ids.continuation.size(), positions));
  const std::size_t room = most + 1 - ids.continuation.size();
  if (ids.context.size() <= room) return false;
  ids.context.erase(ids.context.begin(), ids.context.end() - static_cast<std::ptrdiff_t>(room));
  return true;
}

// All choices of all tasks as one sheet: an item is a record, its choices are its answers, named by their
// numbers.
class ChoiceSheet {
 public:
  ChoiceSheet(const Model& model, const std::vector<AbilityTask>& tasks, const TokenIds& prefix) {
    for (const AbilityTask& task : tasks)
      for (const ChoiceItem& item : task.items) add(model, item, prefix);
  }

  const QuestionSheet& questions() const { return sheet_; }
  std::int64_t items() const { return static_cast<std::int64_t>(cut_.size()); }
  bool cut(std::size_t item) const { return cut_[item]; }
  static Questions::Pair key(std::size_t choice) { return {"", std::to_string(choice)}; }

 private:
  void add(const Model& model, const ChoiceItem& item, const TokenIds& prefix) {
    const auto record = static_cast<std::int64_t>(cut_.size());
    cut_.push_back(false);
    for (std::size_t c = 0; c < item.choices.size(); ++c) {
      EncodedChoice ids = encode(model.tokenizer(), prefix, item, item.choices[c]);
      if (ids.context.empty())
        throw Error(ErrorKind::kConfig, item.where + ": the context has no tokens, and no BOS begins it");
      if (cut_to(model.config().max_positions, ids, item)) cut_.back() = true;
      if (c == 0 || sheet_.prompts.back() != ids.context) add_prompt(std::move(ids.context), record);
      sheet_.continuations.push_back({sheet_.prompts.size() - 1, std::move(ids.continuation)});
      sheet_.answer_text.push_back(key(c).second);
    }
  }
  void add_prompt(TokenIds ids, std::int64_t record) {
    sheet_.prompts.push_back(std::move(ids));
    sheet_.record.push_back(record);
    sheet_.prompt_text.emplace_back();
    sheet_.max_new.push_back(0);
    sheet_.stream.push_back(0);
    sheet_.compared.push_back(false);
  }

  QuestionSheet sheet_;
  std::vector<bool> cut_;  // of each item
};

// The first of the largest ones.
std::size_t largest(const std::vector<double>& values) {
  return static_cast<std::size_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

ItemAnswer answer_of(const ChoiceItem& item, const Answers& answers) {
  ItemAnswer answer;
  std::vector<double> per_character;
  for (std::size_t c = 0; c < item.choices.size(); ++c) {
    const AnswerScore& score = answers.scores.at(ChoiceSheet::key(c));
    const double sum = -score.nll * static_cast<double>(score.answer.size());
    if (!std::isfinite(sum))
      throw Error(ErrorKind::kNumeric,
                  fmt::format("{}: the log-likelihood of choice {} (from 0) is not finite", item.where, c));
    answer.loglikelihoods.push_back(sum);
    per_character.push_back(sum / static_cast<double>(text::jinja::count_characters(item.choices[c])));
  }
  answer.chosen = largest(answer.loglikelihoods);
  answer.chosen_normalised = largest(per_character);
  return answer;
}

std::vector<ItemAnswer> ask(const Model& model, const std::vector<AbilityTask>& tasks,
                            const ChoiceSheet& sheet, const std::string& stage, std::int64_t token_budget,
                            Progress& progress) {
  AnswerOptions how;
  how.token_budget = token_budget;
  how.records = sheet.items();
  const AnswerEngine engine(model, sheet.questions(), how);
  progress.begin(stage, engine.prompts(), "prompts");
  const std::vector<Answers> answers =
      engine.answer({}, [&](std::int64_t prompts) { progress.update(prompts, ""); }).front();
  progress.end();
  std::vector<ItemAnswer> items;
  for (const AbilityTask& task : tasks)
    for (const ChoiceItem& item : task.items) items.push_back(answer_of(item, answers[items.size()]));
  return items;
}

bool is_right(const ItemOutcome& item, const ItemAnswer& answer, bool normalised) {
  return (normalised ? answer.chosen_normalised : answer.chosen) == item.right;
}

AbilityFigure figure_of(const std::string& metric, const std::vector<ItemOutcome>& items, bool normalised,
                        const BootstrapOptions& bootstrap) {
  AbilityFigure figure;
  figure.metric = metric;
  std::vector<double> before, after;
  for (const ItemOutcome& item : items) {
    before.push_back(is_right(item, item.before, normalised) ? 1 : 0);
    if (!item.after) continue;
    after.push_back(is_right(item, *item.after, normalised) ? 1 : 0);
    figure.lost += before.back() > after.back() ? 1 : 0;
    figure.gained += before.back() < after.back() ? 1 : 0;
  }
  figure.before = mean_with_interval(before);
  if (after.empty()) return figure;
  figure.after = mean_with_interval(after);
  figure.paired = paired_bootstrap({{{before}, {after}}}, bootstrap).front();
  figure.p = mcnemar_exact_p(figure.lost, figure.gained);
  return figure;
}

AbilityResult result_of(const AbilityTask& task, std::vector<ItemOutcome> items,
                        const BootstrapOptions& bootstrap) {
  AbilityResult result{task.name, task.form, task.file, std::move(items), {}, 0};
  result.figures.push_back(figure_of("acc", result.items, false, bootstrap));
  if (task.normalised) result.figures.push_back(figure_of("acc_norm", result.items, true, bootstrap));
  result.cut = std::count_if(result.items.begin(), result.items.end(),
                             [](const ItemOutcome& item) { return item.cut; });
  return result;
}

}  // namespace

AbilityOutcome measure_abilities(Model& model, const std::vector<AbilityTask>& tasks,
                                 const std::vector<WeightChange>& changes, const AbilityOptions& options,
                                 Progress& progress) {
  if (tasks.empty()) throw Error(ErrorKind::kUsage, "abilities need at least one data file");
  if (options.token_budget < 1 || options.bootstrap.draws < 1)
    throw Error(ErrorKind::kUsage, "token budget and draws must be at least 1");
  const auto began = std::chrono::steady_clock::now();
  const ChoiceSheet sheet(model, tasks, resolve_bos(model.tokenizer(), options.bos));
  const std::vector<ItemAnswer> before =
      ask(model, tasks, sheet, "asking the model", options.token_budget, progress);
  std::vector<ItemAnswer> after;
  if (!changes.empty()) {
    const ScopedEdit scope(model, changes);
    after = ask(model, tasks, sheet, "asking the edited model", options.token_budget, progress);
  }
  AbilityOutcome outcome;
  outcome.edited = !changes.empty();
  outcome.bootstrap = options.bootstrap;
  std::vector<ItemOutcome> all;
  for (const AbilityTask& task : tasks) {
    const std::size_t first = all.size();
    for (const ChoiceItem& item : task.items) {
      const std::size_t i = all.size();
      all.push_back({item.where, item.right, sheet.cut(i), before[i], std::nullopt});
      if (outcome.edited) all.back().after = after[i];
    }
    outcome.tasks.push_back(
        result_of(task, {all.begin() + static_cast<std::ptrdiff_t>(first), all.end()}, options.bootstrap));
  }
  if (tasks.size() > 1) outcome.all = figure_of("acc", all, false, options.bootstrap);
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  return outcome;
}

}  // namespace emend
