// Results of a benchmark, or of abilities, as lm-evaluation-harness writes them (emend/harness.h).
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>

#include "base/atomic_file.h"
#include "base/files.h"
#include "base/fingerprint.h"
#include "base/json.h"
#include "base/strings.h"
#include "emend/error.h"
#include "emend/eval_results.h"
#include "emend/harness.h"
#include "emend/version.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

// One line of a samples file.
struct HarnessSample {
  ResultJson doc;
  std::string target;
  std::vector<std::pair<std::string, ResultJson>> arguments;  // what the model was asked, and with what
  ResultJson responses;                                       // one a request
  std::vector<std::pair<std::string, bool>> metrics;
};

struct HarnessTask {
  std::string name, output_type;
  std::vector<HarnessSample> samples;
};

// What one model said to all tasks.
struct HarnessModel {
  std::string name;
  std::vector<HarnessTask> tasks;
};

std::string dumped(const ResultJson& json, int indent = -1) {
  return json.dump(indent, ' ', false, ResultJson::error_handler_t::replace);
}

ResultJson json_of_sample(const HarnessSample& sample, std::size_t number) {
  ResultJson arguments = ResultJson::object(), names = ResultJson::array();
  for (std::size_t i = 0; i < sample.arguments.size(); ++i)
    arguments[fmt::format("gen_args_{}", i)] = {{"arg_0", sample.arguments[i].first},
                                                {"arg_1", sample.arguments[i].second}};
  for (const auto& metric : sample.metrics) names.push_back(metric.first);
  ResultJson responses = ResultJson::array();
  for (const ResultJson& response : sample.responses) responses.push_back(ResultJson::array({response}));
  ResultJson json = {{"doc_id", number},
                     {"doc", sample.doc},
                     {"target", sample.target},
                     {"arguments", arguments},
                     {"resps", responses},
                     {"filtered_resps", sample.responses},
                     {"filter", "none"},
                     {"metrics", names},
                     {"doc_hash", sha256_hex(dumped(sample.doc, 2))},
                     {"prompt_hash", sha256_hex(sample.arguments.front().first)},
                     {"target_hash", sha256_hex(sample.target)}};
  for (const auto& [name, value] : sample.metrics) json[name] = value ? 1.0 : 0.0;
  return json;
}

std::string samples_text(const HarnessTask& task, std::string& hashes) {
  std::string text;
  for (std::size_t i = 0; i < task.samples.size(); ++i) {
    const ResultJson json = json_of_sample(task.samples[i], i);
    for (const char* key : {"doc_hash", "prompt_hash", "target_hash"}) hashes += json[key].get<std::string>();
    text += dumped(json) + "\n";
  }
  return text;
}

// Share, and the harness' standard error of it: sample standard deviation / sqrt(n); of one sample it has
// none.
void add_metric(const HarnessTask& task, std::size_t metric, ResultJson& results) {
  const std::string& name = task.samples.front().metrics[metric].first;
  const auto n = static_cast<double>(task.samples.size());
  const auto right =
      static_cast<double>(std::count_if(task.samples.begin(), task.samples.end(),
                                        [&](const auto& sample) { return sample.metrics[metric].second; }));
  const double share = right / n;
  results[name + ",none"] = share;
  results[name + "_stderr,none"] =
      n > 1 ? ResultJson(std::sqrt(share * (1 - share) / (n - 1))) : ResultJson("N/A");
}

ResultJson results_of(const HarnessTask& task) {
  ResultJson results = {{"name", task.name}, {"alias", task.name}, {"sample_len", task.samples.size()}};
  for (std::size_t m = 0; m < task.samples.front().metrics.size(); ++m) add_metric(task, m, results);
  return results;
}

ResultJson config_of(const HarnessTask& task) {
  ResultJson metrics = ResultJson::array();
  for (const auto& metric : task.samples.front().metrics)
    metrics.push_back({{"metric", metric.first}, {"aggregation", "mean"}, {"higher_is_better", true}});
  return {{"task", task.name}, {"output_type", task.output_type}, {"num_fewshot", 0},
          {"repeats", 1},      {"metric_list", metrics},          {"metadata", {{"version", 1.0}}}};
}

