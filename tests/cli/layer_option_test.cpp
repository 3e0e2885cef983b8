// --layer of edit and eval: a number, depth or auto.
#include "cli/layer_option.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "emend/error.h"

namespace emend {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::optional<LayerChoice> parsed(const std::vector<std::string>& arguments) {
  Syntax syntax;
  CommonOptions common;
  OptionList options{syntax, common};
  std::optional<LayerChoice> layer;
  syntax.command = "sample";
  add_layer_option(options, layer, "which layer");
  EXPECT_EQ(parse_options(syntax, arguments, common), Parsed::kRun);
  options.run_checks();
  return layer;
}

std::string refusal(const std::string& argument) {
  try {
    parsed({argument});
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    return error.what();
  }
  return "accepted";
}

TEST(LayerOption, IsANumberDepthOrAuto) {
  EXPECT_FALSE(parsed({}).has_value());
  EXPECT_THAT(parsed({"--layer", "3"})->layers, ElementsAre(3));
  EXPECT_THAT(parsed({"--layer", "99999999999"})->layers, ElementsAre(1'000'000)) << "no model has it";
  const std::optional<LayerChoice> depth = parsed({"--layer", "depth"}), chosen = parsed({"--layer", "auto"});
  EXPECT_THAT(depth->layers, IsEmpty());
  EXPECT_EQ(depth->where, "--layer depth");
  EXPECT_THAT(chosen->layers, IsEmpty());
  EXPECT_EQ(chosen->where, "") << "auto is no choice";
}

TEST(LayerOption, RefusesOtherForms) {
  EXPECT_THAT(refusal("--layer=-1"), HasSubstr("--layer must be at least 0"));
  EXPECT_THAT(refusal("--layer=deep"), HasSubstr("--layer must be auto, depth or a layer number"));
}

}  // namespace
}  // namespace emend
