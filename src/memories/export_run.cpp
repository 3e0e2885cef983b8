// export_memories: the files of Neuronpedia and of delphi.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "analysis/text_file.h"
#include "base/atomic_file.h"
#include "base/atomic_folder.h"
#include "base/gzip.h"
#include "base/json.h"
#include "base/layer_number.h"
#include "base/strings.h"
#include "emend/error.h"
#include "emend/memory_export.h"
#include "emend/memory_index.h"
#include "memories/index_files.h"
#include "memories/index_text.h"

namespace emend {

namespace fs = std::filesystem;

namespace {

const char* const kNoTime = "1970-01-01T00:00:00";  // files hold no times
constexpr int kBatchCells = 512;
constexpr std::int64_t kWindowBefore = 48, kWindowAfter = 16;
// delphi cuts the rows of tokens, laid one behind the other, into examples of this length or a multiple, so
// rows that are no multiple of it would be cut across.
constexpr std::int64_t kExampleLength = 32;

std::string line_of(const ResultJson& json) {
  return json.dump(-1, ' ', false, ResultJson::error_handler_t::replace) + "\n";
}

class Export {
 public:
  Export(const ExportOptions& options, Progress& progress)
      : options_(options),
        progress_(progress),
        index_(options.index),
        text_(index_text_file(options.index), index_.head().prefix.size()),
        layers_(options.layers.empty() ? index_.head().layers : options.layers),
        model_(options.model.empty() ? index_.head().model : options.model),
        folder_(options.out) {
    for (const int layer : layers_) require_layer("export", layer, index_.head().model_layers);
    for (std::uint64_t address = 0; address < text_.tokens();) {
      const IndexText::Row* const row = text_.find(address)->row;
      number_of_row_[{row->document, row->window}] = static_cast<std::int64_t>(rows_.size());
      rows_.push_back(row);
      address += row->length;
    }
  }

  ExportOutcome run() {
    progress_.begin("writing", static_cast<std::int64_t>(layers_.size()), "layers");
    std::int64_t done = 0;
    for (const int layer : layers_) {
      options_.form == ExportForm::kNeuronpedia ? write_neuronpedia(layer) : write_delphi(layer);
      progress_.update(++done, "");
    }
    progress_.end();
    folder_.commit();
    return std::move(outcome_);
  }

 private:
  void write(const fs::path& name, const std::string& text) {
    fs::create_directories((folder_.path() / name).parent_path());
    write_file_atomically(folder_.path() / name, text);
    outcome_.outputs.push_back(options_.out / name);
  }

  // ---- Neuronpedia

  void write_neuronpedia(int layer) {
    const std::string source = fmt::format("{}-{}", layer, options_.set);
    const fs::path place = fs::path(model_) / source;
    const MemoryIndexHead& head = index_.head();
    write(place / "release.jsonl",
          line_of({{"name", options_.set},
                   {"description", "Feed-forward cells, scanned by emend " + head.version},
                   {"descriptionShort", "Feed-forward cells"},
                   {"urls", ResultJson::array()},
                   {"creatorNameShort", "emend"},
                   {"creatorName", "emend"},
                   {"creatorId", "emend"},
                   {"createdAt", kNoTime}}));
    write(place / "model.jsonl", line_of({{"id", model_},
                                          {"instruct", false},
                                          {"displayNameShort", model_},
                                          {"displayName", model_},
                                          {"creatorId", "emend"},
                                          {"createdAt", kNoTime},
                                          {"updatedAt", kNoTime}}));
    write(place / "sourceset.jsonl", line_of({{"modelId", model_},
                                              {"name", options_.set},
                                              {"creatorId", "emend"},
                                              {"createdAt", kNoTime},
                                              {"creatorName", "emend"},
                                              {"releaseName", options_.set},
                                              {"description", "Feed-forward cells"},
                                              {"visibility", "PUBLIC"}}));
    write(place / "source.jsonl", line_of({{"modelId", model_},
                                           {"setName", options_.set},
                                           {"visibility", "PUBLIC"},
                                           {"dataset", head.corpus},
                                           {"id", source},
                                           {"num_prompts", rows_.size()},
                                           {"num_tokens_in_prompt", longest_row()},
                                           {"creatorId", "emend"}}));
    for (std::int64_t begin = 0; begin < head.cells; begin += kBatchCells) {
      std::string features, activations, explanations;
      for (std::int64_t cell = begin; cell < std::min(head.cells, begin + kBatchCells); ++cell) {
        const MemoryRecord record = index_.cell({layer, static_cast<int>(cell)});
        features += line_of(feature(record, source));
        activations += activations_of(record, source);
        for (const std::string& label : record.labels) {
          explanations += line_of({{"id", fmt::format("{}-{}", to_string(record.id), outcome_.labels)},
                                   {"modelId", model_},
                                   {"layer", source},
                                   {"index", std::to_string(cell)},
                                   {"description", label},
                                   {"authorId", "emend"},
                                   {"createdAt", kNoTime}});
          ++outcome_.labels;
        }
        ++outcome_.cells;
      }
      const std::string name = fmt::format("batch-{}.jsonl.gz", begin / kBatchCells);
      write(place / "features" / name, gzip_text(features));
      write(place / "activations" / name, gzip_text(activations));
      if (!explanations.empty()) write(place / "explanations" / name, gzip_text(explanations));
    }
  }

