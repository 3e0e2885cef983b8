#include "emend/edited_subjects.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "emend/statistics.h"
#include "support/world.h"
#include "tests/base/expect_error.h"
#include "tests/base/temp_folder.h"

namespace emend {
namespace {

using testing::HasSubstr;

constexpr int kLayer = 1;

// The key at the last token of the subject alone, by a plain pass.
at::Tensor key_of(const Model& model, const std::string& subject) {
  PassInput input;
  input.ids = {model.tokenizer().automatic_prefix()};
  const std::vector<std::int64_t> own = model.tokenizer().encode(subject, SpecialTokens::kNone).ids;
  input.ids[0].insert(input.ids[0].end(), own.begin(), own.end());
  const auto last = static_cast<std::int64_t>(input.ids[0].size()) - 1;
  input.recordings = {{Site::kKey, kLayer, at::tensor({last}, at::kLong)}};
  input.stop = PassInput::Stop::kKey;
  input.stop_block = kLayer;
  return model.forward(input).recorded[0][0].to(at::kDouble);
}

class EditedSubjectsTest : public testing::Test {
 protected:
  EditedSubjectsTest()
      : model_(test::load_world("llama")), statistics_(test::world_statistics(model_, kLayer, 2048)) {
    save_statistics(statistics_, model_, model_.tokenizer().automatic_prefix(), folder_.path());
    const at::Tensor C = statistics_.layers.at(kLayer).C;
    ridged_ = C + 1e-5 * C.diagonal().mean() * at::eye(C.size(0), at::kDouble);
  }

  // What an edit writes whose response is a = C^-1 K w: its row space has the one direction a.
  Inspection written(const std::vector<at::Tensor>& rows) const {
    WeightDifference difference;
    difference.entry.role = Role::kMlpDown;
    difference.entry.block = kLayer;
    difference.rank = static_cast<std::int64_t>(rows.size());
    difference.directions = std::get<0>(at::linalg_qr(at::stack(rows, 1)));
    Inspection weights;
    weights.weights = {difference};
    return weights;
  }

  EditedSubjects find(const Inspection& weights, const std::vector<std::string>& subjects) const {
    std::vector<CandidateSubject> candidates;
    for (const std::string& subject : subjects) candidates.push_back({subject, ""});
    return find_edited_subjects(model_, weights, candidates, folder_.path(), 4096);
  }

  Model model_;
  Statistics statistics_;
  test::TempFolder folder_;
  at::Tensor ridged_;
};

// A key that was written lies wholly in the span, whatever else was written with it.
TEST_F(EditedSubjectsTest, AWrittenKeyScoresOne) {
  const std::vector<EditRequest> edits = test::world_edits(3);
  std::vector<at::Tensor> rows;
  for (const EditRequest& edit : edits)
    rows.push_back(at::linalg_solve(ridged_, key_of(model_, edit.subject)));
  const EditedSubjects one = find(written({rows[0]}), {edits[0].subject});
  EXPECT_NEAR(one.subjects.at(0).score, 1, 1e-6);
  EXPECT_TRUE(one.subjects[0].edited);
  EXPECT_THAT(one.layers, testing::ElementsAre(kLayer));
  EXPECT_THAT(one.ranks, testing::ElementsAre(1));
  const EditedSubjects all = find(written(rows), {edits[0].subject, edits[1].subject, edits[2].subject});
  for (const SubjectScore& subject : all.subjects) EXPECT_NEAR(subject.score, 1, 1e-6);
  EXPECT_NEAR(all.expected, 3.0 / static_cast<double>(model_.config().d_ff), 1e-12);
}

// Of one written key k1, another key k has the square of their cosine in x^T C^-1 y; of several texts the
// largest counts, so it is at least that of the subject alone.
TEST_F(EditedSubjectsTest, AnotherKeyScoresItsCosineSquared) {
  const std::vector<EditRequest> edits = test::world_edits(2);
  const at::Tensor k1 = key_of(model_, edits[0].subject), k2 = key_of(model_, edits[1].subject);
  const at::Tensor inverse = at::linalg_inv(ridged_);
  const auto product = [&](const at::Tensor& x, const at::Tensor& y) {
    return x.dot(at::mv(inverse, y)).item<double>();
  };
  const double alone = product(k1, k2) * product(k1, k2) / (product(k1, k1) * product(k2, k2));
  const EditedSubjects found = find(written({at::mv(inverse, k1)}), {edits[1].subject});
  EXPECT_GE(found.subjects.at(0).score, alone - 1e-6);
  EXPECT_LT(found.subjects[0].score, 0.9);
  EXPECT_GE(found.subjects[0].score, 0);
}

TEST_F(EditedSubjectsTest, RefusesWhatTellsNothing) {
  EXPECT_THAT(test::error_of(ErrorKind::kModel, [&] { find({}, {"Any"}); }),
              HasSubstr("no down projection differs"));
  Inspection many = written({key_of(model_, "Any")});
  many.weights[0].directions = at::Tensor();
  EXPECT_THAT(test::error_of(ErrorKind::kModel, [&] { find(many, {"Any"}); }),
              HasSubstr("in so many directions"));
  const test::TempFolder empty;
  const Inspection one = written({key_of(model_, "Any")});
  EXPECT_THAT(test::error_of(ErrorKind::kConfig,
                             [&] {
                               find_edited_subjects(model_, one, {{"Any", ""}}, empty.path(), 4096);
                             }),
              HasSubstr("there are no statistics of layer 1 of the base"));
}

TEST_F(EditedSubjectsTest, ReadsSubjectsAndPrompts) {
  const auto file = folder_.write("s.txt", "France\n\n Japan \tThe capital of Japan is\n");
  const std::vector<CandidateSubject> read = read_candidates(file);
  ASSERT_EQ(read.size(), 2U);
  EXPECT_EQ(read[0].subject, "France");
  EXPECT_EQ(read[1].subject, "Japan");
  EXPECT_EQ(read[1].prompt, "The capital of Japan is");
  const auto refuse = [&](const char* text, const char* what) {
    EXPECT_THAT(test::error_of(ErrorKind::kFormat, [&] { read_candidates(folder_.write("bad.txt", text)); }),
                HasSubstr(what));
  };
  refuse("A\nB\tThe capital of C", "bad.txt:2: the subject \"B\" is not in the prompt");
  refuse("A\nA\n", "bad.txt:2: the subject \"A\" is there twice");
  refuse("\tprompt\n", "bad.txt:1: expected a subject in front of the tab");
  refuse("\n", "no subjects");
}

}  // namespace
}  // namespace emend
