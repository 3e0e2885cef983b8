// Broken patch files, made byte by byte from a good one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <functional>
#include <limits>
#include <utility>

#include "base/files.h"
#include "base/json.h"
#include "emend/error.h"
#include "emend/patch.h"
#include "patch_parts.h"
#include "sample_patch.h"

namespace emend {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class BrokenPatch : public testing::Test {
 protected:
  BrokenPatch() {
    save_patch(sample_patch(), folder_ / "good");
    good_ = read_parts(folder_ / "good");
    good_.metadata.erase(kDigestKey);  // it is made anew for what is written
  }

  // The message with which the spoiled patch is refused.
  std::string refusal(const std::function<void(Parts&)>& spoil) {
    Parts parts = good_;
    spoil(parts);
    write_sealed(parts, folder_ / "bad");
    return refusal_of(folder_ / "bad");
  }

  static std::string refusal_of(const std::filesystem::path& path) {
    try {
      load_patch(path);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kFormat) << error.what();
      EXPECT_THAT(error.what(), HasSubstr(path.string()));
      return error.what();
    }
    return "accepted";
  }

  ScratchFolder folder_;
  Parts good_;
};

TEST_F(BrokenPatch, AlteredContentIsRefusedByItsHash) {
  Parts parts = read_parts(folder_ / "good");
  write_parts(parts, folder_ / "same");
  EXPECT_EQ(refusal_of(folder_ / "same"), "accepted");
  Parts words = parts;
  words.metadata.at("emend.base_name") += "x";
  write_parts(words, folder_ / "bad");
  EXPECT_THAT(refusal_of(folder_ / "bad"), HasSubstr("altered or damaged after it was written"));
  parts.tensors.at("model.layers.3.mlp_down.residuals").bytes[0] ^= std::byte{1};
  write_parts(parts, folder_ / "bad");
  EXPECT_THAT(refusal_of(folder_ / "bad"), HasSubstr("altered or damaged after it was written"));
}

TEST_F(BrokenPatch, WithoutItsHashIsRefused) {
  Parts parts = read_parts(folder_ / "good");
  parts.metadata.erase(kDigestKey);
  write_parts(parts, folder_ / "bad");
  EXPECT_THAT(refusal_of(folder_ / "bad"), AllOf(HasSubstr("altered or damaged after it was written"),
                                                 HasSubstr("has no"), HasSubstr(kDigestKey)));
}

TEST_F(BrokenPatch, TakesThePartsPutTogetherAgain) {
  EXPECT_EQ(refusal([](Parts&) {}), "accepted");
}

TEST_F(BrokenPatch, RefusesEveryTruncation) {
  const std::string bytes = read_text_file(folder_ / "good");
  for (std::size_t length = 0; length < bytes.size(); length += length < 64 ? 1 : 13) {
    std::ofstream(folder_ / "cut", std::ios::binary) << bytes.substr(0, length);
    ASSERT_NE(refusal_of(folder_ / "cut"), "accepted") << length;
  }
  std::ofstream(folder_ / "cut", std::ios::binary) << bytes.substr(0, bytes.size() - 1);
  EXPECT_NE(refusal_of(folder_ / "cut"), "accepted");
}

TEST_F(BrokenPatch, NamesEachMissingKey) {
  const std::vector<std::string> may_be_absent = {"emend.device", "emend.dtype", "emend.seed",
                                                  "emend.token_budget"};
  for (const auto& [key, value] : good_.metadata) {
    if (key == "format") continue;  // the writer's own
    if (std::count(may_be_absent.begin(), may_be_absent.end(), key) > 0) {
      EXPECT_EQ(refusal([name = key](Parts& parts) { parts.metadata.erase(name); }), "accepted") << key;
      continue;
    }
    const std::string name = key;
    EXPECT_THAT(refusal([&](Parts& parts) { parts.metadata.erase(name); }), HasSubstr("\"" + name + "\""));
  }
}

TEST_F(BrokenPatch, NamesEachBrokenKey) {
  const std::vector<std::string> free_text = {"emend.version", "emend.method", "emend.base_name",
                                              "emend.edit_text", "emend.bos"};
  for (const auto& [key, value] : good_.metadata) {
    if (key == "format" || std::count(free_text.begin(), free_text.end(), key) > 0) continue;
    for (const std::string junk : {"{\"x\": ", "[1.5, {}]", "nonsense", "[[]]", "{\"x\": 1}"}) {
      const std::string name = key;
      EXPECT_THAT(refusal([&](Parts& parts) { parts.metadata[name] = junk; }), HasSubstr(name)) << junk;
    }
  }
}

