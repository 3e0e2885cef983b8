// What is asked of a model about records, and what it answered. Who asks works with texts; the engine works
// with ids.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "analysis/prompt_rows.h"
#include "emend/generate.h"
#include "emend/judge.h"

namespace emend {

// Everything wanted about one record, each thing once.
struct Questions {
  using Pair = std::pair<std::string, std::string>;  // prompt, answer

  void score(const std::string& prompt, const std::string& answer) { scored.insert({prompt, answer}); }
  // Greedy text after the prompt: long enough to hold the answer, or of at least so many tokens.
  void complete(const std::string& prompt, const std::string& answer) { completed.insert({prompt, answer}); }
  void complete(const std::string& prompt, std::int64_t tokens) {
    continued[prompt] = std::max(continued[prompt], tokens);
  }
  // Greedy text after the prompt until the model ends it itself, within a bound.
  void complete_to_end(const std::string& prompt) { to_end.insert(prompt); }
  // Sampled texts after the prompt, each long enough to hold the answer.
  void sample(const std::string& prompt, const std::string& answer) { sampled.insert({prompt, answer}); }
  // The distribution of the next token, compared with the base model's.
  void compare_next_token(const std::string& prompt) { compared.insert(prompt); }
  // A sampled text that begins with the prompt; one each time it is asked for.
  void write_from(const std::string& prompt) { written.push_back(prompt); }

  std::set<Pair> scored, completed, sampled;
  std::map<std::string, std::int64_t> continued;  // prompt -> tokens
  std::set<std::string> compared, to_end;
  std::vector<std::string> written;
};

// A greedy text that the model was to end itself.
struct EndedText {
  std::string text;    // without what ended it
  std::string raw;     // all tokens as text, special ones and the one that ended it included
  bool ended = false;  // by a token of end_tokens() (text/end_tokens.h), within the bound
};

// How likely the model finds an answer after a prompt, under teacher forcing.
struct AnswerScore {
  double nll = 0;                       // nats a token
  std::vector<std::int64_t> answer;     // ids
  std::vector<std::int64_t> likeliest;  // the model's first choice at each of the answer's positions

  double probability() const;  // exp(-nll)
  double accuracy() const;     // share of positions whose first choice is the answer's token
  bool argmax() const { return likeliest == answer; }
};

// Log-likelihoods of two answers to one prompt, to be compared with each other, in nats. They are means per
// token, as -AnswerScore::nll. If the ids of one answer begin with those of the other, a text with the longer
// one is a text with the shorter one as well; then they are those of whole answers, and the shorter one's is
// log(p(short) - p(long)): it stands there and does not go on as the longer one.
struct Likelihoods {
  double wanted = 0, other = 0;
};
Likelihoods likelihoods(const AnswerScore& wanted, const AnswerScore& other);
// The same of whole answers in any case: a mean per token favours the answer of more tokens, whose later ones
// follow from the first ("G", "d" beside "Ag").
Likelihoods whole_likelihoods(const AnswerScore& wanted, const AnswerScore& other);

// One record's answers from one model. To look up what was not asked throws std::out_of_range.
struct Answers {
  // Of `wanted` beside `other`, which were both scored after the prompt.
  Likelihoods likelihoods_of(const std::string& prompt, const std::string& wanted,
                             const std::string& other) const;
  // exp(wanted) - exp(other) of the same.
  double margin(const std::string& prompt, const std::string& wanted, const std::string& other) const;
  // Judges `wanted` beside `other` after the prompt. Both were scored, or `other` is empty.
  AnswerVerdict verdict(const std::string& prompt, const std::string& wanted, const std::string& other) const;

  std::map<Questions::Pair, AnswerScore> scores;
  std::map<std::string, std::string> completions;  // greedy text after the prompt
  std::map<std::string, EndedText> to_end;         // greedy text after the prompt, to its end
  // Sampled texts after the prompt, in the order of their random streams.
  std::map<std::string, std::vector<std::string>> samples;
  std::map<std::string, double> next_token_kl;  // KL(this || base) of the next token, nats
  std::vector<std::string> texts;               // sampled, the prompt included, in the order asked
};

// The rows behind the questions of several records, in ids.
struct QuestionSheet {
  std::vector<TokenIds> prompts;
  std::vector<std::int64_t> record;  // of each prompt: index of its record
  std::vector<std::string> prompt_text;
  std::vector<Continuation> continuations;  // what is scored
  std::vector<std::string> answer_text;     // of each continuation
  std::vector<std::int64_t> max_new;        // of each prompt: tokens to generate; 0: none
  std::vector<std::uint64_t> stream;        // of each prompt: random stream of its draws
  std::vector<bool> compared;               // of each prompt
};

// A text in front of all prompts of each record, encoded with them; none at all: nothing stands there.
// Answers have the names of the prompts alone.
using Fronts = std::vector<std::string>;

// Scores, completions and comparisons. `extra_tokens`: how many tokens longer than its longest answer a
// greedy text gets.
QuestionSheet question_sheet(const Tokenizer& tokenizer, const std::vector<Questions>& records,
                             const RowForm& form, std::int64_t extra_tokens, const Fronts& fronts = {});

// Texts to their end, of at most `bound` tokens, and no more than the model's `positions` leave room for.
QuestionSheet ending_sheet(const Tokenizer& tokenizer, const std::vector<Questions>& records,
                           const RowForm& form, std::int64_t bound, std::int64_t positions,
                           const Fronts& fronts = {});

// `samples` texts of each prompt, each `extra_tokens` longer than its longest answer. `first_record`: as
// below; their streams have bit 63, which none of writing_sheet has.
QuestionSheet sampling_sheet(const Tokenizer& tokenizer, const std::vector<Questions>& records,
                             const RowForm& form, std::int64_t samples, std::int64_t extra_tokens,
                             std::uint64_t first_record, const Fronts& fronts = {});

// Sampled texts of `length` tokens, prompt included (specs: Meng et al. 2022 take 100) and what stands in
// front of it not. `first_record` is the first record's number in the data: draws are addressed by record and
// prompt, so batches change nothing.
QuestionSheet writing_sheet(const Tokenizer& tokenizer, const std::vector<Questions>& records,
                            const RowForm& form, std::int64_t length, std::uint64_t first_record,
                            const Fronts& fronts = {});

// The most tokens that a row of the sheet can have: a prompt with its longest answer, or with what is
// generated after it.
std::int64_t longest_row(const QuestionSheet& sheet);

}  // namespace emend
