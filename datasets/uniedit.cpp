// Record form: UniEdit (Chen et al. 2025, "UniEdit: a unified knowledge editing benchmark for large language
// models"): one object a domain, whose members are the samples. A sample's generality question is named after
// the pattern of its chain of facts, its locality question after where the chain begins (loc_type).
#include <algorithm>
#include <string_view>
#include <utility>

#include "base/strings.h"
#include "datasets/json_records.h"
#include "datasets/readers.h"

namespace emend {
namespace {

// Two chains that meet are compared: the question wants yes or no.
constexpr const char* kYesOrNo = " The answer is (Yes/No):";

bool is_double(const JsonView& question) {
  const std::string& type = question.string("path_type");
  if (type != "single" && type != "double") question.at("path_type").refuse("\"single\" or \"double\"");
  return type == "double";
}

// [["t_e", "r_e", "h_e", "b", "m"]]: the edited fact read backwards.
std::string generality_kind(const JsonView& question) {
  if (is_double(question)) return "same_entity_reason";
  const std::vector<JsonView> paths = question.at("paths").elements();
  if (paths.size() > 1) return "multi_hop";
  const std::vector<std::string> path =
      paths.empty() ? std::vector<std::string>() : paths.front().as_strings();
  return !path.empty() && path.front() == "t_e" ? "relation_reverse" : "rephrase";
}

std::string locality_kind(const JsonView& question) {
  std::string kind = question.string_or("loc_type", "none");
  std::replace(kind.begin(), kind.end(), ' ', '_');
  return kind;
}

// Returns how many have no answer.
std::size_t add_questions(const JsonView& json, const char* key, std::string (*kind_of)(const JsonView&),
                          std::vector<KindQuestion>& to) {
  std::size_t unanswered = 0;
  const JsonView all = json.at(key);
  for (const std::string& name : all.keys()) {
    const JsonView question = all.at(name);
    const std::string answer = first_leaf(question.at("target"));
    if (trim(answer).empty()) {
      ++unanswered;
      continue;
    }
    to.push_back(
        {kind_of(question), question.string("prompt") + (is_double(question) ? kYesOrNo : ""), answer});
  }
  return unanswered;
}

}  // namespace

void read_uniedit(const JsonRecords& records, Collector& out) {
  std::size_t unanswered = 0;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const JsonView json = records.at(i);
    const JsonView edit = json.at("edit");
    EvalRecord record;
    record.request.id = records.name(i);
    read_prompt_and_subject(record.request, edit, "prompt");
    record.request.target = first_leaf(edit.at("target"));
    if (const auto property = edit.find("property")) record.relation = property->string_or("id", "");
    unanswered += add_questions(json, "generality", generality_kind, record.portability);
    unanswered += add_questions(json, "locality", locality_kind, record.locality);
    if (trim(record.request.target).empty())
      out.skip(i, "no answer", "\"edit.target\" is empty");
    else
      out.add(i, std::move(record));
  }
  out.note(
      "The answers are true; the present answer is not named. Generality questions are portability, named "
      "after their chain of facts.");
  if (unanswered > 0)
    out.note("Questions left out because their answer is empty: " + std::to_string(unanswered) + ".");
}

}  // namespace emend
