// The file that a run leaves to be repeated (emend/reproduce.h): written and read.
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <fmt/format.h>
#include <torch/version.h>

#include <algorithm>
#include <array>

#include "base/atomic_file.h"
#include "base/dump_json.h"
#include "base/files.h"
#include "base/fingerprint.h"
#include "base/json.h"
#include "emend/error.h"
#include "emend/reproduce.h"
#include "emend/version.h"
#include "pipeline/reproduce_hash.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

constexpr int kReproduceForm = 1;
// Options that say where results go and how much is told, and those that are named as they were in effect.
constexpr std::array kLeftOut = {"out",   "json",    "junit",        "report",
                                 "shard", "threads", "token-budget", "model"};
constexpr std::array kLeftOutFlags = {"resume", "quiet", "reproduce-texts"};
constexpr std::array kFlags = {"keep-going", "known", "plus", "edited-neighbours"};

template <typename Names>
bool is_among(const Names& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// An argument as "--NAME=VALUE", "--NAME" or "VALUE".
struct Argument {
  std::string name;
  std::optional<std::string> value;
};

std::vector<Argument> parsed(const std::vector<std::string>& arguments) {
  std::vector<Argument> result;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& text = arguments[i];
    if (!text.starts_with("--")) {
      result.push_back({"", text});
      continue;
    }
    const std::size_t equals = text.find('=');
    Argument argument{text.substr(2, equals == std::string::npos ? equals : equals - 2), std::nullopt};
    if (equals != std::string::npos)
      argument.value = text.substr(equals + 1);
    else if (!is_among(kFlags, argument.name) && !is_among(kLeftOutFlags, argument.name) &&
             i + 1 < arguments.size())
      argument.value = arguments[++i];
    result.push_back(std::move(argument));
  }
  return result;
}

// A path as an input's number, where an input came by that option.
std::string placed(const Argument& argument, const std::vector<ReproduceInput>& inputs,
                   const std::vector<fs::path>& given) {
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (inputs[i].option == argument.name && given[i] == *argument.value) return fmt::format("{{{}}}", i);
  return *argument.value;
}

std::vector<std::string> command_of(const FinishedRun& run, const ReproduceRecord& record,
                                    const std::vector<fs::path>& given) {
  std::vector<std::string> command = {run.command,
                                      option_of("model"),
                                      "{model}",
                                      option_of("threads"),
                                      record.conditions.at("threads"),
                                      option_of("token-budget"),
                                      record.conditions.at("token_budget")};
  for (const Argument& argument : parsed(run.arguments)) {
    if (is_among(kLeftOut, argument.name) || is_among(kLeftOutFlags, argument.name)) continue;
    if (!argument.name.empty()) command.push_back(option_of(argument.name));
    if (argument.value) command.push_back(placed(argument, record.inputs, given));
  }
  return command;
}

fs::path stored_path(const fs::path& path, const fs::path& file) {
  return fs::proximate(true_path(path), true_path(file).parent_path());
}

ResultJson json_of_record(const ReproduceRecord& record) {
  ResultJson inputs = ResultJson::array(), outputs = ResultJson::array();
  for (const ReproduceInput& input : record.inputs) {
    ResultJson json = {{"option", input.option},
                       {"file", input.file.string()},
                       {"sha256", input.sha256.empty() ? ResultJson(nullptr) : ResultJson(input.sha256)}};
    if (input.text) json["text"] = *input.text;
    inputs.push_back(std::move(json));
  }
  for (const ReproduceOutput& output : record.outputs)
    outputs.push_back({{"name", output.name}, {"sha256", output.sha256}});
  return {{"reproduce", kReproduceForm},
          {"emend", record.emend},
          {"torch", record.torch},
          {"command", record.command},
          {"model", {{"path", record.model.string()}, {"fingerprint", record.model_fingerprint}}},
          {"inputs", inputs},
          {"conditions", record.conditions},
          {"outputs", outputs}};
}

}  // namespace

std::string hash_of_input(const fs::path& path) {
  if (!fs::is_directory(path)) return sha256_hex(read_text_file(path));
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(path))
    if (entry.is_regular_file()) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  Sha256 hash;
  for (const fs::path& file : files) {
    hash.update_field(file.filename().string());
    hash.update_field(sha256_hex(read_text_file(file)));
  }
  return hash.hex();
}

fs::path reproduce_file_of(const fs::path& patch) {
  return fs::path(patch).replace_extension(kReproduceFile);
}

void leave_reproduce_file(const fs::path& file, const FinishedRun& run, const Model& model) {
  ReproduceRecord record;
  record.emend = emend_version();
  record.torch = TORCH_VERSION;
  record.model = stored_path(model.path(), file);
  record.model_fingerprint = model.fingerprint();
  record.conditions = {{"seed", std::to_string(run.seed)},
                       {"token_budget", std::to_string(run.token_budget)},
                       {"device", model.devices()},
                       {"dtype", to_string(model.compute_type())},
                       {"threads", std::to_string(at::get_num_threads())},
                       {"cpu", at::get_cpu_capability()},
                       {"statistics", run.statistics}};
  std::vector<fs::path> given;
  for (const auto& [option, path] : run.inputs) {
    if (path.empty()) continue;
    ReproduceInput input{option, stored_path(path, file), {}, {}};
    if (option != "statistics") input.sha256 = hash_of_input(path);
    if (run.with_texts && fs::is_regular_file(path)) input.text = read_text_file(path);
    record.inputs.push_back(std::move(input));
    given.push_back(path);
  }
  record.command = command_of(run, record, given);
  const fs::path folder = true_path(run.folder.empty() ? "." : run.folder);
  for (const fs::path& output : run.outputs)
    record.outputs.push_back(
        {fs::proximate(true_path(output), folder).generic_string(), sha256_hex(read_text_file(output))});
  write_file_atomically(file, dump_json(json_of_record(record)) + "\n");
}

ReproduceRecord read_reproduce_file(const fs::path& file) {
  const Json document = read_json_file(file);
  const JsonView json(document, file.string());
  if (!json.is_object() || !json.has("reproduce"))
    throw Error(ErrorKind::kFormat,
                file.string() +
                    ": this is no file that a run leaves to be repeated: the key \"reproduce\" is missing");
  if (json.at("reproduce").as_integer() != kReproduceForm)
    json.at("reproduce").refuse(std::to_string(kReproduceForm) + ", the form that this version knows");
  ReproduceRecord record;
  record.emend = json.string("emend");
  record.torch = json.string("torch");
  record.command = json.at("command").as_strings();
  if (record.command.empty() || (record.command[0] != "edit" && record.command[0] != "eval"))
    json.at("command").refuse("a list that begins with \"edit\" or \"eval\"");
  record.model = json.at("model").string("path");
  record.model_fingerprint = json.at("model").string("fingerprint");
  for (const JsonView& input : json.at("inputs").elements()) {
    record.inputs.push_back(
        {input.string("option"), input.string("file"), input.string_or("sha256", ""), {}});
    if (input.has("text")) record.inputs.back().text = input.string("text");
  }
  const JsonView conditions = json.at("conditions");
  for (const std::string& key : conditions.keys()) record.conditions[key] = conditions.string(key);
  for (const JsonView& output : json.at("outputs").elements())
    record.outputs.push_back({output.string("name"), output.string("sha256")});
  return record;
}

}  // namespace emend
