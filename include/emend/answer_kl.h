// How far an edit moves a model's own answers: the divergence over the first content tokens of the answer
// that the unedited model gives, under teacher forcing.
//
// A text under a chat template begins with an answer whose first token says little (a line break, a word such
// as "The"), so that the divergence of the next token alone is blind to an edit there. For each question the
// unedited model answers greedily, through its chat template; an answer token counts as content unless it is
// a special token or white space alone, and the end of the answer is none. With p of the unedited and q of
// the edited model in front of the j-th content token, after the same tokens,
//
//     KL_j = sum over all tokens t of p(t) (log p(t) - log q(t)), nats.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "emend/edit.h"
#include "emend/eval_results.h"
#include "emend/model.h"
#include "emend/progress.h"
#include "emend/records.h"

namespace emend {

struct AnswerKlOptions {
  std::int64_t tokens = 8;              // content tokens of an answer, at most; 1 to 256
  PromptForm form = PromptForm::kChat;  // kRaw: questions are texts that the model continues
  std::string bos = "auto";             // auto, none, or a token: what begins every row
  std::int64_t token_budget = 4096;     // tokens that one pass may hold, >= 1
  BootstrapOptions bootstrap;           // over questions
};

// In front of one content token of the unedited model's answer.
struct AnswerKlToken {
  std::string text;       // the token; U+FFFD for a part of a character
  double kl = 0;          // nats
  bool same_top = false;  // both models have the same likeliest token
};

struct AnswerKlQuestion {
  std::string question, answer;       // the answer up to the last content token that counts
  std::vector<AnswerKlToken> tokens;  // none: the model ended its answer without content
};

// Of the j-th content tokens of all answers that have one.
struct AnswerKlColumn {
  std::int64_t n = 0;
  double mean = 0, largest = 0;  // KL, nats
  double same_top = 0;           // share
};

struct AnswerKlFigures {
  std::vector<AnswerKlColumn> by_token;  // j = 0, 1, ...
  AnswerKlColumn all;                    // of all of them
  // a: 0, b: the mean over questions of a question's mean KL, with its interval by bootstrap over questions.
  PairedDifference per_question;
};

// Questions without tokens do not count.
AnswerKlFigures answer_kl_figures(const std::vector<AnswerKlQuestion>& questions,
                                  const BootstrapOptions& bootstrap = {});

// Blank lines are passed over. Throws Error(kIo), and Error(kFormat) for a file without questions.
std::vector<std::string> read_questions(const std::filesystem::path& file);

// The unedited model against the same with `changes` on it; the model is as before afterwards. Throws Error:
// kUsage (no questions; options out of range); kModel (no tokenizer; no chat template, or one that cannot be
// rendered; a question that fills the model's positions, named); kConfig (a BOS that the model does not
// have); kNumeric (a logit that is not finite, with its question); what `progress` throws.
std::vector<AnswerKlQuestion> measure_answer_kl(Model& model, const std::vector<std::string>& questions,
                                                const std::vector<WeightChange>& changes,
                                                const AnswerKlOptions& options = {},
                                                Progress& progress = no_progress());

}  // namespace emend
