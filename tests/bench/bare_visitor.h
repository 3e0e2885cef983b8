// The bare forward pass: up to a layer's key, without head, and nothing looked at.
#pragma once

#include <vector>

#include "analysis/text_visitor.h"

namespace emend::bench {

class BareVisitor : public TextVisitor {
 public:
  explicit BareVisitor(int last) : layers_{last} {}
  const std::vector<int>& layers() const override { return layers_; }
  std::vector<Site> sites() const override { return {Site::kKey}; }
  bool takes_first() const override { return true; }
  void visit(const TextPortion&) override {}
  void save(FileWriter&) const override {}
  void load(const TensorFile&) override {}
  void reduce(ShardGroup&) override {}

 private:
  std::vector<int> layers_;
};

}  // namespace emend::bench
