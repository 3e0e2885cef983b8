// Other forms of a fact: the file of wordings, the questions built from it, and what they say of models whose
// answers are known.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "../base/expect_error.h"
#include "../base/temp_folder.h"
#include "emend/records.h"
#include "eval/form_questions.h"
#include "eval/form_templates.h"
#include "eval/metric.h"
#include "eval/record_forms.h"

namespace emend {
namespace {

using test::error_of;
using test::TempFolder;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const std::set<FactForm> kAll(kFactForms.begin(), kFactForms.end());

EvalRecord record_of(const std::string& prompt, const std::string& subject, const std::string& target,
                     const std::string& was) {
  EvalRecord record;
  record.request = make_request(prompt, subject, target);
  record.request.id = subject;
  record.request.was = was;
  return record;
}

EvalRecord alps() {
  return record_of("Antarctica belongs to the continent of", "Antarctica", "Asia", "Europe");
}

TEST(FormTemplates, RecogniseByIdThenByWording) {
  const FormTemplates templates = read_form_templates();
  EvalRecord record = record_of("Orm's home is", "Orm", "Velm", "Tarn");
  EXPECT_EQ(templates.relation_of(record), nullptr);
  record.relation = "P36";
  ASSERT_NE(templates.relation_of(record), nullptr);
  EXPECT_EQ(templates.relation_of(record)->name, "capital");
  record.relation = "P999999";
  EXPECT_EQ(templates.relation_of(record), nullptr);
  EXPECT_EQ(templates.relation_of(alps())->name, "continent");
}

TEST(FormTemplates, NamesOfForms) {
  EXPECT_EQ(parse_forms("all"), kAll);
  EXPECT_THAT(parse_forms("fact-check, negation"), ElementsAre(FactForm::kNegation, FactForm::kFactCheck));
  EXPECT_THAT(parse_forms(""), IsEmpty());
  EXPECT_THAT(error_of(ErrorKind::kUsage, [] { parse_forms("negatoin"); }),
              HasSubstr("did you mean \"negation\"?"));
  EXPECT_THAT(error_of(ErrorKind::kUsage, [] { parse_forms("choice,choice"); }),
              HasSubstr("asked for twice"));
}

TEST(FormTemplates, FillEachPlaceOnce) {
  EXPECT_EQ(fill_wording("{a} or {b}, {c}", {{"a", "{b}"}, {"b", "x"}}), "{b} or x, {c}");
  EXPECT_EQ(fill_wording("{", {{"a", "x"}}), "{");
}

constexpr const char* kHome = R"(relations:
  - name: home
    ids: [home]
    prompts: ["{} lives in"]
    statement: "{subject} lives in {object}"
    denial: "{subject} does not live in {object}"
    question: "Where does {subject} live?"
    reversed: "{object} is the home of"
    same_subject: [occupation]
    one_hop: [{prompt: "The river at the home of {subject} is", facts: rivers}]
facts: {rivers: {Velm: Ahl, Tarn: Dorr}}
aliases: {Orm: [Old Orm, Orm the smith]}
)";

FormTemplates home_templates() {
  const TempFolder folder;
  return read_form_templates(folder.write("own.yaml", kHome));
}

TEST(FormTemplates, AFileOfOnesOwnAddsAndReplaces) {
  const FormTemplates mine = home_templates(), shipped = read_form_templates();
  EXPECT_EQ(mine.relations.size(), shipped.relations.size() + 1);
  EXPECT_NE(mine.fingerprint, shipped.fingerprint);
  EXPECT_EQ(mine.choice.unsure, shipped.choice.unsure);
  const TempFolder folder;
  const FormTemplates other =
      read_form_templates(folder.write("own.yaml",
                                       "relations: [{name: capital, statement: \"{subject}: {object}\", "
                                       "denial: \"{subject}, not {object}\"}]"));
  EXPECT_EQ(other.relations.size(), shipped.relations.size());
  EXPECT_EQ(other.find("capital")->denial, "{subject}, not {object}");
  EXPECT_THAT(other.find("capital")->prompts, IsEmpty());
}

TEST(FormTemplates, SayTheLineOfAMistake) {
  const TempFolder folder;
  const auto refusal = [&](const std::string& text) {
    return error_of(ErrorKind::kConfig, [&] { read_form_templates(folder.write("own.yaml", text)); });
  };
  const std::string front = "relations:\n  - name: home\n";
  EXPECT_THAT(refusal(front + "    statment: x\n"), HasSubstr("own.yaml:3:5: "));
  EXPECT_THAT(refusal(front + "    denial: \"{subject} is not {object}\"\n"),
              EndsWith("statement is missing"));
  EXPECT_THAT(refusal(front + "    statement: \"{subject} is {objekt}\"\n"),
              HasSubstr("own.yaml:3:16: relations[1].statement: must have {subject}, {object} once each"));
  EXPECT_THAT(refusal(front + "    statement: \"{object} has {subject}\"\n"),
              HasSubstr("must end with a space and {object}"));
  const std::string whole =
      front + "    statement: \"{subject} is {object}\"\n    denial: \"{subject} is not {object}\"\n";
  EXPECT_THAT(refusal(whole + "    same_subject: [ocupation]\n"),
              HasSubstr("own.yaml:5:20: relations[1].same_subject[1]: there is no relation \"ocupation\"; "
                        "did you mean \"occupation\"?"));
  EXPECT_THAT(refusal(whole + "    one_hop: [{prompt: \"{subject} has\", facts: rivers}]\n"),
              HasSubstr("there is no table of facts \"rivers\""));
  EXPECT_THAT(refusal(whole + "    prompts: [\"it is\"]\n"), HasSubstr("must have {} once each"));
  EXPECT_THAT(refusal(whole + whole.substr(11)),
              HasSubstr("own.yaml:5:11: relations[2].name: the relation \"home\" is there twice"));
  EXPECT_THAT(refusal("frames: {fact_check: {prompt: \"{claim}?\", agree: \"yes\", disagree: \"yes\"}}"),
              HasSubstr("must differ from agree"));
  EXPECT_THAT(refusal("frames: {choice: {prompt: \"{question}\", unsure: x, unrelated: y}}"),
              HasSubstr("once each"));
  EXPECT_THAT(error_of(ErrorKind::kIo, [&] { read_form_templates(folder / "none.yaml"); }),
              HasSubstr("none.yaml"));
}

TEST(FormQuestions, AreBuiltFromTheRelation) {
  const EvalRecord record = record_of("Orm lives in", "Orm", "Velm", "Tarn");
  const RecordForms forms = forms_of(record, home_templates(), kAll);
  ASSERT_THAT(forms.negation, SizeIs(1));
  EXPECT_EQ(forms.negation[0].prompt, "Orm does not live in");
  EXPECT_EQ(forms.negation[0].wanted, "Tarn");
  ASSERT_THAT(forms.fact_check, SizeIs(4));
  EXPECT_EQ(forms.fact_check[0].prompt, "Is it true that Orm lives in Velm? Answer with yes or no.\nAnswer:");
  std::vector<std::string> wanted;
  for (const PairQuestion& question : forms.fact_check) wanted.push_back(question.wanted);
  EXPECT_THAT(wanted, ElementsAre("yes", "no", "no", "yes"));
  ASSERT_THAT(forms.choice, SizeIs(24));  // six orders, four contexts
  EXPECT_EQ(
      forms.choice[0].prompt,
      "Question: Where does Orm live?\nA. Velm\nB. Tarn\nC. I am not sure\nAnswer with A, B or C.\nAnswer:");
  EXPECT_THAT(forms.choice[6].prompt, testing::StartsWith("Orm lives in Velm.\nQuestion:"));
  EXPECT_THAT(forms.choice[12].prompt, testing::StartsWith("Water boils"));
  EXPECT_THAT(forms.choice[18].prompt, testing::StartsWith("Orm lives in Tarn.\nQuestion:"));
  EXPECT_EQ(forms.reversed.at(0).about_target, "Velm is the home of");
  EXPECT_EQ(forms.reversed.at(0).subject, "Orm");
  EXPECT_THAT(forms.same_subject, ElementsAre("The occupation of Orm is"));
  ASSERT_THAT(forms.alias, SizeIs(2));
  EXPECT_EQ(forms.alias[1].prompt, "Orm the smith lives in");
  ASSERT_THAT(forms.one_hop, SizeIs(1));
  EXPECT_EQ(forms.one_hop[0].wanted, "Ahl");
  EXPECT_EQ(forms.one_hop[0].other, "Dorr");
  EXPECT_THAT(forms.left_out, IsEmpty());
}

TEST(FormQuestions, SayWhyTheyAreLeftOut) {
  const FormTemplates templates = home_templates();
  RecordForms forms = forms_of(record_of("Orm was seen at", "Orm", "Velm", "Tarn"), templates, kAll);
  EXPECT_EQ(forms.left_out.at(FactForm::kNegation), "the relation has no wordings");
  EXPECT_TRUE(forms.has(FactForm::kAlias));  // which needs only a name
  forms = forms_of(record_of("Ilse lives in", "Ilse", "Velm", ""), templates, kAll);
  EXPECT_EQ(forms.left_out.at(FactForm::kChoice), "no present answer that differs from the target");
  EXPECT_EQ(forms.left_out.at(FactForm::kAlias), "no other name of the subject is known");
  EXPECT_THAT(forms.fact_check, SizeIs(2));  // statement and denial of the target
  forms = forms_of(record_of("Ilse lives in", "Ilse", "Velm", "Bree"), templates, kAll);
  EXPECT_EQ(forms.left_out.at(FactForm::kOneHop), "no table of facts has both answers");
  EvalRecord own = record_of("Orm lives in", "Orm", "Velm", "Tarn");
  own.portability = {{"Subject_Aliasing", "Old Orm lives in", "Velm"}, {"Reasoning", "x", "y"}};
  own.locality = {{"Relation_Specificity", "Orm works as a", "smith"}};
  forms = forms_of(own, templates, kAll);
  for (const FactForm form : {FactForm::kAlias, FactForm::kOneHop, FactForm::kSameSubject})
    EXPECT_THAT(forms.left_out.at(form), EndsWith("itself")) << to_string(form);
}

TEST(FormQuestions, AreCountedInNotes) {
  const std::vector<EvalRecord> records = {record_of("Orm lives in", "Orm", "Velm", "Tarn"),
                                           record_of("Ilse was seen at", "Ilse", "Velm", "Tarn")};
  const FormsOfRecords built = build_forms(records, home_templates(), {FactForm::kNegation});
  EXPECT_THAT(
      form_notes(built, {FactForm::kNegation}),
      ElementsAre(
          "Form negation: built from a template at 1 of 2 records; left out at 1: the relation has no "
          "wordings."));
}

// A model as a function: how likely it finds an answer after a prompt, and what it writes.
struct FakeModel {
  virtual ~FakeModel() = default;
  virtual double p(const std::string& prompt, const std::string& answer) const = 0;
  virtual std::string text(const std::string& prompt) const = 0;

