#include "editors/rome/rome.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "base/strings.h"
#include "editors/common/context_rows.h"
#include "editors/common/key_groups.h"
#include "editors/common/options.h"
#include "emend/error.h"

namespace emend {

std::string KeyGroup::ids(const std::vector<EditRequest>& all) const {
  std::vector<std::string> names;
  for (std::size_t i : requests) names.push_back(all[i].id);
  return join(names);
}

namespace {

constexpr double kNearParallel = 0.95;      // C^-1-cosine of two edits' keys that is worth a warning
constexpr double kWorstGram = 1e8;          // condition of all keys' Gram matrix that cannot be solved sensibly
constexpr double kLoudNeighbour = 0.3;      // share of the residual that reaches a neighbour
constexpr int kJointRounds = 2;

const std::vector<std::string> kKeyWords = {"context+bare", "mean", "original", "prompt"};
const std::vector<std::string> kObjectiveWords = {"written", "injected"};

// The options and the table that binds their names. Not copied: the table refers to the struct beside it.
struct BoundOptions {
  RomeOptions value;
  std::string preset = "emend";

  std::vector<OptionBinding> table() {
    SearchOptions& search = value.search;
    return {
        choice_option("preset", {"emend", "paper"}, [this] { return preset == "paper" ? 1 : 0; },
                      [this](int choice) { use_preset(choice); },
                      "paper: ROME as published (original keys, injected, its constants); other options still override it"),
        choice_option("keys", kKeyWords, [this] { return static_cast<int>(value.keys); },
                      [this](int choice) { value.keys = static_cast<RomeKeys>(choice); },
                      "the keys that the update answers to: mean and bare with the sink protected, r-ROME's mean, the "
                      "published mix, or the bare prompt alone"),
        choice_option("objective", kObjectiveWords, [&search] { return static_cast<int>(search.objective); },
                      [&search](int choice) { search.objective = static_cast<Objective>(choice); },
                      "search the loss of the written model, or with the residual injected at one token"),
        flag_option("covariance", value.covariance, "use the second moment C of the keys; false: C = I, as some tools do"),
        flag_option("protect_sink", value.protect_sink, "hold the key at position 0 (BOS) exactly where it is"),
        number_option("ridge", value.relative_ridge, 0, 1, "added to C's diagonal, in units of its mean"),
        integer_option("contexts", value.contexts, 0, 50, "sampled context rows of each of the two lengths"),
        number_option("bare_weight", value.bare_weight, 0, 1, "share of the bare prompt in the loss"),
        flag_option("uniform_rows", value.uniform_rows, "all rows weigh the same, whatever bare_weight says"),
        integer_option("steps", search.max_steps, 1, 1000, "most gradient steps of the value search"),
        number_option("step", search.step, 1e-6, 100, "Adam's step in units of ||v0|| / sqrt(d)"),
        number_option("absolute_step", search.absolute_step, 0, 100, "Adam's step as it is; 0: use `step`"),
        number_option("clamp", search.clamp, 1e-3, 1000, "largest ||r|| in units of ||v0||"),
        number_option("kl", search.kl_factor, 0, 1000, "weight of the drift of the subject's own distribution"),
        number_option("decay", search.decay, 0, 1000, "weight of ||r|| / ||v0||^2"),
        number_option("stop_probability", search.stop_probability, 0, 1, "stop when the target's probability passes this"),
        number_option("stop_loss", search.stop_loss, 0, 100, "stop below this loss instead; 0: off"),
        flag_option("keep_best", search.keep_best, "keep the best iterate; false: the last"),
        number_option("reach", search.reach, 0, 1, "tokens that the residual can move by less than this share keep cached values"),
    };
  }

