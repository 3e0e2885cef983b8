// Statistics over text: given files, or what the model writes itself.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "analysis/own_text.h"
#include "analysis/statistics_fingerprint.h"
#include "base/strings.h"
#include "emend/error.h"
#include "emend/generate.h"
#include "emend/statistics.h"
#include "linalg/moment_sum.h"
#include "model/batches.h"
#include "model/rows.h"
#include "model/sampling.h"
#include "text/corpus.h"

namespace emend {

namespace {

constexpr std::int64_t kSideBySide = 64;    // texts that grow together when the model writes them itself
constexpr std::int64_t kLongestText = 512;  // tokens of a window of given text
constexpr std::int64_t kLongestOwnText =
    256;  // tokens of a text that the model writes: bounds the cache of 64 of them
constexpr std::int64_t kHeldRows = 16;  // texts kept out of the sums for measuring drift
constexpr std::int64_t kHeldLength = 48;

// The sums of all layers asked for.
class LayerSums {
 public:
  LayerSums(const Model& model, const std::vector<int>& layers, std::int64_t limit)
      : layers_(layers), limit_(limit) {
    for (std::size_t i = 0; i < layers.size(); ++i) sums_.emplace_back(model.config().d_ff);
  }

  // What a pass must record: the keys of these packed tokens at every layer.
  std::vector<Recording> recordings(const at::Tensor& tokens) const {
    std::vector<Recording> wanted;
    for (int layer : layers_) wanted.push_back({Site::kKey, layer, tokens});
    return wanted;
  }
  void add(const std::vector<at::Tensor>& keys) {
    for (std::size_t i = 0; i < sums_.size(); ++i) sums_[i].add(keys[i], limit_);
  }
  std::int64_t count() const { return sums_.front().count(); }
  bool full() const { return count() >= limit_; }

  std::map<int, LayerStatistics> value() const {
    std::map<int, LayerStatistics> result;
    for (std::size_t i = 0; i < sums_.size(); ++i)
      result[layers_[i]] = {sums_[i].value() / static_cast<double>(sums_[i].count()), sums_[i].count()};
    return result;
  }

