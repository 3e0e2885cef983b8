// Statistics over text that the model writes itself.
#include <ATen/ATen.h>

#include <algorithm>
#include <array>

#include "analysis/own_text.h"
#include "analysis/statistics_options.h"
#include "analysis/text_source.h"
#include "base/fingerprint.h"
#include "model/batches.h"
#include "model/rows.h"
#include "model/sampling.h"

namespace emend {

namespace {

constexpr std::int64_t kSideBySide = 64;    // texts that grow together
constexpr std::int64_t kLongestText = 256;  // tokens: bounds the cache of 64 of them
constexpr std::int64_t kPortion = 1024;     // keys that are multiplied at once
constexpr std::int64_t kHeldRows = 16;      // texts kept out of the sums
constexpr std::int64_t kHeldLength = 48;
constexpr std::uint64_t kHeldStream = std::uint64_t{1} << 32;  // away from the texts that are summed

// Keys of every step of the model's writing, kept until there are enough for a product.
class WaitingKeys {
 public:
  explicit WaitingKeys(KeySums& sums) : sums_(sums), waiting_(sums.layers().size()) {}

  // The keys of one step at one layer, [n, F]; odd rows of the 64 texts are the second half.
  void add(std::size_t layer, const at::Tensor& keys,
           const std::array<at::Tensor, KeySums::kHalves>& members) {
    for (int half = 0; half < KeySums::kHalves; ++half) {
      const at::Tensor& chosen = members[static_cast<std::size_t>(half)];
      if (chosen.size(0) == 0) continue;
      Heap& heap = waiting_[layer][static_cast<std::size_t>(half)];
      heap.keys.push_back(keys.index_select(0, chosen.to(keys.device())));
      heap.count += chosen.size(0);
      if (heap.count >= kPortion) flush(layer, half);
    }
  }
  void flush() {
    for (std::size_t layer = 0; layer < waiting_.size(); ++layer)
      for (int half = 0; half < KeySums::kHalves; ++half) flush(layer, half);
  }

 private:
  struct Heap {
    std::vector<at::Tensor> keys;
    std::int64_t count = 0;
  };
  void flush(std::size_t layer, int half) {
    Heap& heap = waiting_[layer][static_cast<std::size_t>(half)];
    if (heap.count == 0) return;
    sums_.add(layer, half, at::cat(heap.keys, 0),
              [](std::int64_t) { return std::string("text of the model's own"); });
    heap = {};
  }
  KeySums& sums_;
  std::vector<std::array<Heap, KeySums::kHalves>> waiting_;
};

class OwnText : public TextSource {
 public:
  OwnText(const Model& model, const StatisticsOptions& options, std::int64_t tokens)
      : model_(model),
        opening_(opening_of_text(model, options.prefix)),
        eos_(model.has_tokenizer() ? model.tokenizer().eos() : std::nullopt),
        seed_(options.seed),
        tokens_(tokens),
        block_(block_tokens(model, options)) {
    write_held_text();
  }

  std::int64_t blocks() const override { return (tokens_ + block_ - 1) / block_; }
  std::int64_t block_keys(std::int64_t block) const override {
    return std::min(block_, tokens_ - block * block_);
  }
  const std::vector<TokenIds>& held_text() const override { return held_; }
  const std::vector<std::uint64_t>& held_documents() const override { return held_documents_; }
  std::string description() const override { return "self, seed " + std::to_string(seed_); }
  std::string fingerprint() const override {
    return description() + ", " + std::to_string(tokens_) + " tokens in blocks of " + std::to_string(block_);
  }
  // One a block: the texts of a block follow from seed and number.
  std::vector<std::uint64_t> documents(std::int64_t block) const override {
    return {name_of(static_cast<std::uint64_t>(block))};
  }

