// A scan of memories on a device beside the bare forward pass over the same tokens, at the sizes of models
// that people edit, with random weights.
//
//   memory_scan_gpu_bench [SHAPE] [TOKENS] [DTYPE] [DEVICE] [ROW] [TOP] [WAY]
//
// SHAPE: one of real_shapes.h (default smollm2 on the CPU; gpt-j is what the aim is about). The text is
// random words of the invented world in rows of ROW tokens (default 128), in blocks of 32,768. All layers.
// Block by block, the two in turn: the pass up to the last layer's key, without head, and nothing looked at;
// and the same with a scan. The first blocks fill the tables: their ratio is told apart from that of the
// rest. WAY: kernels (default; where there are none, and why, is told) or tensors, the operations of the
// tensor library. Then parts of a sweep as microseconds of a layer and 4,096 tokens: of kernels over the
// later half of the blocks, how long the host takes to start each and, in a scan of its own that waits after
// each, how long each takes; of tensor operations on coefficients of the shape's size. One JSON object.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "analysis/given_text.h"
#include "analysis/text_options.h"
#include "base/random.h"
#include "base/temp_folder.h"
#include "bench/bare_visitor.h"
#include "bench/real_shapes.h"
#include "bench/stopwatch.h"
#include "memories/device_sweep.h"
#include "memories/scan_state.h"
#include "memories/scan_visitor.h"

using namespace emend;
using bench::BareVisitor;
using bench::median;
using bench::seconds_of;

namespace {

// Random words of the world's text in documents of many rows: few rows are shorter than `row` tokens.
std::filesystem::path random_text(const test::TempFolder& folder, std::int64_t tokens, std::int64_t row) {
  std::ifstream source(std::string(EMEND_TEST_DATA) + "/world/text.txt");
  std::vector<std::string> words;
  for (std::string word; source >> word && words.size() < 20000;) words.push_back(word);
  std::string text;
  const Random random(7, 0);
  std::uint64_t draw = 0;
  constexpr std::int64_t kRows = 16;
  for (std::int64_t written = 0; written < tokens + tokens / 4 + row; written += kRows * row) {
    for (std::int64_t word = 0; word < kRows * row; ++word) {
      text += words[random.below(draw++, words.size())];
      text += ' ';
    }
    text += "\n\n";
  }
  return folder.write("text.txt", text);
}

// Microseconds of each part of the sweep over [4096, F] coefficients.
nlohmann::ordered_json parts_of_a_sweep(const at::Device& device, at::ScalarType type, std::int64_t cells) {
  constexpr std::int64_t kTokens = 4096, kRow = 512, kSample = 512;
  const at::TensorOptions options = at::TensorOptions(device).dtype(type);
  const at::Tensor key = at::gelu(at::randn({kTokens, cells}, options)),
                   rows = key.view({kTokens / kRow, kRow, cells}).narrow(1, 1, kRow - 1),
                   sample = at::arange(0, kTokens, kTokens / kSample, options.dtype(at::kLong)),
                   lengths = at::full({kTokens / kRow}, kRow, options.dtype(at::kLong));
  const at::Tensor bins = at::randint(0, coefficient_bins::kBins, {kSample, cells}, options.dtype(at::kLong)),
                   ones = at::ones({1, 1}, options.dtype(at::kInt)).expand_as(bins);
  const at::Tensor histogram = at::zeros({coefficient_bins::kBins, cells}, options.dtype(at::kInt));
  const at::Tensor octaves =
      at::zeros({LayerState::kSpreadBins, cells}, options.dtype(at::kLong)).fill_(int64_t{1} << 60);
  nlohmann::ordered_json micros;
  const auto time = [&](const char* name, const std::function<void()>& work) {
    work();
    bench::finish(device);
    const int times = device.is_cuda() ? 20 : 1;
    const double seconds = seconds_of([&] {
                             for (int i = 0; i < times; ++i) work();
                             bench::finish(device);
                           }).wall;
    micros[name] = 1e6 * seconds / times;
  };
  time("extremes of rows", [&] { at::aminmax(rows, 1); });
  time("extremes of rows by segments, one end",
       [&] { at::segment_reduce(key, "max", lengths, std::nullopt, std::nullopt, 0, true); });
  time("sum", [&] { rows.sum(at::IntArrayRef{0, 1}, false, at::kFloat); });
  time("squares", [&] { at::linalg_vector_norm(rows, 2, at::IntArrayRef{0, 1}, false, at::kFloat); });
  time("positive", [&] {
    at::heaviside(rows, at::zeros({}, rows.options())).sum(at::IntArrayRef{0, 1}, false, at::kFloat);
  });
  time("copy of the tokens that count", [&] { key.index_select(0, lengths.cumsum(0) - 1); });
  time("sample", [&] { key.index_select(0, sample).to(at::kFloat); });
  time("histogram of the sample", [&] { histogram.scatter_add_(0, bins, ones); });
  time("octaves of the sample",
       [&] { octaves.scatter_reduce_(0, at::bitwise_right_shift(bins, 1), bins, "amin"); });
  return micros;
}

using Micros = std::map<std::string, double>;

// Microseconds of a layer and 4,096 tokens by part of a sweep by kernels, over the later half of the blocks.
// With `wait` the device finishes each part first.
Micros parts_by_kernels(const TextSource& text, ScanVisitor& scan, const at::Device& device, bool wait) {
  using Clock = std::chrono::steady_clock;
  Micros micros;
  Clock::time_point before;
  bool counted = false;
  scan.tell_parts([&](const char* part) {
    if (wait) bench::finish(device);
    const Clock::time_point now = Clock::now();
    if (counted && part != std::string("begin"))
      micros[part] += std::chrono::duration<double, std::micro>(now - before).count();
    before = Clock::now();
  });
  double tokens = 0;
  for (std::int64_t block = 0; block < text.blocks(); ++block) {
    counted = block >= text.blocks() / 2;
    if (counted) tokens += static_cast<double>(text.tokens_of(block));
    text.visit(block, scan, [](std::int64_t) {});
    scan.end_block();
  }
  for (auto& [part, spent] : micros) spent *= 4096 / tokens / static_cast<double>(scan.layers().size());
  return micros;
}

}  // namespace

