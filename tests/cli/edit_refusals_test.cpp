// Bad input to `emend edit`: exit 3 with the place named, and nothing written.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "world_edit.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class EditRefusals : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_world_models()) GTEST_SKIP() << "no models of the invented world";
  }

  // The edit of `text` is refused with `message`, and leaves nothing behind.
  void expect_refusal(const std::string& text, const std::string& message,
                      std::vector<std::string> more = {}) {
    const std::string file = folder_.write("a.yaml", text);
    const std::string before = folder_.listing();
    more.insert(more.begin(), {"edit", file});
    const Finished run = run_emend(more);
    EXPECT_EQ(run.code, 3) << run.err;
    EXPECT_THAT(run.err, HasSubstr(message));
    EXPECT_EQ(run.out, "");
    EXPECT_EQ(folder_.listing(), before);
  }

  static std::string good() { return lenient_edits("gpt2"); }
  static std::string one_edit(const std::string& fields) {
    return "model: " + world_model("gpt2") + "\nedits:\n  - {id: x, " + fields + "}\n";
  }

  const ScratchFolder folder_;
};

TEST_F(EditRefusals, OfTheFileItself) {
  expect_refusal("edits: [", "a.yaml:");
  expect_refusal("modle: x\n" + good(), "a.yaml:1:1");
  expect_refusal(one_edit("prompt: The moon, subject: Sun, target: x"), "Sun");
  expect_refusal("layer: [0, 0]\n" + good(), "twice");
  expect_refusal("method: rone\n" + good(),
                 "a.yaml:1:9: method: there is no method \"rone\"; did you mean \"rome\"?");
  expect_refusal("method: MEMIT\n" + good(),
                 "a.yaml:1:9: method: there is no method \"MEMIT\"; did you mean \"memit\"?");
  expect_refusal(one_edit("prompt: The moon, subject: moon, target_new: x"),
                 "(emend convert facts); did you mean \"target\"?");
  expect_refusal("options: {stesp: 3}\n" + good(), "stesp");
  const Finished missing = run_emend({"edit", folder_ / "missing.yaml"});
  EXPECT_EQ(missing.code, 3);
  EXPECT_THAT(missing.err, HasSubstr("missing.yaml"));
}

TEST_F(EditRefusals, OfAModelThatIsNotThere) {
  const std::string edits = "edits: [{prompt: The moon is, subject: moon, target: x}]\n";
  const std::string rule = "no such file or folder; a model is a path on this machine, nothing is downloaded";
  expect_refusal("model: owner/name\n" + edits,
                 "a.yaml:1:8: model: cannot read " + (folder_ / "owner/name: ") + rule);
  expect_refusal("model: owner/name\n" + edits, "cannot read " + (folder_ / "other: ") + rule,
                 {"--model", folder_ / "other"});
}

TEST_F(EditRefusals, OfAPageThatCannotBeWritten) {
  const std::string file = folder_.write("a.yaml", good());
  const auto refused = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"edit", file};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Finished run = run_emend(arguments);
    EXPECT_NE(run.err, "");
    EXPECT_EQ(run.out, "");
    return run.code;
  };
  EXPECT_EQ(refused({"--report", folder_ / "r.html", "--dry-run"}), 2);
  EXPECT_EQ(refused({"--report", file}), 2);
  EXPECT_EQ(refused({"--report", folder_ / "a.safetensors"}), 2);
  EXPECT_EQ(refused({"--report", folder_ / "r", "--json", folder_ / "r"}), 2);
  EXPECT_EQ(refused({"--report", folder_ / "r", "--junit", folder_ / "r"}), 2);
  EXPECT_EQ(refused({"--report", folder_ / "a.yaml/r.html"}), 3);
  for (const std::string option : {"--report", "--junit", "--json"})
    EXPECT_EQ(refused({"--on", folder_ / "earlier.safetensors", option, folder_ / "earlier.safetensors"}), 2);
  EXPECT_EQ(folder_.listing(), "a.yaml");
}

