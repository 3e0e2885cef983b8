#include "analysis/own_text.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "analysis/text_blocks.h"
#include "base/fingerprint.h"
#include "emend/error.h"
#include "model/batches.h"
#include "model/rows.h"
#include "model/sampling.h"

namespace emend {

namespace {

constexpr std::int64_t kPortion = 1024;  // vectors that are visited at once
constexpr std::int64_t kHeldRows = 16;   // texts that no visitor sees
constexpr std::int64_t kHeldLength = 48;
constexpr std::uint64_t kHeldStream = std::uint64_t{1} << 32;  // away from the texts that are visited

// Tokens of a text at most: it grows token by token, so it ends where the model would turn all of it
// otherwise.
std::int64_t longest_text(const ModelConfig& config) {
  std::int64_t longest = std::min(kOwnTextLength, config.max_positions);
  for (const RotaryTable& table : config.rotary)
    if (table.long_from > 0) longest = std::min(longest, table.long_from);
  return longest;
}

// How texts are written.
struct Writing {
  TokenIds opening;
  std::optional<std::int64_t> eos;
  std::uint64_t seed = 0;
  std::int64_t longest = kOwnTextLength;
};

// The tokens of one step of the writing that are visited. Odd rows of the 64 texts are the second half.
struct Step {
  std::vector<TextToken> tokens;
  std::vector<std::int64_t> packed;                            // where they are among the tokens of the pass
  std::vector<std::size_t> row;                                // and in which row
  std::array<std::vector<std::int64_t>, kTextHalves> members;  // indices into `tokens` of each half
};

// The texts of one block while they grow.
class GrowingTexts {
 public:
  GrowingTexts(const Writing& writing, std::int64_t block)
      : writing_(writing),
        block_(static_cast<std::uint64_t>(block)),
        ids_(kOwnTextRows, writing.opening),
        drawn_(kOwnTextRows, 0) {
    for (std::uint64_t row = 0; row < kOwnTextRows; ++row) {
      streams_.push_back(block_ * kOwnTextRows + row);
      documents_.push_back(next_document());
    }
  }

  // Tokens of every row that the model has not read yet.
  const std::vector<TokenIds>& ids() const { return ids_; }

  // The tokens past position 0 among them, `room` at most. `lengths`: how many tokens of each row were read.
  Step step(const std::vector<std::int64_t>& lengths, std::int64_t room) const {
    Step step;
    std::int64_t packed = 0;
    for (std::size_t row = 0; row < ids_.size(); ++row)
      for (std::size_t j = 0; j < ids_[row].size(); ++j, ++packed) {
        const std::int64_t position = lengths[row] + static_cast<std::int64_t>(j);
        const auto seen = static_cast<std::int64_t>(step.tokens.size());
        if (position == 0 || seen == room) continue;
        const std::int64_t next = j + 1 < ids_[row].size() ? ids_[row][j + 1] : TextToken::kNone;
        step.tokens.push_back({documents_[row], 0, position, ids_[row][j], next});
        step.packed.push_back(packed);
        step.row.push_back(row);
        step.members[row % kTextHalves].push_back(seen);
      }
    return step;
  }

  // Draws the next token of every row, and tells the step's tokens which one follows them. A text that ends
  // with it makes room for a new one in the same row, whose length is then 0.
  void draw(const at::Tensor& logits, std::vector<std::int64_t>& lengths, Step& step) {
    const auto next =
        draw_tokens(logits, streams_, drawn_, {.temperature = 1, .top_k = 0, .seed = writing_.seed});
    for (std::size_t i = 0; i < step.tokens.size(); ++i)
      if (step.tokens[i].next == TextToken::kNone) step.tokens[i].next = next[step.row[i]];
    for (std::size_t row = 0; row < ids_.size(); ++row) {
      ++drawn_[row];
      const bool ended = (writing_.eos && next[row] == *writing_.eos) ||
                         next[row] == writing_.opening.back() || lengths[row] >= writing_.longest;
      ids_[row] = ended ? writing_.opening : TokenIds{next[row]};
      if (!ended) continue;
      lengths[row] = 0;
      documents_[row] = next_document();
    }
  }