TEST_F(BrokenPatch, RefusesAnEmptyTarget) {
  const std::string message = refusal([](Parts& parts) {
    std::string& facts = parts.metadata["emend.facts"];
    const std::string target = "\"target\":\"Spain\"";
    facts.replace(facts.find(target), target.size(), "\"target\":\"\"");
  });
  EXPECT_THAT(message, HasSubstr("emend.facts"));
  EXPECT_THAT(message, HasSubstr("target"));
}

TEST_F(BrokenPatch, NamesEachMissingTensor) {
  for (const auto& [name, tensor] : good_.tensors) {
    const std::string gone = name;
    EXPECT_NE(refusal([&](Parts& parts) { parts.tensors.erase(gone); }), "accepted") << gone;
  }
  EXPECT_THAT(refusal([](Parts& parts) { parts.tensors.erase("model.layers.11.mlp_down.keys"); }),
              HasSubstr("model.layers.11.mlp_down.keys"));
}

TEST_F(BrokenPatch, NamesEachTensorOfAWrongShapeOrType) {
  for (const auto& [name, tensor] : good_.tensors) {
    const std::string spoiled = name;
    const std::string grown = refusal([&](Parts& parts) {
      Parts::Tensor& target = parts.tensors[spoiled];
      target.shape.push_back(1);
    });
    EXPECT_THAT(grown, HasSubstr(spoiled));
    const std::string retyped = refusal([&](Parts& parts) {
      Parts::Tensor& target = parts.tensors[spoiled];
      target.dtype = target.dtype == "F32" ? "I32" : "F64";
    });
    EXPECT_THAT(retyped, HasSubstr(spoiled));
  }
}

TEST_F(BrokenPatch, RefusesSizesThatDoNotFitEachOther) {
  const auto reshape = [](const std::string& name, const std::vector<std::int64_t>& shape) {
    return [=](Parts& parts) { parts.tensors[name].shape = shape; };
  };
  EXPECT_THAT(refusal(reshape("model.layers.3.mlp_down.B", {2, 4})), HasSubstr("model.layers.3.mlp_down.B"));
  EXPECT_THAT(refusal(reshape("model.layers.3.mlp_down.A", {6, 2})), HasSubstr("model.layers.3.mlp_down"));
  EXPECT_THAT(refusal(reshape("model.layers.3.mlp_down.keys", {6, 2})),
              HasSubstr("model.layers.3.mlp_down.keys"));
}

TEST_F(BrokenPatch, RefusesNumbersThatAreNotFinite) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    const std::string message = refusal([&](Parts& parts) {
      std::memcpy(parts.tensors["model.layers.11.mlp_down.residuals"].bytes.data() + 4, &bad, sizeof bad);
    });
    EXPECT_THAT(message, HasSubstr("model.layers.11.mlp_down.residuals"));
    EXPECT_THAT(message, HasSubstr("not finite"));
  }
}

TEST_F(BrokenPatch, RefusesIdListsThatDoNotAddUp) {
  const auto put = [](const std::string& name, std::int64_t value) {
    return [=](Parts& parts) { std::memcpy(parts.tensors[name].bytes.data(), &value, sizeof value); };
  };
  EXPECT_THAT(refusal(put("contexts.lengths", 4)), HasSubstr("contexts.lengths"));
  EXPECT_THAT(refusal(put("contexts.lengths", 2)), HasSubstr("contexts.lengths"));
  EXPECT_THAT(refusal(put("contexts.lengths", -1)), HasSubstr("negative"));
  EXPECT_THAT(refusal(put("held_text.lengths", std::numeric_limits<std::int64_t>::max())),
              HasSubstr("held_text.lengths"));
  EXPECT_THAT(refusal(put("held_text.ids", -7)), HasSubstr("held_text.ids"));
}

TEST_F(BrokenPatch, RefusesTensorsThatNoPatchHas) {
  const auto rename = [](const std::string& from, const std::string& to) {
    return [=](Parts& parts) {
      parts.tensors[to] = parts.tensors[from];
      parts.tensors.erase(from);
    };
  };
  EXPECT_THAT(refusal([](Parts& parts) {
                parts.tensors["model.layers.3.mlp_up.A"] = parts.tensors["model.layers.3.mlp_down.keys"];
              }),
              HasSubstr("model.layers.3.mlp_up.A"));
  EXPECT_NE(refusal(rename("model.layers.3.mlp_down.A", "model.layers.03.mlp_down.A")), "accepted");
  EXPECT_NE(refusal(rename("model.layers.11.mlp_down.A", "model.layers.99999999999999999999.mlp_down.A")),
            "accepted");
}

using Change = std::function<void(Json&)>;

