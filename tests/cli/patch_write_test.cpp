// patch apply, patch revert, export, model inspect: from the command line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "../delivery/patch_parts.h"
#include "base/files.h"
#include "world_edit.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::map<std::string, std::string> files_of(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file())
      files[entry.path().lexically_relative(folder).string()] = read_text_file(entry.path());
  return files;
}

class PatchWrite : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_world_models()) GTEST_SKIP() << "no models of the invented world";
    ASSERT_EQ(EditedWorld::shared().run.code, 0) << EditedWorld::shared().run.err;
  }
  static std::string patch() { return EditedWorld::shared().folder / "a.safetensors"; }
  std::string copied_model() const {
    fs::copy(world_model("gpt2"), folder_ / "m", fs::copy_options::recursive);
    return folder_ / "m";
  }
  // The patch with its metadata changed.
  std::string marked(const std::string& key, const std::string& value) const {
    Parts parts = read_parts(patch());
    parts.metadata.at(key) = value;
    write_sealed(parts, folder_ / "marked.safetensors");
    return folder_ / "marked.safetensors";
  }
  static std::string answer(const std::vector<std::string>& arguments, const std::string& json) {
    std::vector<std::string> all = {"generate", "Workis Tellond was trained as a", "--json", json, "--quiet"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    EXPECT_EQ(run_emend(all).code, 0);
    return read_json(json)["completion"];
  }
  const ScratchFolder folder_;
};

TEST_F(PatchWrite, WritesANewCheckpointThatPassesTheChecks) {
  const auto before = files_of(world_model("gpt2"));
  const Finished run =
      run_emend({"patch", "apply", "--model", world_model("gpt2"), "--patch", patch(), "--out",
                 folder_ / "new", "--json", folder_ / "j", "--junit", folder_ / "deep/x.xml"});
  ASSERT_EQ(run.code, 0) << run.out << run.err;
  EXPECT_THAT(run.out, AllOf(HasSubstr("Checks on the written file: passed"), HasSubstr("c_proj.weight")));
  const auto json = read_json(folder_ / "j");
  EXPECT_EQ(json["passed"], true);
  EXPECT_GT(json["tensors"][0]["share"], 0.9);
  ASSERT_EQ(json["patches"][0]["stored"].size(), kWorldEdits);
  for (const auto& fact : json["patches"][0]["stored"]) {
    EXPECT_NEAR(fact["share"].get<double>(), 1, 0.05);
    EXPECT_NEAR(fact["arrived"].get<double>() / fact["wanted"].get<double>(), 1, 0.05);
  }
  EXPECT_LT(json["patches"][0]["difference"], 0.02);
  EXPECT_THAT(read_text_file(folder_ / "deep/x.xml"),
              AllOf(HasSubstr("<testsuites name=\"emend\" tests=\""), HasSubstr("failures=\"0\""),
                    HasSubstr("check efficacy"), HasSubstr("stored ")));
  EXPECT_EQ(files_of(world_model("gpt2")), before);
  auto after = files_of(folder_ / "new");
  EXPECT_NE(after.at("model.safetensors"), before.at("model.safetensors"));
  after["model.safetensors"] = before.at("model.safetensors");
  EXPECT_EQ(after, before);
  EXPECT_EQ(answer({"--model", folder_ / "new"}, folder_ / "g"),
            answer({"--model", world_model("gpt2"), "--patch", patch()}, folder_ / "h"));
  // The written model is no base for the patch any more.
  const Finished again =
      run_emend({"patch", "apply", "--model", folder_ / "new", "--patch", patch(), "--out", folder_ / "n2"});
  EXPECT_EQ(again.code, 3);
  EXPECT_THAT(again.err, HasSubstr("made for another model"));
  EXPECT_FALSE(fs::exists(folder_ / "n2"));
}

