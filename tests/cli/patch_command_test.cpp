#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <functional>

#include "../delivery/patch_parts.h"
#include "base/files.h"
#include "world_edit.h"

namespace emend {
namespace {

using testing::HasSubstr;

// The bytes of a patch with the float32 values of the tensor whose name ends in `ending` changed, or with its
// metadata changed by `metadata`.
std::string altered(const std::string& bytes, const std::string& ending,
                    const std::function<float(std::size_t, float)>& change,
                    const std::function<void(nlohmann::json&)>& metadata = {}) {
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  nlohmann::json header = nlohmann::json::parse(bytes.substr(sizeof length, length));
  std::string data = bytes.substr(sizeof length + length);
  for (const auto& [name, tensor] : header.items()) {
    if (change == nullptr || name.size() < ending.size() ||
        name.compare(name.size() - ending.size(), ending.size(), ending) != 0)
      continue;
    const std::size_t begin = tensor["data_offsets"][0];
    const std::size_t end = tensor["data_offsets"][1];
    for (std::size_t at = begin; at < end; at += sizeof(float)) {
      float value = 0;
      std::memcpy(&value, &data[at], sizeof value);
      value = change((at - begin) / sizeof(float), value);
      std::memcpy(&data[at], &value, sizeof value);
    }
  }
  if (metadata) metadata(header["__metadata__"]);
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  length = text.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof length) + text + data;
}

class PatchCommand : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_world_models()) GTEST_SKIP() << "no models of the invented world";
    ASSERT_EQ(EditedWorld::shared().run.code, 0) << EditedWorld::shared().run.err;
  }
  static std::string patch() { return EditedWorld::shared().folder / "a.safetensors"; }
  // Writes an altered patch with the digest of what it is now, so that its other guards are asked.
  std::string write_sealed_patch(const std::string& name, const std::string& bytes) const {
    const std::string file = folder_.write(name, bytes);
    write_sealed(read_parts(file), file);
    return file;
  }
  const ScratchFolder folder_;
};

TEST_F(PatchCommand, AbilitiesAreAskedBeforeAndAfterIt) {
  const std::string data = std::string(EMEND_TEST_DATA) + "/abilities/";
  const std::vector<std::string> asked = {
      "eval", "abilities", "--model", world_model("gpt2"), "--data", data + "arc.jsonl", data + "piqa.jsonl"};
  const auto run = [&](std::vector<std::string> more) {
    more.insert(more.begin(), asked.begin(), asked.end());
    return run_emend(more);
  };
  const Finished both = run({"--patch", patch(), "--out", folder_ / "out", "--json", folder_ / "j",
                             "--report", folder_ / "p.html"});
  ASSERT_EQ(both.code, 0) << both.err;
  EXPECT_THAT(both.out, HasSubstr("lost"));
  const nlohmann::json json = read_json(folder_ / "j");
  EXPECT_EQ(json["patches"][0], patch());
  EXPECT_EQ(json["tasks"][0]["items"], 8);
  EXPECT_THAT(read_text_file(folder_ / "p.html"), HasSubstr(">piqa<"));
  EXPECT_EQ(json["all"]["acc"]["n"], 13);
  EXPECT_EQ(read_json(folder_ / "out/abilities.json")["tasks"], json["tasks"]);
  std::ifstream items(folder_ / "out/items.jsonl");
  int lines = 0;
  for (std::string line; std::getline(items, line); ++lines) {
    const nlohmann::json item = nlohmann::json::parse(line);
    EXPECT_EQ(item["before"]["loglikelihoods"].size(), item["after"]["loglikelihoods"].size());
    EXPECT_NE(item["before"]["loglikelihoods"], item["after"]["loglikelihoods"]);
  }
  EXPECT_EQ(lines, 13);
  const Finished alone = run({});
  ASSERT_EQ(alone.code, 0) << alone.err;
  EXPECT_THAT(alone.out, testing::Not(HasSubstr("lost")));
}

