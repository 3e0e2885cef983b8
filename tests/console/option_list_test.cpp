#include "console/option_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <sstream>

#include "emend/error.h"

namespace emend {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct Sample {
  Syntax syntax;
  CommonOptions common;
  OptionList options{syntax, common};
  std::vector<std::filesystem::path> files;
  std::filesystem::path out;
  std::string lens = "lin";
  int top = 5, limit = 0, least = -1;
  double share = 0.98;
  std::optional<double> until;
  bool severed = true;

  Sample() {
    syntax.command = "sample";
    options.arguments("file", files, 2, "a file", Use::kReads)
        .needs_model()
        .text("out", out, "PATCH", "where to", Use::kWrites | Use::kNeeded)
        .value(
            "lens", "LENS", "how", [this](const std::string& text) { lens = text + "!"; }, "lin")
        .number("top", top, "K", "how many")
        .count("limit", limit, "N", "at most", 100)
        .from(-1, "least", least, "N", "at least")
        .number("share", share, "SHARE", "how much")
        .number("until", until, "ERROR", "when to stop")
        .without("no-severed", severed, "without severed paths");
  }
  void parse(const std::vector<std::string>& arguments) {
    ASSERT_EQ(parse_options(syntax, arguments, common), Parsed::kRun);
    options.run_checks();
  }
};

std::string refusal(const std::vector<std::string>& arguments) {
  try {
    Sample sample;
    sample.parse(arguments);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    return error.what();
  }
  return "accepted";
}

TEST(OptionList, FillsWhatItIsBoundTo) {
  Sample sample;
  sample.parse({"a b", "c", "--model", "m", "--out", "o", "--lens", "raw", "--top", "7", "--limit", "100",
                "--least", "0", "--until", "0.5", "--no-severed"});
  EXPECT_THAT(sample.files, ElementsAre("a b", "c"));
  EXPECT_EQ(sample.out, "o");
  EXPECT_EQ(sample.lens, "raw!");
  EXPECT_EQ(sample.top, 7);
  EXPECT_EQ(sample.limit, 100);
  EXPECT_EQ(sample.least, 0);
  EXPECT_EQ(sample.until, 0.5);
  EXPECT_FALSE(sample.severed);
}

TEST(OptionList, KeepsDefaults) {
  Sample sample;
  sample.parse({"a", "--model", "m", "--out", "o"});
  EXPECT_EQ(sample.lens, "lin!") << "a default is taken like a value";
  EXPECT_EQ(sample.top, 5);
  EXPECT_EQ(sample.limit, 0);
  EXPECT_EQ(sample.least, -1);
  EXPECT_EQ(sample.share, 0.98);
  EXPECT_EQ(sample.until, std::nullopt);
  EXPECT_TRUE(sample.severed);
}

TEST(OptionList, TellsDefaultsInItsHelp) {
  const Sample sample;
  std::ostringstream help;
  help << sample.syntax.own;
  for (const char* text : {"--lens LENS (=lin)", "--top K (=5)", "--share SHARE (=0.98)", "--least N (=-1)"})
    EXPECT_THAT(help.str(), HasSubstr(text));
  for (const char* text : {"--limit N ", "--until ERROR ", "--out PATCH "})
    EXPECT_THAT(help.str(),
                testing::AllOf(HasSubstr(text), testing::Not(HasSubstr(text + std::string("(=")))));
}

TEST(OptionList, NamesWhatIsMissingOrOutOfRange) {
  EXPECT_THAT(refusal({}), HasSubstr("sample: a file is missing"));
  EXPECT_THAT(refusal({"a"}), HasSubstr("sample: --model PATH is missing"));
  EXPECT_THAT(refusal({"a", "--model", "m"}), HasSubstr("sample: --out PATCH is missing"));
  EXPECT_THAT(refusal({"a", "--limit", "0"}), HasSubstr("--limit must be at least 1, found 0"));
  EXPECT_THAT(refusal({"a", "--limit", "4294967297"}), HasSubstr("--limit must be at most 100"));
  EXPECT_THAT(refusal({"a", "--least=-2"}), HasSubstr("--least must be at least -1"));
  EXPECT_THAT(refusal({"a", "--lens", ""}), HasSubstr("--lens is empty"));
  EXPECT_THAT(refusal({"a", "b", "c"}), HasSubstr("too many arguments"));
}

TEST(OptionList, RefusesWhatChangesNothing) {
  const auto refused = [](const std::vector<std::string>& more) {
    Sample sample;
    sample.options.only_with("--until ERROR", {"top", "lens", "no-severed", "seed"},
                             [&] { return sample.until.has_value(); });
    std::vector<std::string> all = {"a", "--model", "m", "--out", "o"};
    all.insert(all.end(), more.begin(), more.end());
    try {
      sample.parse(all);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUsage);
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_EQ(refused({}), "accepted");
  EXPECT_EQ(refused({"--limit", "3"}), "accepted");
  // Also with the value that it has anyway, and a common option.
  EXPECT_EQ(refused({"--top", "5"}), "sample: --top changes nothing without --until ERROR");
  EXPECT_EQ(refused({"--no-severed"}), "sample: --no-severed changes nothing without --until ERROR");
  EXPECT_EQ(refused({"--seed", "0"}), "sample: --seed changes nothing without --until ERROR");
  EXPECT_EQ(refused({"--top", "5", "--until", "0.5"}), "accepted");
}

TEST(OptionList, KnowsThePathsAndWhatTheyAreFor) {
  Sample sample;
  sample.parse({"a", "b", "--model", "m", "--out", "o"});
  const OptionList::Bound& files = sample.options.bound()[0];
  const OptionList::Bound& out = sample.options.bound()[1];
  EXPECT_THAT(files.texts(), ElementsAre("a", "b"));
  EXPECT_TRUE(has_use(files.uses, Use::kReads));
  EXPECT_FALSE(has_use(files.uses, Use::kWrites));
  EXPECT_THAT(out.texts(), ElementsAre("o"));
  EXPECT_TRUE(has_use(out.uses, Use::kWrites));
}

}  // namespace
}  // namespace emend
