// One entry of `edits:`, and what several of them must not say together.
#pragma once

#include <string>
#include <vector>

#include "config/config_node.h"
#include "emend/records.h"

namespace emend {

// A text of one or more lines that a model continues: blanks at its end are cut, since the answer brings its
// own space. Throws Error(kConfig) if it is empty then.
std::string read_prompt(const ConfigNode& node);

// A text of one line without the blanks around it. Throws Error(kConfig) if it is empty then.
std::string read_word(const ConfigNode& node);

struct EditEntry {
  EditRequest request;
  ConfigNode
      id_node;   // for messages: the `id:` of the entry, or the entry itself when the id is the default one
  int line = 0;  // in the file, from 1
};

// `number` counts the entries from 1 and gives the default id, edit-<number>. Throws Error(kConfig).
EditEntry read_edit_entry(const ConfigNode& node, int number);

// Throws Error(kConfig) when two entries share an id, say the same thing twice, or want different answers to
// one prompt; the message names both ids and lines.
void check_edit_conflicts(const std::vector<EditEntry>& entries);

}  // namespace emend
