// The records of a data set's file, as JSON, and what the fields of several sets have in common.
#pragma once

#include <cstddef>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "emend/records.h"

namespace emend {

// The objects of a JSON array, or of JSON lines: one object a line; empty lines are ignored. Or the members
// of one object, if each of them is an object with a key "edit" (UniEdit), by their names; names that are
// numbers by their size.
class JsonRecords {
 public:
  // Throws Error(kIo) when the file cannot be read; Error(kFormat) when it is neither form, with line and
  // column, or holds something else than objects, with the record's number.
  explicit JsonRecords(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  std::size_t size() const { return records_.size(); }
  // What an object calls the record; elsewhere its number.
  std::string name(std::size_t number) const;
  // Record `number`, from 0. What its getters refuse begins with "FILE: record N: ".
  JsonView at(std::size_t number) const;

  // Where record `number` stands: "FILE:LINE" in JSON lines, counted from 1; "FILE: record N" in an array.
  std::string place(std::size_t number) const;
  // The same record as at(); what its getters refuse begins with its place.
  JsonView at_place(std::size_t number) const { return {records_.at(number), place(number)}; }

 private:
  bool take_members(std::string_view text);

  std::filesystem::path path_;
  std::vector<Json> records_;
  std::vector<std::size_t> lines_;  // of each record in JSON lines; empty for an array
  std::vector<std::string> names_;  // of each member of an object; empty elsewhere
};

// Throw Error(kConfig): the id is that of an earlier record; the file has no facts.
[[noreturn]] void refuse_second_id(const JsonView& record, const std::string& id);
[[noreturn]] void refuse_no_facts(const std::filesystem::path& path);

// One fact for each record, as read(JsonView, number) makes it. Throws Error(kConfig) if two have one `id`,
// or there is none.
template <typename Read>
auto read_facts_with_ids(const JsonRecords& records, Read read) {
  std::vector<decltype(read(records.at(0), std::size_t{0}))> facts;
  std::set<std::string> ids;
  for (std::size_t i = 0; i < records.size(); ++i) {
    facts.push_back(read(records.at(i), i));
    if (!ids.insert(facts.back().id).second) refuse_second_id(records.at(i), facts.back().id);
  }
  if (facts.empty()) refuse_no_facts(records.path());
  return facts;
}
// The expected answer of such a fact, as `answer`, `attribute` (known_1000.json) or `was`; empty if there is
// none.
std::string expected_answer(const JsonView& record);
// Its id, as `id` or `known_id`, else its number.
std::string fact_id(const JsonView& record, std::size_t number);

// The id under `key`, a text or an integer; a record without one has its number.
std::string id_or_number(const JsonView& record, std::string_view key, std::size_t number);

// Sets prompt, subject and subject_begin from the prompt under `prompt_key` and the field "subject"
// (find_subject).
void read_prompt_and_subject(EditRequest& request, const JsonView& record, std::string_view prompt_key);

// A list of texts; a missing one is empty.
std::vector<std::string> texts_or_none(const JsonView& record, std::string_view key);

// The first text of a text or of lists of lists of texts, as EasyEdit writes answers: [["Paris", "paris"]] is
// "Paris". Integers count as texts; empty when the lists are.
std::string first_leaf(const JsonView& value);

}  // namespace emend
