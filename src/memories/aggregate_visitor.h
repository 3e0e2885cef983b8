// The positions of an aggregation as a visitor of a text.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "analysis/text_source.h"
#include "analysis/text_visitor.h"
#include "memories/aggregate_state.h"
#include "memories/lens.h"

namespace emend {

// Addresses of the positions that are measured, sorted: of each row one, then a second one, ..., until there
// are `examples`; position 0 never. Which they are depends on the rows and the seed alone.
std::vector<std::uint64_t> draw_examples(const std::vector<PlacedRow>& rows, std::int64_t examples,
                                         std::uint64_t seed);

class AggregateVisitor : public TextVisitor {
 public:
  // `layers` are all or some of the model's, ascending; the last one of the model is visited in any case.
  AggregateVisitor(const Model& model, const AggregateOptions& options, std::vector<std::uint64_t> addresses);

  const std::vector<int>& layers() const override { return layers_; }
  std::vector<Site> sites() const override;
  void visit(const TextPortion& portion) override;
  bool end_block() override;
  void save(FileWriter& writer) const override;
  // Adds the positions that the file has seen to those seen so far. Throws Error(kFormat) also for a file of
  // other layers or positions.
  void load(const TensorFile& file) override;
  void reduce(ShardGroup& group) override;
  // Positions that have been visited.
  std::int64_t seen() const;

  // [layer][position]: of layers(); those that were not asked for stand at the end.
  const std::vector<std::vector<ExampleLayer>>& examples() const { return examples_; }
  const std::vector<ExamplePlace>& places() const { return places_; }
  std::int64_t vocabulary() const { return lens_.tokens(); }

 private:
  // A layer's numbers that do not depend on the text.
  struct LayerTables {
    at::Tensor high, low;  // [F] favourites of +v and -v
    at::Tensor norms;      // [F] lengths of the values as they arrive
    at::Tensor folded;     // [F, D] values under the lens; only where coalitions are sought
  };
  // The vectors of some positions of one layer, float32 on the CPU.
  struct Vectors {
    at::Tensor score, key;                                  // [n, F]
    at::Tensor stream, attention, residual, added, output;  // [n, D]: h, a', r, y', o
    at::Tensor size;                                        // [n, 1] rho of the norm behind the network
  };

  void add_tables(const Model& model, int layer);
  Vectors vectors_of(const TextPortion& portion, const std::vector<std::int64_t>& rows) const;
  void add_decisions(std::size_t layer, const Vectors& seen, const std::vector<std::size_t>& at);
  void add_cells(std::size_t layer, const Vectors& seen, const std::vector<std::size_t>& at);
  void add_coalition(std::size_t layer, const Vectors& seen, std::int64_t row, ExampleLayer& example) const;

  const Model& model_;
  std::vector<int> layers_;
  std::vector<std::uint64_t> addresses_;
  std::vector<bool> seeks_coalition_;  // by position
  Lens lens_, head_;
  bool one_lens_;  // the head lens has the rankings of lens_
  std::vector<LayerTables> tables_;
  std::vector<std::vector<ExampleLayer>> examples_;
  std::vector<ExamplePlace> places_;
  // Of a block: r under the head lens, folded, and its log sum, until w is known.
  struct Waiting {
    std::size_t layer = 0;
    std::vector<std::size_t> at;
    at::Tensor folded, log_sum;
  };
  std::vector<Waiting> waiting_;
};

}  // namespace emend
