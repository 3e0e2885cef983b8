#include "eval/answer_engine.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "model/batches.h"
#include "model/decode.h"
#include "model/rows.h"

namespace emend {

namespace {

// Rows of logits: -log p of the wanted ids at the given rows, and each row's likeliest id.
struct LogitScores {
  std::vector<double> nll;
  std::vector<std::int64_t> likeliest;  // one a row of logits
};

LogitScores score_logits(const at::Tensor& logits, const std::vector<std::int64_t>& rows, const std::vector<std::int64_t>& ids) {
  const at::Tensor row = index_tensor(rows, logits.device()), id = index_tensor(ids, logits.device());
  const at::Tensor nll = (at::logsumexp(logits, 1).index_select(0, row) -
                          logits.flatten().index_select(0, row * logits.size(1) + id)).to(at::kDouble).cpu();
  const at::Tensor likeliest = logits.argmax(1).cpu();
  const double* values = nll.const_data_ptr<double>();
  const std::int64_t* best = likeliest.const_data_ptr<std::int64_t>();
  return {{values, values + nll.size(0)}, {best, best + likeliest.size(0)}};
}

}  // namespace

AnswerEngine::AnswerEngine(const Model& model, QuestionSheet sheet, const Options& options)
    : model_(model), sheet_(std::move(sheet)), options_(options) {
  const c10::NoGradGuard no_grad;
  for (const RowRange range : split_by_tokens(sheet_.prompts, options_.token_budget)) {
    Batch batch;
    batch.begin = range.begin;
    batch.end = range.end;
    batch.ids.assign(sheet_.prompts.begin() + static_cast<std::ptrdiff_t>(range.begin),
                     sheet_.prompts.begin() + static_cast<std::ptrdiff_t>(range.end));
    for (std::size_t c = 0; c < sheet_.continuations.size(); ++c) {
      const Continuation& continuation = sheet_.continuations[c];
      if (continuation.prompt < range.begin || continuation.prompt >= range.end) continue;
      batch.continuations.push_back(c);
      if (continuation.target.size() < 2) continue;
      batch.rest.emplace_back(continuation.target.begin(), continuation.target.end() - 1);
      batch.rest_owner.push_back(c);
      batch.rest_row.push_back(static_cast<std::int64_t>(continuation.prompt - range.begin));
    }
    prepare(batch);
    batches_.push_back(std::move(batch));
  }
}

void AnswerEngine::prepare(Batch& batch) {
  std::int64_t capacity = 0;
  for (std::size_t i = 0; i < batch.ids.size(); ++i)
    capacity = std::max(capacity, static_cast<std::int64_t>(batch.ids[i].size()) + sheet_.max_new[batch.begin + i]);
  batch.cache = KvCache(model_.config(), 0, static_cast<std::int64_t>(batch.ids.size()), capacity, model_.options());
  if (options_.first_edited_block == 0) return;
  PassInput prompts;
  prompts.ids = batch.ids;
  prompts.cache = &batch.cache;
  prompts.append = true;
  prompts.stop = PassInput::Stop::kBlock;
  prompts.stop_block = options_.first_edited_block - 1;
  batch.hidden = model_.forward(prompts).hidden;
  if (batch.rest.empty()) return;
  PassInput rest;
  rest.ids = batch.rest;
  rest.cache = &batch.cache;
  rest.cache_row = batch.rest_row;
  rest.stop = PassInput::Stop::kBlock;
  rest.stop_block = options_.first_edited_block - 1;
  batch.rest_hidden = model_.forward(rest).hidden;
}

std::vector<Answers> AnswerEngine::answer(const std::vector<std::vector<WeightChange>>& edits,
                                          const std::vector<std::int64_t>& edit_of_record) {
  const c10::NoGradGuard no_grad;
  RowOverlays overlays;
  if (!edits.empty()) {
    std::vector<std::int64_t> edit_of_prompt;
    for (const std::int64_t record : sheet_.record) edit_of_prompt.push_back(edit_of_record[static_cast<std::size_t>(record)]);
    overlays = RowOverlays(edits, edit_of_prompt, model_.options());
  }
  std::vector<Answers> answers(static_cast<std::size_t>(options_.records));
  for (Batch& batch : batches_) answer_batch(batch, overlays, answers);
  return answers;
}

void AnswerEngine::answer_batch(Batch& batch, const RowOverlays& overlays, std::vector<Answers>& answers) {
  std::fill(batch.cache.lengths.begin(), batch.cache.lengths.end(), 0);
  std::vector<std::size_t> rows;
  for (std::size_t i = batch.begin; i < batch.end; ++i) rows.push_back(i);
  PassInput prompts;
  prompts.ids = batch.ids;
  prompts.cache = &batch.cache;
  prompts.append = true;
  prompts.begin_block = options_.first_edited_block;
  prompts.hidden = batch.hidden;
  prompts.overlays = overlays.for_rows(rows);
  prompts.logit_tokens = last_tokens(batch.ids);
  const at::Tensor logits = model_.forward(prompts).logits;

  std::vector<AnswerScore> scores(batch.continuations.size());
  score_first_tokens(batch, logits, scores);
  score_rest(batch, overlays, scores);
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const std::size_t c = batch.continuations[i];
    const Continuation& continuation = sheet_.continuations[c];
    scores[i].answer = continuation.target;
    scores[i].nll /= static_cast<double>(continuation.target.size());
    answers[static_cast<std::size_t>(sheet_.record[continuation.prompt])].scores.emplace(
        Questions::Pair{sheet_.prompt_text[continuation.prompt], sheet_.answer_text[c]}, std::move(scores[i]));
  }
  compare(batch, logits, answers);
  generate(batch, logits, overlays, answers);
}

