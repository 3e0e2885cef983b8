// Second moments of all layers in one pass, beside the bare forward pass over the same rows.
//
//   statistics_bench [MODEL] [TOKENS] [DTYPE] [REPEATS] [DEVICE]
//
// MODEL: a checkpoint, or random weights of a shape: small (6 layers, d 256, d_ff 1024), or one of
// real_shapes.h. The text is CORPUS (environment; files or folders) for a model with a tokenizer, else random
// ids in rows of 128. Prints, as medians of the repeats: tokens a second of the bare pass up to the last
// layer's key, of the same with the sums, and their ratio; the machine's matrix-product rate now, and the
// share of it that the whole reaches; peak memory. One JSON object.
//
//   statistics_bench effects MODEL [TOKENS]
//
// What position-0 keys and a bfloat16 pass change: for some layers, the trace with position 0 over the trace
// without it, and the mean 1 - cos of C^-1 k on held keys between C without position 0 and with it, and
// between float32 and bfloat16.
#include <c10/core/GradMode.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "analysis/key_sums.h"
#include "analysis/statistics_plan.h"
#include "analysis/statistics_quality.h"
#include "analysis/text_blocks.h"
#include "analysis/text_source.h"
#include "base/random.h"
#include "bench/real_shapes.h"
#include "bench/stopwatch.h"
#include "emend/statistics_run.h"
#include "linalg/spd_factor.h"
#include "model/device_memory.h"
#include "model/rows.h"
#include "text/corpus.h"

using namespace emend;
using bench::median;
using bench::Seconds;
using bench::seconds_of;

namespace {

ModelConfig small_shape() {
  ModelConfig c;
  c.family = "gpt2";
  c.layers = 6;
  c.d_model = 256;
  c.d_ff = 1024;
  c.heads = c.kv_heads = 4;
  c.head_dim = 64;
  c.vocab = 4096;
  c.max_positions = 512;
  c.block.qkv_bias = c.block.attention_out_bias = c.block.mlp_bias = true;
  return c;
}

Model load(const std::string& path, const std::string& dtype, const std::string& device = "cpu") {
  ModelOptions options;
  options.dtype = parse_compute_type(dtype);
  options.device = Placement::parse(device);
  if (path.empty() || path == "small") return Model::make_random(small_shape(), 1, options);
  if (bench::is_shape(path)) return Model::make_random(bench::shape_named(path), 1, options);
  SilentProgress silent;
  return Model::load(path, options, silent);
}

std::vector<std::filesystem::path> corpus() {
  const char* const given = std::getenv("CORPUS");
  return {given != nullptr ? given : std::string(EMEND_TEST_DATA) + "/world/text.txt"};
}

std::vector<TextRow> text_rows(const Model& model, std::int64_t tokens) {
  std::vector<TextRow> rows;
  std::int64_t keys = 0;
  if (!model.has_tokenizer()) {
    constexpr int kRow = 128;
    for (std::uint64_t stream = 0; keys < tokens; ++stream) {
      TextRow row{{}, static_cast<std::uint32_t>(stream)};
      for (std::uint64_t i = 0; i < kRow; ++i)
        row.ids.push_back(static_cast<std::int64_t>(
            Random(7, stream).below(i, static_cast<std::uint64_t>(model.config().vocab))));
      keys += row.keys();
      rows.push_back(std::move(row));
    }
    return rows;
  }
  SilentProgress silent;
  const CorpusIndex index = scan_corpus(corpus(), "text", 0, silent);
  const std::int64_t window = std::min<std::int64_t>(512, model.config().max_positions);
  for (std::size_t i = 0; i < index.documents.size() && keys < tokens; ++i) {
    const auto ids =
        model.tokenizer().encode(read_documents(index, i, i + 1)[0].text, SpecialTokens::kNone).ids;
    for (auto& ids_of_row : document_rows(ids, model.tokenizer().automatic_prefix(), window)) {
      rows.push_back({std::move(ids_of_row), static_cast<std::uint32_t>(i)});
      keys += rows.back().keys();
    }
  }
  return rows;
}

PassInput pass_over(const std::vector<TextRow>& rows, const TextBlock& block, UnitRange range, int last) {
  PassInput input;
  for (std::size_t u = range.begin; u < range.end; ++u)
    for (const std::size_t row : block.units[u].rows) input.ids.push_back(rows[row].ids);
  input.stop = PassInput::Stop::kKey;
  input.stop_block = last;
  return input;
}

// The keys of a range, summed in `sums`; `first` also those at position 0.
enum class Keys { kNone, kPastFirst, kAll };
void run_range(const Model& model, const std::vector<TextRow>& rows, const TextBlock& block, UnitRange range,
               KeySums& sums, Keys which) {
  PassInput input = pass_over(rows, block, range, sums.layers().back());
  std::vector<std::int64_t> counted;
  std::int64_t token = 0;
  for (const auto& row : input.ids)
    for (std::size_t j = 0; j < row.size(); ++j, ++token)
      if (j > 0 || which == Keys::kAll) counted.push_back(token);
  if (which != Keys::kNone) {
    const at::Tensor tokens = index_tensor(counted, model.options().device());
    for (const int layer : sums.layers()) input.recordings.push_back({Site::kKey, layer, tokens});
    input.on_recorded = [&](std::size_t layer, const at::Tensor& keys) {
      std::int64_t at = 0;
      for (std::size_t u = range.begin; u < range.end; ++u) {
        const std::int64_t n =
            block.units[u].keys +
            (which == Keys::kAll ? static_cast<std::int64_t>(block.units[u].rows.size()) : 0);
        sums.add(layer, block.units[u].half, keys.narrow(0, at, n),
                 [](std::int64_t) { return std::string("the text"); });
        at += n;
      }
    };
  }
  model.forward(input);
  bench::finish(model.options().device());
}

std::vector<int> all_layers(const Model& model) {
  std::vector<int> layers;
  for (int l = 0; l < model.config().layers; ++l) layers.push_back(l);
  return layers;
}

double peak_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return 1024.0 * static_cast<double>(usage.ru_maxrss);
}

