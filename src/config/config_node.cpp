#include "config/config_node.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "base/nearest.h"
#include "base/strings.h"
#include "config/yaml_text.h"
#include "emend/error.h"

namespace emend {
namespace {

// Text that a file may hand out, every alias written out. Entries of lists and maps count too, so that a list
// of many aliases of a list of nothing also comes to an end.
constexpr std::size_t kMaxReadBytes = 2 * kMaxYamlBytes;
constexpr std::size_t kEntryBytes = 8;

}  // namespace

ConfigDocument::ConfigDocument(std::string_view yaml, std::string name)
    : text_(yaml, std::move(name)), root_(parse_yaml(text_)) {}

ConfigNode ConfigDocument::root() {
  return {*this, root_, root_.Mark(), ""};
}

std::string ConfigNode::where() const {
  return document_->text_.where(mark_.line, mark_.column);
}

void ConfigNode::fail(const std::string& message) const {
  const std::string path = path_.empty() ? "" : path_ + ": ";
  throw Error(ErrorKind::kConfig, fmt::format("{}: {}{}", where(), path, message));
}

void ConfigNode::fail_type(const std::string& expected) const {
  fail(fmt::format("expected {}, found {}", expected, describe()));
}

std::string ConfigNode::describe() const {
  if (node_.IsSequence()) return "a list";
  if (node_.IsMap()) return "a map";
  if (!node_.IsScalar()) return "nothing";
  return "the text " + quote(node_.Scalar());
}

// Counts what is handed out, so that a small file cannot grow without end through aliases of aliases.
void ConfigNode::spend(std::size_t bytes) const {
  document_->read_bytes_ += bytes;
  if (document_->read_bytes_ > kMaxReadBytes) {
    fail(fmt::format("with its aliases written out the file holds more than {} bytes", kMaxReadBytes));
  }
}

ConfigNode ConfigNode::child(const YAML::Node& node, YAML::Mark fallback, std::string path) const {
  // The mark of an empty value is that of whatever comes next.
  const YAML::Mark mark = node.IsNull() ? fallback : node.Mark();
  return {*document_, node, mark, std::move(path)};
}

std::string ConfigNode::text(TextShape shape) const {
  if (!node_.IsScalar())
    fail_type(node_.IsNull() ? "a text (in quotes if it is the word null or ~)" : "a text");
  const std::string& tag = node_.Tag();
  if (tag != "?" && tag != "!" && tag != "tag:yaml.org,2002:str") {
    fail("expected a text without a tag, found the tag " + quote(tag));
  }
  spend(node_.Scalar().size());
  if (const auto bad = find_bad_character(node_.Scalar(), shape)) {
    fail(bad->what + " cannot stand here");
  }
  return node_.Scalar();
}

const std::string& ConfigNode::plain_scalar(const std::string& expected) const {
  constexpr const char* kOfNumbers = "+-.0123456789";
  if (node_.IsScalar() && node_.Tag() == "!" && !node_.Scalar().empty() &&
      node_.Scalar().find_first_not_of(kOfNumbers) == std::string::npos)
    fail(fmt::format("expected {}, found {}; leave the quotes out", expected, describe()));
  if (!node_.IsScalar() || node_.Tag() != "?") fail_type(expected);
  return node_.Scalar();
}

int ConfigNode::integer(const std::string& expected) const {
  const std::string& text = plain_scalar(expected);
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range)
    fail(fmt::format("the integer {} is out of range", quote(text)));
  if (error != std::errc() || end != text.data() + text.size()) fail_type(expected);
  return value;
}

double ConfigNode::number() const {
  const std::string& text = plain_scalar("a number");
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range)
    fail(fmt::format("the number {} is out of range", quote(text)));
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value))
    fail_type("a number");
  return value;
}

std::vector<ConfigNode> ConfigNode::items() const {
  if (!node_.IsSequence()) fail_type("a list");
  spend(node_.size() * kEntryBytes);
  std::vector<ConfigNode> items;
  items.reserve(node_.size());
  for (const YAML::Node& item : node_) {
    items.push_back(child(item, mark_, fmt::format("{}[{}]", path_, items.size() + 1)));
  }
  return items;
}

std::vector<ConfigEntry> ConfigNode::entries() const {
  if (!node_.IsMap()) fail_type("a map");
  spend(node_.size() * kEntryBytes);
  std::vector<ConfigEntry> entries;
  std::map<std::string, int> line_of;
  for (const auto& entry : node_) {
    const ConfigNode key = child(entry.first, mark_, path_);
    if (!key.is_scalar()) key.fail("expected a word as key, found " + key.describe());
    const std::string name = key.text();
    const auto [earlier, added] = line_of.emplace(name, key.line());
    if (!added)
      key.fail(fmt::format("the key {} stands here twice, first in line {}", quote(name), earlier->second));
    const std::string path = path_.empty() ? name : path_ + "." + name;
    entries.push_back({name, key, child(entry.second, key.mark_, path)});
  }
  return entries;
}

ConfigFields ConfigNode::fields(const std::vector<std::string>& known) const {
  std::vector<ConfigEntry> all = entries();
  for (const ConfigEntry& entry : all) require_known(entry, known);
  return ConfigFields(std::move(all));
}

void require_known(const ConfigEntry& entry, const std::vector<std::string>& known, KeyAdvice advice) {
  if (std::ranges::find(known, entry.name) != known.end()) return;
  if (entry.name == "<<") entry.key.fail("merge keys (<<) are not read; write the keys out");
  entry.key.fail(fmt::format("unknown key {}{}{}", quote(entry.name),
                             advice != nullptr ? advice(entry.name) : "", did_you_mean(entry.name, known)));
}

std::size_t ConfigFields::check_keys(const std::vector<std::string>& known, ErrorList& errors,
                                     KeyAdvice advice) const {
  const std::size_t before = errors.size();
  for (const ConfigEntry& entry : entries_) errors.collect([&] { require_known(entry, known, advice); });
  return errors.size() - before;
}

std::optional<ConfigNode> ConfigFields::find(std::string_view key) const {
  const auto found = std::ranges::find(entries_, key, &ConfigEntry::name);
  if (found == entries_.end()) return std::nullopt;
  return found->value;
}

}  // namespace emend