 private:
  void use_preset(int choice) {
    preset = choice == 1 ? "paper" : "emend";
    value = RomeOptions();
    if (choice == 0) return;
    value.keys = RomeKeys::kOriginal;
    value.protect_sink = false;
    value.uniform_rows = true;
    value.search.objective = Objective::kInjected;
    value.relative_ridge = 0;
    value.search.max_steps = 19;
    value.search.clamp = 4;
    value.search.absolute_step = 0.5;
    value.search.decay = 0.5;
    value.search.stop_loss = 0.05;
    value.search.keep_best = false;
  }
};

// ---------------------------------------------------------------------------------------------------------------------------

// Everything about one call that does not depend on the search: rows, keys, groups.
class RomeRun {
 public:
  // kAlone: every request is an edit of its own; kTogether: one edit of all.
  enum class Mode { kAlone, kTogether };

  RomeRun(const Model& model, const std::vector<EditRequest>& requests, const EditorContext& context, const RomeOptions& options, Mode mode)
      : model_(model), requests_(requests), context_(context), options_(options), mode_(mode), form_{context.prefix, context.form} {
    if (context.layer < 0 || context.layer >= model.config().layers)
      throw Error(ErrorKind::kConfig, "layer " + std::to_string(context.layer) + " is out of range; the model has layers 0 to " +
                                          std::to_string(model.config().layers - 1));
    make_metric();
    make_rows();
    make_groups();
    choose_keys();
    if (mode_ == Mode::kTogether) look_for_conflicts();
  }

  EditPlan plan() const;
  Edit edit_together(Progress& progress);
  std::vector<Edit> edit_each(Progress& progress);

 private:
  void make_metric();
  void make_rows();
  void make_groups();
  void choose_keys();
  void look_for_conflicts();
  // The bare prompt's lookup token stands at position 0 with nothing in front.
  bool lies_at_sink(const RequestRows& rows) const { return form_.prefix.empty() && rows.prompts.front().lookup == 0; }
  at::Tensor response(const KeyGroup& group) const;
  at::Tensor joint_keys() const;
  at::Tensor joint_responses() const;
  double neighbour_alpha(const KeyGroup& group, const at::Tensor& a, std::vector<std::string>* loud) const;
  SearchUnit make_unit(const KeyGroup& group, const at::Tensor& a) const;
  TraceRow trace_row(const RequestRows& rows, std::size_t i, const TokenIds& more) const;
  std::vector<SearchResult> search(const std::vector<at::Tensor>& responses, const std::vector<SearchResult>* previous,
                                   Progress& progress, std::optional<int> steps = {}) const;
  std::vector<at::Tensor> own_responses() const;
  void settle_jointly(std::vector<at::Tensor>& responses, std::vector<SearchResult>& results, Progress& progress) const;
  void require_down(const std::vector<SearchResult>& results) const;
  void add_facts(Edit& edit, const KeyGroup& group, const SearchResult& result, const at::Tensor& a) const;

