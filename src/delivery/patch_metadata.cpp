#include "delivery/patch_metadata.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <vector>

#include "base/json.h"
#include "base/strings.h"
#include "delivery/state_json.h"
#include "emend/error.h"

namespace emend {
namespace {

constexpr const char* kFormatVersion = "1";

// The metadata of one file; what it refuses names the file and the key.
class Fields {
 public:
  Fields(const std::map<std::string, std::string>& metadata, const std::string& file)
      : metadata_(metadata), file_(file) {}

  const std::string& text(const std::string& key) const {
    const auto found = metadata_.find("emend." + key);
    if (found == metadata_.end())
      throw Error(
          ErrorKind::kFormat,
          file_ + ": not a patch of emend, or a broken one: the metadata has no \"emend." + key + "\"");
    return found->second;
  }

  [[noreturn]] void refuse(const std::string& key, const std::string& expected) const {
    throw Error(ErrorKind::kFormat, source(key) + " must be " + expected + ", found " + quote(text(key), 60));
  }

  bool has(const std::string& key) const { return metadata_.contains("emend." + key); }

  // A whole number from 0.
  template <typename Number>
  Number number(const std::string& key) const {
    const std::string& digits = text(key);
    Number value{};
    const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (status != std::errc() || end != digits.data() + digits.size() || value < Number{})
      refuse(key, "a whole number from 0");
    return value;
  }

  // One of `choices`, as its index.
  std::size_t choice(const std::string& key, const std::vector<std::string>& choices) const {
    const auto found = std::find(choices.begin(), choices.end(), text(key));
    if (found == choices.end()) refuse(key, join(choices, " or "));
    return static_cast<std::size_t>(found - choices.begin());
  }

  std::string fingerprint(const std::string& key) const {
    const std::string& hex = text(key);
    if (hex.find_first_not_of("0123456789abcdef") != std::string::npos) refuse(key, "hexadecimal digits");
    return hex;
  }

  Json json(const std::string& key) const { return parse_json(text(key), source(key)); }
  std::string source(const std::string& key) const { return file_ + ": metadata \"emend." + key + "\""; }

  // An array whose elements `read` takes.
  template <typename Read>
  auto list(const std::string& key, Read read) const {
    const Json document = json(key);
    std::vector<decltype(read(std::declval<JsonView>()))> values;
    for (const JsonView& element : JsonView(document, source(key)).elements())
      values.push_back(read(element));
    return values;
  }

