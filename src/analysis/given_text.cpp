#include "analysis/given_text.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <string_view>
#include <utility>

#include "analysis/own_text.h"
#include "analysis/text_blocks.h"
#include "analysis/text_walk.h"
#include "base/fingerprint.h"
#include "emend/error.h"
#include "model/rows.h"
#include "text/corpus.h"
#include "text/sentences.h"

namespace emend {

namespace {

using TokenRow = std::vector<std::int64_t>;

// Texts that no visitor sees: drift is measured on them, and the error of C^-1 k.
constexpr std::size_t kHeldRows = 16, kHeldLength = 48;
constexpr std::size_t kShortestSentence = 2;

// A sample of a corpus in tokens.
struct Sample {
  std::vector<TextRow> rows;
  std::vector<TextDocument> documents;
  std::vector<TokenRow> held;
  std::vector<std::uint64_t> held_fingerprint;
};

void hold(Sample& sample, TokenRow row, std::uint64_t fingerprint) {
  row.resize(std::min(row.size(), kHeldLength));
  sample.held.push_back(std::move(row));
  sample.held_fingerprint.push_back(fingerprint);
}

// Cuts the rows so that exactly `tokens` tokens past position 0 are left.
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

// Takes documents by rank until there are enough keys. The first ones are held back; of a corpus with few
// documents the last rows are.
class SampleDraw {
 public:
  SampleDraw(const CorpusIndex& index, const Model& model, const TextOptions& options, bool hold_text,
             RowCut cut)
      : index_(index),
        model_(model),
        options_(options),
        cut_(cut),
        held_documents_(hold_text ? std::min(kHeldRows, index.documents.size() / 10) : 0),
        held_rows_(hold_text && held_documents_ == 0 ? kHeldRows : 0),
        wanted_(keys_wanted()) {}

  Sample draw(Progress& progress) {
    const bool all = options_.tokens == kAllTokens;
    progress.begin("splitting the text into tokens", all ? 0 : options_.tokens, "tokens");
    for (std::size_t begin = 0; begin < index_.documents.size() && keys_ < wanted_;) {
      const std::size_t end = end_of_wave(begin);
      const std::vector<SampledDocument> texts = read_documents(index_, begin, end);
      for (std::size_t i = begin; i < end && keys_ < wanted_; ++i)
        take(texts[i - begin], index_.documents[i]);
      progress.update(std::min(keys_, wanted_), "");
      begin = end;
    }
    progress.end();
    if (held_rows_ > 0) hold_last_rows();
    if (!all) cut_to(sample_.rows, options_.tokens);
    return std::move(sample_);
  }

 private:
  std::int64_t keys_wanted() const {
    if (options_.tokens == kAllTokens) return std::int64_t{1} << 60;
    return options_.tokens + static_cast<std::int64_t>(held_rows_) * options_.window;
  }

  // Documents that are read at once: about as much text as is still needed.
  std::size_t end_of_wave(std::size_t begin) const {
    constexpr std::uint64_t kLeastWave = 1 << 20, kMostWave = 1 << 26, kBytesAToken = 6;
    const auto missing = static_cast<std::uint64_t>(wanted_ - keys_);
    const std::uint64_t wave =
        std::clamp(missing > kMostWave ? kMostWave : missing * kBytesAToken, kLeastWave, kMostWave);
    std::size_t end = begin;
    for (std::uint64_t bytes = 0; end < index_.documents.size() && bytes < wave; ++end)
      bytes += index_.documents[end].bytes;
    return end;
  }

  void take(const SampledDocument& document, const DocumentEntry& entry) {
    std::vector<TextRow> rows = rows_of(document.text);
    if (rows.empty()) return;
    if (sample_.held.size() < held_documents_) {
      hold(sample_, std::move(rows.front().ids), entry.fingerprint);
      return;
    }
    for (TextRow& row : rows) {
      row.document = static_cast<std::uint32_t>(sample_.documents.size());
      keys_ += row.keys();
      sample_.rows.push_back(std::move(row));
    }
    sample_.documents.push_back({"document " + document.where, entry.fingerprint, index_.number(entry)});
  }

  std::vector<TextRow> rows_of(const std::string& text) const {
    const bool alone = cut_ == RowCut::kSentences;
    const std::vector<std::string_view> pieces =
        alone ? split_sentences(text) : std::vector<std::string_view>{text};
    std::vector<TextRow> rows;
    std::uint32_t window = 0;
    for (const std::string_view piece : pieces) {
      const auto ids = model_.tokenizer().encode(std::string(piece), SpecialTokens::kNone).ids;
      for (TokenRow& row :
           document_rows(ids, options_.prefix, options_.window, alone ? kShortestSentence : kShortestWindow))
        rows.push_back({std::move(row), 0, window++});
      ++window;
    }
    return rows;
  }