  const Model& model_;
  const std::vector<EditRequest>& requests_;
  const EditorContext& context_;
  const RomeOptions& options_;
  Mode mode_;
  RowForm form_;
  KeyMetric metric_;
  std::vector<TokenIds> contexts_;
  std::unique_ptr<LayerTrace> trace_;
  std::vector<RequestRows> rows_;
  std::vector<KeyGroup> groups_;
  at::Tensor sink_key_;  // [F] float64, undefined when not protected
  std::vector<std::string> warnings_;
};

void RomeRun::make_metric() {
  if (!options_.covariance) return;
  if (!context_.statistics || !context_.statistics->layers.contains(context_.layer))
    throw Error(ErrorKind::kConfig, "rome: the statistics of layer " + std::to_string(context_.layer) + " are missing");
  const at::Tensor& C = context_.statistics->layers.at(context_.layer).C;
  metric_ = KeyMetric(std::make_shared<SpdFactor>(C, options_.relative_ridge, "C of layer " + std::to_string(context_.layer)));
}

void RomeRun::make_rows() {
  const Tokenizer& tokenizer = model_.tokenizer();
  contexts_ = options_.contexts > 0 ? sample_contexts(model_, form_.prefix, options_.contexts, context_.seed) : std::vector<TokenIds>();
  // Fronts: the BOS alone, then BOS and each context. Chat rows carry their context inside the message.
  std::vector<TokenIds> fronts = {form_.prefix};
  for (const TokenIds& context : contexts_) {
    fronts.push_back(form_.prefix);
    fronts.back().insert(fronts.back().end(), context.begin(), context.end());
  }
  trace_ = std::make_unique<LayerTrace>(model_, context_.layer, fronts, context_.token_budget);
  for (const EditRequest& request : requests_) {
    RequestRows rows;
    rows.request = &request;
    rows.target = target_ids(tokenizer, request.target, form_);
    if (rows.target.empty()) throw Error(ErrorKind::kConfig, "edit " + request.id + ": the target has no tokens");
    rows.prompts.push_back(bare_row(tokenizer, request, form_));
    rows.fronts.push_back(0);
    for (std::size_t c = 0; c < contexts_.size(); ++c) {
      rows.prompts.push_back(context_row(tokenizer, request, contexts_[c], form_));
      rows.fronts.push_back(form_.form == PromptForm::kChat ? 0 : static_cast<std::int64_t>(c) + 1);
    }
    rows.subject = subject_row(tokenizer, request, form_);
    if (rows.prompts.front().straddles)
      warnings_.push_back("edit " + request.id + ": the token at the end of the subject also covers the text after it");
    rows_.push_back(std::move(rows));
  }
}

// Row i of a request, without what its front holds, followed by more tokens.
TraceRow RomeRun::trace_row(const RequestRows& rows, std::size_t i, const TokenIds& more) const {
  TraceRow row;
  row.front = rows.fronts[i];
  const TokenIds& ids = rows.prompts[i].ids;
  row.own.assign(ids.begin() + trace_->front_length(row.front), ids.end());
  row.own.insert(row.own.end(), more.begin(), more.end());
  return row;
}

void RomeRun::make_groups() {
  // The keys of all rows at their lookup tokens: what follows them cannot matter.
  std::vector<TraceRow> up_to_lookup;
  for (const RequestRows& rows : rows_)
    for (std::size_t i = 0; i < rows.prompts.size(); ++i) {
      TraceRow row = trace_row(rows, i, {});
      row.own.resize(rows.prompts[i].lookup + 1 - static_cast<std::size_t>(trace_->front_length(row.front)));
      up_to_lookup.push_back(std::move(row));
    }
  const at::Tensor keys = trace_->last_keys(up_to_lookup).to(at::kCPU, at::kDouble);
  std::map<TokenIds, std::size_t> group_of;
  std::int64_t at = 0;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const PromptRow& bare = rows_[i].prompts.front();
    const auto count = static_cast<std::int64_t>(rows_[i].prompts.size());
    const TokenIds seen(bare.ids.begin(), bare.ids.begin() + static_cast<std::ptrdiff_t>(bare.lookup) + 1);
    const auto [it, fresh] = group_of.emplace(seen, groups_.size());
    if (mode_ == Mode::kAlone) it->second = groups_.size();
    if (fresh || mode_ == Mode::kAlone) {
      KeyGroup group;
      group.bare_key = keys[at];
      if (count > 1) group.context_key = keys.narrow(0, at + 1, count - 1).mean(0);
      groups_.push_back(std::move(group));
    }
    groups_[it->second].requests.push_back(i);
    at += count;
  }
  // Two requests of one prompt cannot both be right.
  for (const KeyGroup& group : groups_)
    for (std::size_t i : group.requests)
      for (std::size_t j : group.requests)
        if (i < j && rows_[i].prompts.front().ids == rows_[j].prompts.front().ids && rows_[i].target != rows_[j].target)
          throw Error(ErrorKind::kConfig, "edits " + requests_[i].id + " and " + requests_[j].id + " contradict each other: the same prompt, targets " +
                                              quote(requests_[i].target) + " and " + quote(requests_[j].target));
}

void RomeRun::choose_keys() {
  if (options_.protect_sink) {
    if (!form_.prefix.empty()) {
      sink_key_ = trace_->front_keys(0)[0].to(at::kCPU, at::kDouble);
    } else if (form_.form == PromptForm::kChat) {  // every message begins with the template's own first token
      const TokenIds first(rows_.front().prompts.front().ids.begin(), rows_.front().prompts.front().ids.begin() + 1);
      sink_key_ = trace_->last_keys({{-1, first}})[0].to(at::kCPU, at::kDouble);
    } else if (!contexts_.empty()) {  // position 0 is the sink, whatever stands there
      std::vector<at::Tensor> sinks;
      for (std::size_t c = 0; c < contexts_.size(); ++c) sinks.push_back(trace_->front_keys(static_cast<std::int64_t>(c) + 1)[0]);
      sink_key_ = at::stack(sinks).mean(0).to(at::kCPU, at::kDouble);
    }
  }
  for (KeyGroup& group : groups_) {
    const bool at_sink = lies_at_sink(rows_[group.requests.front()]);
    if (at_sink && contexts_.empty())
      throw Error(ErrorKind::kConfig, "edit " + group.ids(requests_) + ": the subject is one token at position 0 with nothing in front, "
                                      "where the model keeps no fact; give a BOS (--bos TOKEN) or context rows (option contexts)");
    const auto contexts = static_cast<double>(contexts_.size());
    const at::Tensor mean = !group.context_key.defined() ? group.bare_key
                            : at_sink                     ? group.context_key
                                      : (group.bare_key + contexts * group.context_key) / (contexts + 1);
    std::vector<at::Tensor> keys;
    switch (options_.keys) {
      case RomeKeys::kContextAndBare:
        if (at_sink || !group.context_key.defined()) {
          keys = {mean};
          break;
        }
        keys = {group.context_key, group.bare_key};
        if (gram_condition(key_cosines(metric_, at::stack(keys, 1))) > kWorstGram) keys = {mean};  // one and the same
        break;
      case RomeKeys::kMean:
      case RomeKeys::kOriginal: keys = {mean}; break;
      case RomeKeys::kPrompt: keys = {group.bare_key}; break;
    }
    if (at_sink && options_.keys == RomeKeys::kContextAndBare)
      warnings_.push_back("edit " + group.ids(requests_) +
                          ": the subject is one token at position 0 with nothing in front, where the model keeps no fact; the "
                          "edit uses `keys: mean` of its context rows (a BOS would help: --bos)");
    std::vector<double> y(keys.size(), 1.0);
    group.K = at::stack(keys, 1);
    group.y = at::tensor(y, at::kDouble);
  }
}

at::Tensor with_column(const at::Tensor& K, const at::Tensor& column) {
  return column.defined() ? at::cat({K, column.unsqueeze(1)}, 1) : K;
}

// a of one group alone.
at::Tensor RomeRun::response(const KeyGroup& group) const {
  if (options_.keys == RomeKeys::kOriginal) {
    // The published program: direction C^-1 k_mean, divided by its product with the bare key.
    const at::Tensor u = metric_.solve(group.K).squeeze(1);
    const double divisor = at::dot(u, group.bare_key).item<double>();
    if (std::abs(divisor) < 1e-12 * u.norm().item<double>() * group.bare_key.norm().item<double>())
      throw Error(ErrorKind::kNumeric, "edit " + group.ids(requests_) + ": the bare key is orthogonal to the mean key; `keys: original` cannot write it");
    return u / divisor;
  }
  const at::Tensor K = with_column(group.K, sink_key_);
  const at::Tensor y = sink_key_.defined() ? at::cat({group.y, at::zeros({1}, at::kDouble)}) : group.y;
  return key_response(metric_, K, y);
}

at::Tensor RomeRun::joint_keys() const {
  std::vector<at::Tensor> all;
  for (const KeyGroup& group : groups_) all.push_back(group.K);
  return with_column(at::cat(all, 1), sink_key_);
}

// One a for each group [F, groups]: 1 on its own keys, 0 on everybody else's.
at::Tensor RomeRun::joint_responses() const {
  const at::Tensor K = joint_keys();
  at::Tensor Y = at::zeros({K.size(1), static_cast<std::int64_t>(groups_.size())}, at::kDouble);
  std::int64_t at = 0;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    Y.narrow(0, at, groups_[g].K.size(1)).select(1, static_cast<std::int64_t>(g)).copy_(groups_[g].y);
    at += groups_[g].K.size(1);
  }
  return key_response(metric_, K, Y);
}

