#include "eval/results/results_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <limits>
#include <set>

#include "base/atomic_file.h"
#include "base/files.h"
#include "base/json.h"
#include "base/strings.h"
#include "emend/error.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using OrderedJson = nlohmann::ordered_json;

// --- writing -----------------------------------------------------------------------------------------------

OrderedJson to_json(const MetricSummary& figure) {
  return {{"mean", figure.mean}, {"ci95", figure.ci95}, {"n", figure.n}};
}

OrderedJson to_json(const std::map<std::string, MetricSummary>& figures) {
  OrderedJson json = OrderedJson::object();
  for (const auto& [name, figure] : figures) json[name] = to_json(figure);
  return json;
}

template <typename Value>
OrderedJson object_of(const std::map<std::string, Value>& values) {
  OrderedJson json = OrderedJson::object();
  for (const auto& [name, value] : values) json[name] = value;
  return json;
}

OrderedJson to_json(const AnswerState& state) {
  return {{"p_target", state.p_target},
          {"p_answer", state.p_answer},
          {"argmax", state.argmax},
          {"generated", state.generated},
          {"text", state.text}};
}

OrderedJson to_json(const std::vector<EvalSummary::RetentionPoint>& points) {
  OrderedJson json = OrderedJson::array();
  for (const auto& point : points)
    json.push_back({{"edits", point.edits}, {"metrics", to_json(point.metrics)}});
  return json;
}

OrderedJson to_json(const std::vector<EvalSummary::CurvePoint>& points) {
  OrderedJson json = OrderedJson::array();
  for (const auto& point : points)
    json.push_back(
        {{"edits", point.edits},
         {"metrics", to_json(point.metrics)},
         {"first", {{"records", point.first_records}, {"metrics", to_json(point.first_metrics)}}}});
  return json;
}

OrderedJson to_json(const std::vector<AnswerTrace>& answers) {
  OrderedJson json = OrderedJson::array();
  for (const AnswerTrace& trace : answers)
    json.push_back({{"role", trace.role},
                    {"prompt", trace.prompt},
                    {"answer", trace.answer},
                    {"before", to_json(trace.before)},
                    {"after", to_json(trace.after)}});
  return json;
}

OrderedJson string_or_null(const std::string& text) {
  return text.empty() ? OrderedJson(nullptr) : OrderedJson(text);
}

// Text that is not UTF-8 gets U+FFFD; nlohmann writes what is not finite as null.
std::string dump(const OrderedJson& json, int indent) {
  return json.dump(indent, ' ', false, OrderedJson::error_handler_t::replace);
}

// --- reading -----------------------------------------------------------------------------------------------

double number_or_nan(const JsonView& value) {
  return value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.as_number();
}

std::int64_t integer_or_zero(const JsonView& json, std::string_view key) {
  const auto value = json.find(key);
  return value ? value->as_integer() : 0;
}

MetricSummary figure_from(const JsonView& json) {
  return {number_or_nan(json.at("mean")), number_or_nan(json.at("ci95")),
          json.at("n").as_non_negative_integer()};
}

// The object `key` with `read` applied to each member; empty when there is none.
template <typename Read>
auto map_from(const JsonView& json, std::string_view key, Read read) {
  std::map<std::string, decltype(read(json))> values;
  if (const auto object = json.find(key))
    for (const std::string& name : object->keys()) values[name] = read(object->at(name));
  return values;
}

std::vector<JsonView> elements_or_none(const JsonView& json, std::string_view key) {
  const auto list = json.find(key);
  return list ? list->elements() : std::vector<JsonView>{};
}

EvalSummary::CurvePoint curve_point_from(const JsonView& json) {
  const JsonView first = json.at("first");
  return {json.at("edits").as_non_negative_integer(), map_from(json, "metrics", figure_from),
          first.at("records").as_non_negative_integer(), map_from(first, "metrics", figure_from)};
}

AnswerState state_from(const JsonView& json) {
  return {number_or_nan(json.at("p_target")), number_or_nan(json.at("p_answer")), json.at("argmax").as_bool(),
          json.at("generated").as_bool(), json.string("text")};
}

AnswerTrace trace_from(const JsonView& json) {
  return {json.string("role"), json.string("prompt"), json.string("answer"), state_from(json.at("before")),
          state_from(json.at("after"))};
}

RecordStatus status_from(const JsonView& json) {
  const auto status = parse_record_status(json.as_string());
  if (!status) json.refuse("\"edited\", \"already true\", \"failed\" or \"skipped\"");
  return *status;
}

// "" says that it was not recorded.
std::optional<ComputeType> dtype_from(const JsonView& json) {
  if (json.as_string().empty()) return std::nullopt;
  const auto type = find_compute_type(json.as_string());
  if (!type) json.refuse("float32, bfloat16 or float16");
  return type;
}

std::vector<DeviceName> devices_from(const JsonView& json) {
  const auto devices = parse_devices(json.as_string());
  if (!devices) json.refuse("cpu, cuda, cuda:N, or several of them with commas between");
  return *devices;
}

std::string as_text(const JsonView& json) {
  return json.as_string();
}

