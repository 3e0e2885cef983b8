// Record form: RippleEdits (Cohen et al. 2024, "Evaluating the ripple effects of knowledge editing in
// language models"): an edit as one sentence, and six lists of tests. The file has identifiers of Wikidata
// for subject and target, and their names only inside sentences, so both are read off these:
//   target: what stands behind the last " is " or " are " of the edit's sentence, without its full stop;
//   subject: the longest run of words that the sentence up to there shares with a question about the same
//   subject, without the words of the wording at its ends; else what stands behind the relation's name and
//   "of".
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <utility>

#include "base/strings.h"
#include "datasets/json_records.h"
#include "datasets/readers.h"
#include "datasets/subject_place.h"

namespace emend {
namespace {

constexpr std::array<const char*, 2> kLocality = {"Relation_Specificity", "Forgetfulness"};
constexpr std::array<const char*, 4> kPortability = {"Logical_Generalization", "Compositionality_I",
                                                     "Compositionality_II", "Subject_Aliasing"};

struct Sentence {
  std::string prompt, answer;  // "The name of the mother of Orm is", "Ilse"; empty: it cannot be cut
};

Sentence cut(const std::string& sentence) {
  const std::string text(trim(sentence));
  const std::size_t is = text.rfind(" is "), are = text.rfind(" are ");
  if (is == std::string::npos && are == std::string::npos) return {};
  const bool plural = is == std::string::npos || (are != std::string::npos && are > is);
  const std::size_t end = plural ? are + 4 : is + 3;
  std::string answer(trim(std::string_view(text).substr(end)));
  if (answer.ends_with('.')) answer.pop_back();
  return {text.substr(0, end), answer};
}

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    if (end > begin) words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

// Whether a word belongs to the wordings around a subject and not to a name's end.
bool is_wording(const std::string& word) {
  constexpr std::array<std::string_view, 12> kWords = {"of",  "which", "is", "are", "in",   "the",
                                                       "has", "won",   "a",  "The", "name", "associated"};
  return std::find(kWords.begin(), kWords.end(), word) != kWords.end();
}

// The longest run of words that both texts have, without wordings at its ends.
std::string shared_name(const std::string& a, const std::string& b) {
  const std::vector<std::string> x = words_of(a), y = words_of(b);
  std::size_t best = 0, at = 0;
  for (std::size_t i = 0; i < x.size(); ++i)
    for (std::size_t j = 0; j < y.size(); ++j) {
      std::size_t n = 0;
      while (i + n < x.size() && j + n < y.size() && x[i + n] == y[j + n]) ++n;
      std::size_t names = 0;
      for (std::size_t k = i; k < i + n; ++k) names += is_wording(x[k]) ? 0 : 1;
      if (names > 0 && n > best) best = n, at = i;
    }
  std::size_t end = at + best;
  // Only one word of a wording stands directly in front of a subject; "the" may be its own.
  if (at < end && is_wording(x[at]) && x[at] != "the") ++at;
  while (end > at && is_wording(x[end - 1])) --end;
  return join({x.begin() + static_cast<std::ptrdiff_t>(at), x.begin() + static_cast<std::ptrdiff_t>(end)},
              " ");
}

// "Orm" of "The place of birth of Orm is" and PLACE_OF_BIRTH.
std::string name_behind_relation(const std::string& prompt, std::string relation) {
  for (char& c : relation)
    c = c == '_' ? ' ' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const std::string front = relation + " of ";
  const std::size_t at = prompt.find(front), end = prompt.rfind(' ');
  if (at == std::string::npos || end == std::string::npos || end <= at + front.size()) return "";
  return prompt.substr(at + front.size(), end - at - front.size());
}

class RippleReader {
 public:
  explicit RippleReader(Collector& out) : out_(out) {}

