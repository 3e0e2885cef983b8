// The memory plan of a bulk edit against what tensors really take, and the batches that a limit chooses.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "editors/common/search_batches.h"
#include "emend/editor.h"
#include "support/tensor_memory.h"
#include "support/world.h"

namespace emend {
namespace {

class BulkMemory : public ::testing::TestWithParam<std::string> {
 protected:
  BulkMemory() : model_(test::load_world(GetParam())) {
    context_.layers = {1, 2};
    context_.prefix = model_.tokenizer().automatic_prefix();
    context_.statistics = &moments();
  }
  // Of layers 1 and 2, made once a shape.
  const Statistics& moments() const {
    static std::map<std::string, Statistics> made;
    Statistics& statistics = made[GetParam()];
    if (!statistics.layers.empty()) return statistics;
    StatisticsOptions collecting;
    collecting.layers = context_.layers;
    collecting.prefix = context_.prefix;
    return statistics = collect_statistics(model_, collecting, no_progress());
  }
  static std::unique_ptr<Editor> editor(const std::string& method) {
    std::map<std::string, OptionText> options;
    if (method != "alphaedit") options["rounds"] = {"1", "test"};
    return make_editor(method, options);
  }
  EditMemory plan(const std::string& method, const std::vector<EditRequest>& requests) const {
    return editor(method)->memory(model_, requests, context_).value();
  }
  // Besides weights and second moments, which are there before.
  std::int64_t measured(const std::string& method, const std::vector<EditRequest>& requests) const {
    EditorCache cache;
    const test::TensorMemory memory;
    EditorContext context = context_;
    context.cache = &cache;
    context.keep_going = true;
    editor(method)->edit(model_, requests, context, no_progress());
    return memory.peak();
  }
  static std::int64_t bytes_of(const EditMemory& memory, const std::string& work) {
    for (const MemoryNeed& need : memory.held)
      if (need.work == work) return need.bytes;
    for (const MemoryNeed& need : memory.phases)
      if (need.work == work) return need.bytes;
    ADD_FAILURE() << work;
    return 0;
  }
  static std::int64_t added(const EditMemory& memory) {
    return memory.bytes() - bytes_of(memory, "weights") - bytes_of(memory, "second moments");
  }

  Model model_;
  EditorContext context_;
};
INSTANTIATE_TEST_SUITE_P(World, BulkMemory, ::testing::Values("gpt2", "llama"),
                         [](const auto& shape) { return shape.param; });

TEST_P(BulkMemory, ThePlanHoldsWhatIsMeasured) {
  for (const std::string method : {"memit", "alphaedit"})
    for (const std::size_t facts : {4, 40}) {
      SCOPED_TRACE(method + " " + std::to_string(facts));
      const std::vector<EditRequest> requests = test::world_edits(facts);
      const auto planned = static_cast<double>(added(plan(method, requests)));
      const auto peak = static_cast<double>(measured(method, requests));
      EXPECT_GE(planned, 0.95 * peak);
      EXPECT_LE(planned, 2 * peak);
    }
}

TEST_P(BulkMemory, WhatFactsTakeGrowsWithThem) {
  const EditMemory one = plan("memit", test::world_edits(10)), many = plan("memit", test::world_edits(40));
  EXPECT_EQ(bytes_of(many, "responses"), 4 * bytes_of(one, "responses"));
  EXPECT_EQ(bytes_of(many, "keys"), 4 * bytes_of(one, "keys"));
  EXPECT_EQ(bytes_of(many, "second moments"), bytes_of(one, "second moments"));
  const std::int64_t F = model_.config().d_ff;
  EXPECT_EQ(bytes_of(one, "responses"), 12 * F * 10 * 2);
  EXPECT_EQ(bytes_of(one, "second moments"), 4 * F * F * 2);
}

TEST_P(BulkMemory, ALimitMakesBatchesSmallerUntilTheyFit) {
  const std::vector<EditRequest> requests = test::world_edits(40);
  const EditMemory free = plan("memit", requests);
  EXPECT_EQ(free.search_tokens, 0);
  const std::int64_t batch = bytes_of(free, "a batch of the search");
  std::int64_t others = 0;
  for (const MemoryNeed& need : free.phases)
    if (need.work != "a batch of the search") others = std::max(others, need.bytes);
  context_.memory_bytes = free.bytes() - 1;
  const EditMemory less = plan("memit", requests);
  if (others >= batch) {  // the batches are not what counts: nothing can be gained
    EXPECT_EQ(less.bytes(), free.bytes());
    return;
  }
  EXPECT_LE(less.bytes(), context_.memory_bytes);
  EXPECT_GT(less.search_tokens, 0);
  const std::int64_t peak = measured("memit", requests);
  context_.search_tokens = less.search_tokens;
  EXPECT_LT(measured("memit", requests), peak);
}

TEST_P(BulkMemory, ALimitBelowAllIsToldByThePlanThatIsLeft) {
  context_.memory_bytes = 1;
  const EditMemory least = plan("memit", test::world_edits(5));
  EXPECT_GT(least.bytes(), 1);
  EXPECT_EQ(least.bytes(), plan("memit", test::world_edits(5)).bytes());
}

TEST(SearchBatches, HoldWhatFitsAndAtLeastOne) {
  const std::vector<std::int64_t> tokens = {5, 5, 5, 20, 1, 1};
  EXPECT_EQ(editors::search_batch_end(tokens, 0, 10), 2u);
  EXPECT_EQ(editors::search_batch_end(tokens, 2, 10), 3u);
  EXPECT_EQ(editors::search_batch_end(tokens, 3, 10), 4u) << "one alone, whatever it takes";
  EXPECT_EQ(editors::search_batch_end(tokens, 4, 10), 6u);
  EXPECT_EQ(editors::search_batch_end(tokens, 0, 1000), 6u);
}

}  // namespace
}  // namespace emend