void throughput(const std::string& path, std::int64_t tokens, const std::string& dtype, int repeats,
                const std::string& device) {
  constexpr std::int64_t kBlock = 8192;
  const Model model = load(path, dtype, device);
  const std::int64_t budget = default_token_budget(model.options().device());
  const std::vector<TextRow> rows = text_rows(model, tokens);
  std::vector<TextBlock> blocks = cut_blocks(rows, kBlock);
  if (model.options().device().is_cuda())  // as given_text.cpp does
    for (TextBlock& block : blocks) block.units = coarse_units(block.units);
  const std::vector<int> layers = all_layers(model);
  KeySums sums(layers, model.config().d_ff);
  const double rate = measure_matmul_flops(model);
  run_range(model, rows, blocks[0], split_units(blocks[0].units, budget)[0], sums,
            Keys::kPastFirst);  // warm
  std::int64_t keys = 0;
  // Both ways in turn, pass by pass, so that what else the machine does hits both alike.
  std::vector<double> bare, full, ratios, processor_ratios;
  double processor = 0;
  for (int r = 0; r < repeats; ++r) {
    Seconds bare_seconds, full_seconds;
    keys = 0;
    for (const TextBlock& block : blocks) {
      for (const UnitRange range : split_units(block.units, budget)) {
        bare_seconds += seconds_of([&] { run_range(model, rows, block, range, sums, Keys::kNone); });
        full_seconds += seconds_of([&] { run_range(model, rows, block, range, sums, Keys::kPastFirst); });
      }
      keys += block.keys;
    }
    bare.push_back(bare_seconds.wall);
    full.push_back(full_seconds.wall);
    ratios.push_back(bare_seconds.wall / full_seconds.wall);
    processor_ratios.push_back(bare_seconds.processor / full_seconds.processor);
    processor = full_seconds.processor;
  }
  double length = 0;
  for (const TextRow& row : rows)
    length += static_cast<double>(row.ids.size()) / static_cast<double>(rows.size());
  const double flops = flops_a_token(model.config(), layers, length) * static_cast<double>(keys);
  const nlohmann::json result = {{"model", path.empty() ? "small" : path},
                                 {"device", device},
                                 {"dtype", dtype},
                                 {"layers", model.config().layers},
                                 {"keys", keys},
                                 {"row_tokens", length},
                                 {"token_budget", budget},
                                 {"bare_seconds", median(bare)},
                                 {"bare_tokens_a_second", static_cast<double>(keys) / median(bare)},
                                 {"seconds", median(full)},
                                 {"tokens_a_second", static_cast<double>(keys) / median(full)},
                                 {"ratio", median(ratios)},
                                 {"processor_ratio", median(processor_ratios)},
                                 {"processor_seconds", processor},
                                 {"product_gflops", rate / 1e9},
                                 {"gflops", flops / median(full) / 1e9},
                                 {"share_of_products", flops / median(full) / rate},
                                 {"peak_bytes", peak_bytes()},
                                 {"device_peak_bytes", bench::device_memory(model.options().device()).peak}};
  std::printf("%s\n", result.dump(2).c_str());
}

