#include "memories/index_files.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "analysis/text_file.h"
#include "base/files.h"
#include "base/folder_kind.h"
#include "emend/error.h"
#include "emend/version.h"

namespace emend {

namespace fs = std::filesystem;

namespace {

constexpr int kFormat = 1;

std::string shard_name(const std::string& stem, int shard, int shards) {
  return shards == 1 ? stem + ".safetensors" : fmt::format("{}_{}_of_{}.safetensors", stem, shard, shards);
}

std::vector<fs::path> files_beginning(const fs::path& folder, const std::string& begin) {
  std::vector<fs::path> found;
  if (!fs::is_directory(folder)) return found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(begin) && name.ends_with(".safetensors")) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

// The largest |coefficient| of a cell, by its extremes.
double largest(const CellCounts& counts, std::size_t cell) {
  return counts.tokens == 0 ? 0
                            : std::max(std::abs(static_cast<double>(counts.least[cell])),
                                       std::abs(static_cast<double>(counts.most[cell])));
}

at::Tensor floats(const std::vector<float>& values, at::IntArrayRef shape) {
  return at::tensor(values, at::kFloat).view(shape);
}

}  // namespace

fs::path index_head_file(const fs::path& folder) {
  return folder / "index.json";
}

fs::path index_text_file(const fs::path& folder) {
  return folder / "text.safetensors";
}

fs::path index_layer_file(const fs::path& folder, int layer) {
  return folder / fmt::format("layer_{}.safetensors", layer);
}

fs::path scan_checkpoint_file(const fs::path& folder, int shard, int shards) {
  return folder / shard_name("checkpoint", shard, shards);
}

fs::path scan_part_file(const fs::path& folder, int shard, int shards) {
  return folder / shard_name("part", shard, shards);
}

std::vector<fs::path> find_scan_parts(const fs::path& folder) {
  return files_beginning(folder, "part");
}

std::vector<fs::path> find_scan_checkpoints(const fs::path& folder) {
  return files_beginning(folder, "checkpoint");
}

fs::path require_index(const fs::path& folder) {
  require_folder(folder, kIndexFolder);
  const fs::path head = index_head_file(folder);
  if (fs::exists(head)) return head;
  const std::string what = !find_scan_parts(folder).empty()
                               ? "it holds the parts of shards; join the parts of the scan"
                           : !find_scan_checkpoints(folder).empty()
                               ? "it holds a scan that was not finished; go on with its options and resume"
                               : "a scan of memories makes one";
  throw Error(ErrorKind::kConfig,
              fmt::format("{}: this folder holds no index of memories: {}", folder.string(), what));
}

ResultJson head_json(const IndexHead& index) {
  const MemoryIndexHead& head = index.head;
  ResultJson layers = ResultJson::array();
  for (const LayerScan& layer : index.layers)
    layers.push_back({{"layer", layer.layer},
                      {"active_share", layer.active_share},
                      {"dead", layer.dead},
                      {"quantiles", layer.quantiles}});
  return {{"format", kFormat},
          {"emend", head.version},
          {"model",
           {{"name", head.model},
            {"family", head.family},
            {"fingerprint", head.model_fingerprint},
            {"tokenizer", head.tokenizer_fingerprint},
            {"dtype", to_string(head.dtype)},
            {"layers", head.model_layers},
            {"cells", head.cells},
            {"gated", head.gated},
            {"one_ended", head.one_ended}}},
          {"corpus", {{"source", head.corpus}, {"fingerprint", head.corpus_fingerprint}}},
          {"settings", head.settings},
          {"options",
           {{"layers", head.layers},
            {"top", head.top},
            {"random", head.random},
            {"dedup", to_string(head.dedup)},
            {"include_first", head.include_first},
            {"seed", head.seed},
            {"prefix", head.prefix}}},
          {"fingerprint", head.fingerprint},
          {"tokens", head.tokens},
          {"layers", layers}};
}

IndexHead parse_head(const std::string& text, const std::string& source) {
  const Json json = parse_json(text, source);
  const JsonView view(json, source);
  if (view.at("format").as_integer() != kFormat)
    throw Error(ErrorKind::kFormat, source + ": this index is of another version of the format; scan again");
  IndexHead index;
  MemoryIndexHead& head = index.head;
  const JsonView model = view.at("model"), options = view.at("options"), corpus = view.at("corpus");
  head.version = view.string("emend");
  head.model = model.string("name");
  head.family = model.string("family");
  head.model_fingerprint = model.string("fingerprint");
  head.tokenizer_fingerprint = model.string("tokenizer");
  const JsonView dtype = model.at("dtype");
  const auto type = find_compute_type(dtype.as_string());
  if (!type) dtype.refuse("float32, bfloat16 or float16");
  head.dtype = *type;
  head.model_layers = static_cast<int>(model.positive_integer("layers"));
  head.cells = model.positive_integer("cells");
  head.gated = model.at("gated").as_bool();
  head.one_ended = model.at("one_ended").as_bool();
  head.corpus = corpus.string("source");
  head.corpus_fingerprint = corpus.string("fingerprint");
  head.settings = view.string("settings");
  for (const std::int64_t layer : options.at("layers").as_integers())
    head.layers.push_back(static_cast<int>(layer));
  head.top = static_cast<int>(options.positive_integer("top"));
  head.random = static_cast<int>(options.positive_integer("random"));
  head.dedup = parse_dedup(options.string("dedup"));
  head.include_first = options.at("include_first").as_bool();
  head.seed = options.at("seed").json().get<std::uint64_t>();
  head.prefix = options.at("prefix").as_integers();
  head.fingerprint = view.string("fingerprint");
  head.tokens = view.at("tokens").as_non_negative_integer();
  for (const JsonView& layer : view.at("layers").elements()) {
    LayerScan scan;
    scan.layer = static_cast<int>(layer.at("layer").as_non_negative_integer());
    scan.cells = head.cells;
    scan.active_share = layer.number("active_share");
    scan.dead = layer.at("dead").as_non_negative_integer();
    for (const JsonView& quantile : layer.at("quantiles").elements())
      scan.quantiles.push_back(quantile.as_number());
    index.layers.push_back(std::move(scan));
  }
  return index;
}

IndexHead read_head(const fs::path& file) {
  return parse_head(read_text_file(file), file.string());
}

std::vector<bool> dead_cells(const FinishedLayer& layer) {
  const CellCounts& counts = layer.state->counts;
  const auto cells = static_cast<std::size_t>(counts.cells());
  std::vector<bool> dead(cells);
  if (!layer.state->shape.gated) {
    for (std::size_t cell = 0; cell < cells; ++cell) dead[cell] = counts.active[cell] == 0;
    return dead;
  }
  constexpr double kDeadShare = 1e-3;  // of the median top contribution
  std::vector<double> top;
  for (std::size_t cell = 0; cell < cells; ++cell)
    top.push_back(largest(counts, cell) * static_cast<double>(layer.value_norms[cell]));
  std::vector<double> sorted = top;
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(cells / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  for (std::size_t cell = 0; cell < cells; ++cell) dead[cell] = !(top[cell] > kDeadShare * *middle);
  return dead;
}

LayerScan summarize_layer(const FinishedLayer& layer) {
  const CellCounts& counts = layer.state->counts;
  LayerScan scan;
  scan.layer = layer.layer;
  scan.cells = counts.cells();
  std::array<std::int64_t, coefficient_bins::kBins> bins{};
  double least = 0, most = 0, active = 0;
  for (std::size_t i = 0; i < counts.histogram.size(); ++i) bins[i % bins.size()] += counts.histogram[i];
  for (std::size_t cell = 0; cell < static_cast<std::size_t>(scan.cells); ++cell) {
    least = std::min(least, static_cast<double>(counts.least[cell]));
    most = std::max(most, static_cast<double>(counts.most[cell]));
    active += static_cast<double>(counts.active[cell]);
  }
  const std::vector<bool> dead = dead_cells(layer);
  scan.dead = std::count(dead.begin(), dead.end(), true);
  if (counts.tokens > 0)
    scan.active_share = active / static_cast<double>(counts.tokens) / static_cast<double>(scan.cells);
  for (const double q : kQuantiles) scan.quantiles.push_back(histogram_quantile(bins, least, most, q));
  return scan;
}

fs::path write_index_layer(const fs::path& folder, const FinishedLayer& layer,
                           const std::string& fingerprint) {
  FileWriter writer;
  const CellCounts& counts = layer.state->counts;
  add_layer_state(writer, "", *layer.state);
  const std::int64_t cells = counts.cells();
  std::vector<float> mean, variance, quantiles;
  std::vector<std::int64_t> dead;
  const std::vector<bool> is_dead = dead_cells(layer);
  for (std::int64_t cell = 0; cell < cells; ++cell) {
    mean.push_back(static_cast<float>(counts.mean(cell)));
    variance.push_back(static_cast<float>(counts.variance(cell)));
    for (const double q : kQuantiles) quantiles.push_back(static_cast<float>(counts.quantile(cell, q)));
    dead.push_back(is_dead[static_cast<std::size_t>(cell)] ? 1 : 0);
  }
  writer.add("mean", floats(mean, {cells}));
  writer.add("variance", floats(variance, {cells}));
  writer.add("quantiles", floats(quantiles, {cells, static_cast<std::int64_t>(std::size(kQuantiles))}));
  writer.add("value_norm", floats(layer.value_norms, {cells}));
  writer.add("dead", at::tensor(dead, at::kLong).to(at::kByte));
  writer.set("fingerprint", fingerprint);
  writer.set("layer", std::to_string(layer.layer));
  const fs::path path = index_layer_file(folder, layer.layer);
  writer.write(path);
  return path;
}

StateShape shape_of(const MemoryIndexHead& head) {
  StateShape shape;
  shape.cells = head.cells;
  shape.gated = head.gated;
  shape.one_ended = head.one_ended;
  shape.top = head.top;
  shape.random = head.random;
  shape.dedup = head.dedup;
  return shape;
}

bool is_of_own_text(const MemoryIndexHead& head) {
  return head.settings.starts_with(kOwnTextRows);
}

}  // namespace emend