  ResultJson feature(const MemoryRecord& record, const std::string& source) const {
    const std::vector<double> edges = histogram_edges();
    ResultJson heights = ResultJson::array(), values = ResultJson::array();
    for (std::size_t b = 0; b < record.histogram.size(); ++b) {
      if (record.histogram[b] == 0) continue;
      const double low = std::max(edges[b], record.least), high = std::min(edges[b + 1], record.most);
      heights.push_back(record.histogram[b]);
      values.push_back((low + high) / 2);
    }
    ResultJson json = {{"modelId", model_},
                       {"layer", source},
                       {"index", std::to_string(record.id.index)},
                       {"creatorId", "emend"},
                       {"createdAt", kNoTime},
                       {"maxActApprox", record.most},
                       {"hasVector", false},
                       {"vector", ResultJson::array()},
                       {"hookName", fmt::format("blocks.{}.mlp.hook_post", record.id.layer)}};
    for (const auto& [text, number, tokens] :
         {std::tuple("pos_str", "pos_values", record.value ? record.value->top : std::vector<ValueToken>()),
          {"neg_str", "neg_values", record.value ? record.value->bottom : std::vector<ValueToken>()}}) {
      json[text] = json[number] = ResultJson::array();
      for (const ValueToken& token : tokens) {
        json[text].push_back(token.text);
        json[number].push_back(token.logit);
      }
    }
    json["frac_nonzero"] = record.active_share;
    json["freq_hist_data_bar_heights"] = heights;
    json["freq_hist_data_bar_values"] = values;
    json["logits_hist_data_bar_heights"] = ResultJson::array();
    json["logits_hist_data_bar_values"] = ResultJson::array();
    return json;
  }

  // Bins: the top list, the octaves between, the draws, the bottom list.
  std::string activations_of(const MemoryRecord& record, const std::string& source) {
    std::string lines;
    int number = 0;
    for (const auto* list : {&record.high, &record.middle, &record.random, &record.low})
      for (const MemoryExample& example : *list) {
        lines += line_of(activation(record, *list, example, source, number++));
        ++outcome_.examples;
      }
    return lines;
  }

  ResultJson activation(const MemoryRecord& record, const std::vector<MemoryExample>& bin,
                        const MemoryExample& example, const std::string& source, int number) const {
    const IndexText::Row& row = *rows_[static_cast<std::size_t>(number_of(example))];
    const std::int64_t first = std::max<std::int64_t>(0, example.position + 1 - kWindowBefore);
    const std::int64_t end =
        std::min(static_cast<std::int64_t>(row.length), example.position + 1 + kWindowAfter);
    ResultJson tokens = ResultJson::array(), values = ResultJson::array();
    for (std::int64_t j = first; j < end; ++j) {
      tokens.push_back(text_.token(text_.id({&row, j})));
      values.push_back(j == example.position ? example.coefficient : 0.0F);
    }
    const auto [low, high] = std::minmax_element(
        bin.begin(), bin.end(),
        [](const MemoryExample& a, const MemoryExample& b) { return a.coefficient < b.coefficient; });
    const auto place = example.position - first;
    return {{"id", fmt::format("{}-{}", to_string(record.id), number)},
            {"tokens", tokens},
            {"modelId", model_},
            {"layer", source},
            {"index", std::to_string(record.id.index)},
            {"maxValue", std::max(example.coefficient, 0.0F)},
            {"maxValueTokenIndex", place},
            {"minValue", std::min(example.coefficient, 0.0F)},
            {"values", values},
            {"creatorId", "emend"},
            {"createdAt", kNoTime},
            {"dataSource", example.source},
            {"binMin", low->coefficient},
            {"binMax", high->coefficient},
            {"binContains", static_cast<double>(bin.size())},
            {"qualifyingTokenIndex", place}};
  }

