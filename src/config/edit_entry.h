// One entry of `edits:` in YAML, and what several of them must not say together.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "config/config_node.h"
#include "emend/records.h"

namespace emend {

// prompt_of and word_of (edit_schema.h) of a value in YAML.
std::string read_prompt(const ConfigNode& node);
std::string read_word(const ConfigNode& node);

struct EditEntry {
  EditRequest request;
  // Throws Error(kConfig) with the place of the entry's id in front, or that of the entry when the id is the
  // default one.
  std::function<void(const std::string& message)> refuse;
  int line = 0;          // in the file, from 1
  bool is_sound = true;  // nothing in it was wrong: it can be compared with others
};

// `number` counts the entries from 1 and gives the default id, edit-<number>. Mistakes in its values are
// added to `errors`; throws Error(kConfig) if it is no map.
EditEntry read_edit_entry(const ConfigNode& node, int number, ErrorList& errors);

// Tells when two entries share an id, say the same thing twice, or want different answers to the same words,
// be they prompt or paraphrase; the message names both ids and lines. Each entry is looked up once, whatever
// the others say. Entries that are not sound are passed over.
void check_edit_conflicts(const std::vector<EditEntry>& entries, ErrorList& errors);

}  // namespace emend