void RomeRun::look_for_conflicts() {
  if (groups_.size() < 2) return;
  std::vector<at::Tensor> bare;
  for (const KeyGroup& group : groups_) bare.push_back(group.bare_key);
  const at::Tensor cosines = key_cosines(metric_, at::stack(bare, 1));
  const auto* data = cosines.const_data_ptr<double>();
  std::vector<std::string> closest;
  double highest = 0;
  for (std::size_t i = 0; i < groups_.size(); ++i)
    for (std::size_t j = i + 1; j < groups_.size(); ++j) {
      const double cosine = data[i * groups_.size() + j];
      if (std::abs(cosine) > highest) {
        highest = std::abs(cosine);
        closest = {groups_[i].ids(requests_), groups_[j].ids(requests_)};
      }
      if (cosine > kNearParallel)
        warnings_.push_back("edits " + groups_[i].ids(requests_) + " and " + groups_[j].ids(requests_) + " have nearly the same key (cosine " +
                            std::to_string(cosine).substr(0, 6) + "): telling them apart makes the update about " +
                            std::to_string(std::sqrt(1 / (1 - cosine * cosine))).substr(0, 5) + " times larger");
    }
  if (options_.keys == RomeKeys::kOriginal) return;
  const double condition = gram_condition(key_cosines(metric_, joint_keys()));
  if (condition > kWorstGram)
    throw Error(ErrorKind::kConfig, "the keys of edits " + join(closest, " and ") + " can hardly be told apart (the Gram matrix of all keys has condition " +
                                        std::to_string(condition) + "); put them into separate files or drop one");
}

