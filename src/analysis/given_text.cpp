// Statistics over documents that are given: a seeded sample, each document a row of its own.
#include <ATen/ATen.h>

#include <algorithm>

#include "analysis/statistics_options.h"
#include "analysis/text_blocks.h"
#include "analysis/text_source.h"
#include "base/fingerprint.h"
#include "emend/error.h"
#include "model/rows.h"
#include "text/corpus.h"

namespace emend {

namespace {

using TokenRow = std::vector<std::int64_t>;

constexpr std::size_t kHeldRows =
    16;  // texts kept out of the sums: for measuring drift, and the error of C^-1 k
constexpr std::size_t kHeldLength = 48;

// A sample of a corpus in tokens.
struct Sample {
  std::vector<TextRow> rows;
  std::vector<std::string> where;          // of each document
  std::vector<std::uint64_t> fingerprint;  // of each document
  std::vector<TokenRow> held;
  std::vector<std::uint64_t> held_fingerprint;
};

void hold(Sample& sample, TokenRow row, std::uint64_t fingerprint) {
  row.resize(std::min(row.size(), kHeldLength));
  sample.held.push_back(std::move(row));
  sample.held_fingerprint.push_back(fingerprint);
}

// Cuts the rows so that they have exactly `tokens` keys.
void cut_to(std::vector<TextRow>& rows, std::int64_t tokens) {
  std::int64_t keys = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (keys + rows[i].keys() >= tokens) {
      rows[i].ids.resize(static_cast<std::size_t>(tokens - keys) + 1);
      rows.resize(i + 1);
      return;
    }
    keys += rows[i].keys();
  }
}

// Documents by rank until `tokens` keys are there. The first ones are held back; of a corpus with few
// documents, the last rows.
Sample draw_sample(const CorpusIndex& index, const Model& model, const StatisticsOptions& options,
                   std::int64_t tokens, Progress& progress) {
  constexpr std::uint64_t kLeastWave = 1 << 20, kMostWave = 1 << 26, kBytesAToken = 6;
  Sample sample;
  const std::size_t held_documents = std::min(kHeldRows, index.documents.size() / 10);
  const bool all = tokens == kAllTokens;
  const std::int64_t wanted =
      all ? std::int64_t{1} << 60
          : tokens + (held_documents == 0 ? static_cast<std::int64_t>(kHeldRows) * options.window : 0);
  std::int64_t keys = 0;
  progress.begin("splitting the text into tokens", all ? 0 : tokens, "tokens");
  for (std::size_t begin = 0; begin < index.documents.size() && keys < wanted;) {
    const auto missing = static_cast<std::uint64_t>(wanted - keys);
    const std::uint64_t wave =
        std::clamp(missing > kMostWave ? kMostWave : missing * kBytesAToken, kLeastWave, kMostWave);
    std::size_t end = begin;
    for (std::uint64_t bytes = 0; end < index.documents.size() && bytes < wave; ++end)
      bytes += index.documents[end].bytes;
    const std::vector<SampledDocument> texts = read_documents(index, begin, end);
    for (std::size_t i = begin; i < end && keys < wanted; ++i) {
      const auto ids = model.tokenizer().encode(texts[i - begin].text, SpecialTokens::kNone).ids;
      std::vector<TokenRow> rows = document_rows(ids, options.prefix, options.window);
      if (rows.empty()) continue;
      if (sample.held.size() < held_documents) {
        hold(sample, std::move(rows.front()), index.documents[i].fingerprint);
        continue;
      }
      for (TokenRow& row : rows) {
        sample.rows.push_back({std::move(row), static_cast<std::uint32_t>(sample.where.size())});
        keys += sample.rows.back().keys();
      }
      sample.where.push_back(texts[i - begin].where);
      sample.fingerprint.push_back(index.documents[i].fingerprint);
    }
    progress.update(std::min(keys, wanted), "");
    begin = end;
  }
  progress.end();
  if (held_documents == 0) {
    const std::size_t held = std::min(kHeldRows, sample.rows.size() / 10);
    for (std::size_t i = sample.rows.size() - held; i < sample.rows.size(); ++i)
      hold(sample, sample.rows[i].ids, sample.fingerprint[sample.rows[i].document]);
    sample.rows.resize(sample.rows.size() - held);
  }
  if (!all) cut_to(sample.rows, tokens);
  return sample;
}

class GivenText : public TextSource {
 public:
  GivenText(const Model& model, std::string description, Sample sample, std::int64_t block_keys,
            std::int64_t token_budget)
      : model_(model),
        description_(std::move(description)),
        sample_(std::move(sample)),
        blocks_(cut_blocks(sample_.rows, block_keys)),
        token_budget_(token_budget) {}

