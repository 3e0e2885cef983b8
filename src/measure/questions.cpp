#include "measure/questions.h"

#include <algorithm>
#include <cmath>

#include "emend/error.h"

namespace emend {

double AnswerScore::probability() const {
  return std::exp(-nll);
}

double AnswerScore::accuracy() const {
  std::size_t right = 0;
  for (std::size_t i = 0; i < answer.size(); ++i) right += likeliest[i] == answer[i] ? 1 : 0;
  return static_cast<double>(right) / static_cast<double>(answer.size());
}

namespace {

double log_of_whole(const AnswerScore& score) {
  return -score.nll * static_cast<double>(score.answer.size());
}

bool goes_on(const AnswerScore& longer, const AnswerScore& shorter) {
  return longer.answer.size() > shorter.answer.size() &&
         std::equal(shorter.answer.begin(), shorter.answer.end(), longer.answer.begin());
}

// log(p(short) - p(long)); minus infinity if nothing is left.
double log_of_rest(double log_short, double log_long) {
  return log_short + std::log1p(-std::exp(std::min(log_long - log_short, 0.0)));
}

}  // namespace

Likelihoods likelihoods(const AnswerScore& wanted, const AnswerScore& other) {
  const double log_wanted = log_of_whole(wanted), log_other = log_of_whole(other);
  if (goes_on(wanted, other)) return {log_wanted, log_of_rest(log_other, log_wanted)};
  if (goes_on(other, wanted)) return {log_of_rest(log_wanted, log_other), log_other};
  return {-wanted.nll, -other.nll};
}

Likelihoods whole_likelihoods(const AnswerScore& wanted, const AnswerScore& other) {
  if (goes_on(wanted, other) || goes_on(other, wanted)) return likelihoods(wanted, other);
  return {log_of_whole(wanted), log_of_whole(other)};
}

Likelihoods Answers::likelihoods_of(const std::string& prompt, const std::string& wanted,
                                    const std::string& other) const {
  return likelihoods(scores.at({prompt, wanted}), scores.at({prompt, other}));
}

double Answers::margin(const std::string& prompt, const std::string& wanted, const std::string& other) const {
  const Likelihoods logs = likelihoods_of(prompt, wanted, other);
  return std::exp(logs.wanted) - std::exp(logs.other);
}

AnswerVerdict Answers::verdict(const std::string& prompt, const std::string& wanted,
                               const std::string& other) const {
  const AnswerScore& score = scores.at({prompt, wanted});
  const Likelihoods logs = other.empty() ? Likelihoods{-score.nll, 0} : likelihoods_of(prompt, wanted, other);
  return judge({wanted, other, logs.wanted, logs.other, score.argmax()});
}

namespace {

// Each prompt text of a record becomes one row, however often it is asked about.
class SheetWriter {
 public:
  SheetWriter(const Tokenizer& tokenizer, const RowForm& form, const Fronts& fronts, QuestionSheet& sheet)
      : tokenizer_(tokenizer), form_(form), fronts_(fronts), sheet_(sheet) {}

  void begin_record() {
    ++record_;
    rows_.clear();
  }
  std::size_t row(const std::string& prompt) {
    const auto [at, fresh] = rows_.emplace(prompt, sheet_.prompts.size());
    if (fresh) add_row(prompt);
    return at->second;
  }
  std::size_t add_row(const std::string& prompt) {
    sheet_.prompts.push_back(prompt_ids(tokenizer_, front() + prompt, form_));
    sheet_.record.push_back(record_);
    sheet_.prompt_text.push_back(prompt);
    sheet_.max_new.push_back(0);
    sheet_.stream.push_back(0);
    sheet_.compared.push_back(false);
    return sheet_.prompts.size() - 1;
  }
  // Of a row without what stands in front of its prompt.
  std::int64_t own_length(std::size_t row) const {
    if (front().empty()) return static_cast<std::int64_t>(sheet_.prompts[row].size());
    return static_cast<std::int64_t>(prompt_ids(tokenizer_, sheet_.prompt_text[row], form_).size());
  }
  TokenIds answer(const std::string& text) const {
    TokenIds ids = target_ids(tokenizer_, text, form_);
    if (ids.empty()) throw Error(ErrorKind::kConfig, "an empty answer cannot be scored");
    return ids;
  }

 private:
  std::string front() const { return fronts_.empty() ? "" : fronts_.at(static_cast<std::size_t>(record_)); }

