// An edit file as tasks of lm-evaluation-harness and as a configuration of promptfoo (emend/harness.h).
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/atomic_file.h"
#include "base/json.h"
#include "base/strings.h"
#include "emend/error.h"
#include "emend/harness.h"
#include "pipeline/edit_questions.h"
#include "text/row_tokens.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

constexpr std::array kKinds = {"efficacy", "paraphrase", "neighbourhood"};

// JSON text is YAML, too, as long as it is plain UTF-8.
std::string quoted_yaml(const std::string& text) {
  return ResultJson(text).dump();
}

std::string task_line(const EditQuestion& question) {
  const auto with_space = [](const std::string& answer) {
    return (begins_without_space(answer) ? "" : " ") + answer;
  };
  return ResultJson{{"id", question.id},
                    {"prompt", question.prompt},
                    {"choices", {with_space(question.right), with_space(question.wrong)}},
                    {"label", 0}}
             .dump() +
         "\n";
}

// Choices begin with their own blank, or with none: the delimiter is empty.
std::string task_yaml(const std::string& task, const std::string& data) {
  return fmt::format(
      "task: {0}\n"
      "dataset_path: json\n"
      "dataset_kwargs: {{data_files: {{test: {1}}}}}\n"
      "test_split: test\n"
      "output_type: multiple_choice\n"
      "doc_to_text: \"{{{{prompt}}}}\"\n"
      "doc_to_choice: choices\n"
      "doc_to_target: label\n"
      "target_delimiter: \"\"\n"
      "num_fewshot: 0\n"
      "metric_list:\n"
      "  - {{metric: acc, aggregation: mean, higher_is_better: true}}\n"
      "metadata: {{version: 1.0}}\n",
      task, quoted_yaml(data));
}

std::vector<EditQuestion> questions_of(const EditFile& file, EvaluationExport& outcome) {
  std::vector<EditQuestion> questions = edit_questions(file, outcome.left_out);
  if (questions.empty())
    throw Error(
        ErrorKind::kConfig,
        file.path.string() +
            ": no question has both an answer that is right and one that is not; give `was`, the present "
            "answer, in the edits, and `answer` in their neighbours");
  outcome.questions = static_cast<std::int64_t>(questions.size());
  if (file.form == PromptForm::kChat)
    outcome.notes.emplace_back(
        "The edit file asks in the chat form: have the other program apply the chat template, too.");
  return questions;
}

// promptfoo renders variables and assertions as templates of Nunjucks, again and again until nothing changes;
// there is no form in which such text is left as it is.
bool is_template(const EditQuestion& question) {
  for (const std::string* text : {&question.prompt, &question.right, &question.wrong})
    for (const char* opening : {"{{", "{%", "{#"})
      if (text->find(opening) != std::string::npos) return true;
  return false;
}

// promptfoo takes such a text for the address of a file or a module, which it then opens; if a prompt's
// cannot be opened, no question is asked at all.
bool is_address(const EditQuestion& question) {
  for (const std::string* text : {&question.prompt, &question.right, &question.wrong})
    if (text->starts_with("file://") || text->starts_with("package:")) return true;
  return false;
}

// promptfoo asks for a key before it asks a server; one on this machine wants none.
std::string server_settings(const std::string& url) {
  return url.empty() ? "" : fmt::format("apiBaseUrl: {}, apiKey: none, ", quoted_yaml(url));
}

std::string promptfoo_test(const EditQuestion& question) {
  return fmt::format(
      "  - description: {}\n"
      "    vars: {{prompt: {}}}\n"
      "    assert:\n"
      "      - {{type: contains, value: {}}}\n"
      "      - {{type: not-contains, value: {}}}\n"
      "    metadata: {{id: {}, kind: {}}}\n",
      quoted_yaml(question.id + ": " + question.kind), quoted_yaml(question.prompt),
      quoted_yaml(question.right), quoted_yaml(question.wrong), quoted_yaml(question.id), question.kind);
}

}  // namespace

EvaluationExport export_harness_task(const fs::path& edits, const fs::path& out) {
  const EditFile file = read_edit_file(edits);
  EvaluationExport outcome;
  const std::vector<EditQuestion> questions = questions_of(file, outcome);
  const std::string name = task_name(edits);
  const auto write = [&](const std::string& file_name, const std::string& text) {
    write_file_atomically(out / file_name, text);
    outcome.files.push_back(out / file_name);
  };
  std::string group = "group: " + name + "\ntask:\n";
  for (const std::string kind : kKinds) {
    std::string lines;
    for (const EditQuestion& question : questions)
      if (question.kind == kind) lines += task_line(question);
    if (lines.empty()) continue;
    const std::string task = name + "_" + kind;
    write(task + ".jsonl", lines);
    write(task + ".yaml", task_yaml(task, task + ".jsonl"));
    group += "  - " + task + "\n";
  }
  write(name + ".yaml", group);
  outcome.notes.push_back(
      fmt::format("Run it in that folder, from which the harness counts the paths of data: lm_eval run "
                  "--tasks {} --include_path . ...",
                  name));
  return outcome;
}

EvaluationExport export_promptfoo(const fs::path& edits, const fs::path& out, const std::string& provider,
                                  const std::string& url) {
  if (!url.empty() && !url.starts_with("http://") && !url.starts_with("https://"))
    throw Error(ErrorKind::kUsage, "the option url must begin with http:// or https://, found " + quote(url));
  const EditFile file = read_edit_file(edits);
  EvaluationExport outcome;
  std::vector<EditQuestion> questions = questions_of(file, outcome);
  if (const auto templates = std::erase_if(questions, is_template); templates > 0)
    outcome.left_out["promptfoo would read {{, {% or {# in it as a template"] =
        static_cast<std::int64_t>(templates);
  if (const auto addresses = std::erase_if(questions, is_address); addresses > 0)
    outcome.left_out["promptfoo would open a file in place of a text that begins with file:// or package:"] =
        static_cast<std::int64_t>(addresses);
  outcome.questions = static_cast<std::int64_t>(questions.size());
  if (questions.empty())
    throw Error(ErrorKind::kConfig, edits.string() + ": no question is left that promptfoo can ask");
  std::string text = fmt::format(
      "description: {}\n"
      "prompts: [\"{{{{prompt}}}}\"]\n"
      "providers:\n"
      "  - id: {}\n"
      "    config: {{{}temperature: 0, max_tokens: 16}}\n"
      "tests:\n",
      quoted_yaml(edits.filename().string()), quoted_yaml(provider), server_settings(url));
  for (const EditQuestion& question : questions) text += promptfoo_test(question);
  outcome.files = {out / "promptfooconfig.yaml"};
  write_file_atomically(outcome.files.front(), text);
  outcome.notes.emplace_back(
      "promptfoo eval in that folder asks the provider; it ends with exit code 100 if a test fails.");
  return outcome;
}

}  // namespace emend
