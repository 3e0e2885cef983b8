#include <gmock/gmock.h>

#include <algorithm>

#include "base/expect_error.h"
#include "emend/editor.h"

namespace emend {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::map<std::string, std::string> options_of(const std::map<std::string, std::string>& given,
                                              const std::string& method = "rome") {
  std::map<std::string, OptionText> texts;
  for (const auto& [name, value] : given) texts[name] = {value, "file.yaml:3:5"};
  return make_editor(method, texts)->options();
}

std::string refusal(const std::string& name, const std::string& value) {
  return test::error_of(ErrorKind::kConfig, [&] { options_of({{name, value}}); });
}

TEST(RomeOptions, UnknownNamesOfferTheNearest) {
  EXPECT_THAT(refusal("clmap", "4"),
              AllOf(HasSubstr("file.yaml:3:5"), HasSubstr("clmap"), HasSubstr("clamp")));
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [] { make_editor("roem", {}); }),
              AllOf(HasSubstr("roem"), HasSubstr("rome")));
}

TEST(RomeOptions, BadValuesAreRefusedWithTheirPlace) {
  for (const auto& [name, value, expected] : std::vector<std::tuple<std::string, std::string, std::string>>{
           {"steps", "0", "between 1 and 1000"},
           {"steps", "3.5", "an integer"},
           {"steps", "many", "an integer"},
           {"steps", "", "an integer"},
           {"clamp", "0", "a number"},
           {"clamp", "-1", "a number"},
           {"clamp", "nan", "a number"},
           {"clamp", "4 ", "a number"},
           {"kl", "inf", "a number"},
           {"bare_weight", "1.5", "between 0 and 1"},
           {"covariance", "yes", "true or false"},
           {"keys", "median", "context+bare"},
           {"objective", "Written", "written"},
           {"search", "sgd", "lbfgs"},
           {"radius", "0", "a number"},
           {"growth", "0.5", "between 1 and 100"},
           {"preset", "book", "paper"}})
    EXPECT_THAT(refusal(name, value), AllOf(HasSubstr("file.yaml:3:5"), HasSubstr(name), HasSubstr(expected)))
        << name << " = " << value;
}

TEST(RomeOptions, DefaultsAreListedAndGivenOnesKept) {
  const auto defaults = options_of({});
  const auto editors = list_editors();
  ASSERT_FALSE(editors.empty());
  ASSERT_EQ(editors[0].name, "rome");
  EXPECT_EQ(editors[0].options.size(), defaults.size());
  for (const OptionHelp& help : editors[0].options) {
    ASSERT_TRUE(defaults.contains(help.name)) << help.name;
    EXPECT_EQ(defaults.at(help.name), help.default_value) << help.name;
    EXPECT_FALSE(help.help.empty()) << help.name;
  }
  EXPECT_EQ(defaults.at("keys"), "context+bare");
  EXPECT_EQ(defaults.at("objective"), "written");
  const auto given =
      options_of({{"steps", "7"}, {"clamp", "2.5"}, {"covariance", "false"}, {"keys", "mean"}});
  EXPECT_EQ(given.at("steps"), "7");
  EXPECT_EQ(given.at("clamp"), "2.5");
  EXPECT_EQ(given.at("covariance"), "false");
  EXPECT_EQ(given.at("keys"), "mean");
  EXPECT_EQ(given.at("kl"), defaults.at("kl"));
}

TEST(RomeOptions, EveryDefaultIsAValidValue) {
  for (const auto& [name, value] : options_of({})) {
    if (name == "step" || name == "absolute_step") continue;  // these mean Adam
    EXPECT_EQ(options_of({{name, value}}), options_of({})) << name;
  }
  EXPECT_EQ(options_of(options_of({})), options_of({}));
}

// Edit files and patches of versions that knew no other search go on as they were.
TEST(RomeOptions, AStepWithoutASearchMeansAdam) {
  EXPECT_EQ(options_of({}).at("search"), "lbfgs");
  EXPECT_EQ(options_of({{"step", "0.2"}}).at("search"), "adam");
  EXPECT_EQ(options_of({{"absolute_step", "0.5"}}).at("search"), "adam");
  EXPECT_EQ(options_of({{"search", "adam"}}).at("step"), "0.35");
  EXPECT_EQ(options_of({{"preset", "paper"}, {"search", "lbfgs"}}).at("search"), "lbfgs");
}

// The methods that search a value: those that have the option `search`.
std::vector<EditorHelp> searching_methods() {
  std::vector<EditorHelp> searching;
  for (const EditorHelp& method : list_editors())
    if (std::any_of(method.options.begin(), method.options.end(),
                    [](const OptionHelp& option) { return option.name == "search"; }))
      searching.push_back(method);
  return searching;
}