TEST_F(EditRefusals, OfAPatchAmongTheStatistics) {
  const std::string file =
      folder_.write("a.yaml", "outputs: {patch: stats/layer_3.safetensors}\n" + good());  // statistics: stats
  const Finished run = run_emend({"edit", file});
  EXPECT_EQ(run.code, 2);
  EXPECT_THAT(run.err, HasSubstr("stats/layer_3.safetensors would overwrite an input or output"));
  EXPECT_EQ(folder_.listing(), "a.yaml");
}

TEST_F(EditRefusals, OfTheModel) {
  expect_refusal(good(), "nowhere", {"--model", folder_ / "nowhere"});
  expect_refusal(good(), "tokenizer", {"--model", parity_model("gpt2")});
  const std::string text = world_edits(0, 1);
  const Finished run = run_emend({"edit", folder_.write("a.yaml", text)});
  EXPECT_EQ(run.code, 2);
  EXPECT_THAT(run.err, HasSubstr("--model PATH is needed"));
}

TEST_F(EditRefusals, OfATruncatedModel) {
  const fs::path copy = folder_.path() / "model";
  fs::copy(world_model("gpt2"), copy);
  fs::permissions(copy / "model.safetensors", fs::perms::owner_all);
  fs::resize_file(copy / "model.safetensors", 1000000);
  expect_refusal(good(), "model.safetensors", {"--model", copy.string()});
}

// A plan on an earlier patch is asked of the method, as the edit is.
TEST_F(EditRefusals, OfAPatchThatCannotBePlannedOn) {
  expect_refusal(good(), "does not carry the facts of an earlier patch",
                 {"--dry-run", "--on", folder_ / "earlier.safetensors"});
}

TEST_F(EditRefusals, OfTextsLongerThanThePositions) {
  std::string longer;
  for (int i = 0; i < 200; ++i) longer += "word ";
  const auto say = [](const std::string& what) { return "a.yaml: edit \"x\": " + what + " and the answer"; };
  expect_refusal(one_edit("prompt: " + longer + "Orm is, subject: Orm, target: tall"), say("the prompt"));
  expect_refusal(one_edit("prompt: Orm is, subject: Orm, target: tall, paraphrases: [a b, " + longer + "]"),
                 say("paraphrase 2"));
  expect_refusal(one_edit("prompt: Orm is, subject: Orm, target: tall, neighbours: [" + longer + "]"),
                 say("neighbour 1"));
}

TEST_F(EditRefusals, OfLayersThatAreNotThere) {
  expect_refusal(good(), "--layer 99: there is no layer 99", {"--layer", "99"});
  expect_refusal(good(), "there is no layer", {"--layer", "99999999999"});
  expect_refusal("layer: 99\n" + good(), "a.yaml:1:8: layer: there is no layer 99");
  expect_refusal("layer: [0, 1]\n" + good(), "a.yaml:1:8: layer: the method \"rome\" edits one layer");
}

TEST_F(EditRefusals, OfEditsThatContradictEachOther) {
  // Found with the statistics at hand, which are not kept.
  const std::string fact = "prompt: Workis Tellond was trained as a, subject: Workis Tellond, target: ";
  expect_refusal(one_edit(fact + "painter") + "  - {id: y, " + fact + "lawyer}\n", "y",
                 {"--statistics", folder_ / "stats"});
}

// A model whose first block attends to nothing: its keys know the token alone, and the same subject has the
// same key whatever stands in front.
std::string model_without_attention(const ScratchFolder& folder) {
  const fs::path copy = folder.path() / "model";
  fs::copy(world_model("llama"), copy);
  const fs::path file = copy / "model.safetensors";
  fs::permissions(file, fs::perms::owner_all);
  std::string bytes = read_text_file(file);
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof header);
  const auto tensors = nlohmann::json::parse(bytes.substr(sizeof header, header));
  const auto place = tensors.at("model.layers.0.self_attn.o_proj.weight").at("data_offsets");
  const std::size_t begin = place[0], end = place[1];
  std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(sizeof header + header + begin), end - begin, '\0');
  std::ofstream(file, std::ios::binary) << bytes;
  return copy.string();
}