TEST_F(PatchWrite, EditsInPlaceAndTakesItBack) {
  const std::string model = copied_model();
  const auto before = files_of(model);
  const Finished run = run_emend(
      {"patch", "apply", "--model", model, "--patch", patch(), "--in-place", "--json", folder_ / "j"});
  ASSERT_EQ(run.code, 0) << run.out << run.err;
  EXPECT_THAT(run.out, HasSubstr("emend.undo"));
  EXPECT_EQ(read_json(folder_ / "j")["undo"], model + "/emend.undo");
  EXPECT_NE(files_of(model).at("model.safetensors"), before.at("model.safetensors"));
  const Finished back = run_emend({"patch", "revert", "--model", model, "--json", folder_ / "k"});
  ASSERT_EQ(back.code, 0) << back.err;
  EXPECT_EQ(read_json(folder_ / "k")["restored"].size(), 1U);
  EXPECT_EQ(files_of(model), before);
  const Finished none = run_emend({"patch", "revert", "--model", model});
  EXPECT_EQ(none.code, 3);
  EXPECT_THAT(none.err, HasSubstr("there is no undo file"));
}

TEST_F(PatchWrite, TakesNamesOfTheCurrentFolder) {
  const auto before = files_of(copied_model());
  const std::string here = "cd '" + folder_ / "m" + "'";
  const Finished run = run_emend_after(
      here, {"patch", "apply", "--model", "model.safetensors", "--patch", patch(), "--in-place", "--quiet"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("model.safetensors.undo"));
  const Finished back = run_emend_after(here, {"patch", "revert", "--model", "model.safetensors"});
  EXPECT_EQ(back.code, 0) << back.err;
  EXPECT_EQ(files_of(folder_ / "m"), before);
}

TEST_F(PatchWrite, LeavesNothingWhenAFileWouldGrowTooLarge) {
  const std::string model = copied_model();
  const std::string listing = folder_.listing();
  const Finished run = run_emend_after(
      "ulimit -f 64", {"patch", "apply", "--model", model, "--patch", patch(), "--in-place", "--quiet"});
  EXPECT_EQ(run.code, 3) << run.err;
  EXPECT_THAT(run.err, HasSubstr("cannot write"));
  EXPECT_EQ(folder_.listing(), listing);
}

TEST_F(PatchWrite, NeverWritesOverWhatItReadsOrKeeps) {
  const std::string model = copied_model() + "/model.safetensors";
  fs::copy(patch(), folder_ / "adapter.gguf");
  const auto before = files_of(folder_ / "");
  const auto refused = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--model", model});
    const Finished run = run_emend(arguments);
    EXPECT_TRUE(run.code == 2 || run.code == 3) << run.code << run.out;
    EXPECT_EQ(files_of(folder_ / ""), before);
    return run.err;
  };
  const std::string mine = folder_ / "adapter.gguf";
  EXPECT_THAT(refused({"patch", "apply", "--patch", mine, "--out", mine}), HasSubstr("belongs to the input"));
  EXPECT_THAT(refused({"patch", "apply", "--patch", mine, "--in-place", "--undo", mine}),
              HasSubstr("cannot write the undo file"));
  EXPECT_THAT(refused({"patch", "apply", "--patch", mine, "--in-place", "--undo", model}),
              HasSubstr("cannot write the undo file"));
  for (const std::string option : {"--json", "--junit"})
    EXPECT_THAT(refused({"patch", "apply", "--patch", mine, "--in-place", option, model + ".undo"}),
                HasSubstr(option + " " + model + ".undo would overwrite"));
  const std::string layer = folder_ / "s/layer_0.safetensors";
  for (const std::string option : {"--json", "--junit"})
    EXPECT_THAT(refused({"patch", "apply", "--patch", mine, "--out", folder_ / "new", "--statistics",
                         folder_ / "s", option, layer}),
                HasSubstr(option + " " + layer + " would overwrite"));
  EXPECT_THAT(refused({"patch", "apply", "--patch", mine, "--out", layer, "--statistics", folder_ / "s"}),
              HasSubstr("--out " + layer + " would overwrite"));
  EXPECT_THAT(refused({"export", "gguf-lora", "--patch", mine, "--out", folder_ / ""}),
              HasSubstr("belongs to the input"));
}