  void hold_last_rows() {
    const std::size_t held = std::min(held_rows_, sample_.rows.size() / 10);
    for (std::size_t i = sample_.rows.size() - held; i < sample_.rows.size(); ++i)
      hold(sample_, sample_.rows[i].ids, sample_.documents[sample_.rows[i].document].fingerprint);
    sample_.rows.resize(sample_.rows.size() - held);
  }

  const CorpusIndex& index_;
  const Model& model_;
  const TextOptions& options_;
  RowCut cut_;
  std::size_t held_documents_, held_rows_;  // first documents, or last rows, that are held back
  std::int64_t wanted_;
  std::int64_t keys_ = 0;
  Sample sample_;
};

// The ids of texts past position 0, by the number of each text.
class TextCollector : public TextVisitor {
 public:
  const std::vector<int>& layers() const override { return layers_; }
  std::vector<Site> sites() const override { return {Site::kKey}; }  // of something, so that tokens come
  void visit(const TextPortion& portion) override {
    for (const TextToken& token : portion.tokens) texts_[token.document].push_back(token.id);
  }
  void save(FileWriter&) const override {}
  void load(const TensorFile&) override {}
  void reduce(ShardGroup&) override {}
  const std::map<std::uint64_t, TokenRow>& texts() const { return texts_; }

 private:
  std::vector<int> layers_ = {0};
  std::map<std::uint64_t, TokenRow> texts_;
};

class GivenText : public TextSource {
 public:
  GivenText(const Model& model, const TextOptions& options, std::string description, Sample sample)
      : model_(model),
        description_(std::move(description)),
        sample_(std::move(sample)),
        blocks_(cut_blocks(sample_.rows, options.block_tokens)),
        prefix_(options.prefix.size()),
        token_budget_(options.token_budget) {
    place_rows();
  }

  std::int64_t blocks() const override { return static_cast<std::int64_t>(blocks_.size()); }
  std::int64_t tokens_of(std::int64_t block) const override { return at(block).keys; }
  const std::vector<TokenRow>& held_text() const override { return sample_.held; }
  const std::vector<std::uint64_t>& held_documents() const override { return sample_.held_fingerprint; }
  std::string description() const override { return description_; }
  TextDocument document(std::uint64_t number) const override {
    return sample_.documents[static_cast<std::size_t>(number)];
  }

  void visit(std::int64_t block, TextVisitor& visitor, const OnTokens& on_tokens) const override {
    const std::vector<TextUnit> units =
        model_.options().device().is_cuda() ? coarse_units(at(block).units) : at(block).units;
    std::int64_t done = 0;
    for (const UnitRange range : split_units(units, token_budget_)) {
      visit_units(std::span(units).subspan(range.begin, range.end - range.begin), visitor);
      for (std::size_t u = range.begin; u < range.end; ++u) done += units[u].keys;
      on_tokens(done);
    }
  }

  std::vector<PlacedRow> rows() const override {
    std::vector<PlacedRow> placed;
    placed.reserve(order_.size());
    for (const std::size_t number : order_) {
      const TextRow& row = sample_.rows[number];
      placed.push_back(
          {sample_.documents[row.document].number, row.window, address_[number], row.document, row.ids});
    }
    return placed;
  }