int main(int argc, char** argv) {
  const c10::NoGradGuard no_grad;
  const auto argument = [&](int i, const char* otherwise) {
    return std::string(i < argc ? argv[i] : otherwise);
  };
  const std::string shape = argument(1, "smollm2"), device_name = argument(4, "cpu");
  ModelOptions model_options;
  model_options.dtype = parse_compute_type(argument(3, "float32"));
  model_options.device = Placement::parse(device_name);
  const Model model =
      Model::make_random(bench::shape_named(shape), 1, model_options, bench::world_tokenizer());
  const at::Device device = model.options().device();
  const std::int64_t row = std::stoll(argument(5, "128"));
  const test::TempFolder folder;
  SilentProgress silent;
  ScanOptions options;
  options.tokens = std::stoll(argument(2, "4096"));
  options.corpus = {random_text(folder, options.tokens, row)};
  options.top = std::stoi(argument(6, "25"));
  options.window = row;
  options.block_tokens = 32768;
  options = settle_scan_options(model, options);
  CorpusNotes notes;
  const auto text = make_given_text(model, options, notes, silent, false);
  BareVisitor bare(options.layers.back());
  const SweepPlace place =
      argument(7, "kernels") == "tensors" ? SweepPlace::kByTensors : SweepPlace::kByKernels;
  ScanVisitor scan(model, options, "", text->tokens(), place);
  std::string why_not = "operations of the tensor library were asked for";
  const bool kernels = scan.has_kernels(model, 0, &why_not);
  const auto run = [&](std::int64_t block, TextVisitor& visitor) {
    return seconds_of([&] {
      text->visit(block, visitor, [](std::int64_t) {});
      visitor.end_block();
      bench::finish(device);
    });
  };
  run(0, bare);  // warm
  std::vector<double> bare_rates, scan_rates, ratios;
  for (std::int64_t block = 0; block < text->blocks(); ++block) {
    const auto tokens = static_cast<double>(text->tokens_of(block));
    bare_rates.push_back(tokens / run(block, bare).wall);
    scan_rates.push_back(tokens / run(block, scan).wall);
    ratios.push_back(scan_rates.back() / bare_rates.back());
  }
  const std::vector<double> later(ratios.begin() + static_cast<std::ptrdiff_t>(ratios.size() / 2),
                                  ratios.end());
  nlohmann::ordered_json result = {{"shape", shape},
                                   {"device", device_name},
                                   {"dtype", c10::toString(model.options().dtype().toScalarType())},
                                   {"cells", model.config().layers * model.config().d_ff},
                                   {"tokens", text->tokens()},
                                   {"row_tokens", row},
                                   {"token_budget", options.token_budget},
                                   {"bare_tokens_a_second", median(bare_rates)},
                                   {"scan_tokens_a_second", median(scan_rates)},
                                   {"ratio", median(ratios)},
                                   {"ratio_of_the_later_half", median(later)},
                                   {"ratios", ratios},
                                   {"device_peak_bytes", bench::device_memory(device).peak},
                                   {"sweep", kernels ? "kernels" : "tensor operations: " + why_not}};
  nlohmann::ordered_json& parts = result["microseconds_of_4096_tokens_of_a_layer"];
  if (kernels) {
    for (const auto& [name, wait] : {std::pair("host", false), std::pair("device", true)}) {
      ScanVisitor another(model, options, "", text->tokens(), place);
      parts[name] = parts_by_kernels(*text, another, device, wait);
    }
  } else {
    parts = parts_of_a_sweep(device, model.options().dtype().toScalarType(), model.config().d_ff);
  }
  std::printf("%s\n", result.dump(2).c_str());
  return 0;
}
