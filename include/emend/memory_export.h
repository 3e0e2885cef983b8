// An index of memories in the files that other people's viewers and labellers read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "emend/progress.h"

namespace emend {

enum class ExportForm {
  // Export folder of Neuronpedia: OUT/MODEL/LAYER-SET/ with release, model, sourceset and source .jsonl, and
  // features/, activations/ and explanations/ in batch-N.jsonl.gz of 512 cells. A window around each trigger
  // example; `values` holds the coefficient of its token, other tokens of the window get 0, because an index
  // does not hold their coefficients.
  kNeuronpedia,
  // Cache of EleutherAI's delphi: OUT/layers.N.mlp/0_LAST.safetensors with `locations` (row, position, cell),
  // `activations` and `tokens`, and config.json. All coefficients that the index holds, whatever list they
  // stand in; the rows of the text, filled up with id 0 to one length, a multiple of 32, in which
  // delphi cuts its examples.
  kDelphi,
};
// "neuronpedia", "delphi". Throws Error(kUsage) that lists them.
ExportForm parse_export_form(const std::string& text);

struct ExportOptions {
  ExportForm form = ExportForm::kNeuronpedia;
  std::filesystem::path index, out;  // `out` must not exist, or be an empty folder
  std::vector<int> layers = {};      // empty: those of the index
  std::string model = {};            // what the other program calls the model; empty: as the index does
  std::string set = "mlp";           // Neuronpedia's name of the source set
};

struct ExportOutcome {
  std::vector<std::filesystem::path> outputs;  // as they lie under `out`
  std::int64_t cells = 0, examples = 0, labels = 0;
};

// The whole folder or nothing. The same index gives the same bytes. Throws Error: kIo (the folder is not
// empty, cannot be written), kConfig and kFormat as MemoryIndex does.
ExportOutcome export_memories(const ExportOptions& options, Progress& progress = no_progress());

}  // namespace emend
