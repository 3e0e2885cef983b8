// Second moments of the feed-forward keys, C = E[k k^T] (Meng et al. 2022, section 3.1): what a rank-one edit
// must not move. They are uncentred and over running text; keys at position 0 are left out, since they belong
// to the attention sink and not to the text. Here are the values and their files; statistics_run.h collects.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "emend/model.h"
#include "emend/progress.h"

namespace emend {

// How good the C of one layer is. A value is std::nullopt if it could not be computed: a half of the text has
// too few keys, or C is singular.
struct StatisticsQuality {
  // Estimated mean of 1 - cos between C^-1 k and its limit for endless text, on keys of held text. The text
  // is summed in two independent halves of n_a and n_b keys, and d is the mean of 1 - cos between the halves.
  // The error of C^-1 k falls as 1 / n, so d is proportional to 1 / n_a + 1 / n_b, and the error of the
  // whole, proportional to 1 / (n_a + n_b), is d n_a n_b / (n_a + n_b)^2. Ridge: 1e-5 trace(C) / d_ff.
  std::optional<double> error_estimate;
  std::optional<double> condition;       // largest over smallest eigenvalue of C, no ridge
  std::optional<double> effective_rank;  // (trace C)^2 / |C|_F^2: d_ff for C = I, 1 for one direction
};

// Where a few directions carry most of the trace of C: keys of few tokens that are far larger than all others
// (often a line end early in a text). The solve is right there, but trace, condition and effective rank say
// little about the rest of the text; here they are without these directions.
struct LeadingKeys {
  int directions = 0;               // eigenvectors of C that were taken away; >= 1
  double share = 0;                 // what they carry of the trace, 0.5 to 1
  double trace = 0;                 // of what is left
  std::optional<double> condition;  // largest eigenvalue of what is left over the smallest of C
  double effective_rank = 0;        // of what is left
};

// Where the sums of a layer come from. Layers that were collected in one run share all three.
struct StatisticsOrigin {
  std::string source;       // "self, seed 0", "text: 3 files, 1.2 MB"
  std::string settings;     // what sums must share to be merged: "window 512, position 0 left out"
  std::string fingerprint;  // hex, over model, tokenizer, BOS, corpus, seed and tokens
};

// C of one layer with what it was made from.
struct LayerStatistics {
  // [F, F] float64, symmetric, CPU; or only its diagonal [F], where no more is known (import_imatrix). An
  // edit is solved with diag(C) then. A run of edits leaves C in its file, as float32 in mapped memory.
  at::Tensor C;
  std::int64_t tokens = 0;  // keys that were summed
  at::Tensor probes;        // [n, F] float32 keys of held text; undefined if an older file has none
  StatisticsQuality quality;
  StatisticsOrigin origin;
  // false: which documents were summed is not known, so the held text may be among them. Earlier versions
  // kept the documents of the latest collection only.
  bool documents_known = true;

  bool is_diagonal() const { return C.defined() && C.dim() == 1; }
};

// Layers of one folder. They may come from several collections, since a folder is filled in steps.
struct Statistics {
  std::map<int, LayerStatistics> layers;
  // Text that the sums of no layer saw, for measuring drift: rows of ids, each with its first token.
  std::vector<std::vector<std::int64_t>> held_text;
  std::vector<std::uint64_t> documents;       // fingerprints of what was summed, sorted
  std::vector<std::uint64_t> held_documents;  // of the held text, row by row

