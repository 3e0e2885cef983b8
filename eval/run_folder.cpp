#include "eval/run_folder.h"

#include <ATen/ATen.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "base/file_descriptor.h"
#include "base/files.h"
#include "base/json.h"
#include "base/strings.h"
#include "emend/error.h"
#include "emend/tensor_file.h"
#include "eval/results/results_file.h"

namespace emend {

namespace fs = std::filesystem;

namespace {

// Where two settings differ first: "options.ridge: 1e-05 there, 0 now"; empty when they are the same.
std::string first_difference(const nlohmann::json& there, const nlohmann::json& now,
                             const std::string& path) {
  if (there == now) return "";
  if (there.is_object() && now.is_object()) {
    for (const auto& [key, value] : now.items()) {
      const std::string inner = path.empty() ? key : fmt::format("{}.{}", path, key);
      const std::string found = first_difference(there.value(key, nlohmann::json()), value, inner);
      if (!found.empty()) return found;
    }
    for (const auto& [key, value] : there.items())
      if (!now.contains(key))
        return fmt::format("{}: {} there, nothing now", path.empty() ? key : path + "." + key, value.dump());
  }
  return fmt::format("{}: {} there, {} now", path, there.dump(), now.dump());
}

void append_to_file(const fs::path& path, const std::string& text) {
  FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  if (!file.is_open()) throw io_error("write", path, errno);
  std::size_t written = 0;
  while (written < text.size()) {
    const ssize_t n = ::write(file.get(), text.data() + written, text.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw io_error("write", path, errno);
    written += static_cast<std::size_t>(n);
  }
  if (::fsync(file.get()) != 0) throw io_error("write", path, errno);
}

// Why a folder with results but without kRunFile is not taken: a benchmark of several methods keeps a run for
// each of them in a folder inside.
std::string why_foreign(const fs::path& folder) {
  std::vector<std::string> runs;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder))
    if (fs::exists(entry.path() / kRunFile)) runs.push_back(entry.path().filename().string());
  std::sort(runs.begin(), runs.end());
  return runs.empty() ? "not a run of this program" : "the runs are in folders inside (" + join(runs) + ")";
}

std::span<const std::byte> bytes_of(const at::Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()};
}

at::Tensor read_matrix(const TensorFile& file, const std::string& name) {
  const TensorInfo* info = file.find(name);
  if (!info || info->shape.size() != 2)
    throw Error(ErrorKind::kFormat, fmt::format("{}: no matrix {}; the file is not one of this run",
                                                file.path().string(), quote(name)));
  at::Tensor matrix = at::empty(info->shape, at::kFloat);
  read_as_float32(file, *info, {matrix.data_ptr<float>(), static_cast<std::size_t>(matrix.numel())});
  return matrix;
}

const std::string& text_of_step(const TensorFile& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end())
    throw Error(ErrorKind::kFormat, fmt::format("{}: the metadata key {} is missing: this is not a step of a "
                                                "run; remove the file to do the step again",
                                                file.path().string(), quote(key)));
  return found->second;
}

// Change `number` of a step's file.
WeightChange read_change(const TensorFile& file, const std::string& number) {
  const std::string key = "block." + number, source = file.path().string() + ": metadata " + key;
  const Json document = parse_json(text_of_step(file, key), source);
  const JsonView block(document, source);
  if (block.as_non_negative_integer() > std::numeric_limits<int>::max()) block.refuse("a layer");
  const WeightRef weight{static_cast<int>(block.as_integer()), Role::kMlpDown};
  if (file.find("D." + number) != nullptr)
    return WeightChange::dense(weight, read_matrix(file, "D." + number));
  return WeightChange::low_rank(weight, read_matrix(file, "A." + number), read_matrix(file, "B." + number));
}

}  // namespace

void RunFolder::refuse_foreign_results(const fs::path& folder) {
  if (fs::exists(folder / kRunFile)) return;
  for (const char* name : {kSummaryFile, kRecordsFile, kHtmlReport, kMarkdownReport})
    if (fs::exists(folder / name))
      throw Error(ErrorKind::kConfig,
                  fmt::format("{} holds {} without {}: {}; give another folder with the option out",
                              folder.string(), name, kRunFile, why_foreign(folder)));
}

