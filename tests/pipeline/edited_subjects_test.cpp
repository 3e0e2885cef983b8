#include "emend/edited_subjects.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "emend/statistics.h"
#include "pipeline/control_names.h"
#include "support/world.h"
#include "tests/base/expect_error.h"
#include "tests/base/temp_folder.h"

namespace emend {
namespace {

using testing::HasSubstr;

constexpr int kLayer = 1, kUpper = 3;

constexpr std::array kFronts = {
    "", "The ", "I know ", "He told us about ", "Here is a fact. The name is ", "What everybody says of "};

// The keys at the last tokens of texts [n, F], by one plain pass.
at::Tensor keys_of(const Model& model, const std::vector<std::string>& texts, int layer) {
  PassInput input;
  std::vector<std::int64_t> last;
  std::int64_t tokens = 0;
  for (const std::string& text : texts) {
    input.ids.push_back(model.tokenizer().automatic_prefix());
    const std::vector<std::int64_t> own = model.tokenizer().encode(text, SpecialTokens::kNone).ids;
    input.ids.back().insert(input.ids.back().end(), own.begin(), own.end());
    tokens += static_cast<std::int64_t>(input.ids.back().size());
    last.push_back(tokens - 1);
  }
  input.recordings = {{Site::kKey, layer, at::tensor(last, at::kLong)}};
  input.stop = PassInput::Stop::kKey;
  input.stop_block = layer;
  return model.forward(input).recorded[0].to(at::kDouble);
}

at::Tensor key_of(const Model& model, const std::string& subject, int layer = kLayer) {
  return keys_of(model, {subject}, layer)[0];
}

// The largest cosine squared with k1 in x^T M y, of the keys behind all fronts and of their mean.
double largest_cosine_squared(const at::Tensor& M, const at::Tensor& k1, const at::Tensor& keys) {
  const auto product = [&](const at::Tensor& x, const at::Tensor& y) {
    return x.dot(at::mv(M, y)).item<double>();
  };
  double largest = 0;
  for (const at::Tensor& k : at::cat({keys, keys.mean(0, /*keepdim=*/true)}).unbind())
    largest = std::max(largest, product(k1, k) * product(k1, k) / (product(k1, k1) * product(k, k)));
  return largest;
}

class EditedSubjectsTest : public testing::Test {
 protected:
  EditedSubjectsTest() : model_(test::load_world("llama")) {
    SilentProgress silent;
    StatisticsOptions options;
    options.layers = {kLayer, kUpper};
    options.prefix = model_.tokenizer().automatic_prefix();
    options.tokens = 2048;
    save_statistics(collect_statistics(model_, options, silent), model_, options.prefix, folder_.path());
    statistics_ =
        load_statistics(model_, options.layers, options.prefix, folder_.path());  // as rounded there
    ridged_ = ridged(kLayer);
  }

  at::Tensor ridged(int layer) const {
    const at::Tensor C = statistics_.layers.at(layer).C;
    return C + 1e-5 * C.diagonal().mean() * at::eye(C.size(0), at::kDouble);
  }

  at::Tensor keys_behind_fronts(const std::string& subject) const {
    std::vector<std::string> texts;
    for (const char* front : kFronts) texts.push_back(front + subject);
    return keys_of(model_, texts, kLayer);
  }

  // What an edit writes whose response is a = C^-1 K w: its row space has the one direction a.
  static Inspection written(const std::vector<at::Tensor>& rows, int layer = kLayer) {
    WeightDifference difference;
    difference.entry.role = Role::kMlpDown;
    difference.entry.block = layer;
    difference.rank = static_cast<std::int64_t>(rows.size());
    difference.directions = std::get<0>(at::linalg_qr(at::stack(rows, 1)));
    Inspection weights;
    weights.weights = {difference};
    return weights;
  }

  // The weights of `model_` stand for those of the edited checkpoint, too, as where one layer is changed.
  EditedSubjects find(const Inspection& weights, const std::vector<std::string>& subjects,
                      EditedSubjectsOptions options = {.threshold = kEditedScore}) const {
    std::vector<CandidateSubject> candidates;
    for (const std::string& subject : subjects) candidates.push_back({subject, ""});
    options.statistics = folder_.path();
    return find_edited_subjects(model_, model_, weights, candidates, options);
  }