  std::int64_t blocks() const override { return static_cast<std::int64_t>(blocks_.size()); }
  std::int64_t block_keys(std::int64_t block) const override { return at(block).keys; }
  const std::vector<TokenRow>& held_text() const override { return sample_.held; }
  const std::vector<std::uint64_t>& held_documents() const override { return sample_.held_fingerprint; }
  std::string description() const override { return description_; }

  void sum(std::int64_t block, KeySums& sums, std::int64_t done, const std::string& note,
           Progress& progress) const override {
    const std::vector<TextUnit> units =
        model_.options().device().is_cuda() ? coarse_units(at(block).units) : at(block).units;
    for (const UnitRange range : split_units(units, token_budget_)) {
      sum_units(std::span(units).subspan(range.begin, range.end - range.begin), sums);
      for (std::size_t u = range.begin; u < range.end; ++u) done += units[u].keys;
      progress.update(done, note);
    }
  }

  std::vector<std::uint64_t> documents(std::int64_t block) const override {
    std::vector<std::uint64_t> found;
    for (const TextUnit& unit : at(block).units)
      for (const std::size_t row : unit.rows)
        found.push_back(sample_.fingerprint[sample_.rows[row].document]);
    return found;
  }

  std::string fingerprint() const override {
    Sha256 hash;
    for (const TextRow& row : sample_.rows) hash.update_field(std::as_bytes(std::span(row.ids)));
    for (const TokenRow& row : sample_.held) hash.update_field(std::as_bytes(std::span(row)));
    for (const TextBlock& block : blocks_) hash.update_number(static_cast<std::uint64_t>(block.keys));
    return hash.hex();
  }

 private:
  const TextBlock& at(std::int64_t block) const { return blocks_[static_cast<std::size_t>(block)]; }

  // One pass, stopped at the key of the last layer; each layer's keys are summed as soon as they are known.
  void sum_units(std::span<const TextUnit> units, KeySums& sums) const {
    PassInput input;
    std::vector<std::int64_t> counted;  // packed tokens past position 0, unit after unit
    std::int64_t token = 0;
    for (const TextUnit& unit : units)
      for (const std::size_t row : unit.rows) {
        input.ids.push_back(sample_.rows[row].ids);
        for (std::size_t j = 0; j < input.ids.back().size(); ++j, ++token)
          if (j > 0) counted.push_back(token);
      }
    input.stop = PassInput::Stop::kKey;
    input.stop_block = sums.layers().back();
    input.recordings = sums.recordings(index_tensor(counted, model_.options().device()));
    input.on_recorded = [&](std::size_t layer, const at::Tensor& keys) {
      std::int64_t begin = 0;
      for (const TextUnit& unit : units) {
        sums.add(layer, unit.half, keys.narrow(0, begin, unit.keys),
                 [&](std::int64_t key) { return "document " + where(unit, key); });
        begin += unit.keys;
      }
    };
    model_.forward(std::move(input));
  }

  std::string where(const TextUnit& unit, std::int64_t key) const {
    std::size_t i = 0;
    while (i + 1 < unit.rows.size() && key >= sample_.rows[unit.rows[i]].keys())
      key -= sample_.rows[unit.rows[i++]].keys();
    return sample_.where[sample_.rows[unit.rows[i]].document];
  }

  const Model& model_;
  std::string description_;
  Sample sample_;
  std::vector<TextBlock> blocks_;
  std::int64_t token_budget_;
};

}  // namespace

std::unique_ptr<TextSource> make_given_text(const Model& model, const StatisticsOptions& options,
                                            std::int64_t tokens, CorpusNotes& notes, Progress& progress) {
  const CorpusIndex index = scan_corpus(options.corpus, options.text_field, options.seed, progress);
  notes = {index.repaired, index.repeated, index.binary_files};
  Sample sample = draw_sample(index, model, options, tokens, progress);
  if (sample.rows.empty())
    throw Error(ErrorKind::kConfig,
                options.corpus.front().string() + ": the corpus holds no document of 8 tokens");
  return std::make_unique<GivenText>(model, "text: " + index.description(), std::move(sample),
                                     block_tokens(model, options), options.token_budget);
}

}  // namespace emend