void RunFolder::check(const fs::path& folder, const nlohmann::ordered_json& settings, bool resume) {
  refuse_foreign_results(folder);
  const fs::path run_file = folder / kRunFile;
  if (!fs::exists(run_file)) return;
  const std::string difference = first_difference(read_json_file(run_file), nlohmann::json(settings), "");
  if (!difference.empty())
    throw Error(
        ErrorKind::kConfig,
        fmt::format("{} holds the results of another run ({}); give another folder with the option out",
                    folder.string(), difference));
  if (!resume)
    throw Error(ErrorKind::kConfig,
                folder.string() +
                    " holds this run already, begun or finished; take it up with the option "
                    "resume, or give another folder with the option out");
}

RunFolder::RunFolder(fs::path folder, const nlohmann::ordered_json& settings, bool resume)
    : folder_(std::move(folder)) {
  check(folder_, settings, resume);
  const fs::path run_file = folder_ / kRunFile;
  if (!fs::exists(run_file)) write_file_atomically(run_file, settings.dump(2) + "\n");
}

std::size_t RunFolder::take_up(const std::vector<std::int64_t>& units) {
  const fs::path path = folder_ / kRecordsFile;
  std::size_t bytes = 0;
  records_ = read_finished_records(path, &bytes);
  std::size_t done = 0, records = 0;
  while (done < units.size() && records + static_cast<std::size_t>(units[done]) <= records_.size())
    records += static_cast<std::size_t>(units[done++]);
  if (fs::exists(path)) {
    records_.resize(records);
    std::string text;
    for (const RecordResult& record : records_) text += record_line(record);
    if (text.size() != fs::file_size(path)) write_file_atomically(path, text);
  }
  return done;
}

void RunFolder::append(const std::vector<RecordResult>& unit) {
  std::string text;
  for (const RecordResult& record : unit) text += record_line(record);
  append_to_file(folder_ / kRecordsFile, text);
  records_.insert(records_.end(), unit.begin(), unit.end());
}

fs::path RunFolder::step_path(std::size_t number) const {
  char name[32];
  std::snprintf(name, sizeof name, "step_%06zu.safetensors", number);
  return folder_ / kStepsFolder / name;
}

std::vector<RunFolder::Step> RunFolder::steps() const {
  std::vector<Step> steps;
  while (fs::exists(step_path(steps.size()))) {
    const auto file = open_safetensors(step_path(steps.size()));
    Step step;
    for (std::size_t i = 0; file->metadata().contains(fmt::format("block.{}", i)); ++i)
      step.changes.push_back(read_change(*file, std::to_string(i)));
    step.outcomes = text_of_step(*file, "outcomes");
    step.source = file->path().string();
    steps.push_back(std::move(step));
  }
  return steps;
}

void RunFolder::save_step(std::size_t number, const Step& step) const {
  std::vector<TensorToWrite> tensors;
  std::map<std::string, std::string> metadata = {{"outcomes", step.outcomes}};
  std::vector<at::Tensor> held;  // their bytes are written below
  for (std::size_t i = 0; i < step.changes.size(); ++i) {
    const std::string name = std::to_string(i);
    const WeightChange& change = step.changes[i];
    metadata["block." + name] = std::to_string(change.weight.block);
    const std::map<std::string, at::Tensor> parts =
        change.is_dense() ? std::map<std::string, at::Tensor>{{"D.", change.D}}
                          : std::map<std::string, at::Tensor>{{"A.", change.A}, {"B.", change.B}};
    for (const auto& [part, matrix] : parts) {
      held.push_back(matrix.to(at::kFloat).cpu().contiguous());
      tensors.push_back({part + name, "F32", held.back().sizes().vec(), bytes_of(held.back())});
    }
  }
  write_safetensors(step_path(number), tensors, metadata);
}

std::vector<EvalSummary::RetentionPoint> RunFolder::retention() const {
  if (!fs::exists(folder_ / kRetentionFile)) return {};
  return read_summary(folder_ / kRetentionFile).retention;
}

void RunFolder::save_retention(const std::vector<EvalSummary::RetentionPoint>& points) const {
  EvalSummary part;
  part.retention = points;
  write_file_atomically(folder_ / kRetentionFile, summary_to_json(part).dump(2) + "\n");
}

std::map<std::string, double> RunFolder::seconds() const {
  const fs::path path = folder_ / kSecondsFile;
  if (!fs::exists(path)) return {};
  const Json document = read_json_file(path);
  const JsonView json(document, path.string());
  std::map<std::string, double> seconds;
  for (const std::string& part : json.keys()) seconds[part] = json.at(part).as_number();
  return seconds;
}

void RunFolder::save_seconds(const std::map<std::string, double>& seconds) const {
  write_file_atomically(folder_ / kSecondsFile, nlohmann::json(seconds).dump(2) + "\n");
}

}  // namespace emend
