// Evaluation records of the field's data sets, in one shape.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "emend/records.h"

namespace emend {

// A prompt with the answer that belongs to it; a locality question may have no answer: then the base
// model's own answer is used. `kind` is the data set's own name for the group: "Relation_Specificity",
// "Reasoning", "neighborhood", "one_hop".
struct KindQuestion {
  std::string kind;
  std::string prompt;
  std::string answer;
  std::vector<std::string> others = {};  // of portability: other answers that count as right
  // Of portability: questions of one kind and group are wordings of one question, right if any of them is.
  // Empty: the set has no such groups.
  std::string group = {};
  // Ids of other records that must be edited with this one, since the answer follows from all of them.
  std::vector<std::string> needs = {};
};

// One fact to rewrite, and what to ask about it afterwards. Lists that a set does not have are empty.
struct EvalRecord {
  EditRequest request;    // id, prompt, subject, target, was, paraphrases, neighbours (with their answers)
  std::string where;      // "counterfact.json: record 17", for messages
  std::string relation;   // "P103"; empty if the set names no relation
  std::string target_id;  // the target object's id in the set ("Q1860"), for reference texts
  std::vector<std::string> attributes;    // prompts about other subjects whose true answer is the target
  std::vector<std::string> generations;   // prompts to write freely from (fluency, consistency)
  std::vector<KindQuestion> locality;     // their answers must not move
  std::vector<KindQuestion> portability;  // their answers follow from the edit
};

struct DatasetFile {
  std::string dataset;  // name as in list_datasets
  std::filesystem::path path;
  std::vector<EvalRecord> records;              // in the file's order; ids are unique
  std::map<std::string, std::int64_t> skipped;  // reason -> records left out
  std::vector<std::string> skipped_examples;    // up to 10: "record 17: subject \"X\" is not in its prompt"
  std::vector<std::string> notes;               // what was derived and how, in sentences
};

struct DatasetHelp {
  std::string name, help;
  // False: the targets are true answers (zsRE). Then there is no present answer that a target has to beat,
  // and a model that gives the target already is right.
  bool opposed_targets = true;
  bool edit_files = false;  // its records may also come from an edit file (records_of)
};
std::vector<DatasetHelp> list_datasets();
// Throws Error(kUsage) for an unknown name (the nearest one is offered).
DatasetHelp find_dataset(const std::string& name);

// Reads a file of a data set: a JSON array of objects, or JSON lines. docs/formats.md says what each set's
// fields become. Blanks around texts are cut (around prompts only at the end). Equal files give equal
// records: what is derived is drawn by hash of the ids. Throws Error(kUsage) for an unknown name (the
// nearest is offered); Error(kConfig) for a file that is not of that form, a field that is missing or of a
// wrong type (file, record number from 0, field); Error(kIo) when it cannot be read. Records that are well
// formed but cannot be used (subject not in its prompt, empty target, an id or an edit met before) are left
// out and counted by reason; a file without a usable record is an Error(kConfig).
DatasetFile read_dataset(const std::string& dataset, const std::filesystem::path& path);

// The edits of an edit file as records of the data set `emend`. read_dataset refuses .yaml and .yml files,
// since data sets and configuration do not know each other: a caller that takes both calls read_edit_file,
// then this.
DatasetFile records_of(const EditFile& file);

}  // namespace emend