std::int64_t as_count(const JsonView& json) {
  return json.as_non_negative_integer();
}

std::string line_name(const fs::path& file, std::size_t line) {
  return fmt::format("{}, line {}", file.string(), line);
}

// The records of all lines that end, and the bytes they take.
std::vector<RecordResult> whole_lines(const fs::path& file, const std::string& text, std::size_t& bytes) {
  std::vector<RecordResult> records;
  std::set<std::string> ids;
  bytes = 0;
  for (std::size_t end; (end = text.find('\n', bytes)) != std::string::npos; bytes = end + 1) {
    const std::string source = line_name(file, records.size() + 1);
    records.push_back(record_from_line(std::string_view(text).substr(bytes, end - bytes), source));
    if (!ids.insert(records.back().id).second)
      throw Error(
          ErrorKind::kFormat,
          fmt::format("{}: the record {} is in the file already; were two runs written into one folder?",
                      source, quote(records.back().id)));
  }
  return records;
}

std::string curve_file(std::int64_t edits) {
  return fmt::format("edits_{:06}.jsonl", edits);
}

[[noreturn]] void refuse_folder(const fs::path& folder) {
  std::string message =
      fmt::format("{} holds no results of a benchmark: there is no {}", folder.string(), kSummaryFile);
  std::vector<std::string> inside;
  for (const fs::path& results : find_results(folder)) inside.push_back(results.string());
  if (!inside.empty()) {
    message += "; there are some in " + join(inside);
  } else if (fs::exists(folder / kRecordsFile)) {
    message +=
        ", only the records of a run that was stopped; finish it with the same options and the option resume";
  } else {
    message += "; expected the output folder of a benchmark";
  }
  throw Error(ErrorKind::kFormat, message);
}

}  // namespace

nlohmann::ordered_json summary_to_json(const EvalSummary& summary) {
  OrderedJson json = {{"emend", summary.emend},
                      {"model",
                       {{"path", summary.model_path},
                        {"fingerprint", summary.model_fingerprint},
                        {"family", summary.family}}},
                      {"dataset", summary.dataset},
                      {"data", {{"path", summary.data_path}, {"fingerprint", summary.data_fingerprint}}},
                      {"method", summary.method},
                      {"label", summary.label},
                      {"mode", summary.mode},
                      {"options", object_of(summary.options)},
                      {"statistics_fingerprint", string_or_null(summary.statistics_fingerprint)},
                      {"seed", summary.seed},
                      {"token_budget", summary.token_budget},
                      {"dtype", to_string_or_empty(summary.dtype)},
                      {"device", to_string(summary.devices)},
                      {"records", summary.records},
                      {"skipped", object_of(summary.skipped)},
                      {"seconds", object_of(summary.seconds)},
                      {"base", to_json(summary.base)},
                      {"metrics", to_json(summary.metrics)},
                      {"retention", to_json(summary.retention)},
                      {"notes", summary.notes}};
  if (!summary.curve.empty()) json["curve"] = to_json(summary.curve);
  if (summary.failed) json["failed"] = *summary.failed;
  return json;
}

EvalSummary summary_from_json(const nlohmann::json& document, const std::string& source) {
  const JsonView json(document, source);
  const JsonView model = json.at("model");
  EvalSummary summary;
  summary.emend = json.string("emend");
  summary.model_path = model.string("path");
  summary.model_fingerprint = model.string("fingerprint");
  summary.family = model.string_or("family", "");
  summary.dataset = json.string("dataset");
  if (const auto data = json.find("data")) {
    summary.data_path = data->string_or("path", "");
    summary.data_fingerprint = data->string_or("fingerprint", "");
  }
  summary.method = json.string("method");
  summary.label = json.string_or("label", "");
  summary.mode = json.string("mode");
  summary.options = map_from(json, "options", as_text);
  summary.statistics_fingerprint = json.string_or("statistics_fingerprint", "");
  summary.token_budget = integer_or_zero(json, "token_budget");
  if (const auto seed = json.find("seed")) {
    if (!seed->json().is_number_unsigned()) seed->refuse("an integer from 0");
    summary.seed = seed->json().get<std::uint64_t>();
  }
  if (const auto dtype = json.find("dtype")) summary.dtype = dtype_from(*dtype);
  if (const auto device = json.find("device")) summary.devices = devices_from(*device);
  summary.records = json.at("records").as_non_negative_integer();
  if (const auto failed = json.find("failed")) summary.failed = failed->as_non_negative_integer();
  summary.skipped = map_from(json, "skipped", as_count);
  summary.seconds = map_from(json, "seconds", number_or_nan);
  summary.base = map_from(json, "base", figure_from);
  summary.metrics = map_from(json, "metrics", figure_from);
  for (const JsonView& point : elements_or_none(json, "retention"))
    summary.retention.push_back(
        {point.at("edits").as_non_negative_integer(), map_from(point, "metrics", figure_from)});
  for (const JsonView& point : elements_or_none(json, "curve"))
    summary.curve.push_back(curve_point_from(point));
  if (const auto notes = json.find("notes")) summary.notes = notes->as_strings();
  return summary;
}