 private:
  std::vector<int> layers_;
  std::int64_t limit_;
  std::vector<MomentSum> sums_;
};

// Writes texts and sums their keys on the way: every step runs one token
// of each text through all blocks once.
void sum_own_text(const Model& model, const StatisticsOptions& options, LayerSums& sums, Progress& progress) {
  const TokenIds opening = opening_of_text(model, options.prefix);
  const auto eos = model.has_tokenizer() ? model.tokenizer().eos() : std::nullopt;
  const std::int64_t longest = std::min(kLongestOwnText, model.config().max_positions);
  KvCache cache(model.config(), 0, kSideBySide, longest, model.options());
  std::vector<std::uint64_t> streams(kSideBySide), drawn(kSideBySide, 0);
  for (std::int64_t i = 0; i < kSideBySide; ++i) streams[i] = static_cast<std::uint64_t>(i);

  PassInput input;
  input.ids.assign(kSideBySide, opening);
  while (!sums.full()) {
    input.cache = &cache;
    input.append = true;
    input.logit_tokens = last_tokens(input.ids);
    std::vector<std::int64_t> counted;  // packed tokens past position 0
    std::int64_t token = 0;
    for (std::int64_t row = 0; row < kSideBySide; ++row)
      for (std::size_t j = 0; j < input.ids[row].size(); ++j, ++token)
        if (cache.lengths[row] + static_cast<std::int64_t>(j) > 0) counted.push_back(token);
    if (!counted.empty()) input.recordings = sums.recordings(index_tensor(counted, model.options().device()));
    const PassOutput output = model.forward(input);
    if (!counted.empty()) sums.add(output.recorded);
    progress.update(sums.count(), "");

    const auto next =
        draw_tokens(output.logits, streams, drawn, {.temperature = 1, .top_k = 0, .seed = options.seed});
    input = PassInput();
    for (std::int64_t row = 0; row < kSideBySide; ++row) {
      ++drawn[row];
      const bool ended =
          (eos && next[row] == *eos) || next[row] == opening.back() || cache.lengths[row] >= longest;
      if (ended) cache.lengths[row] = 0;  // a new text in the same place
      input.ids.push_back(ended ? opening : TokenIds{next[row]});
    }
  }
}

// Given text: windows of whole documents, stopped at the key of the last layer.
void sum_given_text(const Model& model, const StatisticsOptions& options, const std::vector<TokenIds>& rows,
                    LayerSums& sums, Progress& progress) {
  const int last = *std::max_element(options.layers.begin(), options.layers.end());
  for (RowRange range : split_by_tokens(rows, options.token_budget)) {
    if (sums.full()) return;
    PassInput input;
    input.ids.assign(rows.begin() + static_cast<std::ptrdiff_t>(range.begin),
                     rows.begin() + static_cast<std::ptrdiff_t>(range.end));
    input.stop = PassInput::Stop::kKey;
    input.stop_block = last;
    std::vector<std::int64_t> counted;
    std::int64_t token = 0;
    for (const TokenIds& row : input.ids)
      for (std::size_t j = 0; j < row.size(); ++j, ++token)
        if (j > 0) counted.push_back(token);
    input.recordings = sums.recordings(index_tensor(counted, model.options().device()));
    sums.add(model.forward(input).recorded);
    progress.update(sums.count(), "");
  }
}

std::vector<TokenIds> own_held_text(const Model& model, const StatisticsOptions& options) {
  const TokenIds opening = opening_of_text(model, options.prefix);
  GenerateOptions sampling;
  sampling.max_new =
      std::min(kHeldLength, model.config().max_positions - static_cast<std::int64_t>(opening.size()));
  sampling.temperature = 1;
  sampling.seed = options.seed;
  sampling.stream = std::uint64_t{1} << 32;  // away from the texts that are summed
  if (model.has_tokenizer() && model.tokenizer().eos()) sampling.stop = {*model.tokenizer().eos()};
  std::vector<TokenIds> held;
  for (TokenIds& text : generate(model, std::vector<TokenIds>(kHeldRows, opening), sampling)) {
    if (text.empty()) continue;
    text.insert(text.begin(), opening.begin(), opening.end());
    held.push_back(std::move(text));
  }
  return held;
}

void check_options(const Model& model, const StatisticsOptions& options) {
  if (options.layers.empty()) throw Error(ErrorKind::kConfig, "statistics: no layer is asked for");
  for (int layer : options.layers)
    if (layer < 0 || layer >= model.config().layers)
      throw Error(ErrorKind::kConfig, "statistics: layer " + std::to_string(layer) +
                                          " is out of range; the model has layers 0 to " +
                                          std::to_string(model.config().layers - 1));
}

}  // namespace

Statistics collect_statistics(const Model& model, const StatisticsOptions& options, Progress& progress) {
  const c10::NoGradGuard no_grad;
  check_options(model, options);
  const std::int64_t wanted = options.tokens > 0 ? options.tokens : 10 * model.config().d_ff;
  if (wanted < model.config().d_ff)
    throw Error(ErrorKind::kConfig, "statistics: " + std::to_string(wanted) +
                                        " tokens are fewer than the key's size " +
                                        std::to_string(model.config().d_ff) + "; C would be singular");
  LayerSums sums(model, options.layers, wanted);
  Statistics statistics;
  progress.begin("statistics of " + std::to_string(options.layers.size()) +
                     (options.layers.size() == 1 ? " layer" : " layers"),
                 wanted, "tokens");
  if (options.corpus.empty()) {
    sum_own_text(model, options, sums, progress);
    statistics.held_text = own_held_text(model, options);
    statistics.source = "self, seed " + std::to_string(options.seed);
    statistics.fingerprint = statistics_fingerprint(model, options, wanted, statistics.source);
  } else {
    const CorpusText corpus = read_corpus(options.corpus);
    std::vector<TokenIds> rows =
        corpus_rows(corpus, model.tokenizer(), options.prefix,
                    std::min(kLongestText, model.config().max_positions), wanted + kHeldRows * kHeldLength);
    // The last rows stay out of the sums, for measuring drift.
    const std::size_t held = std::min<std::size_t>(kHeldRows, rows.size() / 10);
    for (std::size_t i = rows.size() - held; i < rows.size(); ++i) {
      rows[i].resize(std::min<std::size_t>(rows[i].size(), kHeldLength));
      statistics.held_text.push_back(rows[i]);
    }
    rows.resize(rows.size() - held);
    sum_given_text(model, options, rows, sums, progress);
    statistics.source = "text: " + corpus.description;
    statistics.fingerprint = statistics_fingerprint(model, options, wanted, corpus.fingerprint);
  }
  progress.end();
  if (sums.count() < model.config().d_ff)
    throw Error(ErrorKind::kConfig, "statistics: the text gave " + std::to_string(sums.count()) +
                                        " keys, at least " + std::to_string(model.config().d_ff) +
                                        " (the key's size) are needed");
  statistics.layers = sums.value();
  return statistics;
}

}  // namespace emend