// Nothing is written, and the model is not loaded: there is none.
TEST_F(PatchCommand, AbilitiesRefuseBrokenItemsBeforeAnyWork) {
  folder_.write("a.jsonl", "{\"goal\": \"g\", \"sol1\": \"a\", \"sol2\": \"b\", \"label\": -1}\n");
  const Finished run = run_emend({"eval", "abilities", "--model", folder_ / "none", "--data",
                                  folder_ / "a.jsonl", "--out", folder_ / "out"});
  EXPECT_EQ(run.code, 3);
  EXPECT_THAT(run.err, HasSubstr("a.jsonl:1: the item has no right answer: \"label\" is -1"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
  EXPECT_EQ(run_emend({"eval", "abilities", "--model", "m"}).code, 2);
}

TEST_F(PatchCommand, ListsWhatAPatchHolds) {
  const Finished run = run_emend({"patch", "list", patch(), "--json", folder_ / "j"});
  ASSERT_EQ(run.code, 0) << run.err;
  for (const std::string word : {"update norm", "efficacy", "Base:", "Passed:     yes", "objective"})
    EXPECT_THAT(run.out, HasSubstr(word));
  const auto json = read_json(folder_ / "j");
  EXPECT_EQ(json["edits"].size(), kWorldEdits);
  EXPECT_EQ(json["passed"], true);
}

TEST_F(PatchCommand, ColoursVerdictsWhereItIsAsked) {
  const auto listed = [&](const std::string& when) {
    return run_emend({"patch", "list", patch(), "--color", when}).out;
  };
  EXPECT_THAT(listed("always"), HasSubstr("  \x1B[32mpassed\x1B[0m\n"));
  EXPECT_THAT(listed("never"), HasSubstr("  passed\n"));
  EXPECT_EQ(listed("auto"), listed("never")) << "no terminal";
}

TEST_F(PatchCommand, PrintsNoControlCharactersOfAPatch) {
  const auto colour = [](nlohmann::json& metadata) {
    for (const std::string key : {"emend.base_name", "emend.bos", "emend.version", "emend.method"})
      metadata[key] = "a\x1B[31mb\nc";
    metadata["emend.warnings"] = "[\"\\u001B[2J\"]";
  };
  const Finished run = run_emend(
      {"patch", "list", write_sealed_patch("p", altered(read_text_file(patch()), "", nullptr, colour))});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.out, testing::Not(HasSubstr("\x1B")));
  EXPECT_THAT(run.out, HasSubstr("a\\x1B[31mb\\nc"));
  const Finished diff = run_emend({"patch", "diff", patch(), folder_ / "p"});
  EXPECT_THAT(diff.out, testing::Not(HasSubstr("\x1B")));
}

TEST_F(PatchCommand, InspectGoesOnWithoutWhatCannotBeAsked) {
  const auto elsewhere = [](const std::string& key, const std::string& value) {
    return [=](nlohmann::json& metadata) {
      metadata["emend.base_fingerprint"] = "ab";
      metadata[key] = value;
    };
  };
  const std::string good = read_text_file(patch());
  write_sealed_patch("known/a.safetensors",
                     altered(good, "", nullptr, elsewhere("emend.prefix", "[999999]")));
  write_sealed_patch("known/b.safetensors", altered(good, "", nullptr, elsewhere("emend.form", "chat")));
  folder_.write("known/c.safetensors", good);
  const Finished run = run_emend({"model", "inspect", world_model("gpt2"), "--base", world_model("gpt2"),
                                  "--patches", folder_ / "known", "--json", folder_ / "j", "--quiet"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("a.safetensors: its facts are not asked: "));
  EXPECT_THAT(run.err, HasSubstr("the token id 999999"));
  EXPECT_THAT(run.err, HasSubstr("no chat template"));
  const auto patches = read_json(folder_ / "j")["patches"];
  EXPECT_TRUE(patches[0]["answers_as_edited"].is_null());
  EXPECT_TRUE(patches[1]["answers_as_edited"].is_null());
  EXPECT_EQ(patches[2]["answers_as_edited"], 0);
}

TEST_F(PatchCommand, SaysWhetherItIsForAModel) {
  EXPECT_EQ(run_emend({"patch", "list", patch(), "--model", world_model("gpt2")}).code, 0);
  const Finished other = run_emend({"patch", "list", patch(), "--model", world_model("llama")});
  EXPECT_EQ(other.code, 3);
  EXPECT_THAT(other.err, HasSubstr("made for another model"));
}

TEST_F(PatchCommand, VerifiesWithTheStoredNumbers) {
  const Finished run = run_emend({"patch", "verify", "--model", world_model("gpt2"), "--patch", patch(),
                                  "--json", folder_ / "j", "--quiet", "--junit", folder_ / "x"});
  ASSERT_EQ(run.code, 0) << run.out << run.err;
  EXPECT_THAT(run.out, HasSubstr("Verified: yes"));
  for (const std::string word : {"failures=\"0\"", "check update", "same as stored", "check efficacy"})
    EXPECT_THAT(read_text_file(folder_ / "x"), HasSubstr(word));
  const auto verified = read_json(folder_ / "j")["patches"][0];
  EXPECT_LT(verified["difference"], 1e-3);
  const auto edited = read_json(EditedWorld::shared().folder / "a.json");
  for (std::size_t i = 0; i < edited["checks"].size(); ++i) {
    EXPECT_EQ(verified["checks"][i]["name"], edited["checks"][i]["name"]);
    EXPECT_EQ(verified["checks"][i]["n"], edited["checks"][i]["n"]);
  }
}

TEST_F(PatchCommand, FindsAnAlteredPatch) {
  const std::string good = read_text_file(patch());
  const auto verify = [&](const std::string& bytes) {
    return run_emend({"patch", "verify", "--model", world_model("gpt2"), "--patch",
                      write_sealed_patch("p", bytes), "--json", folder_ / "j", "--quiet"});
  };
  const auto update = [&] { return read_json(folder_ / "j")["patches"][0]["checks"][4]; };
  EXPECT_EQ(verify(altered(good, "", nullptr)).code, 0);
  EXPECT_EQ(update()["name"], "update");
  EXPECT_EQ(update()["passed"], true);
  EXPECT_LT(update()["value"], 1e-4);
  const auto grow = [](std::size_t, float value) { return value * 1.01F; };
  const auto bend = [](std::size_t at, float value) { return at % 3 == 0 ? -value : value; };
  for (const std::string tensor : {"mlp_down.A", "mlp_down.B", ".residuals", ".keys"}) {
    EXPECT_EQ(verify(altered(good, tensor, grow)).code, 4) << tensor;
    EXPECT_EQ(update()["passed"], false) << tensor;
    EXPECT_EQ(verify(altered(good, tensor, bend)).code, 4) << tensor;
    EXPECT_EQ(update()["passed"], false) << tensor;
  }
}

TEST_F(PatchCommand, SaysWhenThereIsNothingToCompareWith) {
  const auto forget = [](nlohmann::json& metadata) {
    auto facts = nlohmann::json::parse(metadata["emend.facts"].get<std::string>());
    for (auto& fact : facts) fact["before"] = fact["after"] = nullptr;
    metadata["emend.facts"] = facts.dump();
  };
  const std::string file = write_sealed_patch("p", altered(read_text_file(patch()), "", nullptr, forget));
  const Finished run = run_emend(
      {"patch", "verify", "--model", world_model("gpt2"), "--patch", file, "--json", folder_ / "j"});
  EXPECT_EQ(run.code, 0) << run.out << run.err;
  EXPECT_THAT(run.out, HasSubstr("not compared"));
  EXPECT_EQ(read_json(folder_ / "j")["patches"][0]["compared"], false);
  EXPECT_TRUE(read_json(folder_ / "j")["patches"][0]["difference"].is_null());
}

TEST_F(PatchCommand, MeasuresAStackOfPatches) {
  // The same change twice is one of double strength, which is told.
  const Finished run = run_emend({"patch", "verify", "--model", world_model("gpt2"), "--patch", patch(),
                                  patch(), "--json", folder_ / "j"});
  EXPECT_TRUE(run.code == 0 || run.code == 4) << run.err;
  EXPECT_EQ(read_json(folder_ / "j")["patches"].size(), 2U);
  EXPECT_GT(read_json(folder_ / "j")["patches"][0]["difference"], 0);
  EXPECT_THAT(run.err, HasSubstr("write the same key at layer"));
  EXPECT_EQ(read_json(folder_ / "j")["warnings"].size(), kWorldEdits);
}

TEST_F(PatchCommand, RefusesAnotherBase) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"patch", "verify", "--model", world_model("llama"), "--patch", patch()},
        std::vector<std::string>{"generate", "x", "--model", world_model("llama"), "--patch", patch()}}) {
    const Finished run = run_emend(arguments);
    EXPECT_EQ(run.code, 3);
    EXPECT_THAT(run.err, HasSubstr("made for another model"));
    EXPECT_EQ(run.out, "");
  }
}

TEST_F(PatchCommand, RefusesBrokenFiles) {
  EXPECT_EQ(run_emend({"patch", "list", folder_ / "missing"}).code, 3);
  EXPECT_EQ(run_emend({"patch", "list", folder_.write("p", "garbage")}).code, 3);
  const Finished other = run_emend({"patch", "list", world_model("gpt2") + "/model.safetensors"});
  EXPECT_EQ(other.code, 3);
  EXPECT_THAT(other.err, HasSubstr("not a patch"));
}

}  // namespace
}  // namespace emend
