// What `emend edit` settles before it works: the edit file with the command line's word over it, paths,
// layer.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/console.h"
#include "cli/options.h"
#include "emend/editor.h"
#include "emend/model.h"
#include "emend/records.h"
#include "emend/statistics.h"

namespace emend {

struct EditOptions {
  CommonOptions common;
  std::string file;
  std::string out;           // --out; empty: not given
  std::string junit;         // --junit; empty: not given
  std::optional<int> layer;  // --layer
  bool dry_run = false;
  bool keep_going = false;
};

// Reads the edit file; --model, --bos, --statistics and --layer win over it. Throws as read_edit_file does,
// and Error(kUsage) when nobody names a model.
EditFile prepare_edit_file(const EditOptions& options);

// Where the patch goes: under --out when that is given and the file's word is relative, else beside the edit
// file. Throws Error(kIo) when it cannot be written there, or would overwrite the model or the edit file.
std::filesystem::path prepare_patch_path(const EditFile& file, const EditOptions& options);

// The layer to edit, `auto` resolved. Throws Error(kConfig) for one that the model has not, and for several;
// the message names
// --layer or the edit file, whichever said so.
int resolve_layer(const EditFile& file, const EditOptions& options, const ModelConfig& config);

// The statistics folder: the file's, or the default one beside the model.
std::filesystem::path statistics_folder(const EditFile& file, const Model& model,
                                        const std::vector<std::int64_t>& prefix);

// Inputs that all steps of an edit share. The pointers outlive the run.
struct EditJob {
  Model* model;
  const Editor* editor;
  const EditFile* file;
  EditorContext context;
  std::filesystem::path statistics;  // folder
};

// Loads the statistics of the job's layer; collects them when they are not there, and saves them once the
// editor has found nothing to refuse in `requests`: a refused input changes nothing on disk.
Statistics load_or_collect(const EditJob& job, const std::vector<EditRequest>& requests, Console& console);

}  // namespace emend
