// Edits written into checkpoints, and taken out again. A base is safetensors (a folder with shards, or one
// file) or GGUF; only the down projections that patches change get other bytes. Formats: docs/formats.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "emend/model.h"
#include "emend/patch.h"
#include "emend/patch_algebra.h"

namespace emend {

// How a weight was rounded back to the quantised type of its base: not to nearest, which loses changes below
// half a step of the base's grid, but such that the values at the edit's keys arrive, at little change of all
// else under the second moment C of the keys.
struct RoundingReport {
  std::int64_t keys = 0;  // at which the change is not 0
  // Of <(W' - W) k, Delta k> / ||Delta k||^2 over them; 1 if there are no such keys.
  double mean_share = 0, worst_share = 1;
  // trace(E C E^T) with E = W' - W - Delta, over what rounding full-precision weights to this grid costs:
  // step^2 / 12 for each element, times C_jj.
  double stray = 0;
  std::int64_t blocks_changed = 0, blocks = 0;
  bool with_statistics = false;  // false: C was the identity
  bool diagonal = false;         // of C only the diagonal was known
};

// Second moments that weight the rounding errors if a quantised type is kept, for the weights that they
// name.
struct RoundingWeights {
  RoundingWeights() = default;
  explicit RoundingWeights(LayerMoments of_layers) : moments(std::move(of_layers)) {}

  LayerMoments moments;           // C of the keys of down projections, by layer
  std::filesystem::path imatrix;  // an importance matrix (GGUF) for all other weights; empty: none
};

// A tensor as it will be stored. W is what the base stores, W' what will be stored, Delta = sum B A over the
// patches, all [D, F].
struct PlannedTensor {
  WeightRef weight;
  std::string name;                // in the checkpoint
  std::string old_type, new_type;  // "Q4_1", "F16"
  std::filesystem::path file;      // the shard that holds it
  std::vector<std::byte> bytes;
  std::string old_digest;                  // XXH3-128 of the bytes that they replace
  double share = 0;                        // <W' - W, Delta> / ||Delta||^2: 1 if the whole change arrives
  double error = 0;                        // ||W' - W - Delta|| / ||Delta||: what rounding adds
  std::optional<RoundingReport> rounding;  // of a quantised type that is kept
};

// What a stored tensor does to one edited fact, for each weight that the fact writes: the worst over its keys
// k that have an answer other than 0.
struct RealisedFact {
  std::size_t patch = 0;  // index into the patches
  std::string id;
  WeightRef weight;
  double wanted = 0;       // ||Delta k||
  double arrived = 0;      // ||(W' - W) k||
  double share = 0;        // <(W' - W) k, Delta k> / ||Delta k||^2
  double error = 0;        // ||(W' - W - Delta) k|| / ||Delta k||
  double value_error = 0;  // ||W' k - (W + Delta) k|| / ||(W + Delta) k||
};

// All that is known before a byte is written.
struct WritePlan {
  std::filesystem::path base;
  std::vector<PlannedTensor> tensors;  // in the order of weights
  std::vector<RealisedFact> facts;     // by patch, in its order; edited ones only
};

// Adds the changes of all patches to the stored weights, in their order, in float32 (float64 where that is
// stored), rounds once to `type`, and measures what arrived. A quantised type that is kept is rounded to as
// RoundingReport says, under the C that `rounding` has for it. `type`: "" for the default (what is stored, in
// safetensors and for F32; F16 in GGUF), "own" for what is stored, or F32,
// F16, BF16, and in GGUF the quantised types that emend writes (Q4_0 to Q8_0, Q2_K to Q6_K, IQ4_NL, IQ4_XS).
// `base` must have been loaded from these files. Throws Error(kConfig): the format does not have this type,
// or a row is not a whole number of its blocks; Error(kModel): `base` was made in memory, a patch does not
// fit, the type cannot hold a value (F16 beyond 65504, blocks whose scale would be; tensor and block are
// named), or the importance matrix has no entry of its size for a weight that it is needed for; and what
// reading that file throws (Error(kFormat)). "own" also keeps MXFP4, TQ1_0 and TQ2_0; other tensors cannot
// be written in these types.
WritePlan plan_write(const Model& base, const std::vector<Patch>& patches, const std::string& type,
                     const RoundingWeights& rounding = {});

// A stored type that carries less than this share of an update, or adds rounding larger than the update, does
// not hold the edit.
inline constexpr double kLeastShare = 0.5;
inline constexpr double kMostError = 1.0;

// Throws Error(kModel), naming the fact, the type and the loss, if a stored type does not hold the edit.
void require_holds(const WritePlan& plan);

// Two checks to make before long work: they refuse what write_new() and write_in_place() would refuse
// whatever the plan is, and change nothing. `out` is the base, lies in it, is a folder that is not empty (of
// a single GGUF file: any folder) or in one that is write-protected: Error(kIo). Its name ends as that of a
// file of another form (x.safetensors for a GGUF): Error(kUsage). Throws also what opening the base throws.
void require_new_place(const std::filesystem::path& base, const std::filesystem::path& out);
// `undo` (empty: next_undo_file(base)) exists or cannot be made, or a file of `base` that the patches change
// is write-protected or a symbolic link: Error(kIo).
void require_in_place(const Model& base, const std::vector<Patch>& patches,
                      const std::filesystem::path& undo = {});

// Writes a new checkpoint and does not change the base. GGUF: `out` is a file; an existing one is replaced
// whole. A split GGUF model: `out` becomes a folder with all its files, those without a change byte for byte
// the same. Safetensors: `out` becomes a folder with all files of the base's folder but hidden ones and undo
// files (of a single file: with its config and tokenizer); it must not exist, or be empty. It appears whole
// or not at all. Returns what Model::load takes. Throws Error(kIo): `out` is the base or lies in it, too
// little space (checked first), what the system refuses; Error(kModel): a tensor changed since the plan was
// made.
std::filesystem::path write_new(const WritePlan& plan, const std::filesystem::path& out);

// Replaces the files of the base. First `undo` is written, with all that a revert needs: the old bytes of all
// that changes, and SHA-256 of the files before and after. `undo` empty: next_undo_file(base). Each file is
// replaced whole; after a stop between two shards revert() restores the base. Returns the undo file. Throws
// Error(kIo): `undo` exists, the base is write-protected or a symbolic link, too little space, what the
// system refuses (once the undo file is there, the message names it); Error(kModel): a tensor changed since
// the plan was made.
std::filesystem::path write_in_place(const WritePlan& plan, const std::filesystem::path& undo = {});

// Where the undo file of the next write in place goes: FOLDER/emend.undo, or FILE.undo, with .2, .3 ...
// behind it while that name is taken. FILE is the first shard of a split GGUF model, whichever is named.
std::filesystem::path next_undo_file(const std::filesystem::path& model);

// The undo file of the last write in place. Throws Error(kIo) if there is no undo file.
std::filesystem::path last_undo_file(const std::filesystem::path& model);

// Restores the base byte for byte, checked by SHA-256 before a file is replaced, and removes the undo file.
// Files that are as before the write already are not touched. `undo` empty: last_undo_file(model). Returns
// the files that were restored. Throws Error(kModel) if a file is neither as before nor as after the write,
// Error(kFormat) for a broken undo file, Error(kIo).
std::vector<std::filesystem::path> revert(const std::filesystem::path& model,
                                          const std::filesystem::path& undo = {});

}  // namespace emend