TEST(SearchOptions, AStepBesideLbfgsIsRefusedByName) {
  ASSERT_GE(searching_methods().size(), 5u);
  for (const EditorHelp& method : searching_methods())
    for (const std::string step : {"step", "absolute_step"}) {
      SCOPED_TRACE(method.name + " " + step);
      EXPECT_THAT(test::error_of(ErrorKind::kConfig,
                                 [&] {
                                   options_of({{step, "0.2"}, {"search", "lbfgs"}}, method.name);
                                 }),
                  AllOf(HasSubstr("file.yaml:3:5: option \"" + step + "\""), HasSubstr("search: lbfgs"),
                        HasSubstr("radius")));
      EXPECT_EQ(options_of({{step, "0.2"}, {"search", "adam"}}, method.name).at(step), "0.2");
      EXPECT_EQ(options_of({{step, "0.2"}}, method.name).at("search"), "adam");
    }
}

TEST(SearchOptions, ARadiusBesideAdamIsRefusedByName) {
  for (const EditorHelp& method : searching_methods())
    for (const std::string own : {"radius", "growth"}) {
      SCOPED_TRACE(method.name + " " + own);
      const auto refused = [&](const std::string& name, const std::string& value) {
        return test::error_of(ErrorKind::kConfig, [&] {
          options_of({{own, "2.5"}, {name, value}}, method.name);
        });
      };
      const auto names = AllOf(HasSubstr("file.yaml:3:5: option \"" + own + "\""),
                               HasSubstr("nothing beside `search: adam`"), HasSubstr("absolute_step"));
      EXPECT_THAT(refused("search", "adam"), names);
      EXPECT_THAT(refused("step", "0.2"), names) << "a step alone means Adam";
      EXPECT_EQ(options_of({{own, "2.5"}, {"search", "lbfgs"}}, method.name).at(own), "2.5");
    }
}

// What a patch records names every option.
TEST(SearchOptions, RecordedOptionsCanBeGivenAgain) {
  for (const EditorHelp& method : searching_methods())
    for (const char* preset : {"emend", "paper"})
      for (const char* search : {"lbfgs", "adam"}) {
        SCOPED_TRACE(method.name + " " + preset + " " + search);
        const auto recorded = options_of({{"preset", preset}, {"search", search}}, method.name);
        EXPECT_EQ(recorded.at("search"), search);
        EXPECT_EQ(options_of(recorded, method.name), recorded);
      }
}

TEST(RomeOptions, PaperPresetHasThePublishedConstants) {
  const auto paper = options_of({{"preset", "paper"}});
  const std::map<std::string, std::string> expected = {
      {"preset", "paper"},    {"keys", "original"}, {"objective", "injected"}, {"absolute_step", "0.5"},
      {"clamp", "4"},         {"kl", "0.0625"},     {"decay", "0.5"},          {"stop_loss", "0.05"},
      {"keep_best", "false"}, {"steps", "19"},      {"protect_sink", "false"}, {"covariance", "true"},
      {"contexts", "10"},     {"search", "adam"}};
  for (const auto& [name, value] : expected) EXPECT_EQ(paper.at(name), value) << name;
  EXPECT_EQ(paper.at("uniform_rows"), "true");
  EXPECT_EQ(paper.at("ridge"), "0");
}

TEST(RomeOptions, OthersOverrideThePresetWhateverTheirOrder) {
  // `absolute_step` sorts before `preset`, `steps` after it.
  const auto options =
      options_of({{"preset", "paper"}, {"absolute_step", "0.1"}, {"steps", "5"}, {"keys", "mean"}});
  EXPECT_EQ(options.at("absolute_step"), "0.1");
  EXPECT_EQ(options.at("steps"), "5");
  EXPECT_EQ(options.at("keys"), "mean");
  EXPECT_EQ(options.at("decay"), "0.5");
}

TEST(RomeOptions, EditorTellsWhatItNeeds) {
  EXPECT_TRUE(make_editor("rome", {})->needs_statistics());
  EXPECT_FALSE(make_editor("rome", {{"covariance", {"false", "x"}}})->needs_statistics());
  EXPECT_EQ(make_editor("rome", {})->objective(), Objective::kWritten);
  EXPECT_EQ(make_editor("rome", {{"objective", {"injected", "x"}}})->objective(), Objective::kInjected);
  EXPECT_EQ(make_editor("rome", {})->name(), "rome");
}

}  // namespace
}  // namespace emend