ResultJson results_json(const HarnessModel& model, const ResultJson& task_hashes) {
  ResultJson json = {{"results", ResultJson::object()}, {"group_subtasks", ResultJson::object()}};
  for (const HarnessTask& task : model.tasks) {
    json["results"][task.name] = results_of(task);
    json["configs"][task.name] = config_of(task);
    json["versions"][task.name] = 1.0;
    json["n-shot"][task.name] = 0;
    for (const auto& metric : task.samples.front().metrics)
      json["higher_is_better"][task.name][metric.first] = true;
    json["n-samples"][task.name] = {{"original", task.samples.size()}, {"effective", task.samples.size()}};
  }
  json["config"] = {{"model", "emend"},       {"model_args", ResultJson::object()},
                    {"batch_size", 1},        {"batch_sizes", ResultJson::array()},
                    {"device", nullptr},      {"use_cache", nullptr},
                    {"limit", nullptr},       {"bootstrap_iters", 0},
                    {"gen_kwargs", nullptr},  {"random_seed", nullptr},
                    {"numpy_seed", nullptr},  {"torch_seed", nullptr},
                    {"fewshot_seed", nullptr}};
  json["emend"] = emend_version();
  json["git_hash"] = nullptr;
  json["lm_eval_version"] = nullptr;  // it was not the harness that asked
  json["task_hashes"] = task_hashes;
  json["model_source"] = "emend";
  json["model_name"] = model.name;
  json["model_name_sanitized"] = model.name;
  return json;
}

// As the harness makes names of files.
std::string sanitised(const std::string& name) {
  std::string result;
  for (const char c : name) {
    if (std::string_view("\"<>:/|\\?*[]").find(c) == std::string_view::npos)
      result += c;
    else if (!result.ends_with("__"))
      result += "__";
  }
  return result;
}

void write_model(HarnessModel model, const fs::path& out, const std::string& date,
                 EvaluationExport& outcome) {
  std::erase_if(model.tasks, [](const HarnessTask& task) { return task.samples.empty(); });
  model.name = sanitised(model.name);
  ResultJson task_hashes = ResultJson::object();
  const auto write = [&](const std::string& name, const std::string& text) {
    outcome.files.push_back(out / model.name / name);
    write_file_atomically(outcome.files.back(), text);
  };
  for (const HarnessTask& task : model.tasks) {
    std::string hashes;
    write(fmt::format("samples_{}_{}.jsonl", task.name, date), samples_text(task, hashes));
    task_hashes[task.name] = sha256_hex(hashes);
    outcome.questions += static_cast<std::int64_t>(task.samples.size());
  }
  write(fmt::format("results_{}.json", date), dumped(results_json(model, task_hashes), 2));
}

// ---- of a benchmark

std::string model_name(const std::string& path) {
  const fs::path file = fs::path(path).lexically_normal();
  const fs::path named = file.has_filename() ? file : file.parent_path();
  return named.extension() == ".gguf" || named.extension() == ".safetensors" ? named.stem().string()
                                                                             : named.filename().string();
}

HarnessSample sample_of(const RecordResult& record, const AnswerTrace& answer, bool after) {
  const AnswerState& state = after ? answer.after : answer.before;
  const std::string& wanted = answer.role == "neighbour" ? answer.answer : record.target;
  HarnessSample sample;
  sample.doc = {{"id", record.id}, {"role", answer.role}, {"prompt", answer.prompt}, {"answer", wanted}};
  sample.target = wanted;
  sample.arguments = {{answer.prompt, ResultJson{{"until", ResultJson::array()}}}};
  sample.responses = ResultJson::array({state.text});
  sample.metrics = {{"exact_match", state.generated}, {"acc", state.argmax}};
  return sample;
}

HarnessModel model_of(const EvalResults& results, bool after) {
  HarnessModel model;
  model.name = model_name(results.summary.model_path) + (after ? "+" + results.summary.name() : "");
  const std::vector<std::pair<std::string, std::string>> roles = {
      {"prompt", "emend_efficacy"}, {"paraphrase", "emend_paraphrase"}, {"neighbour", "emend_neighbourhood"}};
  for (const auto& [role, task] : roles) {
    model.tasks.push_back({task, "generate_until", {}});
    for (const RecordResult& record : results.records)
      for (const AnswerTrace& answer : record.answers)
        if (is_evaluated(record.status) && answer.role == role)
          model.tasks.back().samples.push_back(sample_of(record, answer, after));
  }
  return model;
}

// ---- of abilities

constexpr const char *kAbilities = "abilities.json", *kItems = "items.jsonl";