  // What the layers' origins say: "self, seed 0" if all say the same, else "layer 2: text: 1 file, 12 kB;
  // layers 3, 4: self, seed 0".
  std::string source() const;
  std::string settings() const;
  // The fingerprint of the layers; if there are several, all of them in ascending order, joined by "+". The
  // second form is of these layers only, which have to be here.
  std::string fingerprint() const;
  std::string fingerprint(const std::vector<int>& of_layers) const;
  // Of all layers that are here.
  void set_origin(const StatisticsOrigin& origin);
};

// The warning that an edit with these statistics should show once: that only the diagonal of C is known.
// Returns std::nullopt if there is no reason for a warning.
std::optional<std::string> warning_of(const Statistics& statistics);

// Remarks on the statistics, one sentence each: that layers were collected over different texts, and that it
// is not known whether the text summed for a layer contains the held text.
std::vector<std::string> notes_on(const Statistics& statistics);

// Writes layer_<l>.safetensors with the tensor model.layers.<l>.C for each layer (or
// model.layers.<l>.C_diagonal), and the held text as held_text.safetensors (docs/formats.md). Other layers of
// the folder stay as they are, and so does what is known of their text.
void save_statistics(const Statistics& statistics, const Model& model,
                     const std::vector<std::int64_t>& prefix, const std::filesystem::path& folder);

// The layers asked for, with the text that the collections of these layers held back and none of them summed.
// Returns Statistics without any layer if the file of one of them, or the held text, does not exist. Throws
// Error(kModel) if a file is of another model, tokenizer or BOS (the message says which), Error(kFormat) if
// it is broken.
Statistics load_statistics(const Model& model, const std::vector<int>& layers,
                           const std::vector<std::int64_t>& prefix, const std::filesystem::path& folder);

// What the files of the layers say of their origin, for those that the folder holds. Reads no C. Throws as
// load_statistics does.
std::map<int, StatisticsOrigin> load_origins(const Model& model, const std::vector<int>& layers,
                                             const std::vector<std::int64_t>& prefix,
                                             const std::filesystem::path& folder);

// The folder of a model's statistics if none is given: stats/<name>-<fingerprint>[-bos-<ids>] beside the
// model.
std::filesystem::path default_statistics_folder(const Model& model, const std::vector<std::int64_t>& prefix);

struct MergeReport {
  std::map<int, LayerStatistics> layers;  // without C
  std::string source, fingerprint;
  std::vector<std::filesystem::path> outputs;
};

// One set of layer files from several folders, as if one run had summed all their text. Either all folders
// hold finished layers or all hold partial sums, which are added in float64. Throws Error: kConfig if folders
// share documents (the message says how many), if a shard of a run is missing or given twice; kModel for
// different models, tokenizers, BOS or settings; kFormat. Nothing is written on an error.
MergeReport merge_statistics(const std::vector<std::filesystem::path>& folders,
                             const std::filesystem::path& out, Progress& progress = no_progress());

// Second moments that the programs of Meng et al. cached (mom2 of kmeng01/rome and memit): NumPy archives
// with mom2.mom2 [F, F] and mom2.count, named DIR/MODEL/CORPUS_stats/LAYERNAME_..._mom2....npz. Only the
// folder names their model, so the caller has to know that it is this one. Their sums contain position-0
// keys, and there is no held text. Throws Error: kFormat (not such an archive, or the name contains no
// layer), kModel (the size is not d_ff, or the model does not have this layer).
Statistics import_mom2(const std::vector<std::filesystem::path>& files, const Model& model,
                       const std::vector<std::int64_t>& prefix, Progress& progress = no_progress());

// The diagonal of C of every layer from an importance matrix of llama.cpp (GGUF): what llama-imatrix summed
// of the inputs of each down projection. Nothing in the file says of which model it is, so the caller has to
// know that it is this one. Its sums contain the first position of every chunk, unless emend wrote it
// (export_imatrix); there is no held text. Throws Error(kFormat) as read_imatrix does (io/imatrix.h), and
// Error(kModel) for entries of blocks that the model does not have, a layer without an entry, or another
// number of channels than d_ff.
Statistics import_imatrix(const std::filesystem::path& file, const Model& model,
                          const std::vector<std::int64_t>& prefix);

// The other way round: an importance matrix with the diagonals of all layers of a folder, in_sum2 = tokens *
// diag(C), for llama-quantize and for `patch apply`. It has entries for down projections only, and keys at
// position 0 are in it only if the folder's statistics contain them. Throws Error(kIo) if there is no such
// folder, Error(kFormat) for a layer file that is broken or whose numbers float32 cannot hold as sums; what
// stood at `out` is then as it was. Returns the layers.
std::vector<int> export_imatrix(const std::filesystem::path& folder, const std::filesystem::path& out);

}  // namespace emend
