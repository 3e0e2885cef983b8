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

const std::vector<std::string> kTopKeys = {"model",      "method",  "layer", "bos",    "form",
                                           "statistics", "options", "edits", "checks", "outputs",
                                           "drift_text", "protect", "end"};
const std::vector<std::string> kCheckKeys = {"efficacy",      "paraphrase", "said",
                                             "neighbourhood", "drift",      "bleed"};
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

CheckThresholds read_checks(const ConfigNode& node, ErrorList& errors) {
  const ConfigFields fields(node.entries());
  fields.check_keys(kCheckKeys, errors);
  CheckThresholds checks;
  const auto read = [&](const char* key, auto& threshold, double (*take)(const ConfigNode&)) {
    errors.collect([&] {
      if (const auto value = fields.find(key)) threshold = take(*value);
    });
  };
  read("efficacy", checks.efficacy, read_share);
  read("paraphrase", checks.paraphrase, read_share);
  read("said", checks.said, read_share);
  read("neighbourhood", checks.neighbourhood, read_share);
  read("drift", checks.drift, read_ratio);
  read("bleed", checks.bleed, read_share);
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

std::vector<EditEntry> read_edits(const ConfigNode& node, ErrorList& errors) {
  std::vector<EditEntry> entries;
  int number = 0;
  for (const ConfigNode& item : node.items()) {
    ++number;
    errors.collect([&] { entries.push_back(read_edit_entry(item, number, errors)); });
  }
  if (number == 0) node.fail("the list is empty; expected at least one edit");
  return entries;
}

// Throws all `errors` of the file, with those that its sound entries make together.
std::vector<EditRequest> checked_requests(std::vector<EditEntry> entries, ErrorList& errors) {
  check_edit_conflicts(entries, errors);
  errors.throw_if_any();
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
  ErrorList errors(name);
  file.edits = checked_requests(read_edit_lines(lines, name, errors), errors);
  return file;
}

}  // namespace

EditFile parse_edit_file(const std::string& text, const std::string& name,
                         const std::filesystem::path& folder) {
  if (is_edit_lines(name)) return parse_lines(text, name);
  ConfigDocument document(text, name);
  const ConfigNode root = document.root();
  ErrorList errors(name);
  const ConfigFields fields(root.entries());
  const std::size_t unknown_keys = fields.check_keys(kTopKeys, errors);
  const auto read = [&](const char* key, const auto& take) {
    errors.collect([&] {
      if (const auto value = fields.find(key)) take(*value);
    });
  };
  EditFile file;
  file.path = name;
  file.text = text;
  read("model", [&](const ConfigNode& value) {
    file.model = read_path(value, folder);
    file.model_where = value.where() + ": model";
  });
  read("method", [&](const ConfigNode& value) {
    file.method = read_word(value);
    file.method_where = value.where() + ": method";
  });
  read("layer", [&](const ConfigNode& value) { file.layer = read_layer_choice(value); });
  read("bos", [&](const ConfigNode& value) { file.bos = read_word(value); });
  read("form", [&](const ConfigNode& value) { file.form = read_form(value); });
  read("statistics", [&](const ConfigNode& value) { file.statistics = read_path(value, folder); });
  read("options", [&](const ConfigNode& value) { file.options = read_option_texts(value); });
  read("checks", [&](const ConfigNode& value) { file.checks = read_checks(value, errors); });
  read("protect", [&](const ConfigNode& value) { file.protect = read_protect(value); });
  read("end", [&](const ConfigNode& value) { file.end = read_target_end(value); });
  read("drift_text", [&](const ConfigNode& value) { file.drift_text = read_drift_text(value); });
  read("outputs", [&](const ConfigNode& outputs) {
    if (const auto patch = outputs.fields(kOutputKeys).find("patch")) file.patch = read_word(*patch);
  });
  std::vector<EditEntry> entries;
  errors.collect([&] {
    if (const auto edits = fields.find("edits"))
      entries = read_edits(*edits, errors);
    else if (unknown_keys == 0)
      root.fail("the key \"edits\" is missing; expected a list of edits");
  });
  file.edits = checked_requests(std::move(entries), errors);
  return file;
}

EditFile read_edit_file(const std::filesystem::path& file) {
  const std::string text = read_text_file(file, kMaxYamlBytes);
  EditFile edit_file = parse_edit_file(text, file.string(), file.parent_path());
  edit_file.path = file;
  return edit_file;
}

}  // namespace emend