  // ---- delphi

  void write_delphi(int layer) {
    const std::string module = fmt::format("layers.{}.mlp", layer);
    // (row, position) to coefficient, cell after cell; each token once.
    std::vector<std::uint32_t> locations;
    std::vector<float> activations;
    for (int cell = 0; cell < index_.head().cells; ++cell) {
      const MemoryRecord record = index_.cell({layer, cell});
      std::map<std::pair<std::int64_t, std::int64_t>, float> seen;
      for (const auto* list : {&record.high, &record.low, &record.random, &record.middle})
        for (const MemoryExample& example : *list)
          if (std::abs(example.coefficient) > 1e-5F)
            seen[{number_of(example), example.position}] = example.coefficient;
      for (const auto& [place, coefficient] : seen) {
        for (const std::int64_t number : {place.first, place.second, static_cast<std::int64_t>(cell)})
          locations.push_back(static_cast<std::uint32_t>(number));
        activations.push_back(coefficient);
      }
      ++outcome_.cells;
    }
    outcome_.examples += static_cast<std::int64_t>(activations.size());
    const auto count = static_cast<std::int64_t>(activations.size());
    at::Tensor places = at::empty({count, 3}, at::kUInt32);
    std::copy(locations.begin(), locations.end(), static_cast<std::uint32_t*>(places.data_ptr()));
    const auto rows = static_cast<std::int64_t>(rows_.size());
    const std::int64_t length = (longest_row() + kExampleLength - 1) / kExampleLength * kExampleLength;
    at::Tensor tokens = at::zeros({rows, length}, at::kLong);
    auto* to = tokens.data_ptr<std::int64_t>();
    for (const IndexText::Row* row : rows_) {
      for (std::int64_t j = 0; j < static_cast<std::int64_t>(row->length); ++j) to[j] = text_.id({row, j});
      to += length;
    }
    FileWriter writer;
    writer.add("locations", places);
    writer.add("activations", at::tensor(activations, at::kFloat));
    writer.add("tokens", tokens);
    const fs::path file = fs::path(module) / fmt::format("0_{}.safetensors", index_.head().cells - 1);
    writer.write(folder_.path() / file);
    outcome_.outputs.push_back(options_.out / file);
    write(fs::path(module) / "config.json", line_of({{"dataset_repo", index_.head().corpus},
                                                     {"dataset_split", "train"},
                                                     {"dataset_name", ""},
                                                     {"dataset_column", "text"},
                                                     {"batch_size", 1},
                                                     {"ctx_len", length},
                                                     {"cache_ctx_len", length},
                                                     {"n_tokens", tokens.numel()},
                                                     {"n_splits", 1},
                                                     {"model_name", model_}}));
  }

  std::int64_t number_of(const MemoryExample& example) const {
    return number_of_row_.at({example.document, example.window});
  }
  std::int64_t longest_row() const {
    std::size_t longest = 0;
    for (const IndexText::Row* row : rows_) longest = std::max(longest, row->length);
    return static_cast<std::int64_t>(longest);
  }

  const ExportOptions& options_;
  Progress& progress_;
  MemoryIndex index_;
  IndexText text_;
  std::vector<int> layers_;
  std::string model_;
  AtomicFolder folder_;
  std::vector<const IndexText::Row*> rows_;
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> number_of_row_;
  ExportOutcome outcome_;
};

}  // namespace

ExportForm parse_export_form(const std::string& text) {
  if (text == "neuronpedia") return ExportForm::kNeuronpedia;
  if (text == "delphi") return ExportForm::kDelphi;
  throw Error(ErrorKind::kUsage,
              fmt::format("an index is exported as neuronpedia or delphi, found {}", quote(text)));
}

ExportOutcome export_memories(const ExportOptions& options, Progress& progress) {
  return Export(options, progress).run();
}

}  // namespace emend
