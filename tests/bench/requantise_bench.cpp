// What edits keep when their weight is written back to the quantised type that its base lies on: the grid
// under the base decides. For every type the weight is put on that type's grid first; then the change of each
// edit of the patch, solved alone, is written with plain rounding and with error feedback.
//
//   requantise_bench MODEL PATCH STATISTICS [EDITS [TYPES...]]   one layer; EDITS: how many, 0: all; PATCH: a
//                                                                patch or a folder of them
//   requantise_bench speed TYPE ROWS COLUMNS KEYS                random blocks, no model
//
// The stored weight lies on a grid already, so a weight of full precision is made of it: each element moves
// by up to half a step of its own grid, at random. `plain stray` of a type is what rounding that costs under
// C; all strays are in units of it.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <random>
#include <stdexcept>
#include <string>

#include "bench/stopwatch.h"
#include "delivery/feedback_rounding.h"
#include "delivery/own_type.h"
#include "delivery/solve_again.h"
#include "delivery/stored_weight.h"
#include "emend/patch.h"
#include "emend/statistics.h"
#include "io/element_types.h"

namespace {

using namespace emend;

using Bytes = std::vector<std::byte>;

constexpr int kPlainEdits = 5;  // plain rounding is measured on the first edits only

const char* const kTypes[] = {"Q4_0", "Q4_1", "Q5_0",   "Q5_1",   "Q8_0",  "Q2_K",  "Q3_K", "Q4_K",
                              "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS", "MXFP4", "TQ1_0", "TQ2_0"};

// One edit of the weight: float64.
struct Change {
  std::string id;
  at::Tensor delta, keys;
};

struct Weight {
  const ElementType* stored_type = nullptr;
  Bytes stored;
  at::Tensor full, C;  // float64 [out, in], [in, in]
  std::vector<Change> changes;
};

at::Tensor decoded(const Bytes& bytes, const ElementType& type, const at::Tensor& like) {
  return decode_weight(bytes, type, like.size(0), like.size(1), false).to(at::kDouble);
}

// The scale of a block for the types that emend reads and does not choose scales for.
BlockScales plain_scales(const ElementType& type, const float* values) {
  if (type.name != "MXFP4") return kTq1_0Format.choose(values);
  float largest = 0;
  for (std::size_t i = 0; i < type.block_elements; ++i) largest = std::max(largest, std::abs(values[i]));
  BlockScales scales;
  scales.d = static_cast<std::uint16_t>(std::clamp(std::ilogb(std::max(largest, 1e-30F)) - 2 + 127, 0, 254));
  type.format->apply_codes(scales);
  return scales;
}

Bytes quantised(const at::Tensor& W, const ElementType& type) {
  if (type.write != nullptr) return encode_weight(W, type, false);
  const at::Tensor values = W.to(at::kFloat).contiguous();
  const float* from = values.const_data_ptr<float>();
  Bytes bytes(static_cast<std::size_t>(W.numel()) / type.block_elements * type.block_bytes);
  const std::uint8_t last = type.format == &kTq2_0Format ? 2 : 255;  // its fourth level is for no one
  for (std::size_t at = 0; at < bytes.size(); at += type.block_bytes, from += type.block_elements) {
    const BlockScales scales = plain_scales(type, from);
    BlockCodes codes{};
    for (std::size_t i = 0; i < type.block_elements; ++i)
      codes[i] = std::min(type.format->round(scales, i, from[i]), last);
    type.format->pack(scales, codes, &bytes[at]);
  }
  return bytes;
}

// tr(E C E^T), in float32: a few digits do.
double weighted(const at::Tensor& E, const at::Tensor& C) {
  const at::Tensor rows = E.to(at::kFloat);
  return (at::mm(rows, C.to(at::kFloat)) * rows).sum(at::kDouble).item<double>();
}

double share(const at::Tensor& moved, const Change& change) {
  const at::Tensor wanted = at::mm(change.delta, change.keys.t());
  const at::Tensor products = (at::mm(moved, change.keys.t()) * wanted).sum(0) / (wanted * wanted).sum(0);
  return products.min().item<double>();
}

struct Figures {
  double mean_share = 0, least_share = INFINITY, mean_stray = 0, most_stray = 0, blocks = 0, seconds = 0;
  int count = 0;

