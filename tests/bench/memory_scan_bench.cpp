// A scan of memories beside the bare forward pass over the same tokens, and beside the plain way.
//
//   memory_scan_bench [MODEL] [TOKENS] [TOP] [PLAIN_BLOCKS]
//
// MODEL: a checkpoint with a tokenizer (default: the gated model of the invented world). The text is CORPUS
// (environment; files or folders), default the world's. All layers. For each block of text, in turn, so that
// what else the machine does hits all alike:
//
//   bare   the pass up to the last layer's key, without head, and nothing looked at
//   scan   the same with a scan (ScanVisitor): tables at both ends, counts, histograms, drawn examples
//   plain  tables alone, as one writes it with at:: operations: of each batch and layer at::topk of the kept
//          ones and the new ones, at both ends (for the first PLAIN_BLOCKS blocks)
//
// The first block fills the tables, which costs more than all that follows: give text for three blocks of
// 2,048 tokens at least. Prints the medians over the blocks of tokens a second, of the ratios by wall clock
// and by processor time, and the bytes of the tables by the formula and in the scan. One JSON object.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "analysis/given_text.h"
#include "analysis/text_options.h"
#include "bench/bare_visitor.h"
#include "bench/stopwatch.h"
#include "memories/scan_state.h"
#include "memories/scan_visitor.h"

using namespace emend;
using bench::BareVisitor;
using bench::median;
using bench::Seconds;
using bench::seconds_of;

namespace {

// The best of each cell so far with their places, by concatenation and topk.
class PlainVisitor : public TextVisitor {
 public:
  PlainVisitor(std::vector<int> layers, std::int64_t top)
      : layers_(std::move(layers)), top_(top), high_(layers_.size()), low_(layers_.size()) {}
  const std::vector<int>& layers() const override { return layers_; }
  std::vector<Site> sites() const override { return {Site::kKey}; }
  void visit(const TextPortion& portion) override {
    std::vector<std::int64_t> addresses;
    for (const TextToken& token : portion.tokens)
      addresses.push_back(static_cast<std::int64_t>(token.address));
    const at::Tensor keys = portion.vectors.front(),
                     places = at::tensor(addresses, at::kLong).unsqueeze(1).expand_as(keys);
    take(high_[portion.layer], keys, places, true);
    take(low_[portion.layer], keys, places, false);
  }
  void save(FileWriter&) const override {}
  void load(const TensorFile&) override {}
  void reduce(ShardGroup&) override {}

 private:
  struct Best {
    at::Tensor values, places;  // [top, F]
  };
  void take(Best& best, const at::Tensor& keys, const at::Tensor& places, bool largest) const {
    const at::Tensor values = best.values.defined() ? at::cat({best.values, keys}) : keys;
    const at::Tensor all = best.places.defined() ? at::cat({best.places, places}) : places;
    const auto [kept, index] = at::topk(values, std::min(top_, values.size(0)), 0, largest);
    best = {kept, all.gather(0, index)};
  }

  std::vector<int> layers_;
  std::int64_t top_;
  std::vector<Best> high_, low_;
};

std::vector<std::filesystem::path> corpus() {
  const char* const given = std::getenv("CORPUS");
  return {given != nullptr ? given : std::string(EMEND_TEST_DATA) + "/world/text.txt"};
}

struct Measured {
  std::vector<double> seconds, processor;  // a token
  void add(const Seconds& spent, std::int64_t tokens) {
    seconds.push_back(spent.wall / static_cast<double>(tokens));
    processor.push_back(spent.processor / static_cast<double>(tokens));
  }
};

// Medians of the ratios block by block.
nlohmann::ordered_json ratio_of(const Measured& a, const Measured& b) {
  std::vector<double> wall, processor;
  for (std::size_t i = 0; i < a.seconds.size(); ++i) {
    wall.push_back(a.seconds[i] / b.seconds[i]);
    processor.push_back(a.processor[i] / b.processor[i]);
  }
  return {{"wall", median(wall)}, {"processor", median(processor)}};
}

}  // namespace

int main(int argc, char** argv) {
  const c10::NoGradGuard no_grad;
  const auto argument = [&](int i, const std::string& fallback) { return argc > i ? argv[i] : fallback; };
  SilentProgress silent;
  const Model model = Model::load(argument(1, std::string(EMEND_TEST_DATA) + "/world/llama"), {}, silent);
  ScanOptions options;
  options.corpus = corpus();
  options.prefix = model.tokenizer().automatic_prefix();
  options.tokens = std::stoll(argument(2, "8192"));
  options.top = std::stoi(argument(3, "25"));
  options.block_tokens = 2048;
  options = settle_scan_options(model, options);
  const std::size_t plain_blocks = std::stoul(argument(4, "2"));
  CorpusNotes notes;
  const auto text = make_given_text(model, options, notes, silent, false);
  const ScanPlan plan = plan_scan(model, options, *text);
  BareVisitor bare(options.layers.back());
  ScanVisitor scan(model, options, "", plan.tokens);
  PlainVisitor plain(options.layers, options.top);
  const auto run = [&](std::int64_t block, TextVisitor& visitor) {
    return seconds_of([&] { text->visit(block, visitor, [](std::int64_t) {}); });
  };
  run(0, bare);  // warm
  Measured of_bare, of_scan, of_plain;
  for (std::int64_t block = 0; block < text->blocks(); ++block) {
    const std::int64_t tokens = text->tokens_of(block);
    of_bare.add(run(block, bare), tokens);
    of_scan.add(run(block, scan), tokens);
    if (of_plain.seconds.size() < plain_blocks) of_plain.add(run(block, plain), tokens);
  }
  nlohmann::ordered_json result = {{"cells", plan.cells},
                                   {"tokens", plan.tokens},
                                   {"top", options.top},
                                   {"bare_tokens_a_second", 1 / median(of_bare.seconds)},
                                   {"scan_tokens_a_second", 1 / median(of_scan.seconds)},
                                   {"bare_processor_seconds_a_token", median(of_bare.processor)},
                                   {"scan_processor_seconds_a_token", median(of_scan.processor)},
                                   {"scan_over_bare", ratio_of(of_scan, of_bare)},
                                   {"table_bytes", plan.table_bytes},
                                   {"other_bytes", plan.other_bytes}};
  if (!of_plain.seconds.empty()) {
    result["plain_tokens_a_second"] = 1 / median(of_plain.seconds);
    result["plain_over_bare"] = ratio_of(of_plain, of_bare);
    result["plain_over_scan"] = ratio_of(of_plain, of_scan);
    // What a way costs beyond the pass itself.
    const double pass = median(of_bare.processor);
    result["plain_cost_over_scan_cost"] =
        (median(of_plain.processor) - pass) / (median(of_scan.processor) - pass);
  }
  std::printf("%s\n", result.dump(2).c_str());
  return 0;
}