// Changes the JSON of a metadata key.
std::function<void(Parts&)> in_json(const std::string& key, const Change& change) {
  return [=](Parts& parts) {
    Json document = Json::parse(parts.metadata.at(key));
    change(document);
    parts.metadata.at(key) = document.dump();
  };
}
std::function<void(Parts&)> in_facts(const Change& change) {
  return in_json("emend.facts", change);
}
// Of the first fact, the only one that was edited at layer 3.
std::function<void(Parts&)> in_part(const Change& change) {
  return in_facts([=](Json& facts) { change(facts[0]["parts"][0]); });
}
std::function<void(Parts&)> in_solves(const Change& change) {
  return in_json("emend.solves", change);
}

TEST_F(BrokenPatch, RefusesStatesOfOtherFacts) {
  for (const std::string when : {"before", "after"}) {
    EXPECT_THAT(refusal(in_facts([=](Json& facts) { facts[0][when]["id"] = "z"; })),
                AllOf(HasSubstr("emend.facts"), HasSubstr(when)));
    EXPECT_THAT(refusal(in_facts([=](Json& facts) { facts[1][when]["paraphrases"].erase(0); })),
                AllOf(HasSubstr("emend.facts"), HasSubstr(when)));
    EXPECT_EQ(refusal(in_facts([=](Json& facts) { facts[1][when] = nullptr; })), "accepted");
  }
  EXPECT_THAT(refusal([](Parts& parts) { parts.metadata["emend.facts"] = "[]"; }), HasSubstr("emend.facts"));
}

TEST_F(BrokenPatch, RefusesOneIdForTwoFacts) {
  const std::string message = refusal(in_facts([](Json& facts) {
    for (Json* const place : {&facts[1], &facts[1]["before"], &facts[1]["after"]}) (*place)["id"] = "a";
  }));
  EXPECT_THAT(message, HasSubstr("emend.facts"));
  EXPECT_THAT(message, HasSubstr("\"a\" twice"));
}

TEST_F(BrokenPatch, RefusesAFormatOfTheFutureByItsVersion) {
  EXPECT_THAT(
      refusal([](Parts& parts) { parts.metadata["emend.format"] = "3"; }),
      AllOf(HasSubstr("emend.format"), HasSubstr("\"3\""), HasSubstr("a newer emend wrote this patch")));
  for (const std::string format : {"0", "02", "2 ", "", "1.0"})
    EXPECT_THAT(refusal([&](Parts& parts) { parts.metadata["emend.format"] = format; }),
                AllOf(HasSubstr("emend.format"), Not(HasSubstr("newer"))));
}

// With tensors of a type that there is not yet.
TEST_F(BrokenPatch, RefusesAFormatOfTheFutureByItsVersionBeforeItsTypes) {
  const auto with_format = [&](const std::string& format) {
    std::string bytes = read_text_file(folder_ / "good");
    const std::string key = R"("emend.format":")", type = R"("dtype":"F)";
    bytes.replace(bytes.find(key) + key.size(), 1, format);
    bytes.replace(bytes.find(type) + type.size(), 2, "99");
    std::ofstream(folder_ / "bad", std::ios::binary) << bytes;
    return refusal_of(folder_ / "bad");
  };
  EXPECT_THAT(with_format("3"), AllOf(HasSubstr("emend.format"), HasSubstr("a newer emend wrote this patch"),
                                      Not(HasSubstr("dtype"))));
  EXPECT_THAT(with_format("2"), HasSubstr("unknown dtype \"F99\""));
}

TEST_F(BrokenPatch, RefusesAFactAtALayerThatWasNotChanged) {
  EXPECT_THAT(
      refusal(in_facts([](Json& facts) { facts[1]["parts"][0]["weight"] = "model.layers.12.mlp_down"; })),
      HasSubstr("\"b\" was edited at layer 12"));
  EXPECT_THAT(refusal(in_facts([](Json& facts) {
                Json more = facts[1]["parts"][0];
                more["weight"] = "model.layers.12.mlp_down";
                facts[1]["parts"].push_back(more);
              })),
              HasSubstr("\"b\" was edited at layer 12"));
}

TEST_F(BrokenPatch, RefusesAChangeThatNoFactAskedFor) {
  EXPECT_THAT(refusal(in_facts([](Json& facts) {
                facts[1]["status"] = "already true";
                facts[1]["parts"][0]["keys"] = 0;
              })),
              AllOf(HasSubstr("model.layers.11.mlp_down.A"), HasSubstr("no fact")));
}

