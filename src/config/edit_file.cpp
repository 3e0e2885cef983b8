// The schema of the edit file: its top level. The entries of `edits:` are read by edit_entry, and those of a
// file of JSON lines by edit_lines.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/nearest.h"
#include "base/strings.h"
#include "config/config_node.h"
#include "config/edit_entry.h"
#include "config/edit_lines.h"
#include "config/method_fields.h"
#include "emend/records.h"

namespace emend {
namespace {

const std::vector<std::string> kTopKeys = {"model",  "method",     "layer",      "bos",
                                           "form",   "statistics", "options",    "edits",
                                           "checks", "outputs",    "drift_text", "protect"};
const std::vector<std::string> kCheckKeys = {"efficacy", "paraphrase", "neighbourhood", "drift", "bleed"};
const std::vector<std::string> kOutputKeys = {"patch"};
const std::vector<std::string> kForms = {"raw", "chat"};

PromptForm read_form(const ConfigNode& node) {
  const std::string form = node.text();
  if (const auto parsed = parse_prompt_form(form)) return *parsed;
  node.fail(fmt::format("expected raw or chat, found {}{}", node.describe(), did_you_mean(form, kForms)));
}

double read_share(const ConfigNode& node) {
  const double share = node.number();
  if (share < 0 || share > 1) node.fail("expected a share from 0 to 1, found " + node.text());
  return share;
}

double read_ratio(const ConfigNode& node) {
  const double ratio = node.number();
  if (ratio < 1) node.fail("expected a ratio of at least 1, found " + node.text());
  return ratio;
}

CheckThresholds read_checks(const ConfigNode& node) {
  const ConfigFields fields = node.fields(kCheckKeys);
  CheckThresholds checks;
  if (const auto value = fields.find("efficacy")) checks.efficacy = read_share(*value);
  if (const auto value = fields.find("paraphrase")) checks.paraphrase = read_share(*value);
  if (const auto value = fields.find("neighbourhood")) checks.neighbourhood = read_share(*value);
  if (const auto value = fields.find("drift")) checks.drift = read_ratio(*value);
  if (const auto value = fields.find("bleed")) checks.bleed = read_share(*value);
  return checks;
}

std::vector<std::string> read_drift_text(const ConfigNode& node) {
  if (node.is_scalar()) return {read_prompt(node)};
  if (!node.is_list()) node.fail("expected a text or a list of texts, found " + node.describe());
  std::vector<std::string> texts;
  const std::vector<ConfigNode> items = node.items();
  std::ranges::transform(items, std::back_inserter(texts), read_prompt);
  return texts;
}

std::vector<EditEntry> read_edits(const ConfigNode& node) {
  std::vector<EditEntry> entries;
  for (const ConfigNode& item : node.items()) {
    entries.push_back(read_edit_entry(item, static_cast<int>(entries.size()) + 1));
  }
  if (entries.empty()) node.fail("the list is empty; expected at least one edit");
  return entries;
}

std::vector<EditRequest> checked_requests(std::vector<EditEntry> entries) {
  check_edit_conflicts(entries);
  std::vector<EditRequest> requests;
  requests.reserve(entries.size());
  for (EditEntry& entry : entries) requests.push_back(std::move(entry.request));
  return requests;
}

// A file of nothing but edits.
EditFile parse_lines(const std::string& lines, const std::string& name) {
  EditFile file;
  file.path = name;
  file.text = lines;
  file.edits = checked_requests(read_edit_lines(lines, name));
  return file;
}

}  // namespace

EditFile parse_edit_file(const std::string& text, const std::string& name,
                         const std::filesystem::path& folder) {
  if (is_edit_lines(name)) return parse_lines(text, name);
  ConfigDocument document(text, name);
  const ConfigNode root = document.root();
  const ConfigFields fields = root.fields(kTopKeys);
  EditFile file;
  file.path = name;
  file.text = text;
  if (const auto value = fields.find("model")) file.model = read_path(*value, folder);
  if (const auto value = fields.find("method")) file.method = read_word(*value);
  if (const auto value = fields.find("layer")) file.layer = read_layer_choice(*value);
  if (const auto value = fields.find("bos")) file.bos = read_word(*value);
  if (const auto value = fields.find("form")) file.form = read_form(*value);
  if (const auto value = fields.find("statistics")) file.statistics = read_path(*value, folder);
  if (const auto value = fields.find("options")) file.options = read_option_texts(*value);
  if (const auto value = fields.find("checks")) file.checks = read_checks(*value);
  if (const auto value = fields.find("protect")) file.protect = read_protect(*value);
  if (const auto value = fields.find("drift_text")) file.drift_text = read_drift_text(*value);
  if (const auto outputs = fields.find("outputs")) {
    if (const auto patch = outputs->fields(kOutputKeys).find("patch")) file.patch = read_word(*patch);
  }
  const auto edits = fields.find("edits");
  if (!edits) root.fail("the key \"edits\" is missing; expected a list of edits");
  file.edits = checked_requests(read_edits(*edits));
  return file;
}

EditFile read_edit_file(const std::filesystem::path& file) {
  const std::string text = read_text_file(file, kMaxYamlBytes);
  EditFile edit_file = parse_edit_file(text, file.string(), file.parent_path());
  edit_file.path = file;
  return edit_file;
}

}  // namespace emend