  // Each subject's key is written to both layers.
  Inspection written_to_both(const std::vector<EditRequest>& edits) const {
    std::vector<at::Tensor> low, high;
    for (const EditRequest& edit : edits) {
      low.push_back(at::linalg_solve(ridged_, key_of(model_, edit.subject)));
      high.push_back(at::linalg_solve(ridged(kUpper), key_of(model_, edit.subject, kUpper)));
    }
    Inspection both = written(low);
    both.weights.push_back(written(high, kUpper).weights[0]);
    return both;
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
// largest counts.
TEST_F(EditedSubjectsTest, AnotherKeyScoresItsCosineSquared) {
  const std::vector<EditRequest> edits = test::world_edits(2);
  const at::Tensor k1 = key_of(model_, edits[0].subject), inverse = at::linalg_inv(ridged_);
  const EditedSubjects found = find(written({at::mv(inverse, k1)}), {edits[1].subject});
  EXPECT_NEAR(found.subjects.at(0).score,
              largest_cosine_squared(inverse, k1, keys_behind_fronts(edits[1].subject)), 1e-6);
}

TEST_F(EditedSubjectsTest, OfADiagonalCountsTheSame) {
  const std::vector<EditRequest> edits = test::world_edits(2);
  LayerStatistics& layer = statistics_.layers.at(kLayer);
  layer.C = layer.C.diagonal().clone();
  const test::TempFolder folder;
  save_statistics(statistics_, model_, model_.tokenizer().automatic_prefix(), folder.path());
  const at::Tensor inverse = at::diag((layer.C + 1e-5 * layer.C.mean()).reciprocal());
  const at::Tensor k1 = key_of(model_, edits[0].subject);
  const EditedSubjects found = find_edited_subjects(model_, model_, written({at::mv(inverse, k1)}),
                                                    {{edits[1].subject, ""}}, {.statistics = folder.path()});
  EXPECT_NEAR(found.subjects.at(0).score,
              largest_cosine_squared(inverse, k1, keys_behind_fronts(edits[1].subject)), 1e-6);
}

TEST_F(EditedSubjectsTest, OfTwoLayersTheMeanCounts) {
  const std::vector<EditRequest> edits = test::world_edits(2);
  const Inspection low = written({at::linalg_solve(ridged_, key_of(model_, edits[0].subject))});
  const Inspection high =
      written({at::linalg_solve(ridged(kUpper), key_of(model_, edits[1].subject, kUpper))}, kUpper);
  Inspection both = low;
  both.weights.push_back(high.weights[0]);
  const double at_low = find(low, {edits[0].subject}).subjects.at(0).score,
               at_high = find(high, {edits[0].subject}).subjects.at(0).score;
  EXPECT_NEAR(at_low, 1, 1e-6);
  EXPECT_LT(at_high, at_low);
  const EditedSubjects found = find(both, {edits[0].subject});
  EXPECT_THAT(found.layers, testing::ElementsAre(kLayer, kUpper));
  EXPECT_NEAR(found.subjects.at(0).score, (at_low + at_high) / 2, 1e-6);
}

// By hand: at each layer the excess is (share - mean) / deviation over the controls, the largest counts, and
// of n controls the floor(a (n + 1))-th largest is not enough.
TEST_F(EditedSubjectsTest, OfSeveralLayersTheLargestExcessOverTheControlsCounts) {
  const std::vector<EditRequest> edits = test::world_edits(60);
  const Inspection both = written_to_both({edits.begin(), edits.begin() + 5});
  EditedSubjectsOptions options;
  std::vector<std::string> names, unedited;
  for (std::size_t i = 0; i < edits.size(); ++i) {
    const std::string& subject = edits[i].subject;
    std::vector<std::string>& list = i < 10 ? names : unedited;
    const auto is_new = [&](const std::vector<std::string>& l) {
      return std::find(l.begin(), l.end(), subject) == l.end();
    };
    if (is_new(names) && is_new(unedited)) list.push_back(subject);
  }
  for (const std::string& subject : unedited) options.controls.push_back({subject, ""});
  options.false_alarms = 0.05;
  const EditedSubjects found = find(both, names, options);
  EXPECT_EQ(found.controls, static_cast<std::int64_t>(unedited.size()));
  EXPECT_FALSE(found.made);
  EXPECT_EQ(found.false_alarms, 0.05);

  const EditedSubjects shares = find(both, unedited);  // without controls: their own shares
  std::vector<double> mean(2, 0), deviation(2, 0), of_controls;
  for (std::size_t l = 0; l < 2; ++l) {
    for (const SubjectScore& control : shares.subjects)
      mean[l] += control.by_layer[l] / shares.subjects.size();
    for (const SubjectScore& control : shares.subjects)
      deviation[l] += std::pow(control.by_layer[l] - mean[l], 2) / shares.subjects.size();
    deviation[l] = std::sqrt(deviation[l]);
  }
  const auto excess = [&](const SubjectScore& subject) {
    return std::max((subject.by_layer[0] - mean[0]) / deviation[0],
                    (subject.by_layer[1] - mean[1]) / deviation[1]);
  };
  for (const SubjectScore& control : shares.subjects) of_controls.push_back(excess(control));
  std::sort(of_controls.rbegin(), of_controls.rend());
  const auto k = static_cast<std::size_t>(0.05 * static_cast<double>(of_controls.size() + 1));
  ASSERT_GE(k, 1u);
  EXPECT_NEAR(found.excess_threshold, of_controls[k - 1], 1e-6 * of_controls[k - 1]);
  for (std::size_t i = 0; i < found.subjects.size(); ++i) {
    EXPECT_NEAR(*found.subjects[i].excess, excess(found.subjects[i]), 1e-6) << names[i];
    EXPECT_EQ(found.subjects[i].edited, *found.subjects[i].excess > of_controls[k - 1]) << names[i];
  }
  for (std::size_t i = 0; i < 5; ++i) EXPECT_TRUE(found.subjects[i].edited) << names[i];
}

TEST_F(EditedSubjectsTest, OfSeveralLayersNamesAreMadeToCompareWith) {
  const std::vector<EditRequest> edits = test::world_edits(30);
  std::vector<std::string> names;
  for (const EditRequest& edit : edits)
    if (std::find(names.begin(), names.end(), edit.subject) == names.end()) names.push_back(edit.subject);
  const Inspection both = written_to_both({edits.begin(), edits.begin() + 5});
  const EditedSubjects found = find(both, names, {});
  EXPECT_TRUE(found.made);
  EXPECT_GE(found.controls, 49);
  EXPECT_TRUE(found.warnings.empty());
  const EditedSubjects again = find(both, names, {});
  EXPECT_EQ(again.excess_threshold, found.excess_threshold);
  // Of one name nothing can be made: the fixed threshold, said aloud.
  const EditedSubjects alone = find(both, {names[0]}, {});
  EXPECT_EQ(alone.controls, 0);
  EXPECT_FALSE(alone.subjects[0].excess.has_value());
  ASSERT_EQ(alone.warnings.size(), 1u);
  EXPECT_THAT(alone.warnings[0], HasSubstr("2 layers changed, and only 0 names can be made"));
}

TEST_F(EditedSubjectsTest, RefusesControlsThatTellNothing) {
  const Inspection one = written({key_of(model_, "Any")});
  EditedSubjectsOptions options;
  for (int i = 0; i < 48; ++i) options.controls.push_back({"Control " + std::to_string(i), ""});
  EXPECT_THAT(
      test::error_of(ErrorKind::kConfig, [&] { find(one, {"Any"}, options); }),
      HasSubstr("the option unedited names 48 subjects; 49 at least are needed to tell a share of 0.02"));
  options.controls.push_back({"Any", ""});
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { find(one, {"Any"}, options); }),
              HasSubstr("\"Any\" is among the subjects and among those of the option unedited"));
  options.false_alarms = 0.6;
  EXPECT_THAT(test::error_of(ErrorKind::kUsage, [&] { find(one, {"Any"}, options); }),
              HasSubstr("the option false-alarms must be from 0.001 to 0.5, found 0.6"));
}

TEST(ControlNames, ArePartsOfTheCandidatesPutTogetherAnew) {
  const Model model = test::load_world("llama");
  const std::vector<CandidateSubject> candidates = {
      {"Ada Lovelace", "The work of Ada Lovelace was"}, {"Alan Mathison Turing", ""}, {"Grace Hopper", ""}};
  const auto names = control_names(model.tokenizer(), candidates, 100);
  std::vector<std::string> found;
  for (const CandidateSubject& name : names) found.push_back(name.subject);
  EXPECT_THAT(found, testing::UnorderedElementsAre("Alan Mathison Lovelace", "Grace Lovelace", "Ada Turing",
                                                   "Grace Turing", "Ada Hopper", "Alan Mathison Hopper"));
  for (const CandidateSubject& name : names)
    if (name.subject.ends_with("Lovelace")) {
      EXPECT_EQ(name.prompt, "The work of " + name.subject + " was");
    }
  EXPECT_EQ(control_names(model.tokenizer(), candidates, 4).size(), 4u);
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
  EXPECT_THAT(
      test::error_of(ErrorKind::kConfig,
                     [&] {
                       find_edited_subjects(model_, model_, one, {{"Any", ""}}, {.statistics = empty.path()});
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