  std::vector<std::uint64_t> documents(std::int64_t block) const override {
    std::vector<std::uint64_t> found;
    for (const TextUnit& unit : at(block).units)
      for (const std::size_t row : unit.rows)
        found.push_back(sample_.documents[sample_.rows[row].document].fingerprint);
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

  // Rows by document and window, and the address of the first token of each.
  void place_rows() {
    order_.resize(sample_.rows.size());
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    const auto place = [&](std::size_t number) {
      const TextRow& row = sample_.rows[number];
      return std::pair(sample_.documents[row.document].number, row.window);
    };
    std::sort(order_.begin(), order_.end(),
              [&](std::size_t a, std::size_t b) { return place(a) < place(b); });
    address_.resize(sample_.rows.size());
    std::uint64_t address = 0;
    for (const std::size_t number : order_) {
      address_[number] = address;
      address += sample_.rows[number].ids.size();
    }
  }

  // One pass over some units. A layer's portions, one a unit, are visited as soon as its vectors are known.
  void visit_units(std::span<const TextUnit> units, TextVisitor& visitor) const {
    const std::size_t first = visitor.takes_first() ? 0 : 1;  // position of a row that is visited
    PassInput input;
    std::vector<TextToken> tokens;      // from there on, unit after unit
    std::vector<std::int64_t> visited;  // where they are among the packed ones
    std::int64_t packed = 0;
    for (const TextUnit& unit : units)
      for (const std::size_t row : unit.rows) {
        input.ids.push_back(sample_.rows[row].ids);
        add_tokens(row, first, tokens);
        const auto length = static_cast<std::int64_t>(input.ids.back().size());
        for (auto j = static_cast<std::int64_t>(first); j < length; ++j) visited.push_back(packed + j);
        packed += length;
      }
    const auto take = [&](std::size_t layer, const std::vector<at::Tensor>& vectors) {
      if (visitor.takes_passes()) return visitor.visit({layer, vectors, tokens, units.front().half, *this});
      std::int64_t begin = 0;
      for (const TextUnit& unit : units) {
        const std::int64_t count = first == 0 ? unit.tokens : unit.keys;
        TextPortion portion{layer, {}, {}, unit.half, *this};
        for (const at::Tensor& site : vectors) portion.vectors.push_back(site.narrow(0, begin, count));
        portion.tokens =
            std::span(tokens).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(count));
        visitor.visit(portion);
        begin += count;
      }
    };
    stop_at_last_site(visitor, input);
    record_sites(visitor, first == 0 ? at::Tensor() : index_tensor(visited, model_.options().device()), take,
                 input);
    model_.forward(input);
  }

  void add_tokens(std::size_t number, std::size_t first, std::vector<TextToken>& tokens) const {
    const TextRow& row = sample_.rows[number];
    for (std::size_t j = first; j < row.ids.size(); ++j)
      tokens.push_back({row.document, row.window, static_cast<std::int64_t>(j), row.ids[j],
                        j + 1 < row.ids.size() ? row.ids[j + 1] : first_of_next_window(number),
                        address_[number] + j});
  }

  // The token after a row, where its document goes on in the next row.
  std::int64_t first_of_next_window(std::size_t number) const {
    if (number + 1 == sample_.rows.size()) return TextToken::kNone;
    const TextRow &row = sample_.rows[number], &next = sample_.rows[number + 1];
    return next.document == row.document && next.window == row.window + 1 && prefix_ < next.ids.size()
               ? next.ids[prefix_]
               : TextToken::kNone;
  }

  const Model& model_;
  std::string description_;
  Sample sample_;
  std::vector<TextBlock> blocks_;
  std::vector<std::size_t> order_;      // rows by document and window
  std::vector<std::uint64_t> address_;  // of the first token of each row
  std::size_t prefix_;                  // ids that begin every row
  std::int64_t token_budget_;
};

}  // namespace

std::unique_ptr<TextSource> make_given_text(const Model& model, const TextOptions& options,
                                            CorpusNotes& notes, Progress& progress, bool hold_text,
                                            RowCut cut) {
  const CorpusIndex index = scan_corpus(options.corpus, options.text_field, options.seed, progress);
  notes = {index.repaired, index.repeated, index.binary_files};
  Sample sample = SampleDraw(index, model, options, hold_text, cut).draw(progress);
  if (sample.rows.empty())
    throw Error(ErrorKind::kConfig,
                options.corpus.front().string() + (cut == RowCut::kSentences
                                                       ? ": the corpus holds no sentence of 2 tokens"
                                                       : ": the corpus holds no document of 8 tokens"));
  return std::make_unique<GivenText>(model, options, "text: " + index.description(), std::move(sample));
}

std::unique_ptr<TextSource> make_written_text(const Model& model, const TextOptions& options,
                                              Progress& progress) {
  const std::unique_ptr<TextSource> written = make_own_text(model, options);
  TextCollector collector;
  WalkOptions whole;
  whole.stage = "writing text";
  walk_text(model, *written, collector, whole, progress);
  const TokenRow opening = opening_of_text(model, options.prefix);
  Sample sample;
  std::int64_t number = 0;
  for (const auto& [document, ids] : collector.texts()) {
    TextRow row{{opening.front()}, static_cast<std::uint32_t>(sample.documents.size()), 0};
    row.ids.insert(row.ids.end(), ids.begin(), ids.end());
    sample.rows.push_back(std::move(row));
    TextDocument origin = written->document(document);
    sample.documents.push_back({fmt::format("{}, {}", origin.name, number), origin.fingerprint, number});
    ++number;
  }
  return std::make_unique<GivenText>(model, options, written->description(), std::move(sample));
}

}  // namespace emend
