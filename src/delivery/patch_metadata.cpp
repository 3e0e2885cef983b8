#include "delivery/patch_metadata.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <vector>

#include "base/json.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "delivery/patch_fields.h"
#include "delivery/patch_format1.h"
#include "delivery/patch_tensors.h"
#include "delivery/state_json.h"
#include "emend/error.h"

namespace emend {
namespace {

template <typename T, typename Write>
std::string list_text(const std::vector<T>& values, Write write) {
  Json list = Json::array();
  for (const T& value : values) list.push_back(write(value));
  return list.dump();
}

bool names_other_subjects(const std::vector<FactRecord>& facts) {
  return std::ranges::any_of(facts, [](const FactRecord& fact) { return !fact.request.bleed.empty(); });
}

std::map<std::string, std::string> read_options(const PatchFields& fields) {
  const Json document = fields.json("options");
  const JsonView view(document, fields.source("options"));
  std::map<std::string, std::string> options;
  for (const std::string& key : view.keys()) options[key] = view.string(key);
  return options;
}

std::int64_t read_id(const JsonView& view) {
  return view.as_non_negative_integer();
}
std::string read_string(const JsonView& view) {
  return view.as_string();
}

// Ids of their own, and what was measured is about the facts that it stands at.
void check_facts(const PatchFields& fields, const std::vector<FactRecord>& facts) {
  if (facts.empty()) fields.refuse("facts", "a list of at least one fact");
  std::set<std::string> ids;
  for (const FactRecord& fact : facts)
    if (!ids.insert(fact.request.id).second)
      fields.refuse("facts", fmt::format("a list of facts with ids of their own, not {} twice",
                                         quote(fact.request.id)));
}

// "" says that it was not recorded: a patch that was merged from patches that differ in it.
std::vector<DeviceName> read_devices(const PatchFields& fields) {
  const auto devices = parse_devices(fields.text("device"));
  if (!devices) fields.refuse("device", "cpu, cuda, cuda:N, or several of them with commas between");
  return *devices;
}

std::optional<ComputeType> read_dtype(const PatchFields& fields) {
  constexpr std::array kAll = {ComputeType::kFloat32, ComputeType::kBfloat16, ComputeType::kFloat16};
  std::vector<std::string> names;
  for (const ComputeType type : kAll) names.push_back(to_string(type));
  names.emplace_back();  // not recorded
  const std::size_t chosen = fields.choice("dtype", names);
  return chosen < kAll.size() ? std::optional(kAll[chosen]) : std::nullopt;
}

// Patches of the first builds hold none of these.
RunConditions read_conditions(const PatchFields& fields) {
  RunConditions conditions;
  if (fields.has("device")) conditions.devices = read_devices(fields);
  if (fields.has("dtype")) conditions.dtype = read_dtype(fields);
  if (fields.has("seed")) conditions.seed = fields.number<std::uint64_t>("seed");
  if (fields.has("token_budget")) conditions.token_budget = fields.number<std::int64_t>("token_budget");
  return conditions;
}

Objective read_objective(const PatchFields& fields) {
  constexpr std::array kAll = {Objective::kWritten, Objective::kInjected, Objective::kNone,
                               Objective::kMixed};
  std::vector<std::string> names;
  for (const Objective objective : kAll) names.emplace_back(to_string(objective));
  return kAll[fields.choice("objective", names)];
}

bool is_known(const std::string& format) {
  return format == "1" || format == std::to_string(kPatchFormat);
}

// A number above those that are known.
bool is_newer(const std::string& format) {
  return !is_known(format) && !format.empty() && format.front() != '0' &&
         std::all_of(format.begin(), format.end(), [](char c) { return '0' <= c && c <= '9'; });
}

[[noreturn]] void refuse_newer(const PatchFields& fields) {
  fields.refuse("format",
                "\"1\" or \"2\": a newer emend wrote this patch, and this one reads no later format than 2");
}

int read_format(const PatchFields& fields) {
  const std::string& format = fields.text("format");
  if (is_newer(format)) refuse_newer(fields);
  if (!is_known(format)) fields.refuse("format", "\"1\" or \"2\", the formats of patches");
  return format == "1" ? 1 : kPatchFormat;
}

}  // namespace

std::map<std::string, std::string> patch_metadata(const Patch& patch) {
  const Edit& edit = patch.edit;
  const auto as_is = [](const auto& value) { return Json(value); };
  std::map<std::string, std::string> metadata = {
      {"emend.format", std::to_string(kPatchFormat)},
      {"emend.version", patch.emend_version},
      {"emend.method", edit.method},
      {"emend.objective", std::string(to_string(edit.objective))},
      {"emend.options", Json(edit.options).dump()},
      {"emend.base_fingerprint", edit.base_fingerprint},
      {"emend.base_name", replace_invalid_utf8(patch.base_name)},
      {"emend.device", to_string(patch.conditions.devices)},
      {"emend.dtype", to_string_or_empty(patch.conditions.dtype)},
      {"emend.token_budget", std::to_string(patch.conditions.token_budget)},
      {"emend.edit_text", patch.edit_text},
      {"emend.bos", patch.bos},
      {"emend.prefix", list_text(patch.prefix, as_is)},
      {"emend.form", std::string(to_string(patch.form))},
      {"emend.thresholds", thresholds_json(patch.thresholds, names_other_subjects(edit.facts)).dump()},
      {"emend.solves", list_text(edit.solves, solve_json)},
      {"emend.facts", list_text(edit.facts, fact_json)},
      {"emend.checks", list_text(patch.checks, check_json)},
      {"emend.passed", patch.passed ? "true" : "false"},
      {"emend.warnings", list_text(edit.warnings, as_is)}};
  if (patch.conditions.seed) metadata["emend.seed"] = std::to_string(*patch.conditions.seed);
  return metadata;
}

void refuse_newer_format(const std::map<std::string, std::string>& metadata, const std::string& file) {
  const PatchFields fields(metadata, file);
  if (fields.has("format") && is_newer(fields.text("format"))) refuse_newer(fields);
}

PatchText read_patch_metadata(const std::map<std::string, std::string>& metadata, const std::string& file) {
  const PatchFields fields(metadata, file);
  PatchText read;
  read.format = read_format(fields);
  Patch& patch = read.patch;
  patch.emend_version = fields.text("version");
  patch.edit.method = fields.text("method");
  patch.edit.objective = read_objective(fields);
  patch.edit.options = read_options(fields);
  patch.edit.base_fingerprint = fields.fingerprint("base_fingerprint");
  if (patch.edit.base_fingerprint.empty()) fields.refuse("base_fingerprint", "hexadecimal digits");
  patch.base_name = fields.text("base_name");
  patch.conditions = read_conditions(fields);
  patch.edit_text = fields.text("edit_text");
  patch.bos = fields.text("bos");
  patch.prefix = fields.list("prefix", read_id);
  patch.form = fields.choice("form", {"raw", "chat"}) == 1 ? PromptForm::kChat : PromptForm::kRaw;
  const Json thresholds = fields.json("thresholds");
  patch.thresholds = read_thresholds(JsonView(thresholds, fields.source("thresholds")));
  patch.checks = fields.list("checks", read_check);
  patch.passed = fields.choice("passed", {"false", "true"}) == 1;
  patch.edit.warnings = fields.list("warnings", read_string);
  if (read.format == 1) {
    read_format1_facts(fields, patch.edit);
  } else {
    patch.edit.solves = fields.list("solves", read_solve);
    patch.edit.facts = fields.list("facts", read_fact);
  }
  check_facts(fields, patch.edit.facts);
  return read;
}

}  // namespace emend
