// What is settled before an edit begins: layer, prefix, statistics folder.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "emend/edit_run.h"
#include "emend/editor.h"
#include "emend/model.h"
#include "emend/progress.h"
#include "emend/records.h"
#include "emend/statistics.h"

namespace emend {

// Inputs that all steps of an edit share. What the pointers point to outlives the run.
struct EditJob {
  const Model* model;
  const Editor* editor;
  const EditFile* file;
  EditorContext context;
  std::filesystem::path statistics;  // folder
};

// Throws Error(kConfig): a layer or a BOS that the model does not have, and several layers; the message names
// what said so (LayerChoice::where). Error(kUsage): a token budget below 1. `layer: auto` is resolved here
// (auto_layer.h).
EditJob make_job(const Model& model, const Editor& editor, const EditFile& file,
                 const EditRunOptions& options, Progress& progress);

// Loads the statistics of the job's layer; collects them when they are not there, and saves them once the
// editor has found nothing to refuse in `requests`: a refused input changes nothing on disk.
Statistics load_or_collect(const EditJob& job, const std::vector<EditRequest>& requests, Progress& progress);

}  // namespace emend
