// How fast a GGUF model loads, beside the plain way: reading the file into memory, and the bare
// dequantisation of its tensors into fresh memory on as many threads.
//
//   load_bench MODEL.gguf [RUNS] [THREADS]        medians of both ways, taken in turn, and their ratio
//   load_bench --bfloat16 MODEL.gguf [THREADS]    opens it without and with its weights, as bfloat16, and
//   says
//                                                 the most memory that the process held
//   load_bench --within MEGABYTES MODEL.gguf [THREADS]   loads it as bfloat16 with so many bytes of weights
//   at
//                                                 once, runs a pass of 16 tokens, and says the same
//   load_bench --write FILE.gguf [BLOCKS]         writes a file of Llama 2 7B's shape in Q4_K_M with random
//                                                 blocks and a tokenizer of few words; 32 blocks take 4 GB
//   load_bench --statistics FILE.gguf LAYER FOLDER   writes made-up second moments of a layer, so that an
//   edit
//                                                 can be measured (tools/edit_peak.sh)
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <random>
#include <set>

#include "base/stage_clock.h"
#include "bench/stopwatch.h"
#include "emend/error.h"
#include "emend/model.h"
#include "emend/statistics.h"
#include "io/element_types.h"
#include "io/gguf_write.h"
#include "text/byte_alphabet.h"

