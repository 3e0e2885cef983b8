// What lm-evaluation-harness (EleutherAI, 0.4.13) and promptfoo read: results and samples of an evaluation,
// and the questions of an edit file as tasks and tests. No model is loaded.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace emend {

struct EvaluationExport {
  std::vector<std::filesystem::path> files;      // that were written
  std::int64_t questions = 0;                    // that are in them
  std::map<std::string, std::int64_t> left_out;  // questions, by reason
  std::vector<std::string> notes;                // how to run it, in sentences
};

// The questions of an edit file as tasks of the harness: NAME_efficacy, NAME_paraphrase and
// NAME_neighbourhood, each a YAML and a JSON lines file in `out`, and NAME, the group of them. They are
// multiple choice: the target against the present answer `was` (neighbours: their answer against the target),
// acc being the share where the right one is likelier by the sum over its tokens. Questions without the other
// answer are left out and counted. Throws what read_edit_file throws; Error(kConfig) if no question is left,
// Error(kIo).
EvaluationExport export_harness_task(const std::filesystem::path& edits, const std::filesystem::path& out);

// The same questions as tests of promptfoo: OUT/promptfooconfig.yaml, with the target contained and the
// present answer not. `provider`: who is asked, as promptfoo names it; `url`: where a server of OpenAI's API
// answers ("http://127.0.0.1:8080/v1"), empty: where the provider says. Besides what export_harness_task
// throws, Error(kUsage) for an address that does not begin with http:// or https://.
EvaluationExport export_promptfoo(const std::filesystem::path& edits, const std::filesystem::path& out,
                                  const std::string& provider, const std::string& url = "");

// Results of `emend eval` (the folder of one method) or of `emend eval abilities` as the harness writes them:
// for the unedited and the edited model OUT/MODEL/results_DATE.json and samples_TASK_DATE.jsonl. `date`: of
// the names, as "2026-11-29T17-30-00.000000"; empty: now. Throws Error: kFormat (a folder of neither, or of
// an emend that kept no texts of the items), kIo.
EvaluationExport export_harness_results(const std::filesystem::path& results,
                                        const std::filesystem::path& out, const std::string& date = "");

}  // namespace emend