 private:
  const std::map<std::string, std::string>& metadata_;
  const std::string& file_;
};

template <typename T, typename Write>
std::string list_text(const std::vector<T>& values, Write write) {
  Json list = Json::array();
  for (const T& value : values) list.push_back(write(value));
  return list.dump();
}

std::map<std::string, std::string> read_options(const Fields& fields) {
  const Json document = fields.json("options");
  const JsonView view(document, fields.source("options"));
  std::map<std::string, std::string> options;
  for (const std::string& key : view.keys()) options[key] = view.string(key);
  return options;
}

std::string layer_statistics_text(const std::map<int, std::string>& layers) {
  Json map = Json::object();
  for (const auto& [layer, fingerprint] : layers) map[std::to_string(layer)] = fingerprint;
  return map.dump();
}

std::map<int, std::string> read_layer_statistics(const Fields& fields) {
  const Json document = fields.json("layer_statistics");
  const JsonView view(document, fields.source("layer_statistics"));
  std::map<int, std::string> layers;
  for (const std::string& key : view.keys()) {
    int layer = 0;
    const auto [end, status] = std::from_chars(key.data(), key.data() + key.size(), layer);
    if (status != std::errc() || end != key.data() + key.size() || layer < 0)
      fields.refuse("layer_statistics", "layers as keys, not " + quote(key, 40));
    layers[layer] = view.string(key);
  }
  return layers;
}

std::int64_t read_id(const JsonView& view) {
  return view.as_non_negative_integer();
}
std::string read_string(const JsonView& view) {
  return view.as_string();
}

void check_ids(const Fields& fields, const std::vector<EditedFact>& facts) {
  std::set<std::string> ids;
  for (const EditedFact& fact : facts)
    if (!ids.insert(fact.request.id).second)
      fields.refuse("facts",
                    "a list of facts with ids of their own, not " + quote(fact.request.id) + " twice");
}

// What was measured has to be about the facts of this patch, in their order.
void check_states(const Fields& fields, const std::string& key, const std::vector<FactState>& states,
                  const std::vector<EditedFact>& facts) {
  if (states.empty()) return;
  if (states.size() != facts.size())
    fields.refuse(key, "a state for each of the " + std::to_string(facts.size()) + " facts, or none");
  for (std::size_t i = 0; i < facts.size(); ++i) {
    const EditRequest& request = facts[i].request;
    if (states[i].id != request.id || states[i].paraphrases.size() != request.paraphrases.size() ||
        states[i].neighbours.size() != request.neighbours.size())
      fields.refuse(key, "the states of the facts in \"emend.facts\", which differ at " + quote(request.id));
  }
}

// Patches of the first builds hold none of these.
RunConditions read_conditions(const Fields& fields) {
  RunConditions conditions;
  if (fields.has("device")) conditions.device = fields.text("device");
  const std::vector<std::string> dtypes = {"float32", "bfloat16", "float16", ""};  // "": not recorded
  if (fields.has("dtype")) conditions.dtype = dtypes[fields.choice("dtype", dtypes)];
  if (fields.has("seed")) conditions.seed = fields.number<std::uint64_t>("seed");
  if (fields.has("token_budget")) conditions.token_budget = fields.number<std::int64_t>("token_budget");
  return conditions;
}

}  // namespace

std::map<std::string, std::string> patch_metadata(const Patch& patch) {
  const Edit& edit = patch.edit;
  const auto as_is = [](const auto& value) { return Json(value); };
  std::map<std::string, std::string> metadata = {{"emend.format", kFormatVersion},
          {"emend.version", patch.emend_version},
          {"emend.method", edit.method},
          {"emend.objective", edit.objective},
          {"emend.options", Json(edit.options).dump()},
          {"emend.base_fingerprint", edit.base_fingerprint},
          {"emend.base_name", patch.base_name},
          {"emend.device", patch.conditions.device},
          {"emend.dtype", patch.conditions.dtype},
          {"emend.seed", std::to_string(patch.conditions.seed)},
          {"emend.token_budget", std::to_string(patch.conditions.token_budget)},
          {"emend.statistics_fingerprint", edit.statistics_fingerprint},
          {"emend.edit_text", patch.edit_text},
          {"emend.bos", patch.bos},
          {"emend.prefix", list_text(patch.prefix, as_is)},
          {"emend.form", patch.form == PromptForm::kChat ? "chat" : "raw"},
          {"emend.thresholds", thresholds_json(patch.thresholds).dump()},
          {"emend.facts", list_text(edit.facts, fact_json)},
          {"emend.checks", list_text(patch.checks, check_json)},
          {"emend.before", list_text(patch.before, state_json)},
          {"emend.after", list_text(patch.after, state_json)},
          {"emend.passed", patch.passed ? "true" : "false"},
          {"emend.warnings", list_text(edit.warnings, as_is)}};
  if (!patch.layer_statistics.empty()) metadata.emplace("emend.layer_statistics", layer_statistics_text(patch.layer_statistics));
  return metadata;
}

Patch read_patch_metadata(const std::map<std::string, std::string>& metadata, const std::string& file) {
  const Fields fields(metadata, file);
  if (fields.text("format") != kFormatVersion)
    fields.refuse("format", "\"1\", the only one that this version of emend reads (a newer emend wrote it?)");
  Patch patch;
  patch.emend_version = fields.text("version");
  patch.edit.method = fields.text("method");
  patch.edit.objective = fields.text("objective");
  patch.edit.options = read_options(fields);
  patch.edit.base_fingerprint = fields.fingerprint("base_fingerprint");
  if (patch.edit.base_fingerprint.empty()) fields.refuse("base_fingerprint", "hexadecimal digits");
  patch.base_name = fields.text("base_name");
  patch.conditions = read_conditions(fields);
  patch.edit.statistics_fingerprint = fields.fingerprint("statistics_fingerprint");
  if (fields.has("layer_statistics")) patch.layer_statistics = read_layer_statistics(fields);
  patch.edit_text = fields.text("edit_text");
  patch.bos = fields.text("bos");
  patch.prefix = fields.list("prefix", read_id);
  patch.form = fields.choice("form", {"raw", "chat"}) == 1 ? PromptForm::kChat : PromptForm::kRaw;
  const Json thresholds = fields.json("thresholds");
  patch.thresholds = read_thresholds(JsonView(thresholds, fields.source("thresholds")));
  patch.edit.facts = fields.list("facts", read_fact);
  if (patch.edit.facts.empty()) fields.refuse("facts", "a list of at least one fact");
  check_ids(fields, patch.edit.facts);
  patch.checks = fields.list("checks", read_check);
  patch.before = fields.list("before", read_state);
  check_states(fields, "before", patch.before, patch.edit.facts);
  patch.after = fields.list("after", read_state);
  check_states(fields, "after", patch.after, patch.edit.facts);
  patch.passed = fields.choice("passed", {"false", "true"}) == 1;
  patch.edit.warnings = fields.list("warnings", read_string);
  return patch;
}

}  // namespace emend
