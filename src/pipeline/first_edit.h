// A first edit file for a model: a fact that it knows, found by asking.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "emend/checks.h"
#include "emend/model.h"
#include "emend/progress.h"
#include "emend/records.h"

namespace emend {

struct FirstEdit {
  EditRequest request;        // of a well-known fact; `was` is what the model says
  bool known = false;         // the model gives the expected answer
  double p_was = 0;           // of `was` after the prompt, a mean per token
  std::string says;           // greedy, after the prompt
  std::size_t asked = 0;      // facts that were tried
  std::vector<bool> carried;  // of each paraphrase: the model answers it with `was`
  std::vector<bool> kept;     // of each neighbour: the model gives its answer
};

// Asks the model a few well-known facts and takes the one that it knows in the most wordings; if it knows
// none, the first one, with what it says instead. `options` as of the checks of an edit.
FirstEdit find_first_edit(const Model& model, const CheckOptions& options, Progress& progress);

// The text of the edit file: every key with a comment, paraphrases and neighbours that the model does not
// know commented out. `opening`: lines on top, each of which becomes a comment. `model` and `patch` as they
// stand in the file.
std::string first_edit_text(const FirstEdit& first, const std::vector<std::string>& opening,
                            const std::filesystem::path& model, const std::filesystem::path& patch,
                            PromptForm form, const std::string& bos);

// How a first edit file is made.
struct FirstEditFile {
  std::filesystem::path file;        // .yaml or .yml; it must not exist
  std::vector<std::string> opening;  // as in first_edit_text
  PromptForm form = PromptForm::kRaw;
  std::string bos = "auto";
  std::int64_t token_budget = 4096;
};

// Throws Error(kUsage) for another ending, Error(kIo) for a file that is there already.
void require_new_edit_file(const std::filesystem::path& file);

// Finds a first edit and writes its file, which names the model by a path from where the file lies: the whole
// file or nothing. Throws what require_new_edit_file throws; Error(kConfig) for a BOS that the model does not
// have, Error(kModel) for a form that it does not have; Error(kIo).
FirstEdit write_first_edit(const Model& model, const FirstEditFile& asked, Progress& progress);

}  // namespace emend
