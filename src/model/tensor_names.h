// Which tensor of a checkpoint plays which role: the names of a family as this file spells them.
#pragma once

#include <string>
#include <vector>

#include "emend/tensor_file.h"
#include "model/families/family.h"

namespace emend {

// Finds the tensors of a family in a file. The file and the family outlive it.
class TensorNames {
 public:
  // Settles what stands in front of the names: the prefix under which the first block's down projection is.
  TensorNames(const TensorFile& file, const Family& family);

  bool is_gguf() const { return gguf_; }
  // The rules that this file follows: where queries, keys and values may come fused or apart, those that it
  // has.
  std::vector<TensorName> rules() const;
  // Whether this file has one tensor for each row of the weight.
  bool is_by_row(const TensorName& rule) const;
  // The stored tensor, or nullptr. `block` is ignored outside blocks, `row` where there is one tensor for
  // all.
  const TensorInfo* find(const TensorName& rule, int block, std::int64_t row = 0) const;
  const TensorInfo* find(Role role) const;  // of a role outside blocks
  // The name that such a tensor would have here.
  std::string expected(const TensorName& rule, int block, std::int64_t row = 0) const;
  // Whether a tensor that plays no role may be there: buffers of old files, other parts of a larger model.
  bool may_ignore(const std::string& name) const;

 private:
  std::vector<std::string> spellings(const TensorName& rule, int block, std::int64_t row,
                                     const NamePrefix& prefix) const;

  const TensorFile& file_;
  const Family& family_;
  bool gguf_;
  NamePrefix prefix_;
};

// Whether the head is the embedding: what the config says, unless both are stored and differ (transformers 5
// then uses the stored head).
bool has_tied_head(const TensorFile& file, const TensorNames& names, bool config_says);

}  // namespace emend
