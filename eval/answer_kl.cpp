#include "emend/answer_kl.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>

#include "analysis/prompt_rows.h"
#include "base/files.h"
#include "base/strings.h"
#include "emend/error.h"
#include "emend/generate.h"
#include "eval/results/bootstrap.h"
#include "model/batches.h"
#include "model/rows.h"
#include "text/end_tokens.h"

namespace emend {
namespace {

constexpr std::int64_t kMostAnswerTokens = 256;
// Special tokens and white space that an answer may hold besides.
constexpr std::int64_t kMostPassedOver = 16;
// Logits at many positions take more room than anything else.
constexpr std::int64_t kAnswerPositions = 256;

void require_answer_options(const std::vector<std::string>& questions, const AnswerKlOptions& options) {
  if (questions.empty()) throw Error(ErrorKind::kUsage, "there are no questions");
  if (options.tokens < 1 || options.tokens > kMostAnswerTokens)
    throw Error(ErrorKind::kUsage, fmt::format("the option answer-tokens must be from 1 to {}, found {}",
                                               kMostAnswerTokens, options.tokens));
  if (options.token_budget < 1) throw Error(ErrorKind::kUsage, "token budget must be at least 1");
}

bool is_content(const Tokenizer& tokenizer, std::int64_t id) {
  if (id >= tokenizer.size()) return true;
  return !tokenizer.is_special(id) && !trim(tokenizer.token_bytes(id)).empty();
}

// A question's tokens and the answer behind them, up to the last content token that counts.
struct AnswerRow {
  TokenIds ids;
  std::size_t prompt = 0;            // tokens of the question
  std::vector<std::size_t> content;  // places of content tokens in `ids`
};

AnswerRow answer_row(const Tokenizer& tokenizer, const TokenIds& prompt, const TokenIds& answer,
                     std::int64_t most) {
  AnswerRow row{prompt, prompt.size(), {}};
  for (std::size_t j = 0; j < answer.size() && static_cast<std::int64_t>(row.content.size()) < most; ++j)
    if (is_content(tokenizer, answer[j])) row.content.push_back(prompt.size() + j);
  const std::size_t end = row.content.empty() ? prompt.size() : row.content.back() + 1;
  row.ids.insert(row.ids.end(), answer.begin(),
                 answer.begin() + static_cast<std::ptrdiff_t>(end - prompt.size()));
  return row;
}

std::vector<AnswerRow> answer_rows(const Model& model, const std::vector<std::string>& questions,
                                   const AnswerKlOptions& options, Progress& progress) {
  const Tokenizer& tokenizer = model.tokenizer();
  const RowForm form{row_prefix(tokenizer, options.bos, options.form), options.form};
  GenerateOptions how;
  how.max_new = options.tokens + kMostPassedOver;
  how.stop = end_tokens(tokenizer);
  how.token_budget = options.token_budget;
  how.progress = &progress;
  std::vector<TokenIds> prompts;
  for (const std::string& question : questions) {
    prompts.push_back(prompt_ids(tokenizer, question, form));
    const auto room = model.config().max_positions - static_cast<std::int64_t>(prompts.back().size());
    if (prompts.back().empty() || room < how.max_new)
      throw Error(
          ErrorKind::kModel,
          fmt::format("the question {} has {} tokens, and an answer of {} does not fit behind it into "
                      "the model's {} positions",
                      quote(question), prompts.back().size(), how.max_new, model.config().max_positions));
  }
  progress.begin("answering the questions", how.max_new, "tokens");
  const std::vector<TokenIds> answers = generate(model, prompts, how);
  progress.end();
  std::vector<AnswerRow> rows;
  for (std::size_t i = 0; i < prompts.size(); ++i)
    rows.push_back(answer_row(tokenizer, prompts[i], answers[i], options.tokens));
  return rows;
}

// Rows [begin, end), and the positions in front of their content tokens.
PassInput pass_over(const std::vector<AnswerRow>& rows, const RowRange& range) {
  PassInput input;
  std::int64_t at = 0;
  for (std::size_t r = range.begin; r < range.end; ++r) {
    input.ids.push_back(rows[r].ids);
    for (const std::size_t place : rows[r].content)
      input.logit_tokens.push_back(at + static_cast<std::int64_t>(place) - 1);
    at += static_cast<std::int64_t>(rows[r].ids.size());
  }
  return input;
}

// Models may have more ids than their tokenizer, which stand for no text.
std::string answer_text(const Tokenizer& tokenizer, TokenIds ids, bool skip_special) {
  std::erase_if(ids, [&](std::int64_t id) { return id >= tokenizer.size(); });
  return tokenizer.decode(ids, skip_special, Position::kContinuation);
}

// KL of each row of logits [n, V], and whether the likeliest tokens are the same; both on the CPU. Few rows
// at a time are held in float64.
std::pair<at::Tensor, at::Tensor> divergences(const at::Tensor& base, const at::Tensor& edited) {
  std::vector<at::Tensor> kl, same;
  for (std::int64_t begin = 0; begin < base.size(0); begin += kAnswerPositions) {
    const std::int64_t rows = std::min(kAnswerPositions, base.size(0) - begin);
    const at::Tensor p = at::log_softmax(base.narrow(0, begin, rows).to(at::kDouble), 1),
                     q = at::log_softmax(edited.narrow(0, begin, rows).to(at::kDouble), 1);
    kl.push_back((p.exp() * (p - q)).sum(1).cpu());
    same.push_back(p.argmax(1).eq(q.argmax(1)).cpu());
  }
  return {at::cat(kl), at::cat(same)};
}

void require_finite_logits(const at::Tensor& logits, const std::string& question) {
  if (!logits.isfinite().all().item<bool>())
    throw Error(ErrorKind::kNumeric,
                fmt::format("a logit of the answers from the question {} on is not finite", quote(question)));
}

}  // namespace

std::vector<std::string> read_questions(const std::filesystem::path& file) {
  constexpr std::uint64_t kMostBytes = 1 << 26;
  std::vector<std::string> questions;
  for (const std::string& line : split_at(read_text_file(file, kMostBytes), '\n'))
    if (const std::string_view question = trim(line); !question.empty()) questions.emplace_back(question);
  if (questions.empty())
    throw Error(ErrorKind::kFormat, file.string() + ": no questions; expected one a line");
  return questions;
}

AnswerKlFigures answer_kl_figures(const std::vector<AnswerKlQuestion>& questions,
                                  const BootstrapOptions& bootstrap) {
  AnswerKlFigures figures;
  const auto add = [](AnswerKlColumn& column, const AnswerKlToken& token) {
    ++column.n;
    column.mean += token.kl;
    column.largest = std::max(column.largest, token.kl);
    column.same_top += token.same_top ? 1 : 0;
  };
  const auto finish = [](AnswerKlColumn& column) {
    if (column.n == 0) return;
    column.mean /= static_cast<double>(column.n);
    column.same_top /= static_cast<double>(column.n);
  };
  std::vector<double> means;
  for (const AnswerKlQuestion& question : questions) {
    double sum = 0;
    for (std::size_t j = 0; j < question.tokens.size(); ++j) {
      if (figures.by_token.size() <= j) figures.by_token.resize(j + 1);
      add(figures.by_token[j], question.tokens[j]);
      add(figures.all, question.tokens[j]);
      sum += question.tokens[j].kl;
    }
    if (!question.tokens.empty()) means.push_back(sum / static_cast<double>(question.tokens.size()));
  }
  for (AnswerKlColumn& column : figures.by_token) finish(column);
  finish(figures.all);
  figures.per_question =
      paired_bootstrap({{{std::vector<double>(means.size(), 0.0)}, {means}}}, bootstrap).front();
  return figures;
}

std::vector<AnswerKlQuestion> measure_answer_kl(Model& model, const std::vector<std::string>& questions,
                                                const std::vector<WeightChange>& changes,
                                                const AnswerKlOptions& options, Progress& progress) {
  const c10::NoGradGuard no_grad;
  require_answer_options(questions, options);
  const Tokenizer& tokenizer = model.tokenizer();
  const std::vector<AnswerRow> rows = answer_rows(model, questions, options, progress);
  std::vector<TokenIds> ids;
  std::vector<AnswerKlQuestion> measured;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    ids.push_back(rows[i].ids);
    AnswerKlQuestion& question = measured.emplace_back();
    question.question = questions[i];
    const TokenIds answer(ids[i].begin() + static_cast<std::ptrdiff_t>(rows[i].prompt), ids[i].end());
    question.answer = answer_text(tokenizer, answer, true);
  }
  progress.begin("measuring the answers", static_cast<std::int64_t>(rows.size()), "questions");
  for (const RowRange range : split_by_tokens(ids, std::min(options.token_budget, 8 * kAnswerPositions))) {
    const PassInput input = pass_over(rows, range);
    if (!input.logit_tokens.empty()) {
      const at::Tensor base = model.forward(input).logits;
      require_finite_logits(base, questions[range.begin]);
      const at::Tensor edited = [&] {
        const ScopedEdit scope(model, changes);
        return model.forward(input).logits;
      }();
      require_finite_logits(edited, questions[range.begin]);
      const auto [kl, same] = divergences(base, edited);
      std::int64_t at = 0;
      for (std::size_t r = range.begin; r < range.end; ++r)
        for (const std::size_t place : rows[r].content) {
          const std::int64_t id = rows[r].ids[place];
          measured[r].tokens.push_back(
              {answer_text(tokenizer, {id}, false), kl[at].item<double>(), same[at].item<bool>()});
          ++at;
        }
    }
    progress.update(static_cast<std::int64_t>(range.end), "");
  }
  progress.end();
  return measured;
}

}  // namespace emend