  void read(const JsonView& json, std::size_t number) {
    const JsonView edit = json.at("edit");
    for (const char* key : kLocality) json.at(key);
    for (const char* key : kPortability) json.at(key);
    EvalRecord record;
    record.request.id = std::to_string(number);
    record.relation = edit.string_or("relation", "");
    const Sentence now = cut(edit.string("prompt"));
    if (now.answer.empty())
      return out_.skip(number, "no answer",
                       "there is no \"is\" with an answer in " + quote(edit.string("prompt")));
    const std::string subject = subject_of(json, edit, now.prompt);
    if (subject.empty())
      return out_.skip(number, "subject not found",
                       "no question is about the subject of " + quote(now.prompt));
    find_subject(record.request, now.prompt, subject);
    record.request.target = now.answer;
    record.request.was = present_answer(edit, now.prompt);
    std::size_t tests = 0;
    for (const char* key : kLocality) add_tests(json.at(key), key, tests, record.locality);
    for (const char* key : kPortability) add_tests(json.at(key), key, tests, record.portability);
    out_.add(number, std::move(record));
  }

  void tell() const {
    if (unanswered_ > 0)
      out_.note(fmt::format("Questions left out because their answers are empty: {}.", unanswered_));
    out_.note(
        "Names of subjects and targets are read off the sentences, since the file has identifiers alone; of "
        "the answers the first counts, in portability_*_any each of them and of their other names.");
    out_.note("What a test presumes that the model knows (condition_queries) is not asked.");
  }

 private:
  // Published files call the present fact original_fact; the code that made them, previous_fact.
  static std::string present_answer(const JsonView& edit, const std::string& prompt) {
    for (const char* key : {"original_fact", "previous_fact"})
      if (const auto fact = edit.find(key)) {
        const std::string sentence(trim(fact->string("prompt")));
        if (!sentence.starts_with(prompt)) return cut(sentence).answer;
        std::string answer(trim(std::string_view(sentence).substr(prompt.size())));
        if (answer.ends_with('.')) answer.pop_back();
        return answer;
      }
    return "";
  }

  // From the questions about the same identifier.
  static std::string subject_of(const JsonView& json, const JsonView& edit, const std::string& prompt) {
    const std::string id = edit.string_or("subject_id", "");
    std::string best;
    for (const char* key : {"Forgetfulness", "Relation_Specificity", "Logical_Generalization"})
      for (const JsonView& test : json.at(key).elements())
        for (const JsonView& query : test.at("test_queries").elements()) {
          if (id.empty() || query.string_or("subject_id", "") != id) continue;
          if (query.string_or("relation", "") == edit.string_or("relation", "")) continue;
          const std::string name = shared_name(prompt, query.string("prompt"));
          if (!name.empty() && (best.empty() || name.size() < best.size())) best = name;
        }
    return best.empty() ? name_behind_relation(prompt, edit.string_or("relation", "")) : best;
  }

  void add_tests(const JsonView& list, const char* kind, std::size_t& tests, std::vector<KindQuestion>& to) {
    for (const JsonView& test : list.elements()) {
      ++tests;
      const bool any = test.string_or("test_condition", "OR") == "OR";
      std::size_t queries = 0;
      for (const JsonView& query : test.at("test_queries").elements()) {
        KindQuestion question{kind, std::string(trim_back(query.string("prompt"))), ""};
        question.others = answers_of(query);
        if (question.prompt.empty() || question.others.empty()) {
          ++unanswered_;
          continue;
        }
        question.answer = question.others.front();
        question.others.erase(question.others.begin());
        // All queries of a test of AND must be right, so each stands alone.
        question.group = any ? std::to_string(tests) : fmt::format("{}.{}", tests, ++queries);
        to.push_back(std::move(question));
      }
    }
  }

  // The names of all answers; single letters are left out, as the set's own scoring does.
  static std::vector<std::string> answers_of(const JsonView& query) {
    std::vector<std::string> answers;
    const auto take = [&](const std::string& text) {
      const std::string answer(trim(text));
      const bool digit = answer.size() == 1 && std::isdigit(static_cast<unsigned char>(answer[0])) != 0;
      if (answer.size() > 1 || digit) answers.push_back(answer);
    };
    for (const JsonView& answer : query.at("answers").elements()) {
      take(answer.string("value"));
      for (const std::string& alias : texts_or_none(answer, "aliases")) take(alias);
    }
    return answers;
  }

  Collector& out_;
  std::size_t unanswered_ = 0;
};

}  // namespace

void read_rippleedits(const JsonRecords& records, Collector& out) {
  RippleReader reader(out);
  for (std::size_t i = 0; i < records.size(); ++i) reader.read(records.at(i), i);
  reader.tell();
}

}  // namespace emend