std::string record_line(const RecordResult& record) {
  OrderedJson json = {{"index", record.index},
                      {"id", record.id},
                      {"prompt", record.prompt},
                      {"subject", record.subject},
                      {"target", record.target},
                      {"was", record.was},
                      {"status", to_string(record.status)},
                      {"reason", record.reason},
                      {"layer", record.layer},
                      {"steps", record.steps},
                      {"loss", record.loss},
                      {"relative_norm", record.relative_norm},
                      {"base", object_of(record.base)},
                      {"metrics", object_of(record.metrics)},
                      {"answers", to_json(record.answers)}};
  if (!record.layers.empty()) json["layers"] = record.layers;
  if (!record.warnings.empty()) json["warnings"] = record.warnings;
  return dump(json, -1) + "\n";
}

RecordResult record_from_line(std::string_view line, const std::string& source) {
  const Json document = parse_json(line, source);
  const JsonView json(document, source);
  RecordResult record;
  record.index = json.at("index").as_non_negative_integer();
  record.id = json.string("id");
  record.prompt = json.string("prompt");
  record.subject = json.string("subject");
  record.target = json.string("target");
  record.was = json.string("was");
  record.status = status_from(json.at("status"));
  record.reason = json.string_or("reason", "");
  record.layer = static_cast<int>(integer_or_zero(json, "layer"));
  record.steps = static_cast<int>(integer_or_zero(json, "steps"));
  record.loss = json.number_or("loss", std::numeric_limits<double>::quiet_NaN());
  record.relative_norm = json.number_or("relative_norm", std::numeric_limits<double>::quiet_NaN());
  record.base = map_from(json, "base", number_or_nan);
  record.metrics = map_from(json, "metrics", number_or_nan);
  for (const JsonView& answer : elements_or_none(json, "answers"))
    record.answers.push_back(trace_from(answer));
  for (const JsonView& layer : elements_or_none(json, "layers"))
    record.layers.push_back(static_cast<int>(layer.as_non_negative_integer()));
  if (const auto warnings = json.find("warnings")) record.warnings = warnings->as_strings();
  return record;
}

void write_curve_records(const fs::path& folder, std::int64_t edits,
                         const std::vector<RecordResult>& records) {
  std::string text;
  for (RecordResult record : records) {
    record.answers.clear();
    record.base.clear();
    text += record_line(record);
  }
  write_file_atomically(folder / kCurveFolder / curve_file(edits), text);
}

std::map<std::int64_t, std::vector<RecordResult>> read_curve_records(const fs::path& folder) {
  std::map<std::int64_t, std::vector<RecordResult>> points;
  if (!fs::is_directory(folder / kCurveFolder)) return points;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder / kCurveFolder)) {
    long long edits = 0;
    const std::string name = entry.path().filename().string();
    if (std::sscanf(name.c_str(), "edits_%lld.jsonl", &edits) == 1 && name == curve_file(edits))
      points[edits] = read_records(entry.path());
  }
  return points;
}

void write_summary(const fs::path& folder, const EvalSummary& summary) {
  write_file_atomically(folder / kSummaryFile, dump(summary_to_json(summary), 2) + "\n");
}

EvalSummary read_summary(const fs::path& file) {
  return summary_from_json(read_json_file(file), file.string());
}

std::vector<RecordResult> read_records(const fs::path& file) {
  const std::string text = read_text_file(file);
  std::size_t bytes = 0;
  std::vector<RecordResult> records = whole_lines(file, text, bytes);
  if (bytes < text.size())
    throw Error(ErrorKind::kFormat,
                line_name(file, records.size() + 1) +
                    ": the last line has no end: the run was stopped while it wrote; finish it "
                    "with the same options and the option resume");
  return records;
}

std::vector<RecordResult> read_finished_records(const fs::path& file, std::size_t* bytes_whole) {
  std::size_t bytes = 0;
  std::vector<RecordResult> records;
  if (fs::exists(file)) records = whole_lines(file, read_text_file(file), bytes);
  if (bytes_whole != nullptr) *bytes_whole = bytes;
  return records;
}

EvalResults read_results(const fs::path& folder) {
  if (!fs::exists(folder))
    throw Error(ErrorKind::kIo, fmt::format("cannot read {}: there is no such folder", folder.string()));
  if (!fs::is_directory(folder))
    throw Error(ErrorKind::kFormat,
                folder.string() + " is a file; expected the output folder of a benchmark");
  if (!fs::exists(folder / kSummaryFile)) refuse_folder(folder);
  EvalResults results;
  results.folder = folder;
  results.summary = read_summary(folder / kSummaryFile);
  results.records = read_records(folder / kRecordsFile);
  results.curve = read_curve_records(folder);
  return results;
}

std::vector<fs::path> find_results(const fs::path& folder) {
  if (fs::exists(folder / kSummaryFile)) return {folder};
  std::vector<fs::path> found;
  if (fs::is_directory(folder))
    for (const fs::directory_entry& entry : fs::directory_iterator(folder))
      if (fs::exists(entry.path() / kSummaryFile)) found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace emend
