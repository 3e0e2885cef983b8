// Any visitor sees the same tokens and vectors, from given text and from the model's own.
#include <gmock/gmock.h>

#include <cmath>
#include <map>
#include <set>

#include "analysis/text_visits.h"
#include "text/corpus.h"

namespace emend {
namespace {

using test::LargestKeys;
using test::Trigger;
using ::testing::HasSubstr;

// Keeps every token and its vectors at two sites of one layer.
class Everything : public TextVisitor {
 public:
  explicit Everything(int layer) : layers_{layer} {}
  const std::vector<int>& layers() const override { return layers_; }
  std::vector<Site> sites() const override { return {Site::kKey, Site::kMlpOutput}; }
  void visit(const TextPortion& portion) override {
    tokens.insert(tokens.end(), portion.tokens.begin(), portion.tokens.end());
    halves.insert(halves.end(), portion.tokens.size(), portion.half);
    keys.push_back(portion.vectors.at(0).cpu());
    outputs.push_back(portion.vectors.at(1).cpu());
  }
  void save(FileWriter&) const override {}
  void load(const TensorFile&) override {}
  void reduce(ShardGroup&) override {}

  std::vector<TextToken> tokens;
  std::vector<int> halves;
  std::vector<at::Tensor> keys, outputs;

 private:
  std::vector<int> layers_;
};

// Rows of ids by document and window: what the tokens of a walk should be of.
using Rows = std::map<std::pair<std::uint64_t, std::int64_t>, TokenIds>;

class TextVisits : public test::TextWalks {
 protected:
  // Given text from the pieces that it is made of: documents by rank, the first ones held back. Own text from
  // the tokens themselves; other tests hold it against generate().
  Rows expected_rows(const std::vector<TextToken>& tokens) {
    Rows rows;
    if (options_.corpus.empty()) {
      for (const TextToken& token : tokens) {
        TokenIds& row = rows[{token.document, token.window}];
        row.resize(std::max(row.size(), static_cast<std::size_t>(token.position) + 1),
                   options_.prefix.front());
        row[static_cast<std::size_t>(token.position)] = token.id;
      }
      return rows;
    }
    const CorpusIndex index = scan_corpus(options_.corpus, "text", options_.seed, silent_);
    std::size_t to_hold = std::min<std::size_t>(16, index.documents.size() / 10);
    std::uint64_t document = 0;
    for (const SampledDocument& text : read_documents(index, 0, index.documents.size())) {
      const auto ids = model_.tokenizer().encode(text.text, SpecialTokens::kNone).ids;
      const auto of_document = document_rows(ids, options_.prefix, options_.window);
      if (of_document.empty()) continue;
      if (to_hold > 0) {
        --to_hold;
        continue;
      }
      for (std::size_t window = 0; window < of_document.size(); ++window)
        rows[{document, static_cast<std::int64_t>(window)}] = of_document[window];
      ++document;
    }
    return rows;
  }
};
INSTANTIATE_TEST_SUITE_P(Sources, TextVisits, ::testing::Values("text", "self"),
                         [](const auto& source) { return source.param; });

bool follows(const TextToken& a, const TextToken& b) {
  return a.document == b.document && a.window == b.window && a.position + 1 == b.position;
}

TEST_P(TextVisits, EveryTokenComesOnceWithItsVectorsAndWhatFollowsIt) {
  Everything seen(3);
  walk_text(model_, *source(), seen, walk(), silent_);
  ASSERT_EQ(static_cast<std::int64_t>(seen.tokens.size()), options_.tokens);
  const at::Tensor keys = at::cat(seen.keys), outputs = at::cat(seen.outputs);
  ASSERT_EQ(keys.size(1), model_.config().d_ff);
  ASSERT_EQ(outputs.size(1), model_.config().d_model);
  Rows rows = expected_rows(seen.tokens);
  std::map<std::pair<std::uint64_t, std::int64_t>, std::pair<at::Tensor, at::Tensor>> plain;
  std::set<std::tuple<std::uint64_t, std::int64_t, std::int64_t>> places;
  for (std::size_t i = 0; i < seen.tokens.size(); ++i) {
    const TextToken& token = seen.tokens[i];
    EXPECT_GT(token.position, 0);
    EXPECT_TRUE(places.insert({token.document, token.window, token.position}).second);
    ASSERT_TRUE(rows.contains({token.document, token.window}));
    const TokenIds& row = rows.at({token.document, token.window});
    ASSERT_LT(token.position, static_cast<std::int64_t>(row.size()));
    EXPECT_EQ(token.id, row[static_cast<std::size_t>(token.position)]);
    auto& vectors = plain[{token.document, token.window}];
    if (!vectors.first.defined())
      vectors = {test::plain_vectors(model_, row, Site::kKey, 3),
                 test::plain_vectors(model_, row, Site::kMlpOutput, 3)};
    const auto at_row = static_cast<std::int64_t>(i);
    EXPECT_TRUE(at::allclose(keys[at_row], vectors.first[token.position], 1e-4, 1e-4));
    EXPECT_TRUE(at::allclose(outputs[at_row], vectors.second[token.position], 1e-4, 1e-4));
    const auto after = static_cast<std::size_t>(token.position) + 1;
    if (after < row.size() && token.next != TextToken::kNone) {
      EXPECT_EQ(token.next, row[after]);
    }
  }
}

// What follows a token is unknown only where a given text ends, or is cut at the number of tokens asked for.
TEST_P(TextVisits, TheNextTokenIsKnownInsideADocument) {
  Everything seen(1);
  walk_text(model_, *source(), seen, walk(), silent_);
  std::size_t unknown = 0;
  for (std::size_t i = 0; i < seen.tokens.size(); ++i) {
    const TextToken& token = seen.tokens[i];
    unknown += token.next == TextToken::kNone ? 1 : 0;
    if (GetParam() == "text" && i + 1 < seen.tokens.size() && follows(token, seen.tokens[i + 1])) {
      EXPECT_EQ(token.next, seen.tokens[i + 1].id);
    }
  }
  if (GetParam() == "self") {
    EXPECT_EQ(unknown, 0U) << "every token was followed by a draw";
  }
}

TEST_P(TextVisits, TheLargestKeysAreThoseOfAPlainPass) {
  const LargestKeys found = whole();
  EXPECT_EQ(found.count(), options_.tokens);
  EXPECT_GE(found.largest_portion(), 200) << "vectors come in portions";
  Everything all(3);
  walk_text(model_, *source(), all, walk(), silent_);
  const Rows rows = expected_rows(all.tokens);
  at::Tensor largest = at::full({model_.config().d_ff}, -std::numeric_limits<float>::infinity());
  std::map<std::pair<std::uint64_t, std::int64_t>, at::Tensor> plain;
  for (const TextToken& token : all.tokens) {
    at::Tensor& keys = plain[{token.document, token.window}];
    if (!keys.defined())
      keys = test::plain_vectors(model_, rows.at({token.document, token.window}), Site::kKey, 3);
    largest = at::maximum(largest, keys[token.position]);
  }
  // Many texts begin alike, so a cell's largest key may stand in several places: the place is checked by its
  // value.
  for (std::int64_t cell = 0; cell < model_.config().d_ff; ++cell) {
    const Trigger& best = found.best(1)[static_cast<std::size_t>(cell)];
    const double value = largest[cell].item<double>(), near = 1e-4 * std::max(1.0, std::abs(value));
    EXPECT_NEAR(best.value, value, near);
    const at::Tensor& there = plain.at({best.token.document, best.token.window});
    EXPECT_NEAR(there[best.token.position][cell].item<double>(), value, near);
  }
}

TEST_P(TextVisits, TheTokenBudgetChangesNeitherTokensNorPortions) {
  Everything a(1), b(1);
  walk_text(model_, *source(), a, walk(), silent_);
  options_.token_budget = 150;
  walk_text(model_, *source(), b, walk(), silent_);
  ASSERT_EQ(a.keys.size(), b.keys.size());
  for (std::size_t i = 0; i < a.keys.size(); ++i)
    EXPECT_TRUE(at::allclose(a.keys[i], b.keys[i], 1e-4, 1e-4)) << "portion " << i;
  EXPECT_EQ(a.halves, b.halves);
  ASSERT_EQ(a.tokens.size(), b.tokens.size());
  for (std::size_t i = 0; i < a.tokens.size(); ++i) {
    EXPECT_EQ(a.tokens[i].document, b.tokens[i].document);
    EXPECT_EQ(a.tokens[i].window, b.tokens[i].window);
    EXPECT_EQ(a.tokens[i].position, b.tokens[i].position);
    EXPECT_EQ(a.tokens[i].id, b.tokens[i].id);
    EXPECT_EQ(a.tokens[i].next, b.tokens[i].next);
  }
}

TEST_P(TextVisits, DocumentsAreNamedAndHaveFingerprints) {
  const auto text = source();
  Everything seen(1);
  const Walk done = walk_text(model_, *text, seen, walk(), silent_);
  EXPECT_EQ(done.blocks_done, text->blocks());
  for (const TextToken& token : seen.tokens) {
    const TextDocument document = text->document(token.document);
    EXPECT_TRUE(std::binary_search(done.documents.begin(), done.documents.end(), document.fingerprint));
    EXPECT_THAT(document.name, HasSubstr(GetParam() == "text" ? "document " : "the model's own"));
  }
}

}  // namespace
}  // namespace emend
