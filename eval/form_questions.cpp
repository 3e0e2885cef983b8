#include "eval/form_questions.h"

#include <algorithm>
#include <string_view>

#include "emend/judge.h"

namespace emend {
namespace {

constexpr const char* kUnknownRelation = "the relation has no wordings";
constexpr const char* kNoPresentAnswer = "no present answer that differs from the target";

// A statement that ends with {object}, as a prompt for it.
std::string as_prompt(const std::string& wording, const std::string& subject) {
  constexpr std::string_view kEnd = " {object}";
  return fill_wording(wording.substr(0, wording.size() - kEnd.size()), {{"subject", subject}});
}

// The kinds under which data sets have such questions themselves.
bool has_kind(const std::vector<KindQuestion>& questions, const std::vector<std::string>& kinds) {
  return std::any_of(questions.begin(), questions.end(), [&](const KindQuestion& question) {
    return std::find(kinds.begin(), kinds.end(), question.kind) != kinds.end();
  });
}

class FormBuilder {
 public:
  FormBuilder(const EvalRecord& record, const FormTemplates& templates)
      : record_(record),
        request_(record.request),
        templates_(templates),
        relation_(templates.relation_of(record)),
        opposed_(are_opposed(record.request.was, record.request.target)) {}

  RecordForms build(const std::set<FactForm>& forms) {
    for (const FactForm form : forms) {
      const std::string why_not = build_one(form);
      if (!why_not.empty()) built_.left_out[form] = why_not;
    }
    return std::move(built_);
  }

 private:
  // Why there is no question; empty if there is one.
  std::string build_one(FactForm form) {
    if (form == FactForm::kAlias) return add_aliases();
    if (form == FactForm::kOneHop &&
        has_kind(record_.portability,
                 {"one_hop", "Reasoning", "Compositionality_I", "mhop", "multi_hop", "multi-hop"}))
      return "the data set has questions of more than one hop itself";
    if (form == FactForm::kSameSubject &&
        has_kind(record_.locality, {"Relation_Specificity", "same_subject", "head_of_edit"}))
      return "the data set has other relations of the subject itself";
    if (relation_ == nullptr) return kUnknownRelation;
    if (form == FactForm::kFactCheck) return add_fact_checks();
    if (form == FactForm::kSameSubject) return add_same_subject();
    if (!opposed_) return kNoPresentAnswer;
    if (form == FactForm::kNegation) return add_negation();
    if (form == FactForm::kChoice) return add_choice();
    if (form == FactForm::kReversed) return add_reversed();
    return add_one_hop();
  }

  std::string claim(const std::string& wording, const std::string& object) const {
    return fill_wording(wording, {{"subject", request_.subject}, {"object", object}});
  }

  std::string add_negation() {
    built_.negation = {{as_prompt(relation_->denial, request_.subject), request_.was, request_.target}};
    return "";
  }

  // The statement and the denial of the target, and of the present answer: after an edit two are true and two
  // are false.
  std::string add_fact_checks() {
    const FactCheckFrame& frame = templates_.fact_check;
    const auto ask = [&](const std::string& wording, const std::string& object, bool is_true) {
      PairQuestion question{fill_wording(frame.prompt, {{"claim", claim(wording, object)}}), frame.agree,
                            frame.disagree};
      if (!is_true) std::swap(question.wanted, question.other);
      built_.fact_check.push_back(question);
    };
    ask(relation_->statement, request_.target, true);
    ask(relation_->denial, request_.target, false);
    if (!opposed_) return "";
    ask(relation_->statement, request_.was, false);
    ask(relation_->denial, request_.was, true);
    return "";
  }

  std::string context_text(std::size_t context) const {
    switch (context) {
      case 1:
        return claim(relation_->statement, request_.target) + ".\n";
      case 2:
        return templates_.choice.unrelated + "\n";
      case 3:
        return claim(relation_->statement, request_.was) + ".\n";
      default:
        return "";
    }
  }

  // All six orders of the three options, behind each of the four contexts.
  std::string add_choice() {
    if (relation_->question.empty()) return "the relation has no question";
    const std::map<ChoiceRole, std::string> options = {{ChoiceRole::kTarget, request_.target},
                                                       {ChoiceRole::kOld, request_.was},
                                                       {ChoiceRole::kUnsure, templates_.choice.unsure}};
    const std::string asked = fill_wording(relation_->question, {{"subject", request_.subject}});
    for (std::size_t context = 0; context < kChoiceContexts.size(); ++context) {
      std::array<ChoiceRole, 3> roles = {ChoiceRole::kTarget, ChoiceRole::kOld, ChoiceRole::kUnsure};
      do {
        built_.choice.push_back({context,
                                 fill_wording(templates_.choice.prompt, {{"context", context_text(context)},
                                                                         {"question", asked},
                                                                         {"a", options.at(roles[0])},
                                                                         {"b", options.at(roles[1])},
                                                                         {"c", options.at(roles[2])}}),
                                 roles});
      } while (std::next_permutation(roles.begin(), roles.end()));
    }
    return "";
  }