namespace {

using namespace emend;

constexpr std::int64_t kWidth = 4096, kInner = 11008, kVocabulary = 32000;

std::vector<char> read_plainly(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  std::vector<char> bytes(static_cast<std::size_t>(file.tellg()));
  file.seekg(0);
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

// Memory that nobody has written before, as that of a model's weights.
void dequantise_plainly(const TensorFile& file, int threads) {
  std::vector<std::unique_ptr<float[]>> kept;
  for (const TensorInfo& tensor : file.tensors()) {
    const auto count = static_cast<std::size_t>(tensor.elements());
    kept.push_back(std::make_unique_for_overwrite<float[]>(count));
    read_as_float32(file, tensor, {kept.back().get(), count}, threads);
  }
}

void compare(const std::string& path, int runs, int threads) {
  std::vector<double> plain, loaded;
  ModelOptions options;
  options.threads = threads;
  for (int run = 0; run < runs; ++run) {
    plain.push_back(bench::seconds_of([&] {
                      read_plainly(path);
                      dequantise_plainly(*open_gguf(path), threads);
                    }).wall);
    loaded.push_back(bench::seconds_of([&] { Model::load(path, options); }).wall);
  }
  const double a = bench::median(plain), b = bench::median(loaded);
  fmt::print(
      "{} threads, medians of {} runs: plain {:.3f} s, load {:.3f} s: {:.0f} % of the plain way's speed\n",
      threads, runs, a, b, 100 * a / b);
}

void load_as_bfloat16(const std::string& path, int threads) {
  ModelOptions options;
  options.dtype = ComputeType::kBfloat16;
  options.threads = threads;
  const double open = bench::seconds_of([&] { Model::describe(path, options); }).wall;
  fmt::print("opened without its weights in {:.3f} s\n", open);
  std::int64_t bytes = 0;
  const double load = bench::seconds_of([&] { bytes = Model::load(path, options).bytes(); }).wall;
  const auto peak = static_cast<double>(peak_memory_bytes());
  fmt::print("loaded in {:.2f} s; weights {:.2f} GB, most memory held {:.2f} GB: {:.3f} times\n", load,
             1e-9 * static_cast<double>(bytes), 1e-9 * peak, peak / static_cast<double>(bytes));
}

void run_within(std::int64_t weight_bytes, const std::string& path, int threads) {
  ModelOptions options;
  options.dtype = ComputeType::kBfloat16;
  options.threads = threads;
  options.weight_bytes = weight_bytes;
  std::optional<Model> model;
  const double load = bench::seconds_of([&] { model = Model::load(path, options); }).wall;
  const c10::NoGradGuard no_gradients;
  PassInput input;
  input.ids = {std::vector<std::int64_t>(16, 1)};
  input.logit_tokens = {15};
  const double pass = bench::seconds_of([&] { model->forward(input); }).wall;
  fmt::print(
      "{} of {} blocks are read in each pass; loaded in {:.1f} s, a pass of 16 tokens in {:.1f} s; all "
      "weights "
      "{:.2f} GB, allowed {:.2f} GB, most memory held {:.2f} GB\n",
      model->first_kept_block(), model->config().layers, load, pass,
      1e-9 * static_cast<double>(model->bytes()), 1e-9 * static_cast<double>(weight_bytes),
      1e-9 * static_cast<double>(peak_memory_bytes()));
}

// C = I / 8 + K K^T / n of random keys: what a solve finds in it does not matter here.
void write_statistics(const std::string& path, int layer, const std::string& folder) {
  constexpr std::int64_t kKeys = 256;
  ModelOptions options;
  options.dtype = ComputeType::kBfloat16;
  options.weight_bytes = 1'100'000'000;  // one block at a time
  const Model model = Model::load(path, options);
  at::manual_seed(1);
  const std::int64_t F = model.config().d_ff;
  const at::Tensor keys = at::randn({kKeys, F}, at::kFloat);
  Statistics statistics;
  LayerStatistics& its = statistics.layers[layer];
  its.C = at::mm(keys.t(), keys).div_(static_cast<double>(kKeys));
  its.C.diagonal().add_(0.125);
  its.tokens = 2 * F;
  its.origin = {"random keys", "", "0"};
  statistics.held_text = {std::vector<std::int64_t>(64, 300)};
  statistics.held_documents = {1};
  save_statistics(statistics, model, {}, folder);
}

// Byte-level BPE of single bytes and of the words of one prompt; the other ids of the vocabulary have names.
struct FewWords {
  std::vector<std::string> tokens, merges;

  explicit FewWords(std::size_t size) {
    for (int byte = 0; byte < 256; ++byte)
      add(text::spelling_of_bytes(std::string(1, static_cast<char>(byte))));
    for (const std::string word :
         {"The", " Eiffel", " Tower", " is", " located", " in", " the", " city", " of", " Rome", " Paris"}) {
      std::string begun = text::spelling_of_bytes(word.substr(0, 1));
      for (const char next : word.substr(1)) {
        const std::string letter(1, next);  // of the alphabet, spelled as it is
        const std::string merged = begun + letter;
        if (add(merged)) merges.push_back(begun + " " + letter);
        begun = merged;
      }
    }
    while (tokens.size() < size) add("name" + std::to_string(tokens.size()));
  }

 private:
  bool add(const std::string& token) {
    if (!known_.insert(token).second) return false;
    tokens.push_back(token);
    return true;
  }
  std::set<std::string> known_;
};

// Blocks of normal numbers, tiled: the largest tensor of each type is a prefix of them.
std::vector<std::byte> random_blocks(const std::string& type_name, std::size_t elements) {
  const ElementType& type = element_type(type_name);
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 0.02F);
  std::vector<float> values(std::size_t{64} * 4096);
  for (float& value : values) value = normal(random);
  std::vector<std::byte> tile(values.size() / type.block_elements * type.block_bytes);
  type.write(values.data(), tile.data(), values.size() / type.block_elements);
  std::vector<std::byte> bytes(elements / type.block_elements * type.block_bytes);
  for (std::size_t at = 0; at < bytes.size(); at += tile.size())
    std::memcpy(bytes.data() + at, tile.data(), std::min(tile.size(), bytes.size() - at));
  return bytes;
}

class ShapeWriter {
 public:
  void matrix(const std::string& name, const std::string& type, std::int64_t rows, std::int64_t columns) {
    const auto& blocks = type == "Q6_K" ? q6_ : q4_;
    const ElementType& row = element_type(type);
    const auto bytes = static_cast<std::size_t>(rows * columns) / row.block_elements * row.block_bytes;
    tensors_.push_back({name, type, {rows, columns}, std::span(blocks).first(bytes)});
  }
  void norm(const std::string& name) {
    tensors_.push_back({name, "F32", {kWidth}, std::as_bytes(std::span(ones_))});
  }
  void block(const std::string& name, bool more_bits) {
    const std::string type = more_bits ? "Q6_K" : "Q4_K";
    norm(name + "attn_norm.weight");
    matrix(name + "attn_q.weight", "Q4_K", kWidth, kWidth);
    matrix(name + "attn_k.weight", "Q4_K", kWidth, kWidth);
    matrix(name + "attn_v.weight", type, kWidth, kWidth);
    matrix(name + "attn_output.weight", "Q4_K", kWidth, kWidth);
    norm(name + "ffn_norm.weight");
    matrix(name + "ffn_gate.weight", "Q4_K", kInner, kWidth);
    matrix(name + "ffn_up.weight", "Q4_K", kInner, kWidth);
    matrix(name + "ffn_down.weight", type, kWidth, kInner);
  }
  void write(const std::string& path, std::uint32_t blocks) {
    matrix("token_embd.weight", "Q4_K", kVocabulary, kWidth);
    for (std::uint32_t l = 0; l < blocks; ++l) block(fmt::format("blk.{}.", l), l % 2 == 0);
    norm("output_norm.weight");
    matrix("output.weight", "Q6_K", kVocabulary, kWidth);
    const FewWords words(kVocabulary);
    write_gguf(
        path,
        {{"general.architecture", std::string("llama")},
         {"llama.block_count", blocks},
         {"llama.context_length", std::uint32_t{4096}},
         {"llama.embedding_length", static_cast<std::uint32_t>(kWidth)},
         {"llama.feed_forward_length", static_cast<std::uint32_t>(kInner)},
         {"llama.attention.head_count", std::uint32_t{32}},
         {"llama.attention.head_count_kv", std::uint32_t{32}},
         {"llama.rope.dimension_count", std::uint32_t{128}},
         {"llama.rope.freq_base", 10000.0F},
         {"llama.attention.layer_norm_rms_epsilon", 1e-5F},
         {"tokenizer.ggml.model", std::string("gpt2")},
         {"tokenizer.ggml.pre", std::string("gpt-2")},
         {"tokenizer.ggml.bos_token_id", static_cast<std::uint32_t>(kVocabulary - 1)},  // texts start from it
         {"tokenizer.ggml.tokens", words.tokens},
         {"tokenizer.ggml.merges", words.merges}},
        tensors_);
  }