// The largest share of the residual that a token of a neighbour's prompt gets.
double RomeRun::neighbour_alpha(const KeyGroup& group, const at::Tensor& a, std::vector<std::string>* loud) const {
  double largest = 0;
  for (std::size_t i : group.requests) {
    std::vector<TraceRow> rows;
    for (const Neighbour& neighbour : requests_[i].neighbours) {
      const TokenIds ids = prompt_ids(model_.tokenizer(), neighbour.prompt, form_);
      rows.push_back({0, {ids.begin() + trace_->front_length(0), ids.end()}});
    }
    if (rows.empty()) continue;
    const auto keys = trace_->own_keys(rows);
    for (std::size_t n = 0; n < keys.size(); ++n) {
      const double alpha = at::matmul(keys[n].to(at::kCPU, at::kDouble), a).abs().max().item<double>();
      largest = std::max(largest, alpha);
      if (alpha > kLoudNeighbour && loud)
        loud->push_back("edit " + requests_[i].id + ": its neighbour " + quote(requests_[i].neighbours[n].prompt, 60) + " receives " +
                        std::to_string(alpha).substr(0, 4) + " of the residual");
    }
  }
  return largest;
}

EditPlan RomeRun::plan() const {
  EditPlan plan;
  plan.warnings = warnings_;
  const at::Tensor joint = groups_.size() > 1 && options_.keys != RomeKeys::kOriginal ? joint_responses() : at::Tensor();
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const KeyGroup& group = groups_[g];
    const at::Tensor a = joint.defined() ? joint.select(1, static_cast<std::int64_t>(g)) : response(group);
    const double alpha = neighbour_alpha(group, a, &plan.warnings);
    for (std::size_t i : group.requests) {
      EditPlan::Entry entry;
      entry.id = requests_[i].id;
      entry.layer = context_.layer;
      entry.target_tokens = static_cast<std::int64_t>(rows_[i].target.size());
      entry.rows = static_cast<std::int64_t>(rows_[i].prompts.size());
      for (std::size_t j : group.requests)
        if (j != i) entry.merged_with.push_back(requests_[j].id);
      entry.predicted_norm = a.norm().item<double>();
      entry.largest_neighbour_alpha = alpha;
      plan.entries.push_back(std::move(entry));
    }
  }
  return plan;
}

