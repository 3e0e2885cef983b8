#include "console/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "../structure/source_files.h"
#include "emend/error.h"

namespace emend {
namespace {

namespace po = boost::program_options;
using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::HasSubstr;

struct Sample {
  std::string file;
  std::vector<std::string> patches;
  CommonOptions common;

  Parsed parse(const std::vector<std::string>& arguments) {
    Syntax syntax;
    syntax.command = "sample";
    syntax.synopsis = "FILE [OPTIONS]";
    syntax.help = "A sample.";
    syntax.positional = "file";
    syntax.positionals = 1;
    syntax.later = {"resume"};
    syntax.uses_statistics = true;
    syntax.own.add_options()("file", po::value(&file))("patch", po::value(&patches)->composing());
    return parse_options(syntax, arguments, common);
  }
};

std::string refusal(const std::vector<std::string>& arguments) {
  try {
    Sample().parse(arguments);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    return error.what();
  }
  return "accepted";
}

TEST(Options, HaveTheStatedDefaults) {
  Sample sample;
  EXPECT_EQ(sample.parse({}), Parsed::kRun);
  EXPECT_EQ(sample.common.device, "cpu");
  EXPECT_EQ(sample.common.dtype, "float32");
  EXPECT_EQ(sample.common.bos, std::nullopt);
  EXPECT_EQ(sample.common.threads, 0);
  EXPECT_EQ(sample.common.seed, 0U);
  EXPECT_EQ(sample.common.token_budget, 4096);
  EXPECT_FALSE(sample.common.quiet);
}

TEST(Options, AreAllTaken) {
  Sample sample;
  EXPECT_EQ(
      sample.parse({"a file.yaml",  "--model",   "m",      "--device", "cuda:1",  "--dtype=bfloat16", "--bos",
                    "<s>",          "--threads", "2",      "--seed",   "7",       "--token-budget",   "99",
                    "--statistics", "s",         "--json", "j",        "--quiet", "--patch",          "p",
                    "--patch",      "q"}),
      Parsed::kRun);
  EXPECT_EQ(sample.file, "a file.yaml");
  EXPECT_THAT(sample.patches, ElementsAre("p", "q"));
  EXPECT_EQ(sample.common.model, "m");
  EXPECT_EQ(sample.common.device, "cuda:1");
  EXPECT_EQ(sample.common.dtype, "bfloat16");
  EXPECT_EQ(sample.common.bos, "<s>");
  EXPECT_EQ(sample.common.threads, 2);
  EXPECT_EQ(sample.common.seed, 7U);
  EXPECT_EQ(sample.common.token_budget, 99);
  EXPECT_EQ(sample.common.statistics, "s");
  EXPECT_EQ(sample.common.json, "j");
  EXPECT_TRUE(sample.common.quiet);
}

TEST(Options, OfferTheNearestKnownOne) {
  EXPECT_THAT(refusal({"--modle", "m"}), HasSubstr("unknown option --modle; did you mean --model?"));
  EXPECT_THAT(refusal({"--pach=x"}), HasSubstr("did you mean --patch?"));
  EXPECT_THAT(refusal({"--zzzzzzzz"}), HasSubstr("see emend sample --help"));
  EXPECT_THAT(refusal({"-x"}), HasSubstr("unknown option -x"));
}

TEST(Options, AreNeverAbbreviated) {
  EXPECT_THAT(refusal({"--mod", "m"}), HasSubstr("unknown option --mod"));
}

TEST(Options, OfLaterVersionsAreRefusedByName) {
  EXPECT_THAT(refusal({"--resume=x"}), HasSubstr("--resume is not part of this version yet"));
  EXPECT_THAT(refusal({"--resume"}), HasSubstr("--resume is not part of this version yet"));
}

TEST(Options, RefuseValuesThatCannotBe) {
  EXPECT_THAT(refusal({"--threads", "0"}), HasSubstr("--threads must be at least 1, found 0"));
  EXPECT_THAT(refusal({"--threads", "1000000"}), HasSubstr("--threads must be at most"));
  EXPECT_THAT(refusal({"--seed=-1"}), HasSubstr("--seed must be at least 0"));
  EXPECT_THAT(refusal({"--token-budget", "0"}), HasSubstr("--token-budget"));
  EXPECT_THAT(refusal({"--token-budget", "many"}), HasSubstr("token-budget"));
  EXPECT_THAT(refusal({"--dtype", "float31"}), HasSubstr("did you mean \"float32\"?"));
  EXPECT_THAT(refusal({"--device", "gpu"}), HasSubstr("--device cannot be \"gpu\""));
  EXPECT_THAT(refusal({"--device", "cuda:x"}), HasSubstr("--device"));
  EXPECT_THAT(refusal({"--device", "cuda:0,"}), HasSubstr("--device cannot be"));
  EXPECT_THAT(refusal({"--device", "cuda:0,gpu"}), HasSubstr("--device cannot be \"gpu\""));
  EXPECT_THAT(refusal({"--json", ""}), HasSubstr("--json is empty"));
}

TEST(Options, RefuseMissingValuesAndTooManyArguments) {
  EXPECT_THAT(refusal({"--model"}), HasSubstr("model"));
  EXPECT_THAT(refusal({"--model", "a", "--model", "b"}), HasSubstr("model"));
  EXPECT_THAT(refusal({"a", "b"}), HasSubstr("too many arguments; usage: emend sample FILE [OPTIONS]"));
}

TEST(Options, OfLibraryErrorsGetTheirDashes) {
  EXPECT_EQ(with_dashes("go on with the option resume, or leave out the option drift-tokens"),
            "go on with --resume, or leave out --drift-tokens");
  for (const char* other : {"the option --resume has no effect here", "options of a method", ""})
    EXPECT_EQ(with_dashes(other), other);
}

TEST(Options, OfAUsersTextStayAsTheyAre) {
  for (const char* text :
       {"cannot read the option x/nosuch: no such file or folder", "cannot read the option out/nosuch",
        "cannot read a/the option out", "\"Workis has the option out\" is not in \"the option out\"",
        "the text \"a \\\" the option out\" is empty", "Workis has the option painter", "the option outer",
        "the option out.txt", "the option to", "otherthe option out"})
    EXPECT_EQ(with_dashes(text), text);
  EXPECT_EQ(with_dashes("\"the option out\" is there: use the option out."),
            "\"the option out\" is there: use --out.");
  EXPECT_EQ(with_dashes("more (the option token-budget)"), "more (--token-budget)");
}

// The lines of all library sources, those of a text that goes over several of them joined, without comments.
// `look` gets path and line.
template <typename Look>
void for_each_line(Look look) {
  const std::regex joint("\"\\s*\n\\s*\"");
  for (const structure::SourceFile& file : structure::read_sources(
           EMEND_SOURCE_DIR, {"src/base", "src/io", "src/text", "src/config", "src/linalg", "src/model",
                              "src/analysis", "src/memories", "src/measure", "src/delivery", "src/pipeline",
                              "src/report", "src/reports", "datasets", "editors", "eval"})) {
    std::istringstream lines(std::regex_replace(file.text, joint, ""));
    for (std::string line; std::getline(lines, line);) look(file.path, line.substr(0, line.find("//")));
  }
}

// An option that a message names and the list does not have would be told without its dashes.
TEST(Options, ThatMessagesNameAreTheList) {
  std::set<std::string> named;
  const std::regex option("the option ([a-z]+(-[a-z]+)*)");
  for_each_line([&](const std::string&, const std::string& line) {
    for (std::sregex_iterator found(line.begin(), line.end(), option), end; found != end; ++found)
      named.insert((*found)[1]);
  });
  EXPECT_THAT(options_in_messages(), ElementsAreArray(named));
}

TEST(Options, AnswerHelpAndVersionWithoutTheRest) {
  for (const std::string question : {"--help", "-h", "--version"})
    EXPECT_EQ(Sample().parse({question}), Parsed::kAnswered);
}

}  // namespace
}  // namespace emend