TEST_F(PatchWrite, RefusesAFailedPatchUnlessForced) {
  const std::string failed = marked("emend.passed", "false");
  const Finished run = run_emend(
      {"patch", "apply", "--model", world_model("gpt2"), "--patch", failed, "--out", folder_ / "new"});
  EXPECT_EQ(run.code, 3);
  EXPECT_THAT(run.err, AllOf(HasSubstr("marked as failed"), HasSubstr("--force")));
  EXPECT_FALSE(fs::exists(folder_ / "new"));
  const Finished forced = run_emend({"patch", "apply", "--model", world_model("gpt2"), "--patch", failed,
                                     "--out", folder_ / "new", "--force"});
  EXPECT_EQ(forced.code, 0) << forced.err;
  EXPECT_THAT(forced.err, HasSubstr("marked as failed"));
  EXPECT_TRUE(fs::exists(folder_ / "new"));
}

TEST_F(PatchWrite, RefusesBadInputAndChangesNothing) {
  const std::string bytes = read_text_file(patch());
  std::string damaged = bytes;
  damaged[damaged.size() - 100] = static_cast<char>(damaged[damaged.size() - 100] ^ 1);
  struct Case {
    std::vector<std::string> arguments;
    int code;
    std::string message;
  };
  const std::string model = world_model("gpt2");
  const std::vector<Case> cases = {
      {{"--patch", patch(), "--model", world_model("llama"), "--out", folder_ / "n"},
       3,
       "made for another model"},
      {{"--patch", folder_.write("half", bytes.substr(0, bytes.size() / 2)), "--model", model, "--out",
        folder_ / "n"},
       3,
       "half"},
      {{"--patch", folder_.write("bad", damaged), "--model", model, "--out", folder_ / "n"},
       3,
       "altered or damaged"},
      {{"--patch", marked("emend.format", "9"), "--model", model, "--out", folder_ / "n"},
       3,
       "a newer emend"},
      {{"--patch", patch(), patch(), "--model", model, "--out", folder_ / "n"}, 3, "overlap"},
      {{"--patch", patch(), "--model", model, "--out", folder_ / "n", "--type", "Q8_0"},
       3,
       "cannot store edited weights as \"Q8_0\""},
      {{"--patch", patch(), "--model", model, "--out", model}, 3, "belongs to the base"},
      {{"--patch", patch(), "--model", model}, 2, "--out NEW or --in-place is missing"},
      {{"--patch", patch(), "--model", model, "--out", folder_ / "n", "--in-place"}, 2, "does not go with"},
      {{"--patch", patch(), "--model", model, "--out", folder_ / "n", "--undo", "u"},
       2,
       "--undo is for --in-place"},
      {{"--patch", patch(), "--model", model, "--out", folder_ / "n", "--junit", patch()}, 2, "--junit"},
      {{"--model", model, "--out", folder_ / "n"}, 2, "--patch FILE is missing"},
  };
  const std::string listing = folder_.listing();
  for (const Case& one : cases) {
    std::vector<std::string> all = {"patch", "apply"};
    all.insert(all.end(), one.arguments.begin(), one.arguments.end());
    const Finished run = run_emend(all);
    EXPECT_EQ(run.code, one.code) << one.message << "\n" << run.err;
    EXPECT_THAT(run.err, HasSubstr(one.message));
  }
  EXPECT_EQ(folder_.listing(), listing);
}

TEST_F(PatchWrite, ExportsAdaptersThatAreTheEdit) {
  const Finished peft = run_emend({"export", "lora", "--model", world_model("gpt2"), "--patch", patch(),
                                   "--out", folder_ / "lora", "--json", folder_ / "j"});
  ASSERT_EQ(peft.code, 0) << peft.err;
  EXPECT_EQ(read_json(folder_ / "j")["modules"][0]["difference"], 0);
  const auto config = read_json(folder_ / "lora/adapter_config.json");
  EXPECT_EQ(config["fan_in_fan_out"], true);
  EXPECT_EQ(config["r"], config["lora_alpha"]);
  EXPECT_THAT(config["target_modules"][0].get<std::string>(),
              testing::MatchesRegex("transformer\\.h\\.[0-9]+\\.mlp\\.c_proj"));
  const Finished gguf = run_emend({"export", "gguf-lora", "--model", world_model("gpt2"), "--patch", patch(),
                                   "--out", folder_ / "g", "--json", folder_ / "k"});
  ASSERT_EQ(gguf.code, 0) << gguf.err;
  EXPECT_TRUE(fs::exists(folder_ / "g/adapter.gguf"));
  EXPECT_EQ(read_json(folder_ / "k")["modules"][0]["rank"], kWorldEdits);
  const Finished other = run_emend(
      {"export", "lora", "--model", world_model("llama"), "--patch", patch(), "--out", folder_ / "o"});
  EXPECT_EQ(other.code, 3);
  EXPECT_THAT(other.err, HasSubstr("made for another model"));
  // Also before the model is looked at.
  for (const std::string& model : {world_model("gpt2"), folder_ / "none"}) {
    const Finished there =
        run_emend({"export", "lora", "--model", model, "--patch", patch(), "--out", folder_ / "lora"});
    EXPECT_EQ(there.code, 3);
    EXPECT_THAT(there.err, HasSubstr("in this folder already"));
  }
}