SearchUnit RomeRun::make_unit(const KeyGroup& group, const at::Tensor& a) const {
  SearchUnit unit;
  unit.a = a.to(model_.options().device(), at::kFloat);
  const double share = 1.0 / static_cast<double>(group.requests.size());
  for (std::size_t i : group.requests) {
    const RequestRows& rows = rows_[i];
    const TokenIds fed(rows.target.begin(), rows.target.end() - 1);
    const auto contexts = static_cast<double>(rows.prompts.size() - 1);
    // A bare key at position 0 is the sink's: the row cannot be moved, so the context rows stand for it.
    const std::size_t first = lies_at_sink(rows) ? 1 : 0;
    const double bare_share = first == 1 ? 0 : options_.uniform_rows ? 1 / (contexts + 1) : options_.bare_weight;
    for (std::size_t p = first; p < rows.prompts.size(); ++p) {
      SearchRow row;
      row.row = trace_row(rows, p, fed);
      row.lookup = rows.prompts[p].lookup;
      row.bare = p == first;
      row.weight = share * (contexts == 0 ? 1.0 : p == 0 ? bare_share : (1 - bare_share) / contexts);
      row.labels = rows.target;
      const auto last = static_cast<std::int64_t>(rows.prompts[p].ids.size()) - 1;
      for (std::size_t j = 0; j < rows.target.size(); ++j) row.label_at.push_back(last + static_cast<std::int64_t>(j));
      unit.rows.push_back(std::move(row));
    }
    if (options_.search.kl_factor > 0 && i == group.requests.front()) {  // one subject, one drift row
      SearchRow row;
      row.row = {0, {rows.subject.ids.begin() + trace_->front_length(0), rows.subject.ids.end()}};
      row.lookup = rows.subject.ids.size() - 1;
      row.drift = true;
      unit.rows.push_back(std::move(row));
    }
  }
  return unit;
}

// Searches every group with its response; with `previous`, from there on and with what the others write held fixed.
std::vector<SearchResult> RomeRun::search(const std::vector<at::Tensor>& responses, const std::vector<SearchResult>* previous,
                                          Progress& progress, std::optional<int> steps) const {
  std::vector<SearchUnit> units;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    units.push_back(make_unit(groups_[g], responses[g]));
    if (!previous) continue;
    std::vector<at::Tensor> others_a, others_r;
    for (std::size_t o = 0; o < groups_.size(); ++o)
      if (o != g) {
        others_a.push_back(responses[o].to(model_.options().device(), at::kFloat));
        others_r.push_back((*previous)[o].r);
      }
    units.back().others_a = at::stack(others_a);
    units.back().others_r = at::stack(others_r);
    units.back().start = (*previous)[g].r;
  }
  if (!previous)
    progress.begin("searching " + std::to_string(groups_.size()) + (groups_.size() == 1 ? " value" : " values"),
                   static_cast<std::int64_t>(groups_.size()), "values");
  SearchOptions options = options_.search;
  if (steps) options.max_steps = *steps;
  std::vector<SearchResult> results = search_values(model_, *trace_, units, options, progress);
  if (!previous) progress.end();
  return results;
}

// B A of rank n: one column r and one row a for each residual.
WeightChange rank_n_change(int layer, const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& r) {
  return {layer, at::stack(a, 0).to(at::kFloat).contiguous(), at::stack(r, 1).to(at::kFloat).contiguous()};
}

