#include "analysis/own_text.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <utility>

#include "analysis/text_blocks.h"
#include "base/fingerprint.h"
#include "emend/error.h"
#include "model/batches.h"
#include "model/rows.h"
#include "model/sampling.h"
#include "model/side_by_side.h"

namespace emend {

namespace {

constexpr std::int64_t kPortion = 1024;                    // vectors that are visited at once
constexpr std::int64_t kFewestRows = 64, kMostRows = 256;  // texts that grow side by side
constexpr std::int64_t kFullLength = 256;                  // tokens of a text at most
constexpr std::int64_t kGroupRows = 64;                    // texts of a pass on the CPU at most
constexpr std::int64_t kHeldRows = 16;                     // texts that no visitor sees
constexpr std::int64_t kHeldLength = 48;
constexpr std::uint64_t kHeldStream = std::uint64_t{1} << 32;  // away from the texts that are visited

// Texts of a pass. A GPU takes them all at once. On the CPU a matrix is packed for the product anew in every
// pass, which took 0.8 of the product's own time with 32 texts; fewer, larger passes pack less, but occupy
// fewer threads.
std::int64_t rows_of_pass(const Model& model, std::int64_t rows) {
  return model.options().device().is_cpu() ? std::min(kGroupRows, rows / 2) : rows;
}

// How texts are written.
struct Writing {
  TokenIds opening;
  std::optional<std::int64_t> eos;
  std::uint64_t seed = 0;
};

// The tokens of one step of the writing that are visited. Odd rows are the second half.
struct Step {
  std::vector<TextToken> tokens;
  std::vector<std::int64_t> packed;                            // where they are among the tokens of the pass
  std::vector<std::size_t> row;                                // and in which row
  std::array<std::vector<std::int64_t>, kTextHalves> members;  // indices into `tokens` of each half
  std::vector<std::vector<at::Tensor>> vectors;                // by layer, one a site
};

// Some of the texts of one block, from `first` on, while they grow.
class GrowingTexts {
 public:
  GrowingTexts(const Writing& writing, std::int64_t longest, std::int64_t block, std::int64_t first,
               std::int64_t rows)
      : writing_(writing),
        longest_(longest),
        ids_(static_cast<std::size_t>(rows), writing.opening),
        drawn_(ids_.size(), 0) {
    for (std::int64_t row = first; row < first + rows; ++row) {
      streams_.push_back(static_cast<std::uint64_t>(block * kMostRows + row));
      documents_.push_back(static_cast<std::uint64_t>(block << 32 | row));
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
                         next[row] == writing_.opening.back() || lengths[row] >= longest_;
      ids_[row] = ended ? writing_.opening : TokenIds{next[row]};
      if (!ended) continue;
      lengths[row] = 0;
      documents_[row] += kMostRows;
    }
  }

 private:
  const Writing& writing_;
  std::int64_t longest_;
  std::vector<TokenIds> ids_;
  std::vector<std::uint64_t> streams_, drawn_;  // where each row draws from, and how often it has drawn
  // Of each row: block, and number in the block. The next one of a row is kMostRows further, so that a number
  // is the same whatever the other rows do.
  std::vector<std::uint64_t> documents_;
};

// Vectors of many steps, kept until there are enough for a portion.
class WaitingVectors {
 public:
  WaitingVectors(TextVisitor& visitor, const TextSource& text)
      : visitor_(visitor), text_(text), sites_(visitor.sites().size()), layers_(visitor.layers().size()) {
    waiting_.fill(empty_heap());
  }

