// Other forms in which a fact is asked about, and the wordings of relations that they are built from.
#pragma once

#include <array>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "emend/dataset.h"

namespace emend {

enum class FactForm { kNegation, kFactCheck, kChoice, kReversed, kSameSubject, kAlias, kOneHop };
inline constexpr std::array<FactForm, 7> kFactForms = {
    FactForm::kNegation,    FactForm::kFactCheck, FactForm::kChoice, FactForm::kReversed,
    FactForm::kSameSubject, FactForm::kAlias,     FactForm::kOneHop};
// "negation", "fact-check", "choice", "reversed", "same-subject", "alias", "one-hop".
std::string_view to_string(FactForm form);
// "all", or names separated by commas; an empty text is no form. Throws Error(kUsage) for another name (the
// nearest one is offered) and for a name given twice.
std::set<FactForm> parse_forms(const std::string& text);

// "The country in which {subject} was born is": the answer is what a table of facts gives for the object.
struct OneHopWording {
  std::string prompt;
  std::string facts;  // name of the table
};

// A relation in words. {subject} and {object} stand for its two ends.
struct RelationWording {
  std::string name;
  std::vector<std::string> ids;  // as records name it: "P30"
  // By which a record without an id is recognised: "{} belongs to the continent of".
  std::vector<std::string> prompts;
  std::string statement, denial;          // both end with {object}
  std::string question;                   // empty: there is none, as below
  std::string reversed;                   // a prompt about the object, whose answer is the subject
  std::vector<std::string> same_subject;  // names of other relations of such a subject
  std::vector<OneHopWording> one_hop;
};

// A question whether a claim is true; {claim} stands for it.
struct FactCheckFrame {
  std::string prompt, agree, disagree;
};

// {context}, {question}, {a}, {b}, {c}; the answers are the letters.
struct ChoiceFrame {
  std::string prompt;
  std::string unsure;     // the third option
  std::string unrelated;  // a sentence that has nothing to do with any fact
};

struct FormTemplates {
  FactCheckFrame fact_check;
  ChoiceFrame choice;
  std::vector<RelationWording> relations;
  std::map<std::string, std::map<std::string, std::string>> facts;  // table -> object -> answer
  std::map<std::string, std::vector<std::string>> aliases;          // subject -> other names
  std::string fingerprint;                                          // of the texts that were read

  // nullptr if there is no such name.
  const RelationWording* find(const std::string& name) const;
  // The relation of a record: that of its id, or of its prompt's wording, or nullptr.
  const RelationWording* relation_of(const EvalRecord& record) const;
};

// Those that emend has (eval/forms.yaml), to which `file`, unless it is empty, adds relations, facts, aliases
// and frames; what it names again replaces theirs, a relation as a whole. Throws Error(kConfig) with file,
// line and column for YAML syntax, unknown keys, wrong types, places that are missing or unknown
// ("{object}"), names that are given twice or that nothing has; Error(kIo) if the file cannot be read.
FormTemplates read_form_templates(const std::filesystem::path& file = {});

// `wording` with each {name} of `parts` replaced. What is put in is not searched again.
std::string fill_wording(const std::string& wording, const std::map<std::string, std::string>& parts);

}  // namespace emend
