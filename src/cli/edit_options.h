// The options of `emend edit`, and what is settled before it works: the edit file with the command line's
// word over it, and the patch's path.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/options.h"
#include "emend/edit_run.h"
#include "emend/records.h"

namespace emend {

struct EditOptions {
  CommonOptions common;
  std::string file;
  std::string out;                    // --out; empty: not given
  std::string junit;                  // --junit; empty: not given
  std::string report;                 // --report; empty: not given
  std::string on;                     // --on; empty: not given
  std::string method;                 // --editor; empty: that of the file
  std::optional<int> layer;           // --layer
  std::optional<Protect> protect;     // --protect
  std::optional<DriftBudget> budget;  // --budget-drift, --budget-batch
  bool dry_run = false;
  bool keep_going = false;
  bool resume = false;
  bool reproduce_texts = false;
  std::vector<std::string> arguments;  // as they were given
};

// Answers --methods and --help-method, too.
Parsed parse_edit(const std::vector<std::string>& arguments, EditOptions& options);

// Where a run keeps the values that it has found until the patch is written: PATCH.run.
std::filesystem::path run_file_of(const std::filesystem::path& patch);

// Reads the edit file; --model, --bos, --statistics, --layer and --protect win over it. Throws as
// read_edit_file does, and Error(kUsage) when nobody names a model.
EditFile prepare_edit_file(const EditOptions& options);

// Where the patch goes: under --out when that is given and the file's word is relative, else beside the edit
// file. Throws Error(kIo) when it cannot be written there, or would overwrite the model or the edit file.
std::filesystem::path prepare_patch_path(const EditFile& file, const EditOptions& options);

}  // namespace emend