void AnswerEngine::score_first_tokens(const Batch& batch, const at::Tensor& logits, std::vector<AnswerScore>& scores) const {
  if (scores.empty()) return;
  std::vector<std::int64_t> rows, ids;
  for (const std::size_t c : batch.continuations) {
    rows.push_back(static_cast<std::int64_t>(sheet_.continuations[c].prompt - batch.begin));
    ids.push_back(sheet_.continuations[c].target.front());
  }
  const LogitScores first = score_logits(logits, rows, ids);
  for (std::size_t i = 0; i < scores.size(); ++i) {
    scores[i].nll = first.nll[i];
    scores[i].likeliest = {first.likeliest[static_cast<std::size_t>(rows[i])]};
  }
}

// The second and later tokens of answers: rows that follow their prompt's cached keys and values.
void AnswerEngine::score_rest(Batch& batch, const RowOverlays& overlays, std::vector<AnswerScore>& scores) const {
  if (batch.rest.empty()) return;
  PassInput input;
  input.ids = batch.rest;
  input.cache = &batch.cache;
  input.cache_row = batch.rest_row;
  input.begin_block = options_.first_edited_block;
  input.hidden = batch.rest_hidden;
  std::vector<std::size_t> overlay_rows;
  std::vector<std::int64_t> rows, ids;
  std::vector<std::size_t> owner;
  std::size_t at = 0;
  for (std::size_t r = 0; r < batch.rest.size(); ++r) {
    const std::size_t c = batch.rest_owner[r];
    while (batch.continuations[at] != c) ++at;  // both lists run in the same order
    overlay_rows.push_back(sheet_.continuations[c].prompt);
    for (std::size_t j = 1; j < sheet_.continuations[c].target.size(); ++j) {
      rows.push_back(static_cast<std::int64_t>(rows.size()));
      ids.push_back(sheet_.continuations[c].target[j]);
      owner.push_back(at);
    }
  }
  input.logit_tokens = rows;
  input.overlays = overlays.for_rows(overlay_rows);
  const LogitScores rest = score_logits(model_.forward(input).logits, rows, ids);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    scores[owner[i]].nll += rest.nll[i];
    scores[owner[i]].likeliest.push_back(rest.likeliest[i]);
  }
}

// KL(now || base) = sum_w now(w) (log now(w) - log base(w)), in nats (Hoelscher-Obermaier et al. 2023 divide it by V).
void AnswerEngine::compare(Batch& batch, const at::Tensor& logits, std::vector<Answers>& answers) const {
  std::vector<std::int64_t> rows;
  for (std::size_t i = batch.begin; i < batch.end; ++i)
    if (sheet_.compared[i]) rows.push_back(static_cast<std::int64_t>(i - batch.begin));
  if (rows.empty()) return;
  const at::Tensor now = at::log_softmax(logits.index_select(0, index_tensor(rows, logits.device())).to(at::kDouble), 1);
  if (!batch.base_logprobs.defined()) batch.base_logprobs = now;
  const at::Tensor kl = (now.exp() * (now - batch.base_logprobs)).sum(1).cpu();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::size_t prompt = batch.begin + static_cast<std::size_t>(rows[i]);
    answers[static_cast<std::size_t>(sheet_.record[prompt])].next_token_kl[sheet_.prompt_text[prompt]] =
        kl.const_data_ptr<double>()[i];
  }
}

void AnswerEngine::generate(Batch& batch, const at::Tensor& logits, const RowOverlays& overlays,
                            std::vector<Answers>& answers) const {
  std::vector<DecodeRow> rows;
  std::vector<std::int64_t> logit_rows;
  for (std::size_t i = batch.begin; i < batch.end; ++i) {
    if (sheet_.max_new[i] == 0) continue;
    const auto row = static_cast<std::int64_t>(i - batch.begin);
    rows.push_back({row, i, sheet_.max_new[i], sheet_.stream[i]});
    logit_rows.push_back(row);
  }
  if (rows.empty()) return;
  std::vector<std::int64_t> stop;
  if (const auto eos = model_.tokenizer().eos()) stop = {*eos};
  const bool sampled = options_.draw.temperature > 0;
  const auto texts = decode(model_, batch.cache, logits.index_select(0, index_tensor(logit_rows, logits.device())), rows, options_.draw,
                            stop, overlays);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::size_t prompt = rows[i].overlay_row;
    Answers& record = answers[static_cast<std::size_t>(sheet_.record[prompt])];
    const std::string text = model_.tokenizer().decode(texts[i], true);
    if (sampled)
      record.texts.push_back(sheet_.prompt_text[prompt] + text);
    else
      record.completions[sheet_.prompt_text[prompt]] = text;
  }
}

}  // namespace emend