  void add(double share, double stray, double changed, double processor_seconds) {
    ++count;
    mean_share += (share - mean_share) / count;
    mean_stray += (stray - mean_stray) / count;
    blocks += (changed - blocks) / count;
    seconds += (processor_seconds - seconds) / count;
    least_share = std::min(least_share, share);
    most_stray = std::max(most_stray, stray);
  }
};

void print(const char* type, const char* how, const Figures& f) {
  std::printf("| %s | %s | %.4f | %.4f | %.4f | %.4f | %.1f %% | %.2f |\n", type, how, f.mean_share,
              f.least_share, f.mean_stray, f.most_stray, 100 * f.blocks, f.seconds);
  std::fflush(stdout);
}

// Writes every change to the grid of `type`.
void measure(const Weight& weight, const ElementType& type) {
  if (weight.full.size(1) % type.block_elements != 0) {
    std::printf("| %s | rows of %ld are no whole blocks\n", std::string(type.name).c_str(),
                static_cast<long>(weight.full.size(1)));
    return;
  }
  const Bytes rounded = quantised(weight.full, type);
  const double plain = weighted(decoded(rounded, type, weight.full) - weight.full, weight.C);
  const Bytes base = &type == weight.stored_type ? weight.stored : rounded;
  const at::Tensor W = decoded(base, type, weight.full);
  Figures nearest, feedback;
  for (const Change& change : weight.changes) {
    const auto add = [&](const Bytes& bytes, double seconds, Figures& figures) {
      const at::Tensor moved = decoded(bytes, type, W) - W;
      const auto changed = static_cast<double>(changed_blocks(base, bytes, type.block_bytes));
      figures.add(share(moved, change), weighted(moved - change.delta, weight.C) / plain,
                  changed * static_cast<double>(type.block_bytes) / static_cast<double>(base.size()),
                  seconds);
    };
    Bytes bytes;
    if (nearest.count < kPlainEdits) {
      const auto plainly = bench::seconds_of([&] { bytes = quantised(W + change.delta, type); });
      add(bytes, plainly.processor, nearest);
    }
    const OwnTypeWeight own{&type, base, change.delta, change.keys, weight.C};
    const auto with_feedback = bench::seconds_of([&] { bytes = round_to_own_type(own); });
    add(bytes, with_feedback.processor, feedback);
  }
  print(std::string(type.name).c_str(), "plain", nearest);
  print(std::string(type.name).c_str(), "feedback", feedback);
}

// Up to half a step of its own grid for each element.
at::Tensor full_precision(const Bytes& stored, const ElementType& type, const at::Tensor& W) {
  at::Tensor full = W.to(at::kDouble).contiguous();
  if (type.format == nullptr) return full;
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> half_step(-0.5, 0.5);
  double* value = full.mutable_data_ptr<double>();
  BlockScales scales;
  BlockCodes codes;
  for (std::size_t at = 0; at < stored.size(); at += type.block_bytes) {
    type.format->unpack(&stored[at], scales, codes);
    for (std::size_t i = 0; i < type.block_elements; ++i)
      *value++ += half_step(random) * scales.scale[i / type.format->group_elements()];
  }
  return full;
}

// The file, or all patches in the folder, by name.
std::vector<std::filesystem::path> patch_files(const std::filesystem::path& given) {
  if (!std::filesystem::is_directory(given)) return {given};
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(given))
    if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

// Adds the edits of one weight in a patch, until there are `edits` (0: all).
void add_changes(Patch& patch, const WeightRef& where, std::size_t edits, Weight& weight) {
  const auto solve = std::find_if(patch.edit.solves.begin(), patch.edit.solves.end(),
                                  [&](const WeightSolve& one) { return one.weight == where; });
  if (solve == patch.edit.solves.end()) return;
  for (FactRecord* const fact : edited_at(patch.edit, where)) {
    if (edits > 0 && weight.changes.size() == edits) break;
    const FactPart& part = *fact->part_at(where);
    const at::Tensor keys =
        part.keys.to(at::kDouble).index_select(0, part.answers.nonzero().flatten()).contiguous();
    const at::Tensor delta =
        solve_again(*solve, {fact}, needs_moments(*solve) ? weight.C : at::Tensor()).delta(at::kDouble);
    weight.changes.push_back({fact->request.id, delta.contiguous(), keys});
  }
}

Weight load(const char* model_path, const char* patch_path, const char* statistics, int edits) {
  Model model = Model::load(model_path);
  std::vector<Patch> patches;
  for (const auto& file : patch_files(patch_path)) patches.push_back(load_patch(file));
  if (patches.empty()) throw std::runtime_error(std::string(patch_path) + ": no patch");
  const WeightRef where = patches.front().edit.solves.at(0).weight;
  Weight weight;
  weight.C = load_statistics(model, {where.block}, patches.front().prefix, statistics)
                 .layers.at(where.block)
                 .C.to(at::kDouble);
  const auto file = open_checkpoint(model.path());
  const TensorInfo& info = *file->find(stored_entry(model, where).tensor);
  const auto bytes = file->bytes(info);
  weight.stored.assign(bytes.begin(), bytes.end());
  weight.stored_type = info.type;
  weight.full = full_precision(weight.stored, *info.type, read_weight(*file, info, false));
  for (Patch& patch : patches) add_changes(patch, where, static_cast<std::size_t>(edits), weight);
  return weight;
}

void measure_types(const Weight& weight, const std::vector<std::string>& types) {
  double relative = 0;
  for (const Change& change : weight.changes) relative += change.delta.norm().item<double>();
  relative /= static_cast<double>(weight.changes.size()) * weight.full.norm().item<double>();
  std::printf("%zu edits of %ld x %ld, stored as %s, relative norm %.4f on average\n\n",
              weight.changes.size(), static_cast<long>(weight.full.size(0)),
              static_cast<long>(weight.full.size(1)), std::string(weight.stored_type->name).c_str(),
              relative);
  std::printf(
      "| type | rounding | realised, mean | least | stray, mean | most | blocks changed | processor seconds "
      "|\n"
      "|---|---|---|---|---|---|---|---|\n");
  for (const std::string& type : types) measure(weight, element_type(type));
}

// A weight of random blocks and an edit of 1 % of its norm at random keys, C = I plus a few directions.
void measure_speed(const ElementType& type, std::int64_t rows, std::int64_t columns, std::int64_t keys) {
  at::manual_seed(1);
  const at::Tensor W = at::randn({rows, columns}, at::kDouble);
  const Bytes base = quantised(W, type);
  const at::Tensor K = at::randn({keys, columns}, at::kDouble), R = at::randn({rows, keys}, at::kDouble);
  const at::Tensor directions = at::randn({64, columns}, at::kDouble);
  const at::Tensor C = at::eye(columns, at::kDouble).addmm_(directions.t(), directions, 0.1, 1.0 / 64);
  at::Tensor delta = at::mm(R, K);
  delta *= 0.01 * W.norm() / delta.norm();
  const OwnTypeWeight own{&type, base, delta, K, C};
  Bytes bytes;
  const bench::Seconds seconds = bench::seconds_of([&] { bytes = round_to_own_type(own); });
  const at::Tensor moved = decoded(bytes, type, W) - decoded(base, type, W);
  std::printf("%s %ld x %ld, %ld keys: %.1f s (%.1f s of processors), least share %.4f\n",
              std::string(type.name).c_str(), static_cast<long>(rows), static_cast<long>(columns),
              static_cast<long>(keys), seconds.wall, seconds.processor, share(moved, {"", delta, K}));
}

}  // namespace

int main(int argc, char** argv) {
  const c10::NoGradGuard no_grad;
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    if (arguments.size() == 5 && arguments[0] == "speed") {
      measure_speed(element_type(arguments[1]), std::stol(arguments[2]), std::stol(arguments[3]),
                    std::stol(arguments[4]));
    } else if (arguments.size() >= 3) {
      const int edits = arguments.size() > 3 ? std::stoi(arguments[3]) : 0;
      const bool some = arguments.size() > 4;
      measure_types(load(argv[1], argv[2], argv[3], edits),
                    some ? std::vector<std::string>(arguments.begin() + 4, arguments.end())
                         : std::vector<std::string>(std::begin(kTypes), std::end(kTypes)));
    } else {
      std::printf(
          "usage: requantise_bench MODEL PATCH STATISTICS [EDITS [TYPES...]]\n"
          "       requantise_bench speed TYPE ROWS COLUMNS KEYS\n");
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "requantise_bench: %s\n", error.what());
    return 1;
  }
}