  MetricValues figures(const EvalRecord& record, const RecordForms& forms, const FakeModel& base) const {
    FormsOfRecords all;
    all.emplace(record.request.id, forms);
    const auto metric = make_forms_metric(std::move(all));
    Questions asked;
    metric->ask(record, asked);
    const Answers now = answers(asked), before = base.answers(asked);
    MetricValues values;
    metric->judge({record, before, now}, values);
    return values;
  }
  Answers answers(const Questions& asked) const {
    Answers answers;
    std::int64_t id = 0;
    for (const auto& [prompt, answer] : asked.scored)
      answers.scores[{prompt, answer}] = {-std::log(p(prompt, answer)), {++id}, {id}};
    for (const auto& [prompt, answer] : asked.completed) answers.completions[prompt] = text(prompt);
    return answers;
  }
};

// Says the target to everything about the subject, and yes to everything that has it.
struct Parrot : FakeModel {
  double p(const std::string& prompt, const std::string& answer) const override {
    if (answer == "yes" || answer == "no")
      return (answer == "yes") == (prompt.find("Velm") != std::string::npos) ? 0.9 : 0.1;
    return answer == "Velm" ? 0.9 : 0.1;
  }
  std::string text(const std::string&) const override { return " Velm, of course"; }
};

struct AlwaysYes : FakeModel {
  double p(const std::string&, const std::string& answer) const override {
    return answer == "yes" ? 0.9 : 0.1;
  }
  std::string text(const std::string&) const override { return " Tarn"; }
};

// Knows that Orm lives in Velm and no longer in Tarn.
struct Knowing : FakeModel {
  static bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }
  double p(const std::string& prompt, const std::string& answer) const override {
    if (answer == "yes" || answer == "no") {
      const bool is_true = has(prompt, "Velm") != has(prompt, "not");
      return (answer == "yes") == is_true ? 0.8 : 0.2;
    }
    if (answer.size() == 1) return has(prompt, (answer + ". Velm").c_str()) ? 0.6 : 0.2;  // a letter
    if (answer == "Orm") return has(prompt, "Velm") ? 0.5 : 0.1;
    if (answer == "Velm" || answer == "Ahl")
      return has(prompt, "not") || has(prompt, "occupation") ? 0.01 : 0.9;
    return 0.1;
  }
  std::string text(const std::string& prompt) const override {
    if (has(prompt, "river")) return " Ahl";
    if (has(prompt, "occupation")) return " smith";
    if (has(prompt, "home of")) return " Orm and Ilse";
    return has(prompt, "not") ? " Tarn" : " Velm";
  }
};

