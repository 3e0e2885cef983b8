// Broken patch files, made byte by byte from a good one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <functional>
#include <limits>

#include "base/text_file.h"
#include "emend/error.h"
#include "emend/patch.h"
#include "emend/tensor_file.h"
#include "sample_patch.h"

namespace emend {
namespace {

using testing::HasSubstr;

// A patch file in parts that a test may spoil.
struct Parts {
  struct Tensor {
    std::string dtype;
    std::vector<std::int64_t> shape;
    std::vector<std::byte> bytes;
  };
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> metadata;
};

Parts read_parts(const std::filesystem::path& path) {
  const auto file = open_safetensors(path);
  Parts parts;
  parts.metadata = file->metadata();
  for (const TensorInfo& info : file->tensors()) {
    const auto bytes = file->bytes(info);
    parts.tensors[info.name] = {info.dtype_name, info.shape, {bytes.begin(), bytes.end()}};
  }
  return parts;
}

void write_parts(const Parts& parts, const std::filesystem::path& path) {
  std::vector<TensorToWrite> tensors;
  for (const auto& [name, tensor] : parts.tensors)
    tensors.push_back({name, tensor.dtype, tensor.shape, tensor.bytes});
  write_safetensors(path, tensors, parts.metadata);
}

class BrokenPatch : public testing::Test {
 protected:
  BrokenPatch() {
    save_patch(sample_patch(), folder_ / "good");
    good_ = read_parts(folder_ / "good");
    good_.metadata.erase("emend.content_sha256");  // so that the other guards are asked
  }

  // The message with which the spoiled patch is refused.
  std::string refusal(const std::function<void(Parts&)>& spoil) {
    Parts parts = good_;
    spoil(parts);
    write_parts(parts, folder_ / "bad");
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
  const std::vector<std::string> free_text = {"emend.version",   "emend.method",
                                              "emend.base_name", "emend.edit_text", "emend.bos",
                                              "emend.device"};
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
  const auto reshape = [](const std::string& name, std::vector<std::int64_t> shape) {
    return [=](Parts& parts) { parts.tensors[name].shape = shape; };
  };
  EXPECT_THAT(refusal(reshape("model.layers.3.mlp_down.B", {2, 4})), HasSubstr("model.layers.3.mlp_down.B"));
  EXPECT_THAT(refusal(reshape("model.layers.3.mlp_down.A", {6, 2})), HasSubstr("model.layers.3.mlp_down"));
  EXPECT_THAT(refusal(reshape("model.layers.3.mlp_down.keys", {6, 2})), HasSubstr("model.layers.3.mlp_down.keys"));
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
  EXPECT_THAT(
      refusal([](Parts& parts) { parts.tensors["model.layers.3.mlp_up.A"] = parts.tensors["model.layers.3.mlp_down.keys"]; }),
      HasSubstr("model.layers.3.mlp_up.A"));
  EXPECT_NE(refusal(rename("model.layers.3.mlp_down.A", "model.layers.03.mlp_down.A")), "accepted");
  EXPECT_NE(refusal(rename("model.layers.11.mlp_down.A", "model.layers.99999999999999999999.mlp_down.A")),
            "accepted");
}

TEST_F(BrokenPatch, RefusesStatesOfOtherFacts) {
  const auto swap_in = [](const std::string& from, const std::string& to) {
    return [=](Parts& parts) {
      std::string& text = parts.metadata["emend.facts"];
      text.replace(text.find(from, text.find("\"after\"")), from.size(), to);
    };
  };
  EXPECT_THAT(refusal(swap_in("\"id\":\"a\"", "\"id\":\"z\"")), HasSubstr("a state of the fact"));
  EXPECT_THAT(refusal([](Parts& parts) { parts.metadata["emend.facts"] = "[]"; }), HasSubstr("emend.facts"));
}

TEST_F(BrokenPatch, RefusesOneIdForTwoFacts) {
  const std::string message = refusal([](Parts& parts) {
    std::string& text = parts.metadata.at("emend.facts");
    for (std::size_t at = text.find("\"id\":\"b\""); at != std::string::npos; at = text.find("\"id\":\"b\"", at))
      text.replace(at, 8, "\"id\":\"a\"");
  });
  EXPECT_THAT(message, HasSubstr("emend.facts"));
  EXPECT_THAT(message, HasSubstr("\"a\" twice"));
}

TEST_F(BrokenPatch, RefusesAFormatOfTheFuture) {
  const std::string message = refusal([](Parts& parts) { parts.metadata["emend.format"] = "3"; });
  EXPECT_THAT(message, HasSubstr("emend.format"));
  EXPECT_THAT(message, HasSubstr("found \"3\""));
}

TEST_F(BrokenPatch, RefusesAFactAtALayerThatWasNotChanged) {
  EXPECT_THAT(refusal([](Parts& parts) {
                std::string& text = parts.metadata["emend.facts"];
                text.replace(text.find("model.layers.11."), 16, "model.layers.12.");
              }),
              HasSubstr("layer 12"));
}

TEST_F(BrokenPatch, RefusesChangesAndSolvesThatDoNotBelongTogether) {
  const auto swap_weight = [](const std::string& to) {
    return [=](Parts& parts) {
      std::string& text = parts.metadata["emend.solves"];
      text.replace(text.find("model.layers.11."), 16, to);
    };
  };
  EXPECT_THAT(refusal(swap_weight("model.layers.12.")), HasSubstr("does not say how it was solved"));
  EXPECT_THAT(refusal([](Parts& parts) {
                std::string& text = parts.metadata["emend.solves"];
                text.insert(text.size() - 1, "," + text.substr(1, text.find('}')));
                text.replace(text.rfind("model.layers."), 15, "model.layers.7.");
              }),
              HasSubstr("model.layers.7."));
}

TEST_F(BrokenPatch, RefusesRowsAndKeysBeyondTheTensors) {
  const auto put = [](const std::string& from, const std::string& to) {
    return [=](Parts& parts) {
      std::string& text = parts.metadata["emend.facts"];
      text.replace(text.find(from), from.size(), to);
    };
  };
  EXPECT_THAT(refusal(put("\"rows\":[0]", "\"rows\":[2]")), HasSubstr("names row 2"));
  EXPECT_THAT(refusal(put("\"keys\":2", "\"keys\":3")), HasSubstr("mlp_down.keys"));
  EXPECT_THAT(refusal(put("\"keys\":2", "\"keys\":2147483647")), HasSubstr("mlp_down.keys"));
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
