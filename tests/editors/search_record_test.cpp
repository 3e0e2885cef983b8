// Searches that are taken up from what a journal has kept of them.
#include "editors/common/search_record.h"

#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/expect_error.h"
#include "editors/common/edit_parts.h"
#include "editors/common/value_search.h"
#include "search_fixture.h"

namespace emend::editors {
namespace {

// Gives what it was made with, and keeps what is added.
class KeptInMemory : public SearchJournal {
 public:
  explicit KeptInMemory(FoundValues known = {}) : known_(std::move(known)) {}
  FoundValues begin(std::int64_t values) override {
    asked = values;
    return known_;
  }
  void add(const FoundValues& found) override { added.push_back(found); }

  std::int64_t asked = 0;
  std::vector<FoundValues> added;

 private:
  FoundValues known_;
};

void expect_same(const SearchResult& one, const SearchResult& other) {
  EXPECT_TRUE(at::equal(one.r, other.r));
  EXPECT_EQ(one.steps, other.steps);
  EXPECT_EQ(one.early_steps, other.early_steps);
  EXPECT_EQ(one.loss, other.loss);
  EXPECT_EQ(one.nll, other.nll);
  EXPECT_EQ(one.kl, other.kl);
  EXPECT_EQ(one.bare_probability, other.bare_probability);
  EXPECT_EQ(one.mean_probability, other.mean_probability);
  EXPECT_EQ(one.end_probability, other.end_probability);
  EXPECT_EQ(one.first_loss, other.first_loss);
  EXPECT_EQ(one.v0_norm, other.v0_norm);
  EXPECT_EQ(one.finite, other.finite);
  EXPECT_EQ(one.converged, other.converged);
}

TEST(KeptValues, HoldTheTwelveNumbersThatTheDocumentNames) {
  std::vector<SearchResult> found(2);
  for (SearchResult& result : found) result.r = at::zeros({3});
  found[1].end_probability = 0.25;
  const FoundValues packed = pack_results(found);
  EXPECT_EQ(packed.numbers.sizes(), at::IntArrayRef({2, 12})) << "docs/formats.md, PATCH.run";
  EXPECT_EQ(packed.numbers[1][11].item<double>(), 0.25);
}

TEST(MissedEnd, IsToldOfAValueThatWasFound) {
  SearchResult result;
  result.converged = true;
  EXPECT_EQ(missed_end(result, 0.9, "a"), std::nullopt) << "no end was taught";
  result.end_probability = 0.25;
  EXPECT_EQ(
      missed_end(result, 0.9, "a"),
      "edit a: the model does not end its text behind the target (probability 0.25, wanted 0.9); look at "
      "the text that follows, or take end: none");
  result.converged = false;
  EXPECT_EQ(missed_end(result, 0.9, "a"), std::nullopt) << "nothing was written";
}

TEST(MissedEnd, IsKeptWithTheValue) {
  SearchResult result;
  result.r = at::zeros({4}, at::kFloat);
  result.end_probability = 0.25;
  EXPECT_EQ(unpack_results(pack_results(std::vector{result}), at::kCPU).at(0).end_probability, 0.25);
}

class SearchRecord : public SearchFixture {};
INSTANTIATE_TEST_SUITE_P(Shapes, SearchRecord, ::testing::Values("gpt2"),
                         [](const auto& shape) { return shape.param; });

TEST_P(SearchRecord, GivesResultsBackAsTheyWere) {
  const std::vector<SearchResult> results = search(units_);
  const std::vector<SearchResult> again = unpack_results(pack_results(results), at::kCPU);
  ASSERT_EQ(again.size(), results.size());
  for (std::size_t u = 0; u < results.size(); ++u) expect_same(again[u], results[u]);
  EXPECT_EQ(pack_results({}).size(), 0);
  EXPECT_TRUE(unpack_results({}, at::kCPU).empty());
}

TEST_P(SearchRecord, NumbersOfAnotherShapeAreRefused) {
  FoundValues found = pack_results(search(units_));
  found.numbers = found.numbers.slice(1, 0, 4);
  test::error_of(ErrorKind::kFormat, [&] { unpack_results(found, at::kCPU); });
}

// With what was kept of the first batches, whatever their number, the others are searched as they were.
TEST_P(SearchRecord, ASearchGoesOnBehindWhatWasKept) {
  options_.gradient_tokens = 1;  // each value is a batch
  KeptInMemory all;
  const std::vector<SearchResult> whole = search_values(model_, *trace_, units_, options_, silent_, &all);
  EXPECT_EQ(all.asked, static_cast<std::int64_t>(units_.size()));
  ASSERT_EQ(all.added.size(), units_.size());
  for (std::size_t kept = 0; kept <= units_.size(); ++kept) {
    SCOPED_TRACE(kept);
    KeptInMemory journal(pack_results(std::span(whole).first(kept)));
    const std::vector<SearchResult> again =
        search_values(model_, *trace_, units_, options_, silent_, &journal);
    EXPECT_EQ(journal.added.size(), units_.size() - kept) << "only the others were searched";
    ASSERT_EQ(again.size(), whole.size());
    for (std::size_t u = 0; u < whole.size(); ++u) expect_same(again[u], whole[u]);
  }
}

}  // namespace
}  // namespace emend::editors