  std::string add_reversed() {
    if (relation_->reversed.empty()) return "the relation has no reversed wording";
    const auto about = [&](const std::string& object) {
      return fill_wording(relation_->reversed, {{"object", object}});
    };
    built_.reversed = {{about(request_.target), about(request_.was), request_.subject}};
    return "";
  }

  std::string add_same_subject() {
    for (const std::string& name : relation_->same_subject)
      if (const RelationWording* const other = templates_.find(name))
        built_.same_subject.push_back(as_prompt(other->statement, request_.subject));
    return built_.same_subject.empty() ? "the relation names no others of its subject" : "";
  }

  std::string add_aliases() {
    if (has_kind(record_.portability, {"Subject_Aliasing", "subject_alias"}))
      return "the data set has other names of the subject itself";
    const auto names = templates_.aliases.find(request_.subject);
    if (names == templates_.aliases.end()) return "no other name of the subject is known";
    if (!opposed_) return kNoPresentAnswer;
    for (const std::string& name : names->second)
      built_.alias.push_back({prompt_about(request_, name), request_.target, request_.was});
    return "";
  }

  std::string add_one_hop() {
    for (const OneHopWording& hop : relation_->one_hop) {
      const std::map<std::string, std::string>& facts = templates_.facts.at(hop.facts);
      const auto now = facts.find(request_.target), before = facts.find(request_.was);
      if (now == facts.end() || before == facts.end() || !are_opposed(now->second, before->second)) continue;
      built_.one_hop.push_back(
          {fill_wording(hop.prompt, {{"subject", request_.subject}}), now->second, before->second});
    }
    return built_.one_hop.empty() ? "no table of facts has both answers" : "";
  }

  const EvalRecord& record_;
  const EditRequest& request_;
  const FormTemplates& templates_;
  const RelationWording* relation_;
  bool opposed_;
  RecordForms built_;
};

}  // namespace

bool RecordForms::has(FactForm form) const {
  return !scored(form, "").empty();
}

std::vector<std::pair<std::string, std::string>> RecordForms::scored(FactForm form,
                                                                     const std::string& target) const {
  std::vector<std::pair<std::string, std::string>> all;
  const auto add_pairs = [&](const std::vector<PairQuestion>& questions) {
    for (const PairQuestion& question : questions) {
      all.emplace_back(question.prompt, question.wanted);
      all.emplace_back(question.prompt, question.other);
    }
  };
  switch (form) {
    case FactForm::kNegation:
      add_pairs(negation);
      break;
    case FactForm::kFactCheck:
      add_pairs(fact_check);
      break;
    case FactForm::kAlias:
      add_pairs(alias);
      break;
    case FactForm::kOneHop:
      add_pairs(one_hop);
      break;
    case FactForm::kChoice:
      for (const ChoiceQuestion& question : choice)
        for (const char* letter : kChoiceLetters) all.emplace_back(question.prompt, letter);
      break;
    case FactForm::kReversed:
      for (const ReversedQuestion& question : reversed) {
        all.emplace_back(question.about_target, question.subject);
        all.emplace_back(question.about_was, question.subject);
      }
      break;
    case FactForm::kSameSubject:
      for (const std::string& prompt : same_subject) all.emplace_back(prompt, target);
      break;
  }
  return all;
}

void RecordForms::drop(FactForm form, const std::string& reason) {
  switch (form) {
    case FactForm::kNegation:
      negation.clear();
      break;
    case FactForm::kFactCheck:
      fact_check.clear();
      break;
    case FactForm::kAlias:
      alias.clear();
      break;
    case FactForm::kOneHop:
      one_hop.clear();
      break;
    case FactForm::kChoice:
      choice.clear();
      break;
    case FactForm::kReversed:
      reversed.clear();
      break;
    case FactForm::kSameSubject:
      same_subject.clear();
      break;
  }
  left_out[form] = reason;
}

RecordForms forms_of(const EvalRecord& record, const FormTemplates& templates,
                     const std::set<FactForm>& forms) {
  return FormBuilder(record, templates).build(forms);
}

}  // namespace emend