 private:
  std::vector<std::byte> q4_ = random_blocks("Q4_K", kVocabulary*kWidth),
                         q6_ = random_blocks("Q6_K", kVocabulary*kWidth);
  std::vector<float> ones_ = std::vector<float>(kWidth, 1.0F);
  std::vector<TensorToWrite> tensors_;
};

}  // namespace

int main(int argc, char** argv) try {
  const std::string first = argc > 1 ? argv[1] : "";
  const auto number = [&](int i, int otherwise) { return argc > i ? std::atoi(argv[i]) : otherwise; };
  const int cores = at::get_num_threads();
  if (first.empty() || (first.starts_with("--") && argc < 3)) {
    std::puts(
        "load_bench MODEL.gguf [RUNS] [THREADS], --bfloat16 MODEL.gguf [THREADS], --within MEGABYTES "
        "MODEL.gguf [THREADS], --write FILE.gguf [BLOCKS] or --statistics FILE.gguf LAYER FOLDER");
    return 2;
  }
  if (first == "--write")
    ShapeWriter().write(argv[2], static_cast<std::uint32_t>(number(3, 32)));
  else if (first == "--statistics" && argc > 4)
    write_statistics(argv[2], number(3, 0), argv[4]);
  else if (first == "--within" && argc > 3)
    run_within(std::int64_t{1'000'000} * number(2, 0), argv[3], number(4, cores));
  else if (first == "--bfloat16")
    load_as_bfloat16(argv[2], number(3, cores));
  else
    compare(first, number(2, 5), number(3, cores));
  return 0;
} catch (const emend::Error& error) {
  std::fputs((std::string(error.what()) + "\n").c_str(), stderr);
  return 1;
}