 private:
  // Block and number in the block: the same whatever was visited before.
  std::uint64_t next_document() { return block_ << 32 | begun_++; }

  const Writing& writing_;
  std::uint64_t block_;
  std::vector<TokenIds> ids_;
  std::vector<std::uint64_t> streams_, drawn_;  // where each row draws from, and how often it has drawn
  std::vector<std::uint64_t> documents_;        // of each row
  std::uint64_t begun_ = 0;                     // texts that have begun in this block
};

// Vectors of many steps, kept until there are enough for a portion.
class WaitingVectors {
 public:
  WaitingVectors(TextVisitor& visitor, const TextSource& text)
      : visitor_(visitor), text_(text), sites_(visitor.sites().size()), layers_(visitor.layers().size()) {
    waiting_.fill(empty_heap());
  }

  // The vectors of one step at one layer, one tensor a site. `members`: the rows of each half, [n] int64.
  void add(std::size_t layer, const std::vector<at::Tensor>& vectors,
           const std::array<at::Tensor, kTextHalves>& members) {
    for (std::size_t half = 0; half < kTextHalves; ++half) {
      if (members[half].size(0) == 0) continue;
      for (std::size_t site = 0; site < sites_; ++site)
        waiting_[half].layers[layer][site].push_back(
            vectors[site].index_select(0, members[half].to(vectors[site].device())));
    }
  }

  // The tokens of the step, once the vectors of all layers are there and the next tokens are drawn.
  void end_step(const Step& step) {
    for (std::size_t half = 0; half < kTextHalves; ++half) {
      for (const std::int64_t i : step.members[half])
        waiting_[half].tokens.push_back(step.tokens[static_cast<std::size_t>(i)]);
      if (static_cast<std::int64_t>(waiting_[half].tokens.size()) >= kPortion) flush(half);
    }
  }

  void flush() {
    for (std::size_t half = 0; half < kTextHalves; ++half) flush(half);
  }

 private:
  using Sites = std::vector<std::vector<at::Tensor>>;  // the steps' vectors, a list a site
  struct Heap {
    std::vector<TextToken> tokens;
    std::vector<Sites> layers;
  };

  Heap empty_heap() const { return {{}, std::vector<Sites>(layers_, Sites(sites_))}; }

  void flush(std::size_t half) {
    Heap heap = std::exchange(waiting_[half], empty_heap());
    if (heap.tokens.empty()) return;
    for (std::size_t layer = 0; layer < layers_; ++layer) {
      TextPortion portion{layer, {}, heap.tokens, static_cast<int>(half), text_};
      for (const std::vector<at::Tensor>& steps : heap.layers[layer])
        portion.vectors.push_back(at::cat(steps, 0));
      heap.layers[layer].clear();
      visitor_.visit(portion);
    }
  }

  TextVisitor& visitor_;
  const TextSource& text_;
  std::size_t sites_, layers_;
  std::array<Heap, kTextHalves> waiting_;
};

class OwnText : public TextSource {
 public:
  OwnText(const Model& model, const TextOptions& options)
      : model_(model),
        writing_{opening_of_text(model, options.prefix),
                 model.has_tokenizer() ? model.tokenizer().eos() : std::nullopt, options.seed,
                 longest_text(model.config())},
        tokens_(options.tokens),
        block_(options.block_tokens) {
    write_held_text();
  }

  std::int64_t blocks() const override { return (tokens_ + block_ - 1) / block_; }
  std::int64_t tokens_of(std::int64_t block) const override {
    return std::min(block_, tokens_ - block * block_);
  }
  const std::vector<TokenIds>& held_text() const override { return held_; }
  const std::vector<std::uint64_t>& held_documents() const override { return held_documents_; }
  std::string description() const override { return fmt::format("self, seed {}", writing_.seed); }
  std::string fingerprint() const override {
    return fmt::format("{}, {} tokens in blocks of {}", description(), tokens_, block_);
  }
  // One a block: the texts of a block follow from seed and number.
  std::vector<std::uint64_t> documents(std::int64_t block) const override {
    return {name_of(static_cast<std::uint64_t>(block))};
  }
  TextDocument document(std::uint64_t number) const override {
    return {"text of the model's own", name_of(number >> 32)};
  }