double distance(const at::Tensor& A, const at::Tensor& B, const at::Tensor& probes) {
  const at::Tensor K = probes.to(at::kDouble).t();
  return 1 - at::cosine_similarity(*solve_with_ridge(A, kEstimateRidge, K),
                                   *solve_with_ridge(B, kEstimateRidge, K), 0)
                 .mean()
                 .item<double>();
}

at::Tensor mean_of(const KeySums& sums, std::size_t layer) {
  return (sums.half(layer, 0).value() + sums.half(layer, 1).value()) / static_cast<double>(sums.count());
}

void effects(const std::string& path, std::int64_t tokens) {
  const Model model = load(path, "float32"), narrow = load(path, "bfloat16");
  StatisticsOptions options;
  options.corpus = corpus();
  const std::vector<TextRow> rows = text_rows(model, tokens);
  const std::vector<TextBlock> blocks = cut_blocks(rows, 8192);
  const int last = model.config().layers - 1;
  const std::vector<int> layers = {0, last / 4, last / 2, 3 * last / 4, last};
  KeySums without(layers, model.config().d_ff), with = without, rounded = without;
  for (const TextBlock& block : blocks)
    for (const UnitRange range : split_units(block.units, 4096)) {
      run_range(model, rows, block, range, without, Keys::kPastFirst);
      run_range(model, rows, block, range, with, Keys::kAll);
      run_range(narrow, rows, block, range, rounded, Keys::kPastFirst);
    }
  std::vector<std::vector<std::int64_t>> held;
  for (std::size_t i = 0; i < rows.size() && held.size() < 16; i += rows.size() / 16 + 1)
    held.push_back(rows[i].ids);
  const auto probes = probe_keys(model, layers, held);
  std::printf(
      "%s, %lld keys\nlayer  trace with/without position 0   1-cos of C^-1 k: position 0   bfloat16   two "
      "halves / 4\n",
      path.c_str(), static_cast<long long>(without.count()));
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const at::Tensor C = mean_of(without, i);
    const at::Tensor& k = probes.at(layers[i]);
    std::printf("%5d  %29.3f   %27.5f   %8.5f   %14.5f\n", layers[i],
                mean_of(with, i).trace().item<double>() / C.trace().item<double>(),
                distance(C, mean_of(with, i), k), distance(C, mean_of(rounded, i), k),
                estimate_error(without, i, k).value_or(-1));
  }
}

}  // namespace

int main(int argc, char** argv) {
  const c10::NoGradGuard no_grad;
  const auto argument = [&](int i, const char* otherwise) {
    return std::string(i < argc ? argv[i] : otherwise);
  };
  if (argument(1, "") == "effects") {
    effects(argument(2, ""), std::atoll(argument(3, "20000").c_str()));
    return 0;
  }
  throughput(argument(1, ""), std::atoll(argument(2, "20000").c_str()), argument(3, "float32"),
             std::atoi(argument(4, "3").c_str()), argument(5, "cpu"));
  return 0;
}