HarnessSample sample_of(const JsonView& item, const char* side, bool normalised) {
  const JsonView answer = item.at(side);
  const std::vector<std::string> choices = item.at("choices").as_strings();
  const std::vector<JsonView> loglikelihoods = answer.at("loglikelihoods").elements();
  if (choices.size() != loglikelihoods.size()) item.at("choices").refuse("as many as log-likelihoods");
  const std::int64_t right = item.at("right").as_non_negative_integer();
  HarnessSample sample;
  sample.doc = {{"item", item.string("item")},
                {"context", item.string("context")},
                {"choices", choices},
                {"right", right}};
  sample.target = std::to_string(right);
  sample.responses = ResultJson::array();
  for (std::size_t c = 0; c < choices.size(); ++c) {
    sample.arguments.emplace_back(item.string("context"), " " + choices[c]);
    // The second one: is the choice the greedy text? That was not asked.
    sample.responses.push_back({fmt::format("{}", loglikelihoods[c].as_number()), "None"});
  }
  sample.metrics = {{"acc", answer.at("chosen").as_non_negative_integer() == right}};
  if (normalised)
    sample.metrics.emplace_back("acc_norm",
                                answer.at("chosen_normalised").as_non_negative_integer() == right);
  return sample;
}

std::vector<HarnessModel> models_of_abilities(const fs::path& folder) {
  const Json document = read_json_file(folder / kAbilities);
  const JsonView abilities(document, (folder / kAbilities).string());
  std::vector<HarnessModel> models = {{model_name(abilities.at("model").string("path")), {}}};
  const std::vector<std::string> patches = abilities.at("patches").as_strings();
  if (!patches.empty()) models.push_back(models.front());
  for (const std::string& patch : patches) models.back().name += "+" + fs::path(patch).stem().string();
  std::map<std::string, bool> normalised;
  for (const JsonView& task : abilities.at("tasks").elements()) {
    normalised[task.string("name")] = task.at("metrics").has("acc_norm");
    for (HarnessModel& model : models) model.tasks.push_back({task.string("name"), "multiple_choice", {}});
  }
  std::int64_t line = 0;
  for (const std::string& text : split_at(read_text_file(folder / kItems), '\n')) {
    ++line;
    if (text.empty()) continue;
    const std::string where = fmt::format("{}:{}", (folder / kItems).string(), line);
    const Json item_document = parse_json(text, where);
    const JsonView item(item_document, where);
    if (!item.has("context"))
      throw Error(
          ErrorKind::kFormat,
          where + ": the item has no texts (\"context\"); an earlier emend left them out: run it again");
    for (std::size_t m = 0; m < models.size(); ++m)
      for (HarnessTask& task : models[m].tasks)
        if (task.name == item.string("task"))
          task.samples.push_back(sample_of(item, m == 0 ? "before" : "after", normalised[task.name]));
  }
  for (const JsonView& task : abilities.at("tasks").elements())
    for (const HarnessTask& found : models.front().tasks)
      if (found.name == task.string("name") &&
          static_cast<std::int64_t>(found.samples.size()) != task.at("items").as_non_negative_integer())
        throw Error(
            ErrorKind::kFormat,
            fmt::format("{}: {} items of {}, where {} counts {}: the file was cut; run the evaluation "
                        "again",
                        (folder / kItems).string(), found.samples.size(), quote(found.name),
                        (folder / kAbilities).string(), task.at("items").as_non_negative_integer()));
  return models;
}

std::string date_now() {
  const auto now = std::chrono::system_clock::now();
  const auto micros =
      std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count() % 1'000'000;
  return fmt::format("{:%Y-%m-%dT%H-%M-%S}.{:06}", fmt::gmtime(std::chrono::system_clock::to_time_t(now)),
                     micros);
}

}  // namespace

EvaluationExport export_harness_results(const fs::path& results, const fs::path& out,
                                        const std::string& date) {
  std::vector<HarnessModel> models;
  if (fs::exists(results / kAbilities)) {
    models = models_of_abilities(results);
  } else {
    const EvalResults run = read_results(results);
    std::int64_t counted = run.summary.records;
    for (const auto& [reason, count] : run.summary.skipped) counted += count;
    if (static_cast<std::int64_t>(run.records.size()) != counted)
      throw Error(
          ErrorKind::kFormat,
          fmt::format("{}: {} records, where its summary counts {}: the file was cut; run the benchmark "
                      "again",
                      (results / "records.jsonl").string(), run.records.size(), counted));
    models = {model_of(run, false), model_of(run, true)};
  }
  EvaluationExport outcome;
  const std::string when = date.empty() ? date_now() : date;
  for (HarnessModel& model : models) write_model(std::move(model), out, when, outcome);
  return outcome;
}

}  // namespace emend
