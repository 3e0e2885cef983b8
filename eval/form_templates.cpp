#include "eval/form_templates.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <set>

#include "base/files.h"
#include "base/fingerprint.h"
#include "base/nearest.h"
#include "base/strings.h"
#include "config/config_node.h"
#include "emend/error.h"
#include "eval/default_forms.h"

namespace emend {
namespace {

constexpr std::array<std::string_view, 7> kNames = {"negation",     "fact-check", "choice", "reversed",
                                                    "same-subject", "alias",      "one-hop"};

std::string text_of(const ConfigNode& node, TextShape shape = TextShape::kLine) {
  std::string text = node.text(shape);
  if (trim(text).empty()) node.fail("the text is empty");
  return text;
}

// The names in braces, in their order.
std::vector<std::string> places_in(const std::string& wording) {
  std::vector<std::string> places;
  for (std::size_t open = wording.find('{'); open != std::string::npos; open = wording.find('{', open + 1)) {
    const std::size_t close = wording.find('}', open);
    if (close == std::string::npos) break;
    places.push_back(wording.substr(open, close + 1 - open));
  }
  return places;
}

// A text that has each of `places` once, and no other.
std::string wording_of(const ConfigNode& node, const std::vector<std::string>& places,
                       TextShape shape = TextShape::kLine) {
  std::string text = text_of(node, shape);
  const std::vector<std::string> found = places_in(text);
  if (!std::is_permutation(found.begin(), found.end(), places.begin(), places.end()))
    node.fail(fmt::format("must have {} once each and no other place in braces, found {}", join(places),
                          quote(text)));
  return text;
}

// A wording that is a prompt for the object when its end is cut off.
std::string ending_with_object(const ConfigNode& node) {
  std::string text = wording_of(node, {"{subject}", "{object}"});
  if (!text.ends_with(" {object}")) node.fail("must end with a space and {object}, found " + quote(text));
  return text;
}

std::vector<std::string> texts_of(const ConfigNode& node) {
  std::vector<std::string> texts;
  for (const ConfigNode& item : node.items()) texts.push_back(text_of(item));
  return texts;
}

ConfigNode needed(const ConfigNode& map, const ConfigFields& fields, std::string_view key) {
  const auto value = fields.find(key);
  if (!value) map.fail(fmt::format("{} is missing", key));
  return *value;
}

// What can be checked only when everything is read: names that point to something.
struct Pointer {
  ConfigNode node;
  std::string name;
};

class FormsReader {
 public:
  explicit FormsReader(FormTemplates& templates) : templates_(templates) {}

  void read(const std::string& text, const std::string& name) {
    ConfigDocument document(text, name);
    own_names_.clear();
    const ConfigFields fields = document.root().fields({"frames", "relations", "facts", "aliases"});
    if (const auto frames = fields.find("frames")) read_frames(*frames);
    if (const auto relations = fields.find("relations"))
      for (const ConfigNode& item : relations->items()) read_relation(item);
    if (const auto facts = fields.find("facts")) read_facts(*facts);
    if (const auto aliases = fields.find("aliases"))
      for (const ConfigEntry& entry : aliases->entries())
        templates_.aliases[entry.name] = texts_of(entry.value);
    check_pointers();
  }

 private:
  void read_frames(const ConfigNode& node) {
    const ConfigFields fields = node.fields({"fact_check", "choice"});
    if (const auto frame = fields.find("fact_check")) {
      const ConfigFields own = frame->fields({"prompt", "agree", "disagree"});
      templates_.fact_check = {wording_of(needed(*frame, own, "prompt"), {"{claim}"}, TextShape::kLines),
                               text_of(needed(*frame, own, "agree")),
                               text_of(needed(*frame, own, "disagree"))};
      if (templates_.fact_check.agree == templates_.fact_check.disagree)
        own.find("disagree")->fail("it must differ from agree, or no answer could be told from the other");
    }
    if (const auto frame = fields.find("choice")) {
      const ConfigFields own = frame->fields({"prompt", "unsure", "unrelated"});
      templates_.choice = {wording_of(needed(*frame, own, "prompt"),
                                      {"{context}", "{question}", "{a}", "{b}", "{c}"}, TextShape::kLines),
                           text_of(needed(*frame, own, "unsure")), text_of(needed(*frame, own, "unrelated"))};
    }
  }

  void read_relation(const ConfigNode& node) {
    const ConfigFields fields = node.fields(
        {"name", "ids", "prompts", "statement", "denial", "question", "reversed", "same_subject", "one_hop"});
    RelationWording relation;
    const ConfigNode name = needed(node, fields, "name");
    relation.name = text_of(name);
    if (!own_names_.insert(relation.name).second)
      name.fail(fmt::format("the relation {} is there twice", quote(relation.name)));
    if (const auto ids = fields.find("ids")) relation.ids = texts_of(*ids);
    if (const auto prompts = fields.find("prompts"))
      for (const ConfigNode& item : prompts->items()) relation.prompts.push_back(wording_of(item, {"{}"}));
    relation.statement = ending_with_object(needed(node, fields, "statement"));
    relation.denial = ending_with_object(needed(node, fields, "denial"));
    if (const auto question = fields.find("question"))
      relation.question = wording_of(*question, {"{subject}"});
    if (const auto reversed = fields.find("reversed"))
      relation.reversed = wording_of(*reversed, {"{object}"});
    if (const auto others = fields.find("same_subject"))
      for (const ConfigNode& item : others->items()) {
        relation.same_subject.push_back(text_of(item));
        relations_named_.push_back({item, relation.same_subject.back()});
      }
    if (const auto hops = fields.find("one_hop"))
      for (const ConfigNode& item : hops->items()) read_hop(item, relation);
    put(std::move(relation));
  }

