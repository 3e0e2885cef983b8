// The keys of an edit and their rules: one table, whether the edit is an entry of `edits:` in YAML or a line
// of JSON. What the two forms say differently (places, types, a missing key) is behind EditMap and EditValue.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "config/error_list.h"
#include "config/text_check.h"
#include "emend/records.h"

namespace emend {

class EditMap;

// A value of an edit. Everything throws Error with the value's place in front.
class EditValue {
 public:
  virtual ~EditValue() = default;
  virtual bool is_text() const = 0;
  virtual std::string text(TextShape shape) const = 0;
  // The text of an id, which may be a number where the form tells numbers from texts.
  virtual std::string id_text() const = 0;
  virtual std::vector<std::unique_ptr<EditValue>> items() const = 0;
  // The members of a neighbour or another subject that is no text; a message calls the text `text_name`.
  virtual std::unique_ptr<EditMap> members(const std::vector<std::string>& keys,
                                           const char* text_name) const = 0;
  [[noreturn]] virtual void fail(const std::string& message) const = 0;
};

// An edit, or a neighbour or another subject in it.
class EditMap {
 public:
  virtual ~EditMap() = default;
  // Tells of the keys that are none of an edit, and returns how many they are. A neighbour or another subject
  // has known keys only.
  virtual std::size_t check_keys(ErrorList& errors) const = 0;
  // nullptr if there is none.
  virtual std::unique_ptr<EditValue> find(const std::string& key) const = 0;
  // Throws Error if there is none.
  virtual std::unique_ptr<EditValue> at(const std::string& key) const = 0;
  // Where the subject begins in the prompt, as subject_occurrence chooses if there are several. Throws
  // Error(kConfig) if it is not there.
  virtual std::size_t place_subject(const EditRequest& request) const = 0;
};

// What a message says behind a key that no edit has if records of benchmarks, which other editors are given,
// have it. Else empty.
std::string advice_on_key(const std::string& name);

// The keys of an edit, in the order in which they are read, those of a neighbour, and those of another
// subject.
const std::vector<std::string>& edit_keys();
const std::vector<std::string>& neighbour_keys();
const std::vector<std::string>& other_subject_keys();

// A text of one or more lines that a model continues: blanks at its end are cut, since the answer brings its
// own space. Throws Error(kConfig) if it is empty then.
std::string prompt_of(const EditValue& value);
// A text of one line without the blanks around it. Throws Error(kConfig) if it is empty then.
std::string word_of(const EditValue& value);

// `number` counts the edits from 1 and gives the default id, edit-<number>. What is wrong is added to
// `errors`; then the request is of no use.
EditRequest read_request(const EditMap& map, int number, ErrorList& errors);

}  // namespace emend
