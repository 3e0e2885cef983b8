#include "console/hints.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "../structure/cpp_tokens.h"
#include "../structure/source_files.h"

namespace emend {
namespace {

TEST(Hints, FollowTheAdviceOfTheLibrary) {
  EXPECT_EQ(with_commands("a key is infinite; check the model's weights, or leave it out"),
            "a key is infinite; check the model's weights (emend model check), or leave it out");
  EXPECT_EQ(with_commands("collect statistics of the layer; an edit writes patches.\nan edit writes patches"),
            "collect statistics of the layer (emend stats); an edit writes patches (emend edit).\n"
            "an edit writes patches (emend edit)");
  EXPECT_EQ(with_hints("collect statistics of the layer, or leave the option statistics out"),
            "collect statistics of the layer (emend stats), or leave --statistics out");
}

TEST(Hints, LeaveOtherTextAsItIs) {
  for (const std::string text :
       {"", "\"check the model's weights\"", "a \"quoted \\\" check the model's weights\" b",
        "check the model's weightsX", "nothing is advised"})
    EXPECT_EQ(with_commands(text), text);
  EXPECT_EQ(with_commands("an open \" quote\ncheck the model's weights"),
            "an open \" quote\ncheck the model's weights (emend model check)");
}

// A message that is worded anew would lose its command without a word.
TEST(Hints, AreOfAdviceThatTheLibraryGives) {
  std::string said;
  for (const structure::SourceFile& file :
       structure::read_sources(EMEND_SOURCE_DIR, {"src", "editors", "eval", "datasets"})) {
    if (file.path.starts_with("src/cli/") || file.path.starts_with("src/console/")) continue;
    for (const structure::Token& token : structure::string_literals(file.text)) said += token.literal + "\n";
  }
  for (const Hint& hint : hints()) EXPECT_NE(said.find(hint.advice), std::string::npos) << hint.advice;
}

}  // namespace
}  // namespace emend