TEST_F(EditRefusals, OfKeysThatCanHardlyBeToldApart) {
  const std::string end = "Workis Tellond was trained as a, subject: Workis Tellond, target: ";
  expect_refusal("layer: 0\n" + one_edit("prompt: Now " + end + "painter") + "  - {id: y, prompt: In fact " +
                     end + "lawyer}\n",
                 "the keys of edits x and y can hardly be told apart",
                 {"--model", model_without_attention(folder_), "--statistics", folder_ / "stats"});
}

TEST_F(EditRefusals, OfAnEndThatTheModelDoesNotHave) {
  expect_refusal(good(), "end: eos: the tokenizer of this model has no token that ends a text or a turn",
                 {"--model", model_without_end(folder_), "--end", "eos"});
}

TEST_F(EditRefusals, OfABosThatIsNotThere) {
  expect_refusal(good(), "<|nothing|>", {"--bos", "<|nothing|>"});
}

TEST_F(EditRefusals, OfOutputsThatCannotBeWritten) {
  const std::string file = folder_.write("file", "text");
  expect_refusal(good(), "file", {"--out", file});
  expect_refusal(good(), "file", {"--out", file + "/deeper"});
  expect_refusal("outputs: {patch: stats}\n" + good(), "file", {"--out", file});
  fs::create_directories(folder_.path() / "folder");
  expect_refusal("outputs: {patch: folder}\n" + good(), "it is a folder");
  expect_refusal("outputs: {patch: a.yaml}\n" + good(), "belongs to the input");
  expect_refusal(good(), "it is a folder", {"--json", folder_ / "folder"});
}

TEST_F(EditRefusals, OfAPatchThatIsNamedLikeAnotherForm) {
  const std::string file = folder_.write("a.yaml", "outputs: {patch: a.gguf}\n" + good());
  const std::string before = folder_.listing();
  const Finished run = run_emend({"edit", file});
  EXPECT_EQ(run.code, 2) << run.err;
  EXPECT_THAT(run.err, HasSubstr("what is written here is a safetensors file, and the name ends in .gguf"));
  EXPECT_EQ(folder_.listing(), before);
}

TEST_F(EditRefusals, OfJsonOverTheEditFileOrThePatch) {
  const std::string file = folder_.write("a.yaml", good());
  for (const std::string other : {"a.yaml", "a.safetensors"}) {
    const Finished run = run_emend({"edit", file, "--json", folder_ / other});
    EXPECT_EQ(run.code, 2) << run.err;
    EXPECT_THAT(run.err, HasSubstr("--json"));
    EXPECT_THAT(run.err, HasSubstr(other));
    EXPECT_EQ(folder_.listing(), "a.yaml");
  }
}

TEST_F(EditRefusals, OfStatisticsOfAnotherModel) {
  const Finished made = run_emend({"stats", "--model", world_model("llama"), "--layers", "1", "--tokens",
                                   "2000", "--out", folder_ / "stats"});
  ASSERT_EQ(made.code, 0) << made.err;
  expect_refusal(good(), "another", {"--layer", "1"});
}

TEST_F(EditRefusals, OfAFullDisk) {
  ASSERT_EQ(EditedWorld::shared().run.code, 0) << EditedWorld::shared().run.err;
  const std::string file = folder_.write("a.yaml", good());
  // Files of at most 8 blocks of 512 bytes; the signal that comes with it is ignored, so that writing fails.
  const Finished run =
      run_emend_after("trap '' XFSZ; ulimit -f 8",
                      {"edit", file, "--statistics", EditedWorld::shared().folder / "stats", "--quiet"});
  EXPECT_EQ(run.code, 3) << run.err;
  EXPECT_THAT(run.err, HasSubstr("a.safetensors"));
  // A run that took more than a second has kept its values.
  EXPECT_THAT(folder_.listing(), testing::AnyOf("a.yaml", "a.safetensors.run a.yaml"));
}

}  // namespace
}  // namespace emend
