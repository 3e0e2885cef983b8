// A run repeated and compared (emend/reproduce.h).
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/atomic_file.h"
#include "base/files.h"
#include "base/fingerprint.h"
#include "base/strings.h"
#include "base/temporary_folder.h"
#include "emend/error.h"
#include "emend/reproduce.h"
#include "pipeline/reproduce_hash.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

// Where the input is now. One whose text is in the file, and that is missing or another by now, is written
// there.
fs::path found_input(const ReproduceInput& input, const fs::path& beside, const fs::path& texts,
                     std::size_t number) {
  const fs::path path = (beside / input.file).lexically_normal();
  if (input.sha256.empty()) return path;
  const bool there = fs::exists(path);
  const std::string now = there ? hash_of_input(path) : "";
  if (now == input.sha256) return path;
  if (input.text && sha256_hex(*input.text) == input.sha256) {
    const fs::path written = texts / std::to_string(number) / path.filename();
    write_file_atomically(written, *input.text);
    return written;
  }
  throw Error(ErrorKind::kConfig,
              there ? fmt::format("{} has changed since the run: SHA-256 {} then, {} now", path.string(),
                                  input.sha256, now)
                    : fmt::format("{}, which the run read, is not there any more", path.string()));
}

void require_same_model(const fs::path& model, const std::string& fingerprint) {
  const Model now = Model::describe(model);
  if (now.has_fingerprint() && now.fingerprint() != fingerprint)
    throw Error(ErrorKind::kConfig,
                fmt::format("{} is another model than that of the run: fingerprint {} then, {} now",
                            model.string(), fingerprint, now.fingerprint()));
}

void require_outputs_inside(const ReproduceRecord& record, const fs::path& file) {
  for (const ReproduceOutput& output : record.outputs)
    if (const fs::path name = output.name;
        name.is_absolute() || name.lexically_normal().string().starts_with(".."))
      throw Error(ErrorKind::kConfig,
                  fmt::format("{}: the output {} lies outside of the folder of the outputs; a repetition "
                              "would overwrite it",
                              file.string(), quote(output.name)));
}

std::vector<std::string> filled_in(const ReproduceRecord& record, const fs::path& model,
                                   const std::vector<fs::path>& inputs, const fs::path& out) {
  std::vector<std::string> arguments;
  for (const std::string& argument : record.command) {
    std::string text = argument == "{model}" ? model.string() : argument;
    for (std::size_t i = 0; i < inputs.size(); ++i)
      if (argument == fmt::format("{{{}}}", i)) text = inputs[i].string();
    arguments.push_back(std::move(text));
  }
  arguments.insert(arguments.end(), {option_of("out"), out.string(), option_of("quiet")});
  return arguments;
}

// The file that the repetition left: beside its patch, or in its folder.
std::optional<ReproduceRecord> left_record(const ReproduceRecord& record, const fs::path& out) {
  fs::path file = out / kReproduceFile;
  if (record.command.front() == "edit" && !record.outputs.empty())
    file = reproduce_file_of(out / record.outputs.front().name);
  return fs::exists(file) ? std::optional(read_reproduce_file(file)) : std::nullopt;
}

std::vector<ReproduceDifference> differences_of(const ReproduceRecord& then, const ReproduceRecord& now) {
  std::vector<ReproduceDifference> differences;
  const auto compare = [&](const std::string& what, const std::string& a, const std::string& b) {
    if (a != b) differences.push_back({what, a, b});
  };
  compare("emend", then.emend, now.emend);
  compare("torch", then.torch, now.torch);
  compare("model", then.model_fingerprint, now.model_fingerprint);
  for (const auto& [name, value] : then.conditions) {
    const auto found = now.conditions.find(name);
    compare("conditions." + name, value, found == now.conditions.end() ? "" : found->second);
  }
  return differences;
}

std::vector<ReproducedOutput> compared_outputs(const ReproduceRecord& record, const fs::path& out) {
  std::vector<ReproducedOutput> outputs;
  for (const ReproduceOutput& output : record.outputs) {
    const fs::path made = out / output.name;
    outputs.push_back({output.name, output.sha256, fs::exists(made) ? sha256_hex(read_text_file(made)) : ""});
  }
  return outputs;
}

}  // namespace

ReproduceOutcome reproduce(const fs::path& file, const ReproduceOptions& options, const CommandRunner& run) {
  const auto began = std::chrono::steady_clock::now();
  ReproduceOutcome outcome;
  outcome.record = read_reproduce_file(file);
  const ReproduceRecord& record = outcome.record;
  require_outputs_inside(record, file);
  const TemporaryFolder passing("emend-reproduce");
  const fs::path beside = true_path(file).parent_path();
  const fs::path out = options.out.empty() ? passing.path() / "out" : options.out;
  const fs::path model = options.model.empty() ? (beside / record.model).lexically_normal() : options.model;
  std::vector<fs::path> inputs;
  for (std::size_t i = 0; i < record.inputs.size(); ++i)
    inputs.push_back(found_input(record.inputs[i], beside, passing.path() / "texts", i));
  require_same_model(model, record.model_fingerprint);
  try {
    run(filled_in(record, model, inputs, out));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kNumeric) throw;  // searches that fail are part of a run with keep-going
  }
  outcome.outputs = compared_outputs(record, out);
  if (const auto now = left_record(record, out)) outcome.differences = differences_of(record, *now);
  outcome.reproduced = std::all_of(outcome.outputs.begin(), outcome.outputs.end(),
                                   [](const ReproducedOutput& output) { return output.same(); });
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  return outcome;
}

}  // namespace emend
