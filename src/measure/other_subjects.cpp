#include "measure/other_subjects.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "analysis/prompt_rows.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "emend/error.h"
#include "emend/generate.h"
#include "measure/answer_engine.h"

namespace emend {
namespace {

constexpr std::int64_t kNameTokens = 6;  // of a name and what shows that it has ended
constexpr std::size_t kMostWords = 5;

// A prompt around its subject.
struct Template {
  std::string front, back;
  auto operator<=>(const Template&) const = default;
};

Template template_of(const EditRequest& request) {
  return {request.prompt.substr(0, request.subject_begin),
          request.prompt.substr(request.subject_begin + request.subject.size())};
}

// "The capital of France is Paris. The capital of"
std::string beginning_again(const EditRequest& request, const Template& around) {
  const std::string front(trim_back(around.front));
  const std::string said = request.prompt + (request.was.empty() ? "" : " " + request.was) + ".";
  return front.empty() ? said + "\n" : said + " " + front;
}

// What kind of character a name begins with: an upper-case letter, a digit, or something else.
int kind_of_beginning(std::string_view name) {
  constexpr std::string_view kThe = "the ";
  if (name.starts_with(kThe)) name.remove_prefix(kThe.size());
  const auto first = static_cast<unsigned char>(name.empty() ? ' ' : name.front());
  if (first >= 0x80 || std::isupper(first) != 0) return 1;
  return std::isdigit(first) != 0 ? 2 : 3;
}

// The name at the beginning of `text`, which the rest of the template ends; empty: there is none.
std::string name_in(const std::string& text, const Template& around) {
  const std::size_t end = around.back.empty() ? text.find_first_of(".,;:!?\n")
                                              : text.find(around.back.substr(0, around.back.find(' ', 1)));
  if (end == std::string::npos || end == 0) return "";
  const std::string name(trim(text.substr(0, end)));
  const bool is_name = !name.empty() && name.find_first_of(".;:!?\n\t\"()") == std::string::npos &&
                       split_at(name, ' ').size() <= kMostWords;
  return is_name ? name : "";
}

bool is_other(const std::string& name, const EditRequest& request) {
  return name != request.subject && name != request.was && name != request.target &&
         kind_of_beginning(name) == kind_of_beginning(request.subject) &&
         find_occurrences(name, request.subject).empty() && find_occurrences(request.subject, name).empty();
}

bool is_there(const std::vector<ProtectedText>& texts, const std::string& prompt) {
  return std::ranges::any_of(texts, [&](const ProtectedText& text) { return text.prompt == prompt; });
}

}  // namespace

ProtectedText text_about(const EditRequest& request, const std::string& subject) {
  return {subject, prompt_about(request, subject), subject, request.subject_begin};
}

std::string subject_in_place(const EditRequest& request, const std::string& prompt) {
  const std::string_view front = std::string_view(request.prompt).substr(0, request.subject_begin);
  const std::string_view back =
      std::string_view(request.prompt).substr(request.subject_begin + request.subject.size());
  if (front.empty() && back.empty()) return "";
  const std::string_view whole = prompt;
  if (whole.size() <= front.size() + back.size() || !whole.starts_with(front) || !whole.ends_with(back))
    return "";
  const std::string subject(whole.substr(front.size(), whole.size() - front.size() - back.size()));
  return trim(subject) == subject ? subject : "";
}

std::vector<ProtectedText> given_texts(const EditRequest& request) {
  std::vector<ProtectedText> texts;
  for (const OtherSubject& other : request.bleed) texts.push_back(text_about(request, other.subject));
  for (const Neighbour& neighbour : request.neighbours) {
    if (is_there(texts, neighbour.prompt)) continue;
    const std::string subject = subject_in_place(request, neighbour.prompt);
    if (subject == request.subject || !find_occurrences(neighbour.prompt, request.subject).empty())
      throw Error(
          ErrorKind::kConfig,
          fmt::format("edit {}: its neighbour {} is about the subject of the edit itself ({}): its key "
                      "cannot be protected from the edit; take it out of `neighbours`, or protect "
                      "nothing",
                      request.id, quote(neighbour.prompt, 60), quote(request.subject)));
    texts.push_back(subject.empty() ? ProtectedText{neighbour.prompt, neighbour.prompt, "", 0}
                                    : text_about(request, subject));
  }
  return texts;
}

std::vector<std::vector<std::string>> name_other_subjects(const Model& model,
                                                          const std::vector<EditRequest>& requests,
                                                          const CheckOptions& options, std::int64_t begins) {
  const RowForm form{options.prefix, PromptForm::kRaw};
  std::map<Template, std::size_t> place;  // of each template, by its first request
  std::vector<std::pair<Template, std::string>> asked;
  for (const EditRequest& request : requests) {
    const Template around = template_of(request);
    if (place.emplace(around, asked.size()).second)
      asked.emplace_back(around, beginning_again(request, around));
  }
  std::vector<TokenIds> fronts;
  for (const auto& [around, front] : asked) fronts.push_back(prompt_ids(model.tokenizer(), front, form));
  const auto next = next_tokens(model, fronts, begins, options.token_budget);
  std::vector<Questions> questions(asked.size());
  std::vector<std::vector<std::string>> first(
      asked.size());  // of each template: the texts of the first tokens
  for (std::size_t t = 0; t < asked.size(); ++t)
    for (const TokenLogprob& token : next[t]) {
      const std::string text = model.tokenizer().token_bytes(token.id);
      if (trim(text).empty() || replace_invalid_utf8(text) != text) continue;
      first[t].push_back(text);
      questions[t].complete(asked[t].second + text, kNameTokens);
    }
  AnswerOptions how;
  how.token_budget = options.token_budget;
  how.records = static_cast<std::int64_t>(questions.size());
  const std::vector<Answers> answers =
      AnswerEngine(model, question_sheet(model.tokenizer(), questions, form, 0), how).answer({}).front();
  std::vector<std::vector<std::string>> named(asked.size());
  for (std::size_t t = 0; t < asked.size(); ++t) {
    std::set<std::string> known;
    for (const std::string& text : first[t]) {
      const std::string name =
          name_in(text + answers[t].completions.at(asked[t].second + text), asked[t].first);
      if (!name.empty() && known.insert(name).second) named[t].push_back(name);
    }
  }
  std::vector<std::vector<std::string>> others;
  for (const EditRequest& request : requests) {
    others.emplace_back();
    for (const std::string& name : named[place.at(template_of(request))])
      if (is_other(name, request)) others.back().push_back(name);
  }
  return others;
}

Protection find_protection(const Model& model, const std::vector<EditRequest>& requests, Protect protect,
                           bool strict, const CheckOptions& options, std::vector<std::string>& unnamed) {
  Protection protection;
  protection.strict = strict;
  if (protect == Protect::kNone) return protection;
  for (const EditRequest& request : requests) protection.of[request.id].given = given_texts(request);
  if (protect != Protect::kAuto) return protection;
  const std::vector<std::vector<std::string>> named = name_other_subjects(model, requests, options);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (named[i].empty()) unnamed.push_back(requests[i].id);
    for (const std::string& name : named[i])
      protection.of[requests[i].id].found.push_back(text_about(requests[i], name));
  }
  return protection;
}

}  // namespace emend
