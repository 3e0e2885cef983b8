// Takes the records of a file one by one, keeps those that can be used, counts the others.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <unordered_set>
#include <vector>

#include "emend/dataset.h"

namespace emend {

class Collector {
 public:
  Collector(std::string dataset, const std::filesystem::path& path);

  // Cuts the blanks around texts (only those at the end of prompts: the answer brings its own space), then
  // keeps the record, or leaves it out: empty subject, subject not in its prompt, empty target, an id or an
  // edit (prompt, subject, target) of a record kept before. Questions without a prompt are dropped. `number`
  // counts in the file from 0.
  void add(std::size_t number, EvalRecord record);
  // Leaves a record out; `detail` goes into the examples: "its relation P30 has no other answer".
  void skip(std::size_t number, const std::string& reason, const std::string& detail);
  void note(const std::string& sentence) { file_.notes.push_back(sentence); }

  // What was kept so far.
  std::vector<EvalRecord>& records() { return file_.records; }

  // Call once, last. Throws Error(kConfig) if no record was kept.
  DatasetFile take();

 private:
  bool refuse(std::size_t number, const EvalRecord& record);
  void clean(EvalRecord& record);

  DatasetFile file_;
  std::unordered_set<std::string> ids_;
  std::unordered_set<std::string> edits_;
  std::size_t repeated_subjects_ = 0;
  std::size_t dropped_questions_ = 0;
};

}  // namespace emend