  // Every step runs one token of each text through all blocks of the model once.
  void sum(std::int64_t block, KeySums& sums, std::int64_t done, const std::string& note,
           Progress& progress) const override {
    const std::int64_t longest = std::min(kLongestText, model_.config().max_positions),
                       wanted = block_keys(block);
    KvCache cache(model_.config(), 0, kSideBySide, longest, model_.options());
    std::vector<std::uint64_t> streams(kSideBySide), drawn(kSideBySide, 0);
    for (std::int64_t i = 0; i < kSideBySide; ++i)
      streams[i] = static_cast<std::uint64_t>(block * kSideBySide + i);
    WaitingKeys waiting(sums);
    PassInput input;
    input.ids.assign(kSideBySide, opening_);
    for (std::int64_t count = 0; count < wanted;) {
      input.cache = &cache;
      input.append = true;
      input.logit_tokens = last_tokens(input.ids);
      const std::array<at::Tensor, KeySums::kHalves> members =
          record(input, sums, cache, wanted - count, count);
      input.on_recorded = [&](std::size_t layer, const at::Tensor& keys) {
        waiting.add(layer, keys, members);
      };
      const PassOutput output = model_.forward(std::move(input));
      progress.update(done + count, note);
      input = next_step(output.logits, streams, drawn, cache, longest);
    }
    waiting.flush();
  }

 private:
  // Asks for the keys past position 0, `room` at most, and tells which of them belong to which half.
  std::array<at::Tensor, KeySums::kHalves> record(PassInput& input, const KeySums& sums, const KvCache& cache,
                                                  std::int64_t room, std::int64_t& count) const {
    const at::Device device = model_.options().device();
    std::vector<std::int64_t> counted;
    std::array<std::vector<std::int64_t>, KeySums::kHalves> members;
    std::int64_t token = 0;
    for (std::int64_t row = 0; row < kSideBySide; ++row)
      for (std::size_t j = 0; j < input.ids[row].size(); ++j, ++token) {
        const bool past_first = cache.lengths[row] + static_cast<std::int64_t>(j) > 0;
        const auto seen = static_cast<std::int64_t>(counted.size());
        if (!past_first || seen == room) continue;
        members[static_cast<std::size_t>(row % KeySums::kHalves)].push_back(seen);
        counted.push_back(token);
      }
    if (!counted.empty()) input.recordings = sums.recordings(index_tensor(counted, device));
    count += static_cast<std::int64_t>(counted.size());
    return {index_tensor(members[0], device), index_tensor(members[1], device)};
  }

  PassInput next_step(const at::Tensor& logits, const std::vector<std::uint64_t>& streams,
                      std::vector<std::uint64_t>& drawn, KvCache& cache, std::int64_t longest) const {
    const auto next = draw_tokens(logits, streams, drawn, {.temperature = 1, .top_k = 0, .seed = seed_});
    PassInput input;
    for (std::int64_t row = 0; row < kSideBySide; ++row) {
      ++drawn[row];
      const bool ended =
          (eos_ && next[row] == *eos_) || next[row] == opening_.back() || cache.lengths[row] >= longest;
      if (ended) cache.lengths[row] = 0;  // a new text in the same place
      input.ids.push_back(ended ? opening_ : TokenIds{next[row]});
    }
    return input;
  }

  std::uint64_t name_of(std::uint64_t number) const {
    Sha256 hash;
    hash.update_field(description());  // whatever the size of its blocks: block b begins with the same texts
    hash.update_number(number);
    return std::stoull(hash.hex().substr(0, 16), nullptr, 16);
  }

  void write_held_text() {
    GenerateOptions sampling;
    sampling.max_new =
        std::min(kHeldLength, model_.config().max_positions - static_cast<std::int64_t>(opening_.size()));
    sampling.temperature = 1;
    sampling.seed = seed_;
    sampling.stream = kHeldStream;
    if (eos_) sampling.stop = {*eos_};
    for (TokenIds& text : generate(model_, std::vector<TokenIds>(kHeldRows, opening_), sampling)) {
      if (text.empty()) continue;
      text.insert(text.begin(), opening_.begin(), opening_.end());
      held_.push_back(std::move(text));
      held_documents_.push_back(name_of(kHeldStream + held_.size()));
    }
  }

  const Model& model_;
  TokenIds opening_;
  std::optional<std::int64_t> eos_;
  std::uint64_t seed_;
  std::int64_t tokens_, block_;
  std::vector<TokenIds> held_;
  std::vector<std::uint64_t> held_documents_;
};

}  // namespace

std::unique_ptr<TextSource> make_own_text(const Model& model, const StatisticsOptions& options,
                                          std::int64_t tokens) {
  return std::make_unique<OwnText>(model, options, tokens);
}

}  // namespace emend