// What one group's requests contribute, with the response that is written for it.
void RomeRun::add_facts(Edit& edit, const KeyGroup& group, const SearchResult& result, const at::Tensor& a) const {
  const double weight_norm =
      model_.weights().blocks[static_cast<std::size_t>(context_.layer)].mlp_down.to(at::kFloat).norm().item<double>();
  for (std::size_t i : group.requests) {
    EditedFact fact;
    fact.request = requests_[i];
    fact.layer = context_.layer;
    fact.status = result.came_down ? "edited" : "failed";
    if (!result.came_down) fact.reason = "the value search did not come down (loss " + std::to_string(result.loss) + ")";
    if (options_.keys == RomeKeys::kOriginal) {
      fact.keys = group.bare_key.unsqueeze(0).to(at::kFloat);
      fact.answers = at::ones({1}, at::kFloat);
    } else {
      fact.keys = with_column(group.K, sink_key_).t().to(at::kFloat).contiguous();
      fact.answers = (sink_key_.defined() ? at::cat({group.y, at::zeros({1}, at::kDouble)}) : group.y).to(at::kFloat);
    }
    fact.residual = result.r.cpu();
    fact.steps = result.steps;
    fact.loss = result.loss;
    fact.update_norm = fact.residual.norm().item<double>() * a.norm().item<double>();
    fact.relative_norm = fact.update_norm / weight_norm;
    edit.facts.push_back(std::move(fact));
  }
}

// Throws for what did not come down, unless the caller goes on without it.
void RomeRun::require_down(const std::vector<SearchResult>& results) const {
  std::vector<std::string> failed;
  for (std::size_t g = 0; g < groups_.size(); ++g)
    if (!results[g].came_down) failed.push_back(groups_[g].ids(requests_) + " (loss " + std::to_string(results[g].loss) + ")");
  if (!failed.empty() && !context_.keep_going)
    throw Error(ErrorKind::kNumeric, "the value search did not come down for " + join(failed) +
                                         "; try another layer or more steps, or --keep-going");
}

std::vector<at::Tensor> RomeRun::own_responses() const {
  std::vector<at::Tensor> responses;
  for (const KeyGroup& group : groups_) responses.push_back(response(group));
  return responses;
}

// After the joint solve each a also answers 0 on everybody else's keys; what that weakened is searched again from where it
// stands, with the others' residuals held.
void RomeRun::settle_jointly(std::vector<at::Tensor>& responses, std::vector<SearchResult>& results, Progress& progress) const {
  const at::Tensor a = joint_responses();
  for (std::size_t g = 0; g < groups_.size(); ++g) responses[g] = a.select(1, static_cast<std::int64_t>(g));
  for (int round = 0; round < kJointRounds; ++round) {
    progress.begin("searching jointly, round " + std::to_string(round + 1), static_cast<std::int64_t>(groups_.size()), "values");
    std::vector<SearchResult> again = search(responses, &results, progress);
    progress.end();
    bool moved = false;
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      moved = moved || again[g].steps > 0;
      again[g].steps += results[g].steps;
      again[g].came_down = results[g].came_down;
    }
    results = std::move(again);
    if (!moved) return;
  }
  // What is written is measured once more, with everybody's last residual.
  std::vector<SearchResult> last = search(responses, &results, progress, 0);
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    last[g].steps = results[g].steps;
    last[g].came_down = results[g].came_down && std::isfinite(last[g].loss);
  }
  results = std::move(last);
}