  void read_hop(const ConfigNode& node, RelationWording& relation) {
    const ConfigFields fields = node.fields({"prompt", "facts"});
    const ConfigNode facts = needed(node, fields, "facts");
    relation.one_hop.push_back({wording_of(needed(node, fields, "prompt"), {"{subject}"}), text_of(facts)});
    tables_named_.push_back({facts, relation.one_hop.back().facts});
  }

  // A relation that is there already is replaced.
  void put(RelationWording relation) {
    for (RelationWording& known : templates_.relations)
      if (known.name == relation.name) {
        known = std::move(relation);
        return;
      }
    templates_.relations.push_back(std::move(relation));
  }

  void read_facts(const ConfigNode& node) {
    for (const ConfigEntry& table : node.entries())
      for (const ConfigEntry& entry : table.value.entries())
        templates_.facts[table.name][entry.name] = text_of(entry.value);
  }

  void check_pointers() {
    std::vector<std::string> names, tables;
    for (const RelationWording& relation : templates_.relations) names.push_back(relation.name);
    for (const auto& [name, table] : templates_.facts) tables.push_back(name);
    for (const Pointer& pointer : relations_named_)
      if (std::find(names.begin(), names.end(), pointer.name) == names.end())
        pointer.node.fail(
            fmt::format("there is no relation {}{}", quote(pointer.name), did_you_mean(pointer.name, names)));
    for (const Pointer& pointer : tables_named_)
      if (templates_.facts.count(pointer.name) == 0)
        pointer.node.fail(fmt::format("there is no table of facts {}{}", quote(pointer.name),
                                      did_you_mean(pointer.name, tables)));
    relations_named_.clear();
    tables_named_.clear();
  }

  FormTemplates& templates_;
  std::set<std::string> own_names_;  // of the file that is read
  std::vector<Pointer> relations_named_, tables_named_;
};

}  // namespace

std::string_view to_string(FactForm form) {
  return kNames.at(static_cast<std::size_t>(form));
}

std::set<FactForm> parse_forms(const std::string& text) {
  std::set<FactForm> forms;
  if (trim(text).empty()) return forms;
  if (text == "all") return {kFactForms.begin(), kFactForms.end()};
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string name(trim(std::string_view(text).substr(begin, end - begin)));
    begin = end + 1;
    const auto found = std::find(kNames.begin(), kNames.end(), name);
    if (found == kNames.end()) {
      std::vector<std::string> known(kNames.begin(), kNames.end());
      known.emplace_back("all");
      throw Error(ErrorKind::kUsage,
                  fmt::format("there is no form {}{}", quote(name), did_you_mean(name, known)));
    }
    if (!forms.insert(kFactForms.at(static_cast<std::size_t>(found - kNames.begin()))).second)
      throw Error(ErrorKind::kUsage, fmt::format("the form {} is asked for twice", quote(name)));
  }
  return forms;
}

const RelationWording* FormTemplates::find(const std::string& name) const {
  for (const RelationWording& relation : relations)
    if (relation.name == name) return &relation;
  return nullptr;
}

const RelationWording* FormTemplates::relation_of(const EvalRecord& record) const {
  const auto has = [](const std::vector<std::string>& list, const std::string& text) {
    return std::find(list.begin(), list.end(), text) != list.end();
  };
  if (!record.relation.empty())
    for (const RelationWording& relation : relations)
      if (has(relation.ids, record.relation)) return &relation;
  const EditRequest& request = record.request;
  std::string wording = request.prompt;
  wording.replace(request.subject_begin, request.subject.size(), "{}");
  for (const RelationWording& relation : relations)
    if (has(relation.prompts, wording)) return &relation;
  return nullptr;
}

FormTemplates read_form_templates(const std::filesystem::path& file) {
  constexpr std::uint64_t kMaxBytes = 4 << 20;
  FormTemplates templates;
  FormsReader reader(templates);
  std::string texts(kDefaultForms);
  reader.read(texts, "forms.yaml");
  if (!file.empty()) {
    const std::string own = read_text_file(file, kMaxBytes);
    reader.read(own, file.string());
    texts += own;
  }
  templates.fingerprint = sha256_hex(texts).substr(0, 16);
  return templates;
}

std::string fill_wording(const std::string& wording, const std::map<std::string, std::string>& parts) {
  std::string filled;
  for (std::size_t at = 0; at < wording.size();) {
    const std::size_t close = wording[at] == '{' ? wording.find('}', at) : std::string::npos;
    const auto part =
        close == std::string::npos ? parts.end() : parts.find(wording.substr(at + 1, close - at - 1));
    if (part == parts.end()) {
      filled += wording[at++];
    } else {
      filled += part->second;
      at = close + 1;
    }
  }
  return filled;
}

}  // namespace emend