  const Tokenizer& tokenizer_;
  const RowForm& form_;
  const Fronts& fronts_;
  QuestionSheet& sheet_;
  std::int64_t record_ = -1;
  std::map<std::string, std::size_t> rows_;
};

}  // namespace

QuestionSheet question_sheet(const Tokenizer& tokenizer, const std::vector<Questions>& records,
                             const RowForm& form, std::int64_t extra_tokens, const Fronts& fronts) {
  QuestionSheet sheet;
  SheetWriter writer(tokenizer, form, fronts, sheet);
  for (const Questions& questions : records) {
    writer.begin_record();
    for (const auto& [prompt, answer] : questions.scored) {
      sheet.continuations.push_back({writer.row(prompt), writer.answer(answer)});
      sheet.answer_text.push_back(answer);
    }
    for (const auto& [prompt, answer] : questions.completed) {
      std::int64_t& wanted = sheet.max_new[writer.row(prompt)];
      wanted = std::max(wanted, static_cast<std::int64_t>(writer.answer(answer).size()) + extra_tokens);
    }
    for (const auto& [prompt, tokens] : questions.continued) {
      std::int64_t& wanted = sheet.max_new[writer.row(prompt)];
      wanted = std::max(wanted, tokens);
    }
    for (const std::string& prompt : questions.compared) sheet.compared[writer.row(prompt)] = true;
  }
  return sheet;
}

QuestionSheet ending_sheet(const Tokenizer& tokenizer, const std::vector<Questions>& records,
                           const RowForm& form, std::int64_t bound, std::int64_t positions,
                           const Fronts& fronts) {
  QuestionSheet sheet;
  SheetWriter writer(tokenizer, form, fronts, sheet);
  for (const Questions& questions : records) {
    writer.begin_record();
    for (const std::string& prompt : questions.to_end) {
      const std::size_t row = writer.add_row(prompt);
      const auto length = static_cast<std::int64_t>(sheet.prompts[row].size());
      sheet.max_new[row] = std::max<std::int64_t>(std::min(bound, positions - length), 1);
    }
  }
  return sheet;
}

QuestionSheet sampling_sheet(const Tokenizer& tokenizer, const std::vector<Questions>& records,
                             const RowForm& form, std::int64_t samples, std::int64_t extra_tokens,
                             std::uint64_t first_record, const Fronts& fronts) {
  // Streams of a record; those of free texts (writing_sheet) never have the upper bit.
  constexpr int kRecordBits = 24;
  constexpr std::uint64_t kSamples = std::uint64_t{1} << 63;
  QuestionSheet sheet;
  SheetWriter writer(tokenizer, form, fronts, sheet);
  for (std::size_t r = 0; r < records.size(); ++r) {
    writer.begin_record();
    std::map<std::string, std::int64_t> lengths;
    for (const auto& [prompt, answer] : records[r].sampled)
      lengths[prompt] =
          std::max(lengths[prompt], static_cast<std::int64_t>(writer.answer(answer).size()) + extra_tokens);
    std::uint64_t stream = kSamples | ((first_record + r) << kRecordBits);
    for (const auto& [prompt, length] : lengths)
      for (std::int64_t i = 0; i < samples; ++i) {
        const std::size_t row = writer.add_row(prompt);
        sheet.max_new[row] = length;
        sheet.stream[row] = stream++;
      }
  }
  return sheet;
}

QuestionSheet writing_sheet(const Tokenizer& tokenizer, const std::vector<Questions>& records,
                            const RowForm& form, std::int64_t length, std::uint64_t first_record,
                            const Fronts& fronts) {
  constexpr std::uint64_t kStreamsPerRecord = 1 << 16;
  QuestionSheet sheet;
  SheetWriter writer(tokenizer, form, fronts, sheet);
  for (std::size_t r = 0; r < records.size(); ++r) {
    writer.begin_record();
    std::uint64_t stream = (first_record + r) * kStreamsPerRecord;
    for (const std::string& prompt : records[r].written) {
      const std::size_t row = writer.add_row(prompt);
      sheet.max_new[row] = std::max<std::int64_t>(length - writer.own_length(row), 1);
      sheet.stream[row] = stream++;
    }
  }
  return sheet;
}

std::int64_t longest_row(const QuestionSheet& sheet) {
  std::int64_t longest = 0;
  std::vector<std::int64_t> behind = sheet.max_new;  // of each prompt
  for (const Continuation& continuation : sheet.continuations) {
    std::int64_t& most = behind[continuation.prompt];
    most = std::max(most, static_cast<std::int64_t>(continuation.target.size()));
  }
  for (std::size_t p = 0; p < sheet.prompts.size(); ++p)
    longest = std::max(longest, static_cast<std::int64_t>(sheet.prompts[p].size()) + behind[p]);
  return longest;
}

}  // namespace emend
