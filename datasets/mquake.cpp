// Record form: MQuAKE (Zhong et al. 2023, "MQuAKE: assessing knowledge editing in language models via
// multi-hop questions") and MQuAKE-Remastered (2025), whose rewrites hold target_new_str instead of
// target_new.str.
//
// A case asks one question in three wordings, whose answer follows from one rewrite or from several together.
// A rewrite is a record; a rewrite that several cases have is one record with the questions of all. The
// questions of a case stand at the last of its records and name the others (KindQuestion::needs).
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/strings.h"
#include "datasets/json_records.h"
#include "datasets/readers.h"
#include "datasets/subject_place.h"
#include "emend/error.h"

namespace emend {
namespace {

constexpr const char* kMultiHop = "multi_hop";
constexpr const char* kSingleHop = "single_hop";

// "Syria" of {"target_new": {"str": "Syria"}} or of {"target_new_str": "Syria"}.
std::string end_of(const JsonView& rewrite, const std::string& key) {
  if (const auto nested = rewrite.find(key)) return nested->string("str");
  if (const auto flat = rewrite.find(key + "_str")) return flat->as_string();
  throw Error(ErrorKind::kFormat, fmt::format("{}: {} has neither {} nor {}", rewrite.source(),
                                              rewrite.path(), quote(key), quote(key + "_str")));
}

// All answers that count, in the file's order.
std::vector<std::string> answers_of(const JsonView& json, const std::string& key) {
  std::vector<std::string> answers = {json.string(key)};
  for (std::string& alias : texts_or_none(json, key + "_alias")) answers.push_back(std::move(alias));
  for (std::string& answer : answers) answer = std::string(trim(answer));
  std::erase_if(answers, [](const std::string& answer) { return answer.empty(); });
  return answers;
}

class MquakeReader {
 public:
  explicit MquakeReader(Collector& out) : out_(out) {}

  void read(const JsonView& json, std::size_t number) {
    const JsonView rewrites = json.at("requested_rewrite");
    if (!rewrites.is_array()) rewrites.refuse("a list of rewrites");
    const std::vector<std::string> questions = json.at("questions").as_strings();
    const std::vector<std::string> answers = answers_of(json, "new_answer");
    if (answers.empty()) return out_.skip(number, "no answer", "\"new_answer\" is empty");
    const std::string id = id_or_number(json, "case_id", number);
    std::vector<std::size_t> members;  // of the records so far, one for each rewrite
    for (const JsonView& rewrite : rewrites.elements())
      if (const std::size_t at = member(rewrite, rewrites.elements().size(), id, members.size(), number);
          at != kNone)
        members.push_back(at);
    if (members.empty() || members.size() < rewrites.elements().size()) {
      ++incomplete_;
      return;
    }
    const std::size_t last = *std::max_element(members.begin(), members.end());
    KindQuestion question{kMultiHop, "", answers.front()};
    question.others.assign(answers.begin() + 1, answers.end());
    question.group = id;
    for (const std::size_t at : members)
      if (at != last) question.needs.push_back(out_.records()[at].request.id);
    std::vector<KindQuestion>& to = out_.records()[last].portability;
    for (const std::string& wording : questions) {
      question.prompt = std::string(trim_back(wording));
      if (!question.prompt.empty()) to.push_back(question);
    }
    for (const JsonView& hop : hops_of(json)) add_hop(hop, id, question.needs, to);
  }

  void tell() const {
    if (incomplete_ > 0)
      out_.note(fmt::format(
          "Cases whose questions are left out, since a rewrite of theirs cannot be used: {}.", incomplete_));
    out_.note(
        "A question counts as right in portability_multi_hop_any if any of a case's wordings gives its "
        "answer or another name of it, as MQuAKE scores; cases that need several rewrites are asked where "
        "these are edited together.");
    out_.note("Cases of MQuAKE may contradict each other when their edits are applied together.");
  }

 private:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  static std::vector<JsonView> hops_of(const JsonView& json) {
    const auto hops = json.find("new_single_hops");
    return hops ? hops->elements() : std::vector<JsonView>();
  }

  // The record of a rewrite, made or met before; kNone if it was left out.
  std::size_t member(const JsonView& rewrite, std::size_t rewrites, const std::string& id, std::size_t nth,
                     std::size_t number) {
    EvalRecord record;
    EditRequest& request = record.request;
    request.id = rewrites == 1 ? id : fmt::format("{}-{}", id, nth + 1);
    const std::string& pattern = rewrite.string("prompt");
    if (!fill_subject(request, pattern, rewrite.string("subject"))) {
      out_.skip(number, "more than one {} in its prompt",
                "{} is more than once in the prompt " + quote(pattern));
      return kNone;
    }
    request.target = std::string(trim(end_of(rewrite, "target_new")));
    request.was = end_of(rewrite, "target_true");
    if (const std::string question = rewrite.string_or("question", ""); !trim(question).empty())
      request.paraphrases = {question};
    record.relation = rewrite.string_or("relation_id", "");
    const std::string key = request.prompt + '\n' + request.subject + '\n' + request.target;
    if (const auto known = by_edit_.find(key); known != by_edit_.end()) return known->second;
    const std::size_t before = out_.records().size();
    out_.add(number, std::move(record));
    if (out_.records().size() == before) return kNone;
    return by_edit_[key] = before;
  }

  static void add_hop(const JsonView& hop, const std::string& id, const std::vector<std::string>& needs,
                      std::vector<KindQuestion>& to) {
    const std::vector<std::string> answers = answers_of(hop, "answer");
    if (answers.empty()) return;
    KindQuestion question{kSingleHop, std::string(trim_back(hop.string("question"))), answers.front()};
    question.others.assign(answers.begin() + 1, answers.end());
    question.group = id + "\n" + question.prompt;
    question.needs = needs;
    if (!question.prompt.empty()) to.push_back(std::move(question));
  }

  Collector& out_;
  std::map<std::string, std::size_t> by_edit_;
  std::size_t incomplete_ = 0;
};

}  // namespace

void read_mquake(const JsonRecords& records, Collector& out) {
  MquakeReader reader(out);
  for (std::size_t i = 0; i < records.size(); ++i) reader.read(records.at(i), i);
  reader.tell();
}

}  // namespace emend