TEST_F(BrokenPatch, RefusesCountsOfKeysThatAreNotThere) {
  for (const std::int64_t count : {std::int64_t{1}, std::int64_t{3}, std::int64_t{2147483647}})
    EXPECT_THAT(refusal(in_part([=](Json& part) { part["keys"] = count; })),
                HasSubstr("\"model.layers.3.mlp_down.keys\": expected shape [" + std::to_string(count)));
  for (const std::int64_t count :
       {std::int64_t{-1}, std::int64_t{1} << 31, std::numeric_limits<std::int64_t>::max()})
    EXPECT_THAT(refusal(in_part([=](Json& part) { part["keys"] = count; })),
                AllOf(HasSubstr("emend.facts"), HasSubstr("keys")));
  EXPECT_THAT(refusal(in_part([](Json& part) { part["keys"] = 0; })), HasSubstr("at least one key"));
  EXPECT_THAT(refusal(in_facts([](Json& facts) { facts[2]["parts"][0]["keys"] = 2147483647; })),
              HasSubstr("parts without keys"));
}

TEST_F(BrokenPatch, RefusesRowsThatTheChangeHasNot) {
  EXPECT_EQ(refusal(in_part([](Json& part) { part["rows"] = Json::array({0, 1}); })), "accepted");
  EXPECT_THAT(refusal(in_part([](Json& part) {
                part["rows"] = Json::array({0, 2});
              })),
              AllOf(HasSubstr("model.layers.3.mlp_down.A"), HasSubstr("row 2 ")));
  EXPECT_THAT(refusal(in_part([](Json& part) {
                part["rows"] = Json::array({std::numeric_limits<std::int64_t>::max()});
              })),
              HasSubstr("model.layers.3.mlp_down.A"));
  EXPECT_THAT(refusal(in_part([](Json& part) { part["rows"] = Json::array({-1}); })), HasSubstr("rows[0]"));
  EXPECT_THAT(refusal(in_part([](Json& part) { part["rows"] = Json::array(); })),
              HasSubstr("names no row of it"));
}

TEST_F(BrokenPatch, RefusesPartsThatAreNotOneAWeight) {
  EXPECT_THAT(refusal(in_facts([](Json& facts) {
                Json again = facts[0]["parts"][0];
                facts[0]["parts"].push_back(again);
              })),
              HasSubstr("different weights"));
  EXPECT_THAT(refusal(in_facts([](Json& facts) {  // fact c was not edited: only its list of weights is wrong
                Json lower = facts[2]["parts"][0];
                lower["weight"] = "model.layers.2.mlp_down";
                facts[2]["parts"].push_back(lower);
              })),
              HasSubstr("in the order of their blocks"));
  EXPECT_THAT(refusal(in_facts([](Json& facts) { facts[0]["parts"] = Json::array(); })), HasSubstr("parts"));
  for (const std::string name : {"model.layers.03.mlp_down", "model.layers.3.mlp_up", "3", ""})
    EXPECT_THAT(refusal(in_part([&](Json& part) { part["weight"] = name; })),
                HasSubstr("the name of a weight"));
}

TEST_F(BrokenPatch, RefusesSolvesThatAreNotThoseOfTheChanges) {
  EXPECT_THAT(refusal(in_solves([](Json& solves) { solves.erase(0); })),
              AllOf(HasSubstr("model.layers.3.mlp_down.A"), HasSubstr("does not say how it was solved")));
  EXPECT_THAT(refusal(in_solves([](Json& solves) {
                Json more = solves[1];
                more["weight"] = "model.layers.12.mlp_down";
                solves.push_back(more);
              })),
              AllOf(HasSubstr("model.layers.12.mlp_down.A"), HasSubstr("\"emend.solves\" names it")));
  EXPECT_THAT(refusal(in_solves([](Json& solves) {
                Json again = solves[1];
                solves.push_back(again);
              })),
              HasSubstr("must name each weight once"));
  EXPECT_THAT(refusal(in_solves([](Json& solves) { std::swap(solves[0], solves[1]); })),
              HasSubstr("in the order of their blocks"));
}

TEST_F(BrokenPatch, NamesTheFieldOfASolveThatIsBroken) {
  const std::vector<std::pair<std::string, Json>> broken = {{"weight", "mlp_down"},
                                                            {"rule", "magic"},
                                                            {"rule", 1},
                                                            {"relative_ridge", -1e-5},
                                                            {"relative_ridge", nullptr},
                                                            {"lambda", -1},
                                                            {"statistics_fingerprint", "\x1B[2J"}};
  for (const auto& [field, value] : broken) {
    const Json junk = value;
    const std::string key = field;
    EXPECT_THAT(refusal(in_solves([&](Json& solves) { solves[1][key] = junk; })),
                AllOf(HasSubstr("emend.solves"), HasSubstr(key)));
  }
}

TEST(MissingPatch, IsAnErrorOfTheSystem) {
  try {
    load_patch("/nonexistent/p.safetensors");
    FAIL() << "loaded";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kIo);
  }
}

}  // namespace
}  // namespace emend
