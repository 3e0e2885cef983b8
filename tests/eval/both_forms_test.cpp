// A benchmark that asks in both forms: what it says of each is what a run says that asks in that form alone.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/expect_error.h"
#include "base/temp_folder.h"
#include "emend/eval_results.h"
#include "emend/eval_run.h"
#include "eval/results/metric_names.h"
#include "eval/results/results_file.h"
#include "support/eval_world.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// The same change for the same record, in whatever form it is asked.
class Formula : public Editor {
 public:
  std::string name() const override { return "formula"; }
  bool needs_statistics() const override { return false; }
  std::map<std::string, std::string> options() const override { return {}; }
  Objective objective() const override { return Objective::kNone; }
  EditPlan plan(const Model&, const std::vector<EditRequest>&, const EditorContext&) const override {
    return {};
  }
  Edit edit(const Model& model, const std::vector<EditRequest>& requests, const EditorContext& context,
            Progress&) const override {
    Edit edit;
    const auto number = static_cast<std::int64_t>(requests.front().prompt.size());
    edit.changes = test::formula_change(model, context.layers.front(), number, 0.5);
    for (const EditRequest& request : requests) {
      edit.facts.emplace_back();
      edit.facts.back().request = request;
    }
    return edit;
  }
  std::vector<Edit> edit_each(const Model& model, const std::vector<EditRequest>& requests,
                              const EditorContext& context, Progress& progress) const override {
    std::vector<Edit> edits;
    for (const EditRequest& request : requests) edits.push_back(edit(model, {request}, context, progress));
    return edits;
  }
};

const EditorTable& formula_table() {
  static const EditorTable table = {
      {[] {
         return EditorHelp{"formula", "a change by formula", true, {}};
       },
       [](const std::map<std::string, OptionText>&) { return std::make_unique<Formula>(); }}};
  return table;
}

class BothForms : public testing::Test {
 protected:
  BothForms() : model_(world_with_template()) {}

  Model world_with_template() const {
    fs::copy(test::data_path("world/gpt2"), folder_ / "gpt2");
    folder_.write("gpt2/chat_template.jinja", "Tell: {{ messages[0]['content'] }}");
    return Model::load(folder_ / "gpt2");
  }
  EvalResults run(const std::string& name, PromptForm form, bool both) {
    BenchmarkOptions options;
    options.dataset = "emend";
    options.data = test::data_path("world/edits.jsonl");
    options.end_record = 4;
    options.editors = &formula_table();
    options.methods = {{"formula", "formula", {}, {{1}, "test"}, {}, {}}};
    options.form = form;
    options.both_forms = both;
    options.natural = 6;
    options.sampled = 2;
    options.generations = 0;
    options.out = folder_ / name;
    SilentProgress silent;
    run_benchmark(model_, options, silent);
    return read_results(folder_ / name);
  }

  test::TempFolder folder_;
  Model model_;
};

// What was answered after the edits to the prompt, its paraphrases and the neighbours; `front` stands before
// the role, "" for the edits' own form.
std::vector<std::string> said(const EvalResults& results, const std::string& front) {
  std::vector<std::string> all;
  for (const RecordResult& record : results.records)
    for (const AnswerTrace& trace : record.answers) {
      if (!trace.role.starts_with(front)) continue;
      const std::string role = trace.role.substr(front.size());
      for (const std::string of : {"prompt", "paraphrase", "neighbour"})
        if (role == of || role == "natural " + of || role == "sampled " + of)
          all.push_back(
              fmt::format("{}: {} -> {} ({})", role, trace.prompt, trace.after.text, trace.after.p_target));
    }
  return all;
}

// Every metric of the prompt, its paraphrases and neighbours, and the score, is there in the form `form`.
void expect_same_figures(const EvalResults& both, PromptForm form, const EvalResults& alone) {
  for (const auto& [own, other] : {std::pair(&alone.summary.base, &both.summary.base),
                                   std::pair(&alone.summary.metrics, &both.summary.metrics)}) {
    std::size_t compared = 0;
    for (const auto& [name, figure] : *own) {
      const bool of_record = name == "score" || name.starts_with("efficacy_") ||
                             name.starts_with("paraphrase_") || name.starts_with("neighbourhood_");
      if (!of_record) continue;
      const auto found = other->find(metric_in_form(form, name));
      ASSERT_NE(found, other->end()) << name;
      EXPECT_EQ(found->second.mean, figure.mean) << name;
      EXPECT_EQ(found->second.n, figure.n) << name;
      ++compared;
    }
    EXPECT_GE(compared, 3u * 6 + 1);
  }
}

TEST_F(BothForms, AreWhatRunsInEachFormAloneSay) {
  const EvalResults both = run("both", PromptForm::kChat, true), chat = run("chat", PromptForm::kChat, false),
                    raw = run("raw", PromptForm::kRaw, false);
  ASSERT_EQ(both.summary.records, 4);
  expect_same_figures(both, PromptForm::kRaw, raw);
  EXPECT_EQ(said(both, "raw "), said(raw, ""));
  // The edits' own form is as it was without the other one.
  EXPECT_EQ(said(both, ""), said(chat, ""));
  for (const auto& [name, figure] : chat.summary.metrics)
    EXPECT_EQ(both.summary.metrics.at(name).mean, figure.mean) << name;
  EXPECT_NE(said(chat, ""), said(raw, ""));
  EXPECT_EQ(both.summary.metrics.count("raw_drift_kl"), 0u);
  EXPECT_EQ(both.summary.options.at("both_forms"), "true");
}

TEST_F(BothForms, PutChatBesideRaw) {
  const EvalResults both = run("both", PromptForm::kRaw, true), chat = run("chat", PromptForm::kChat, false);
  expect_same_figures(both, PromptForm::kChat, chat);
  EXPECT_EQ(said(both, "chat "), said(chat, ""));
}

TEST_F(BothForms, AreComparedBetweenRuns) {
  run("a", PromptForm::kRaw, true);
  run("b", PromptForm::kRaw, true);
  std::vector<std::string> compared;
  for (const ComparedMetric& metric : compare_runs(folder_ / "a", folder_ / "b", {.draws = 10}).metrics)
    compared.push_back(metric.metric);
  EXPECT_THAT(compared, testing::IsSupersetOf({"score", "chat_score", "chat_efficacy_natural"}));
}

TEST_F(BothForms, NeedAChatTemplate) {
  fs::remove(folder_ / "gpt2/chat_template.jinja");
  model_ = Model::load(folder_ / "gpt2");
  EXPECT_THAT(test::error_of(ErrorKind::kModel, [&] { run("out", PromptForm::kRaw, true); }),
              HasSubstr("chat template"));
  EXPECT_FALSE(fs::exists(folder_ / "out/run.json"));
}

}  // namespace
}  // namespace emend
