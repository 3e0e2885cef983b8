#include "measure/answer_batch.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>

#include "model/decode.h"
#include "model/layers.h"
#include "model/rows.h"
#include "model/value_path.h"

namespace emend {

AnswerBatch::AnswerBatch(const Model& model, const QuestionSheet& sheet, RowRange prompts,
                         const std::vector<std::vector<std::size_t>>& continuations,
                         const AnswerOptions& options)
    : model_(model), sheet_(sheet), prompts_(prompts), options_(options) {
  lay_out(continuations);
  base_ = plan(std::vector<std::int64_t>(sheet_.prompts.size(), -1));
  run_lower_blocks();
}

// Rows that are generated from, then prompts with answers of several tokens, then what is left.
void AnswerBatch::lay_out(const std::vector<std::vector<std::size_t>>& continuations) {
  constexpr std::size_t kNone = -1;
  row_of_prompt_.assign(prompts_.end - prompts_.begin, kNone);
  std::int64_t capacity = 0;
  const auto add = [&](TokenIds ids, std::size_t prompt, std::int64_t cache_row) {
    rows_.push_back({std::move(ids), prompt, cache_row});
    std::size_t& row = row_of_prompt_[prompt - prompts_.begin];
    if (row == kNone) row = rows_.size() - 1;
    return rows_.size() - 1;
  };
  for (std::size_t p = prompts_.begin; p < prompts_.end; ++p) {
    if (sheet_.max_new[p] == 0) continue;
    add(sheet_.prompts[p], p, static_cast<std::int64_t>(generating_.size()));
    generating_.push_back(p);
    capacity = std::max(capacity, static_cast<std::int64_t>(prompt_length(p)) + sheet_.max_new[p]);
  }
  for (std::size_t p = prompts_.begin; p < prompts_.end; ++p)
    for (const std::size_t c : continuations[p - prompts_.begin]) {
      const TokenIds& target = sheet_.continuations[c].target;
      if (target.size() < 2) continue;
      TokenIds ids = sheet_.prompts[p];
      ids.insert(ids.end(), target.begin(), target.end() - 1);
      asked_.push_back({c, add(std::move(ids), p, -1)});
    }
  for (std::size_t p = prompts_.begin; p < prompts_.end; ++p) {
    if (row_of_prompt_[p - prompts_.begin] == kNone) add(sheet_.prompts[p], p, -1);
    for (const std::size_t c : continuations[p - prompts_.begin])
      if (sheet_.continuations[c].target.size() == 1)
        asked_.push_back({c, row_of_prompt_[p - prompts_.begin]});
  }
  cache_ =
      KvCache(model_.config(), 0, static_cast<std::int64_t>(generating_.size()), capacity, model_.options());
}

AnswerBatch::Plan AnswerBatch::plan(const std::vector<std::int64_t>& edit_of_prompt) const {
  Plan plan;
  std::vector<TokenIds> ids;
  std::vector<std::int64_t> group;
  for (const Row& row : rows_) {
    ids.push_back(row.ids);
    group.push_back(edit_of_prompt[row.prompt]);
  }
  plan.tokens = share_tokens(ids, group);
  std::vector<std::int64_t> logit_of_token(static_cast<std::size_t>(plan.tokens.count()), -1);
  const auto read = [&](std::size_t row, std::size_t position) {
    const std::int64_t token = plan.tokens.token_of[row][position];
    std::int64_t& at = logit_of_token[static_cast<std::size_t>(token)];
    if (at < 0) {
      at = static_cast<std::int64_t>(plan.logit_tokens.size());
      plan.logit_tokens.push_back(token);
    }
    return at;
  };
  for (std::size_t p = prompts_.begin; p < prompts_.end; ++p)
    plan.prompt_logits.push_back(read(row_of_prompt_[p - prompts_.begin], prompt_length(p) - 1));
  for (const Asked& asked : asked_) {
    const Continuation& continuation = sheet_.continuations[asked.continuation];
    auto& rows = plan.answer_logits.emplace_back();
    for (std::size_t j = 0; j < continuation.target.size(); ++j)
      rows.push_back(read(asked.row, prompt_length(continuation.prompt) - 1 + j));
  }
  return plan;
}

// All rows from their first token, each prompt that is generated from writing its row of the cache.
PassInput AnswerBatch::rows_of(const SharedTokens& tokens) {
  PassInput input;
  for (const Row& row : rows_) input.ids.push_back(row.ids);
  input.token_of = tokens.token_of;
  if (generating_.empty()) return input;
  std::fill(cache_.lengths.begin(), cache_.lengths.end(), 0);
  for (const Row& row : rows_) input.cache_row.push_back(row.cache_row);
  input.cache = &cache_;
  input.append = true;
  return input;
}

void AnswerBatch::run_lower_blocks() {
  PassInput lower = rows_of(base_.tokens);
  lower.stop = PassInput::Stop::kBlock;
  lower.stop_block = options_.first_edited_block;
  lower.recordings = {{Site::kKey, options_.first_edited_block, {}}};
  if (!ValuePath(model_, options_.first_edited_block).is_direct())
    lower.recordings.push_back({Site::kMlpOutput, options_.first_edited_block, {}});
  const PassOutput output = model_.forward(lower);
  hidden_ = output.hidden;
  key_ = output.recorded.front();
  if (output.recorded.size() > 1) value_ = output.recorded.back();
}

at::Tensor AnswerBatch::upper_logits(const Plan& plan, const RowOverlays& overlays) {
  PassInput upper = rows_of(plan.tokens);
  upper.begin_block = options_.first_edited_block + 1;
  upper.logit_tokens = plan.logit_tokens;
  upper.logits_only = upper.begin_block < model_.config().layers;
  std::vector<std::size_t> prompts;
  for (const Row& row : rows_) prompts.push_back(row.prompt);
  std::vector<std::int64_t> base_token, row_of_token;
  for (const auto [row, position] : plan.tokens.first) {
    base_token.push_back(base_.tokens.token_of[row][position]);
    row_of_token.push_back(static_cast<std::int64_t>(row));
  }
  const at::Tensor base = index_tensor(base_token, hidden_.device()),
                   row = index_tensor(row_of_token, hidden_.device());
  upper.hidden = hidden_.index_select(0, base);
  at::Tensor change;  // of the values of the first edited block
  for (Overlay& overlay : overlays.for_rows(prompts)) {
    if (overlay.block != options_.first_edited_block) {
      upper.overlays.push_back(std::move(overlay));
      continue;
    }
    const at::Tensor strength = overlay_strength(key_, overlay).index_select(0, base);
    const at::Tensor added = overlay_value(strength, overlay, row).to(upper.hidden.scalar_type());
    change = change.defined() ? change + added : added;
  }
  if (change.defined())
    upper.hidden =
        upper.hidden + ValuePath(model_, options_.first_edited_block)
                           .arrived_change(value_.defined() ? value_.index_select(0, base) : value_, change);
  return model_.forward(upper).logits;
}

void AnswerBatch::answer(const RowOverlays& overlays, const std::vector<std::int64_t>& edit_of_prompt,
                         std::vector<Answers>& answers) {
  const bool is_base =
      std::all_of(edit_of_prompt.begin(), edit_of_prompt.end(), [](std::int64_t edit) { return edit < 0; });
  const Plan own = is_base ? Plan{} : plan(edit_of_prompt);
  const Plan& now = is_base ? base_ : own;
  const at::Tensor logits = upper_logits(now, overlays);
  score(now, logits, answers);
  compare(now, logits, answers);
  generate(now, logits, overlays, answers);
}

// -log p of the tokens of the answers, and the likeliest token at each of their positions.
void AnswerBatch::score(const Plan& plan, const at::Tensor& logits, std::vector<Answers>& answers) const {
  if (asked_.empty()) return;
  std::vector<std::int64_t> rows, ids;
  for (std::size_t a = 0; a < asked_.size(); ++a) {
    const TokenIds& target = sheet_.continuations[asked_[a].continuation].target;
    rows.insert(rows.end(), plan.answer_logits[a].begin(), plan.answer_logits[a].end());
    ids.insert(ids.end(), target.begin(), target.end());
  }
  const at::Tensor row = index_tensor(rows, logits.device()), id = index_tensor(ids, logits.device());
  const at::Tensor nll = (at::logsumexp(logits, 1).index_select(0, row) -
                          logits.flatten().index_select(0, row * logits.size(1) + id))
                             .to(at::kDouble)
                             .cpu();
  const at::Tensor likeliest = logits.argmax(1).cpu();
  const double* value = nll.const_data_ptr<double>();
  const std::int64_t* best = likeliest.const_data_ptr<std::int64_t>();
  for (std::size_t a = 0; a < asked_.size(); ++a) {
    const std::size_t c = asked_[a].continuation;
    AnswerScore score;
    score.answer = sheet_.continuations[c].target;
    for (const std::int64_t at : plan.answer_logits[a]) {
      score.nll += *value++;
      score.likeliest.push_back(best[at]);
    }
    score.nll /= static_cast<double>(score.answer.size());
    const std::size_t prompt = sheet_.continuations[c].prompt;
    record_of(prompt, answers)
        .scores.emplace(Questions::Pair{sheet_.prompt_text[prompt], sheet_.answer_text[c]}, std::move(score));
  }
}

// KL(now || base) = sum_w now(w) (log now(w) - log base(w)), in nats (Hoelscher-Obermaier et al. 2023 divide
// it by V).
void AnswerBatch::compare(const Plan& plan, const at::Tensor& logits, std::vector<Answers>& answers) {
  std::vector<std::size_t> compared;
  std::vector<std::int64_t> rows;
  for (std::size_t p = prompts_.begin; p < prompts_.end; ++p) {
    if (!sheet_.compared[p]) continue;
    compared.push_back(p);
    rows.push_back(plan.prompt_logits[p - prompts_.begin]);
  }
  if (rows.empty()) return;
  const at::Tensor now =
      at::log_softmax(logits.index_select(0, index_tensor(rows, logits.device())).to(at::kDouble), 1);
  if (!base_logprobs_.defined()) base_logprobs_ = now;
  const at::Tensor kl = (now.exp() * (now - base_logprobs_)).sum(1).cpu();
  for (std::size_t i = 0; i < compared.size(); ++i)
    record_of(compared[i], answers).next_token_kl[sheet_.prompt_text[compared[i]]] =
        kl.const_data_ptr<double>()[i];
}

EndedText AnswerBatch::ended_text(TokenIds ids, const std::string& text, std::int64_t ended_by) const {
  if (ended_by >= 0) ids.push_back(ended_by);
  return {text, model_.tokenizer().decode(ids, false, Position::kContinuation), ended_by >= 0};
}

void AnswerBatch::generate(const Plan& plan, const at::Tensor& logits, const RowOverlays& overlays,
                           std::vector<Answers>& answers) {
  if (generating_.empty()) return;
  std::vector<DecodeRow> rows;
  std::vector<std::int64_t> logit_rows;
  for (const std::size_t p : generating_) {
    rows.push_back({static_cast<std::int64_t>(rows.size()), p, sheet_.max_new[p], sheet_.stream[p]});
    logit_rows.push_back(plan.prompt_logits[p - prompts_.begin]);
  }
  std::vector<std::int64_t> stop = options_.ends, ended_by;
  if (const auto eos = model_.tokenizer().eos(); eos && stop.empty()) stop = {*eos};
  const auto texts = decode(model_, cache_, logits.index_select(0, index_tensor(logit_rows, logits.device())),
                            rows, options_.draw, stop, overlays, nullptr, &ended_by);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::size_t prompt = generating_[i];
    const std::string text = model_.tokenizer().decode(texts[i], true, Position::kContinuation);
    Answers& record = record_of(prompt, answers);
    if (!options_.ends.empty())
      record.to_end[sheet_.prompt_text[prompt]] = ended_text(texts[i], text, ended_by[i]);
    else if (options_.samples)
      record.samples[sheet_.prompt_text[prompt]].push_back(text);
    else if (options_.draw.temperature > 0)
      record.texts.push_back(sheet_.prompt_text[prompt] + text);
    else
      record.completions[sheet_.prompt_text[prompt]] = text;
  }
}

}  // namespace emend