TEST_F(PatchWrite, ExportsNothingIntoTheFolderOfTheBase) {
  const std::string model = folder_ / "model";
  fs::copy(world_model("gpt2"), model);
  const auto listing = folder_.listing();
  for (const std::string command : {"lora", "gguf-lora"})
    for (const std::string& out : {model + "/adapter", model + "/a/b"}) {
      const Finished refused =
          run_emend({"export", command, "--model", model, "--patch", patch(), "--out", out});
      EXPECT_EQ(refused.code, 3);
      EXPECT_THAT(refused.err, HasSubstr("belongs to the base"));
    }
  EXPECT_EQ(folder_.listing(), listing);
}

TEST_F(PatchWrite, InspectFindsThePatch) {
  ASSERT_EQ(run_emend({"patch", "apply", "--model", world_model("gpt2"), "--patch", patch(), "--out",
                       folder_ / "new", "--quiet"})
                .code,
            0);
  fs::create_directory(folder_ / "patches");
  fs::copy(patch(), folder_ / "patches/a.safetensors");
  folder_.write("patches/other.safetensors", "no patch");
  const Finished run = run_emend({"model", "inspect", folder_ / "new", "--base", world_model("gpt2"),
                                  "--patches", folder_ / "patches", "--json", folder_ / "j"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("passed over"));
  const auto json = read_json(folder_ / "j");
  ASSERT_EQ(json["weights"].size(), 1U);
  EXPECT_EQ(json["weights"][0]["rank"], kWorldEdits);
  EXPECT_EQ(json["patches"][0]["found"], "contained");
  EXPECT_NEAR(json["patches"][0]["share"].get<double>(), 1, 0.05);
  EXPECT_EQ(json["patches"][0]["answers_as_edited"], json["patches"][0]["facts"]);
  const Finished base = run_emend({"model", "inspect", world_model("gpt2"), "--base", world_model("gpt2"),
                                   "--patches", folder_ / "patches", "--json", folder_ / "j", "--quiet"});
  ASSERT_EQ(base.code, 0) << base.err;
  EXPECT_THAT(base.out, HasSubstr("All weights are those of the base"));
  EXPECT_EQ(read_json(folder_ / "j")["patches"][0]["answers_as_edited"], 0);
  EXPECT_EQ(run_emend({"model", "inspect", world_model("gpt2")}).code, 2);
}

TEST(MissingModels, AreToldBeforeAnythingElseIsSaidOfThem) {
  const ScratchFolder folder;
  const std::string none = folder / "none", missing = "cannot read " + none + ": no such file or folder";
  const std::vector<std::vector<std::string>> commands = {
      {"patch", "revert", "--model", none},
      {"export", "model", "--model", none, "--out", folder / "o"},
      {"model", "inspect", none, "--base", world_model("gpt2")},
      {"model", "inspect", world_model("gpt2"), "--patches", none}};
  for (const std::vector<std::string>& command : commands) {
    const Finished run = run_emend(command);
    EXPECT_EQ(run.code, 3) << command[1];
    EXPECT_THAT(run.err, HasSubstr(missing)) << command[1];
    EXPECT_THAT(run.err, Not(HasSubstr("loading"))) << command[1];
  }
}

}  // namespace
}  // namespace emend
