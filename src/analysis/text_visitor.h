// A visitor of the vectors that a model computes over a text. An analysis of text is one class of these: the
// statistics (statistics_visitor.h) are one, and another is added without a change to texts, blocks,
// checkpoints or shards.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "analysis/text_file.h"
#include "emend/pass.h"
#include "emend/text_run.h"

namespace emend {

class TextSource;

// A token of the text. Document, window and position together are its address.
struct TextToken {
  static constexpr std::int64_t kNone = -1;

  std::uint64_t document = 0;  // number of its document; TextSource::document tells what that is
  std::int64_t window = 0;     // row of that document: long documents are cut into several
  std::int64_t position = 0;   // in that row, counted with the prefix; 0 only where a visitor takes_first()
  std::int64_t id = 0;
  std::int64_t next = kNone;  // id of the token after it in the document; kNone where what is read ends
  // Number among the tokens of all rows (TextSource::rows); 0 in text that the model writes itself.
  std::uint64_t address = 0;
};

// The vectors of some tokens at all sites of one layer: about 1,024 tokens, fewer at the end of a block, more
// on a GPU. Of given text they are whole rows, one after the other, by position. Which tokens make a portion
// depends on the text, its options and the kind of device, never on the token budget (but: takes_passes()).
struct TextPortion {
  std::size_t layer;                  // index into TextVisitor::layers()
  std::vector<at::Tensor> vectors;    // one a site, [n, D] or [n, F]; type and device are those of the layer
  std::span<const TextToken> tokens;  // [n]
  int half;                           // 0 or 1: the two halves of a text have no piece in common
  const TextSource& text;
};

class TextVisitor {
 public:
  virtual ~TextVisitor() = default;

  // What is recorded: each of these sites at each of these layers, which ascend. Both must stay the same.
  virtual const std::vector<int>& layers() const = 0;
  virtual std::vector<Site> sites() const = 0;
  // Do portions of given text hold the tokens at position 0, too? Then nothing is copied out of what the pass
  // computes: vectors are views, whose rows need not lie one behind the other.
  virtual bool takes_first() const { return false; }

  // Are portions of given text all that one pass computes? Then which tokens make a portion depends on the
  // token budget, and `half` says nothing.
  virtual bool takes_passes() const { return false; }

  // Takes one portion of one layer. All tokens of a block (but those at position 0) come once a layer, in the
  // same order at every layer and in every run. What it throws ends the run.
  virtual void visit(const TextPortion& portion) = 0;

  // All portions of a block have been visited. Returns false if no more text is needed.
  virtual bool end_block() { return true; }
  // A short remark on the state so far, for a progress line.
  virtual std::string note() const { return ""; }

  // The state at the end of a block, into a checkpoint. A visitor that has loaded it goes on as the one that
  // saved it would have.
  virtual void save(FileWriter& writer) const = 0;
  // Throws Error(kFormat) if the file does not hold such a state.
  virtual void load(const TensorFile& file) = 0;

  // Adds the states of all processes of a group into that of rank 0.
  virtual void reduce(ShardGroup& group) = 0;
};

// Told the vectors of one layer, one tensor a site of the visitor.
using TakeLayer = std::function<void(std::size_t layer, const std::vector<at::Tensor>& vectors)>;

// Lets a pass record what the visitor asks for at `tokens` (packed indices; undefined: all), and calls `take`
// for a layer as soon as the vectors of all its sites are known.
void record_sites(const TextVisitor& visitor, const at::Tensor& tokens, TakeLayer take, PassInput& input);

// Lets a pass stop at the last vector that the visitor asks for.
void stop_at_last_site(const TextVisitor& visitor, PassInput& input);

// Do all sites lie in front of the down projection of their layer?
bool sites_end_at_key(const TextVisitor& visitor);

}  // namespace emend
