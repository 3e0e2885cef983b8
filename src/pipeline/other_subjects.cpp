#include "pipeline/other_subjects.h"

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

constexpr std::int64_t kNameTokens = 8;  // of a name and what shows that it has ended
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
  return name != request.subject && kind_of_beginning(name) == kind_of_beginning(request.subject) &&
         find_occurrences(name, request.subject).empty() && find_occurrences(request.subject, name).empty();
}

}  // namespace

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