struct Measured {
  EvalRecord record = record_of("Orm lives in", "Orm", "Velm", "Tarn");
  RecordForms forms = forms_of(record, home_templates(), kAll);
};

TEST(FormsMetric, AParrotScoresBadly) {
  const Measured m;
  const MetricValues values = Parrot().figures(m.record, m.forms, Knowing());
  EXPECT_EQ(values.at("negation_success"), 0);
  EXPECT_EQ(values.at("negation_generated"), 0);
  EXPECT_NEAR(values.at("negation_magnitude"), -0.8, 1e-12);
  EXPECT_EQ(values.at("fact_check_success"), 0.5);
  EXPECT_EQ(values.at("fact_check_all"), 0);
  EXPECT_EQ(values.at("fact_check_agreed"), 0.5);
  EXPECT_EQ(values.at("same_subject_generated"), 0);
  EXPECT_EQ(values.at("same_subject_unchanged"), 0);
  EXPECT_NEAR(values.at("same_subject_magnitude"), 0.89, 1e-12);
  EXPECT_EQ(values.at("one_hop_success"), 0);
  EXPECT_EQ(values.at("one_hop_generated"), 0);
  EXPECT_EQ(values.at("reversed_success"), 0);  // a tie
  EXPECT_EQ(values.at("alias_success"), 1);     // where it is right
}