Edit RomeRun::edit_together(Progress& progress) {
  Edit edit;
  edit.warnings = warnings_;
  std::vector<at::Tensor> responses = own_responses();
  for (std::size_t g = 0; g < groups_.size(); ++g) neighbour_alpha(groups_[g], responses[g], &edit.warnings);
  std::vector<SearchResult> results = search(responses, nullptr, progress);
  if (groups_.size() > 1 && options_.keys != RomeKeys::kOriginal) settle_jointly(responses, results, progress);
  require_down(results);

  std::vector<at::Tensor> a, r;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    add_facts(edit, groups_[g], results[g], responses[g]);
    if (!results[g].came_down) continue;
    a.push_back(responses[g]);
    r.push_back(results[g].r.cpu());
  }
  // Groups gather requests that share a key: back to the order of the file.
  std::sort(edit.facts.begin(), edit.facts.end(), [&](const EditedFact& one, const EditedFact& two) {
    const auto place = [&](const EditedFact& fact) {
      return std::find_if(requests_.begin(), requests_.end(), [&](const EditRequest& request) { return request.id == fact.request.id; });
    };
    return place(one) < place(two);
  });
  if (!a.empty()) edit.changes.push_back(rank_n_change(context_.layer, a, r));
  edit.context_ids = contexts_;
  return edit;
}

std::vector<Edit> RomeRun::edit_each(Progress& progress) {
  const std::vector<at::Tensor> responses = own_responses();
  const std::vector<SearchResult> results = search(responses, nullptr, progress);
  require_down(results);
  std::vector<Edit> edits(groups_.size());
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    add_facts(edits[g], groups_[g], results[g], responses[g]);
    if (results[g].came_down) edits[g].changes.push_back(rank_n_change(context_.layer, {responses[g]}, {results[g].r.cpu()}));
    edits[g].context_ids = contexts_;
  }
  return edits;
}

class Rome : public Editor {
 public:
  explicit Rome(std::unique_ptr<BoundOptions> options) : bound_(std::move(options)), options_(option_values(bound_->table())) {}

  std::string name() const override { return "rome"; }
  bool needs_statistics() const override { return bound_->value.covariance; }
  std::map<std::string, std::string> options() const override { return options_; }
  std::string objective() const override { return options_.at("objective"); }

  EditPlan plan(const Model& model, const std::vector<EditRequest>& requests, const EditorContext& context) const override {
    const c10::NoGradGuard no_grad;
    return RomeRun(model, requests, context, bound_->value, RomeRun::Mode::kTogether).plan();
  }

  Edit edit(const Model& model, const std::vector<EditRequest>& requests, const EditorContext& context,
            Progress& progress) const override {
    Edit edit = RomeRun(model, requests, context, bound_->value, RomeRun::Mode::kTogether).edit_together(progress);
    sign(edit, model, context);
    return edit;
  }

  std::vector<Edit> edit_each(const Model& model, const std::vector<EditRequest>& requests, const EditorContext& context,
                              Progress& progress) const override {
    std::vector<Edit> edits = RomeRun(model, requests, context, bound_->value, RomeRun::Mode::kAlone).edit_each(progress);
    for (Edit& edit : edits) sign(edit, model, context);
    return edits;
  }

 private:
  // Where the edit came from.
  void sign(Edit& edit, const Model& model, const EditorContext& context) const {
    edit.method = name();
    edit.objective = objective();
    edit.options = options_;
    edit.base_fingerprint = model.fingerprint();
    if (bound_->value.covariance) edit.statistics_fingerprint = context.statistics->fingerprint;
    else edit.warnings.push_back("covariance: false: the update's direction is the raw key (C = I); neighbours move more than with ROME");
  }

  std::unique_ptr<BoundOptions> bound_;
  std::map<std::string, std::string> options_;
};

}  // namespace

EditorHelp rome_help() {
  BoundOptions defaults;
  return {"rome", "rank-one update of one feed-forward layer in closed form (Meng et al. 2022), searched on the written model", true,
          option_help(defaults.table())};
}

std::unique_ptr<Editor> make_rome(const std::map<std::string, OptionText>& options) {
  auto bound = std::make_unique<BoundOptions>();
  const auto table = bound->table();
  // The preset first: whatever else is given overrides it.
  std::map<std::string, OptionText> rest = options;
  if (const auto preset = rest.extract("preset")) apply_options("rome", table, {{"preset", preset.mapped()}});
  apply_options("rome", table, rest);
  return std::make_unique<Rome>(std::move(bound));
}

}  // namespace emend
