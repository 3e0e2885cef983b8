#include "pipeline/answer_warnings.h"

#include <fmt/format.h>

#include <cctype>
#include <cstddef>
#include <optional>
#include <string_view>

#include "base/strings.h"
#include "memories/stop_words.h"

namespace emend {
namespace {

constexpr std::size_t kMostWarnings = 20;

bool is_word_byte(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0;
}

// Whether the text goes on in the middle of a word at `end`.
bool is_in_a_word(std::string_view text, std::size_t end) {
  return end > 0 && end < text.size() && is_word_byte(text[end - 1]) && is_word_byte(text[end]);
}

// Whether a greedy text begins with the answer. A text that ends inside of the answer counts: it was not
// made longer.
bool says(std::string_view completion, std::string_view answer) {
  const std::string_view text = trim(completion);
  if (text.empty()) return false;
  if (text.size() < answer.size()) return answer.starts_with(text);
  return text.starts_with(answer) && !is_in_a_word(text, answer.size());
}

std::string said(std::string_view completion) {
  const std::string_view text = trim(completion);
  return text.empty() ? "nothing" : quote(text);
}

// Why an answer that was found by itself is none; empty if it may be one.
std::string flaw_of(std::string_view answer, std::string_view completion) {
  if (answer.empty()) return "the model says nothing there";
  const std::string_view last = answer.substr(answer.find_last_of(' ') + 1);
  const std::string_view text = trim(completion);
  const std::string found = quote(std::string(answer)) + " was found, which ";
  if (is_stop_word(folded_word(last)))
    return found + "looks like the beginning of a sentence: the model says " + said(completion);
  const bool names = std::isupper(static_cast<unsigned char>(answer.front())) != 0;
  const std::size_t next = answer.size() + 1;
  if (names && text.size() > next && text.starts_with(answer) && text[next - 1] == ' ' &&
      std::isupper(static_cast<unsigned char>(text[next])) != 0)
    return found + "looks like the beginning of a longer name: the model says " + said(completion);
  return "";
}

std::optional<std::string> about_was(const EditRequest& given, const EditRequest& filled,
                                     const FactState& before) {
  const std::string& completion = before.prompt.completion;
  if (given.was.empty()) {
    const std::string flaw = flaw_of(filled.was, completion);
    if (flaw.empty()) return std::nullopt;
    return fmt::format("edit {}: its present answer is not known ({}); give `was`", given.id, flaw);
  }
  if (says(completion, given.was)) return std::nullopt;
  return fmt::format(
      "edit {}: `was` is {}, but the model says {}, so the checks compare the target with an answer that the "
      "model does not give; correct `was`, or leave it out",
      given.id, quote(given.was), said(completion));
}

// One text for all neighbours of an edit with the same fault: `first` tells of the first of `count`.
std::string about_neighbours(const EditRequest& given, std::size_t count, const std::string& what,
                             const std::string& first) {
  return fmt::format("edit {}: {} of its {} neighbours {}; {} {}", given.id, count, given.neighbours.size(),
                     what, count > 1 ? "the first is" : "it is", first);
}

void add_neighbours(const EditRequest& given, const EditRequest& filled, const FactState& before,
                    std::vector<std::string>& warnings) {
  std::size_t unsaid = 0, unknown = 0;
  std::string first_unsaid, first_unknown;
  for (std::size_t i = 0; i < given.neighbours.size(); ++i) {
    const Neighbour& neighbour = given.neighbours[i];
    const std::string& completion = before.neighbours.at(i).completion;
    if (!neighbour.answer.empty()) {
      if (!says(completion, neighbour.answer) && ++unsaid == 1)
        first_unsaid = fmt::format("{}, where the model says {} and not {}", quote(neighbour.prompt),
                                   said(completion), quote(neighbour.answer));
      continue;
    }
    const std::string flaw = flaw_of(filled.neighbours.at(i).answer, completion);
    if (!flaw.empty() && ++unknown == 1) first_unknown = fmt::format("{}: {}", quote(neighbour.prompt), flaw);
  }
  if (unsaid > 0)
    warnings.push_back(about_neighbours(given, unsaid,
                                        unsaid > 1 ? "have answers that the model does not give"
                                                   : "has an answer that the model does not give",
                                        first_unsaid));
  if (unknown > 0)
    warnings.push_back(about_neighbours(
        given, unknown, unknown > 1 ? "have no answer of their own" : "has no answer of its own",
        first_unknown + "; give `answer`"));
}

}  // namespace

std::vector<std::string> answer_warnings(const std::vector<EditRequest>& given,
                                         const std::vector<EditRequest>& filled,
                                         const std::vector<FactState>& before,
                                         const std::vector<bool>& skipped) {
  std::vector<std::string> warnings;
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (skipped.at(i)) continue;
    if (auto warning = about_was(given[i], filled.at(i), before.at(i)))
      warnings.push_back(*std::move(warning));
    add_neighbours(given[i], filled.at(i), before.at(i), warnings);
  }
  if (warnings.size() <= kMostWarnings + 1) return warnings;
  const std::size_t more = warnings.size() - kMostWarnings;
  warnings.resize(kMostWarnings);
  warnings.push_back(fmt::format("{} more warnings of this kind, on present answers, are left out", more));
  return warnings;
}

}  // namespace emend
