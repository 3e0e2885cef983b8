// The records of a data set as an edit file, as `emend convert facts` writes it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace emend {

struct ConvertOptions {
  std::string dataset;        // name as in list_datasets
  std::filesystem::path in;   // a file of that data set; for `emend` also an edit file
  std::filesystem::path out;  // the edit file; replaced if it exists
  std::int64_t limit = 0;     // edits to write, at most: the first ones that fit; 0: all
};

struct ConvertOutcome {
  ConvertOptions asked;                                // what it was made with
  using Counts = std::map<std::string, std::int64_t>;  // by reason

  std::int64_t read = 0, written = 0;  // records, edits
  Counts left_out;                     // records
  Counts left_out_questions;           // paraphrases and neighbours
  std::vector<std::string> examples;   // some of the records that were left out
  std::vector<std::string> notes;      // what was derived and how, in sentences
};

// Writes the records that an edit file can hold, with a comment that says where they are from and what was
// left out; as JSON lines, which have no comments, if the name of `out` ends in .jsonl. Questions whose
// answers must not move become neighbours. Throws what read_dataset and read_edit_file throw; Error(kConfig)
// if no record fits, or if the file would be larger than an edit file may be; Error(kIo). Nothing is written
// on an error.
ConvertOutcome convert_facts(const ConvertOptions& options);

}  // namespace emend