  // Every step runs one token of each text through all blocks of the model once.
  void visit(std::int64_t block, TextVisitor& visitor, const OnTokens& on_tokens) const override {
    const std::int64_t wanted = tokens_of(block);
    KvCache cache(model_.config(), 0, kOwnTextRows, writing_.longest, model_.options());
    GrowingTexts texts(writing_, block);
    WaitingVectors waiting(visitor, *this);
    for (std::int64_t done = 0; done < wanted;) {
      Step step = texts.step(cache.lengths, wanted - done);
      const at::Tensor logits = read_step(texts, step, visitor, cache, waiting);
      texts.draw(logits, cache.lengths, step);
      waiting.end_step(step);
      done += static_cast<std::int64_t>(step.tokens.size());
      on_tokens(done);
    }
    waiting.flush();
  }

 private:
  // One pass over the new tokens; the vectors of those in `step` go to `waiting`. Logits of each row's last
  // token.
  at::Tensor read_step(const GrowingTexts& texts, const Step& step, const TextVisitor& visitor,
                       KvCache& cache, WaitingVectors& waiting) const {
    const at::Device device = model_.options().device();
    const std::array<at::Tensor, kTextHalves> members = {index_tensor(step.members[0], device),
                                                         index_tensor(step.members[1], device)};
    PassInput input;
    input.ids = texts.ids();
    input.cache = &cache;
    input.append = true;
    input.logit_tokens = last_tokens(input.ids);
    const auto take = [&](std::size_t layer, const std::vector<at::Tensor>& vectors) {
      waiting.add(layer, vectors, members);
    };
    if (!step.packed.empty()) record_sites(visitor, index_tensor(step.packed, device), take, input);
    return model_.forward(input).logits;
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
        std::min(kHeldLength, writing_.longest - static_cast<std::int64_t>(writing_.opening.size()));
    sampling.temperature = 1;
    sampling.seed = writing_.seed;
    sampling.stream = kHeldStream;
    if (writing_.eos) sampling.stop = {*writing_.eos};
    for (TokenIds& text : generate(model_, std::vector<TokenIds>(kHeldRows, writing_.opening), sampling)) {
      if (text.empty()) continue;
      text.insert(text.begin(), writing_.opening.begin(), writing_.opening.end());
      held_.push_back(std::move(text));
      held_documents_.push_back(name_of(kHeldStream + held_.size()));
    }
  }

  const Model& model_;
  Writing writing_;
  std::int64_t tokens_, block_;
  std::vector<TokenIds> held_;
  std::vector<std::uint64_t> held_documents_;
};

}  // namespace

std::int64_t start_token(const Model& model, const std::vector<std::int64_t>& prefix) {
  if (!prefix.empty()) return prefix.back();
  if (!model.has_tokenizer()) return 0;
  const Tokenizer& tokenizer = model.tokenizer();
  for (const char* name : {"<|endoftext|>", "<|begin_of_text|>", "<s>"})
    if (const auto id = tokenizer.find(name)) return *id;
  if (const auto id = tokenizer.bos()) return *id;
  if (const auto id = tokenizer.eos()) return *id;
  throw Error(ErrorKind::kModel,
              "the tokenizer has no token that a text could start from; set the option bos to a token, or "
              "give a corpus");
}

TokenIds opening_of_text(const Model& model, const TokenIds& prefix) {
  return prefix.empty() ? TokenIds{start_token(model, prefix)} : prefix;
}

std::unique_ptr<TextSource> make_own_text(const Model& model, const TextOptions& options) {
  return std::make_unique<OwnText>(model, options);
}

}  // namespace emend