  // What a step found, once its next tokens are drawn.
  void take(const Step& step, const at::Device& device) {
    if (step.tokens.empty()) return;
    const std::array<at::Tensor, kTextHalves> members = {index_tensor(step.members[0], device),
                                                         index_tensor(step.members[1], device)};
    for (std::size_t layer = 0; layer < layers_; ++layer) add(layer, step.vectors[layer], members);
    end_step(step);
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

  // The tokens of the step, once the vectors of all layers are there.
  void end_step(const Step& step) {
    for (std::size_t half = 0; half < kTextHalves; ++half) {
      for (const std::int64_t i : step.members[half])
        waiting_[half].tokens.push_back(step.tokens[static_cast<std::size_t>(i)]);
      if (static_cast<std::int64_t>(waiting_[half].tokens.size()) >= kPortion) flush(half);
    }
  }

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

// Texts that share their passes.
struct Group {
  GrowingTexts texts;
  KvCache cache;
  Step step;
};

// The texts of one block in groups whose passes run side by side.
class TextGroups {
 public:
  TextGroups(const Model& model, const Writing& writing, std::int64_t block, std::int64_t tokens)
      : model_(model),
        groups_(make_groups(model, writing, block, tokens)),
        // Blocks that are read again in each pass are there for one pass at a time.
        threads_(model.first_kept_block() > 0 ? 1 : static_cast<std::int64_t>(groups_.size())) {}

  std::vector<Group>& groups() { return groups_; }
  // Groups whose passes run at the same time.
  std::size_t at_once() const {
    return std::min(groups_.size(), static_cast<std::size_t>(threads_.threads()));
  }

  // One step of the first `count` groups, each on one thread; on a GPU there is only one, and the calling
  // thread drives it.
  void grow(std::size_t count, const TextVisitor* visitor) {
    if (model_.options().device().is_cuda()) return read_step(groups_.front(), visitor);
    threads_.run(static_cast<std::int64_t>(count),
                 [&](std::int64_t group) { read_step(groups_[static_cast<std::size_t>(group)], visitor); });
  }

 private:
  static std::vector<Group> make_groups(const Model& model, const Writing& writing, std::int64_t block,
                                        std::int64_t tokens) {
    const OwnTextShape shape =
        own_text_shape(model.config(), tokens, static_cast<std::int64_t>(writing.opening.size()));
    const std::int64_t rows = rows_of_pass(model, shape.rows);
    std::vector<Group> groups;
    for (std::int64_t first = 0; first < shape.rows; first += rows)
      groups.push_back({GrowingTexts(writing, shape.length, block, first, rows),
                        KvCache(model.config(), 0, rows, shape.length, model.options()),
                        {}});
    return groups;
  }

  // One pass over the new tokens of a group, which finds the next ones and what the visitor, if there is one,
  // asks for of those in its step.
  void read_step(Group& group, const TextVisitor* visitor) const {
    Step& step = group.step;
    PassInput input;
    input.ids = group.texts.ids();
    input.cache = &group.cache;
    input.append = true;
    input.logit_tokens = last_tokens(input.ids);
    const auto take = [&](std::size_t layer, const std::vector<at::Tensor>& vectors) {
      step.vectors[layer] = vectors;
    };
    if (visitor != nullptr && !step.packed.empty()) {
      step.vectors.resize(visitor->layers().size());
      record_sites(*visitor, index_tensor(step.packed, model_.options().device()), take, input);
    }
    const at::Tensor logits = model_.forward(input).logits;
    group.texts.draw(logits, group.cache.lengths, step);
  }

  const Model& model_;
  std::vector<Group> groups_;
  SideBySide threads_;
};

Writing writing_of(const Model& model, const TextOptions& options) {
  return {opening_of_text(model, options.prefix),
          model.has_tokenizer() ? model.tokenizer().eos() : std::nullopt, options.seed};
}

class OwnText : public TextSource {
 public:
  OwnText(const Model& model, const TextOptions& options)
      : model_(model),
        writing_(writing_of(model, options)),
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
    return fmt::format("{}, {} tokens in blocks of {}, {} and more texts", description(), tokens_, block_,
                       kFewestRows);
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
    TextGroups texts(model_, writing_, block, wanted);
    WaitingVectors waiting(visitor, *this);
    for (std::int64_t done = 0; done < wanted;) {
      for (Group& group : texts.groups()) {
        group.step = group.texts.step(group.cache.lengths, wanted - done);
        done += static_cast<std::int64_t>(group.step.tokens.size());
      }
      texts.grow(texts.groups().size(), &visitor);
      for (const Group& group : texts.groups()) waiting.take(group.step, model_.options().device());
      on_tokens(done);
    }
    waiting.flush();
  }

 private:
  std::uint64_t name_of(std::uint64_t number) const {
    Sha256 hash;
    // Whatever the size of its blocks: block b begins with the same texts.
    hash.update_field(fmt::format("{}, {} and more texts", description(), kFewestRows));
    hash.update_number(number);
    return std::stoull(hash.hex().substr(0, 16), nullptr, 16);
  }

  void write_held_text() {
    GenerateOptions sampling;
    const auto opening = static_cast<std::int64_t>(writing_.opening.size());
    sampling.max_new =
        std::min(kHeldLength, own_text_shape(model_.config(), kOwnTextBlock, opening).length - opening);
    sampling.temperature = 1;
    sampling.seed = writing_.seed;
    sampling.stream = kHeldStream;
    if (writing_.eos) sampling.stop = {*writing_.eos};
    std::vector<TokenIds> texts(kHeldRows, writing_.opening);
    const auto write = [&](std::int64_t) { texts = generate(model_, texts, sampling); };
    if (model_.options().device().is_cpu())
      SideBySide(1).run(1, write);  // few rows, which several threads would take longer over
    else
      write(0);
    for (TokenIds& text : texts) {
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

OwnTextShape own_text_shape(const ModelConfig& config, std::int64_t block_tokens, std::int64_t opening) {
  OwnTextShape shape{kFewestRows, std::min(kFullLength, config.max_positions)};
  // A text grows token by token, so it ends where the model would turn all of it otherwise.
  for (const RotaryTable& table : config.rotary)
    if (table.long_from > 0) shape.length = std::min(shape.length, table.long_from);
  while (shape.rows < kMostRows && block_tokens >= 2 * shape.rows * kFairLength) shape.rows *= 2;
  // As far as a text comes that never ends: the block is full then.
  shape.length = std::min(shape.length, opening + (block_tokens + shape.rows - 1) / shape.rows);
  return shape;
}

TokenIds opening_of_text(const Model& model, const TokenIds& prefix) {
  return prefix.empty() ? TokenIds{start_token(model, prefix)} : prefix;
}

double own_text_seconds_a_token(const Model& model, const TextOptions& options) {
  const Writing writing = writing_of(model, options);
  TextGroups texts(model, writing, 0, std::min(options.tokens, options.block_tokens));
  // On a machine that others use single steps tell little: the mean over some time does.
  constexpr double kSeconds = 0.5;
  constexpr int kMostSteps = 32;
  double seconds = 0;
  std::size_t tokens = 0;
  for (int step = 0; step < 2 || (step <= kMostSteps && seconds < kSeconds); ++step) {
    std::size_t grown = 0;
    for (std::size_t i = 0; i < texts.at_once(); ++i) {
      KvCache& cache = texts.groups()[i].cache;
      cache.lengths.assign(cache.lengths.size(), cache.capacity() / 2);
      grown += cache.lengths.size();
    }
    const auto began = std::chrono::steady_clock::now();
    texts.grow(texts.at_once(), nullptr);
    if (step == 0) continue;  // to warm up
    seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    tokens += grown;
  }
  return seconds / static_cast<double>(tokens);
}

std::unique_ptr<TextSource> make_own_text(const Model& model, const TextOptions& options) {
  return std::make_unique<OwnText>(model, options);
}

}  // namespace emend