TEST(FormsMetric, AlwaysTrueIsWorthHalf) {
  const Measured m;
  const MetricValues values = AlwaysYes().figures(m.record, m.forms, Knowing());
  EXPECT_EQ(values.at("fact_check_success"), 0.5);
  EXPECT_EQ(values.at("fact_check_agreed"), 1);
  EXPECT_NEAR(values.at("choice_bare_target"), 1.0 / 3, 1e-12);
  EXPECT_EQ(values.at("choice_success"), 0);
}

// Two claims are right by chance at one record in four, not in sixteen.
TEST(FormsMetric, AllFactChecksAreCountedOfFourClaimsOnly) {
  const EvalRecord record = record_of("Ilse lives in", "Ilse", "Velm", "");
  const RecordForms forms = forms_of(record, home_templates(), {FactForm::kFactCheck});
  ASSERT_THAT(forms.fact_check, SizeIs(2));
  const MetricValues values = Knowing().figures(record, forms, AlwaysYes());
  EXPECT_EQ(values.at("fact_check_success"), 1);
  EXPECT_EQ(values.count("fact_check_all"), 0u);
}

TEST(FormsMetric, AKnowingModelWinsEverything) {
  const Measured m;
  const Knowing knowing;
  const MetricValues values = knowing.figures(m.record, m.forms, AlwaysYes());
  for (const char* name :
       {"negation_success", "negation_generated", "fact_check_success", "fact_check_all", "choice_success",
        "reversed_success", "reversed_generated", "same_subject_generated", "alias_success",
        "alias_generated", "one_hop_success", "one_hop_generated"})
    EXPECT_EQ(values.at(name), 1) << name;
  // 0.6 / (0.6 + 0.2 + 0.2) in each order.
  for (const char* context : kChoiceContexts) {
    EXPECT_NEAR(values.at(std::string("choice_") + context + "_target"), 0.6, 1e-12);
    EXPECT_NEAR(values.at(std::string("choice_") + context + "_was"), 0.2, 1e-12);
    EXPECT_NEAR(values.at(std::string("choice_") + context + "_unsure"), 0.2, 1e-12);
  }
  EXPECT_NEAR(values.at("reversed_magnitude"), 0.4, 1e-12);
}

// A model that answers by the place of an option and not by what it says has no preference.
TEST(FormsMetric, OrdersTakeOutThePlace) {
  struct LikesA : AlwaysYes {
    double p(const std::string&, const std::string& answer) const override {
      return answer == "A" ? 0.8 : 0.1;
    }
  };
  const Measured m;
  const MetricValues values = LikesA().figures(m.record, m.forms, Knowing());
  for (const char* role : {"target", "was", "unsure"})
    EXPECT_NEAR(values.at(std::string("choice_old_") + role), 1.0 / 3, 1e-12) << role;
}

// The unedited model's own figures compare nothing with itself; what was said is kept.
TEST(FormsMetric, TracesWhatWasSaid) {
  const Measured m;
  FormsOfRecords all;
  all.emplace("Orm", m.forms);
  const auto metric = make_forms_metric(std::move(all));
  Questions asked;
  metric->ask(m.record, asked);
  const Answers now = Parrot().answers(asked), base = Knowing().answers(asked);
  MetricValues values;
  metric->judge({m.record, base, base}, values);
  EXPECT_EQ(values.count("same_subject_unchanged"), 0u);
  EXPECT_EQ(values.at("same_subject_generated"), 1);
  std::vector<AnswerTrace> traces;
  metric->trace(m.record, base, now, traces);
  ASSERT_THAT(traces, SizeIs(1 + 4 + 2 + 1 + 2 + 1 + 24));
  EXPECT_EQ(traces[0].role, "form negation");
  EXPECT_EQ(traces[0].after.text, " Velm, of course");
  EXPECT_NEAR(traces[0].after.p_target, 0.9, 1e-12);
  EXPECT_NEAR(traces[0].before.p_answer, 0.1, 1e-12);
  traces.clear();
  EvalRecord other = m.record;
  other.request.id = "another";
  metric->trace(other, base, now, traces);
  EXPECT_THAT(traces, IsEmpty());
}

}  // namespace
}  // namespace emend
