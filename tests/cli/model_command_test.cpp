#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "program.h"
#include "scratch_folder.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// A copy of a parity model that a test may spoil.
void copy_model(const std::string& name, const ScratchFolder& folder) {
  for (const auto& entry : fs::directory_iterator(parity_model(name)))
    fs::copy_file(entry.path(), folder.path() / entry.path().filename());
}

TEST(ModelInfo, TellsShapePartsAndFingerprint) {
  const ScratchFolder folder;
  const Finished run =
      run_emend({"model", "info", parity_model("gpt2"), "--json", folder / "info.json", "--quiet"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.err, "");
  for (const std::string part : {"gpt2", "layers", "MLP down (values)", "head (tied)", "fingerprint", "F32"})
    EXPECT_THAT(run.out, HasSubstr(part));
  const auto json = read_json(folder / "info.json");
  EXPECT_EQ(json["model"]["family"], "gpt2");
  EXPECT_EQ(json["model"]["layers"], 2);
  EXPECT_TRUE(json["tokenizer"].is_null());
  std::int64_t sum = 0;
  for (const auto& [part, count] : json["parameters"].items()) sum += count.get<std::int64_t>();
  EXPECT_EQ(json["total_parameters"], sum);
}

TEST(ModelInfo, GivesItsJsonToStdoutWhereADashStands) {
  for (const std::string place : {"-", "/dev/stdout"}) {
    const Finished run = run_emend({"model", "info", parity_model("gpt2"), "--json", place});
    ASSERT_EQ(run.code, 0) << run.err;
    EXPECT_EQ(nlohmann::json::parse(run.out)["model"]["family"], "gpt2");
    EXPECT_THAT(run.err, HasSubstr("MLP down (values)"));
  }
  EXPECT_FALSE(fs::exists("-"));
}

// As `--json >(jq ...)` of a shell gives it.
TEST(ModelInfo, WritesItsJsonIntoAPipe) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const Finished run =
      run_emend({"model", "info", parity_model("gpt2"), "--json", "/dev/fd/" + std::to_string(ends[1])});
  ::close(ends[1]);
  std::string text(std::size_t{1} << 16, '\0');  // what a pipe holds
  const ssize_t got = ::read(ends[0], text.data(), text.size());
  ::close(ends[0]);
  ASSERT_EQ(run.code, 0) << run.err;
  ASSERT_GT(got, 0);
  EXPECT_EQ(nlohmann::json::parse(text.substr(0, static_cast<std::size_t>(got)))["model"]["family"], "gpt2");
  EXPECT_THAT(run.out, HasSubstr("MLP down (values)"));
}

TEST(ModelInfo, TakesThePathAsAnOptionToo) {
  EXPECT_EQ(run_emend({"model", "info", "--model", parity_model("llama_bf16")}).code, 0);
  EXPECT_EQ(run_emend({"model", "info", parity_model("gpt2"), "--model", parity_model("gpt2")}).code, 2);
}

TEST(ModelCheck, SaysWhichTensorPlaysWhichRole) {
  const Finished run = run_emend({"model", "check", parity_model("llama_gqa_tied")});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("mlp.down_proj.weight"));
  EXPECT_THAT(run.out, HasSubstr("no tokenizer"));
}

TEST(ModelCheck, TriesTheTokenizer) {
  if (!has_world_models()) GTEST_SKIP() << "no models of the invented world";
  for (const std::string family : {"gpt2", "llama"}) {
    const Finished run = run_emend({"model", "check", world_model(family)});
    EXPECT_EQ(run.code, 0) << run.err;
    EXPECT_THAT(run.out, HasSubstr("gives texts back"));
  }
}

TEST(ModelCheck, TellsNormsShareMemoryAndWhatIsNotSupported) {
  const ScratchFolder folder;
  const Finished run =
      run_emend({"model", "check", parity_model("llama_gqa_tied"), "--json", folder / "check.json"});
  ASSERT_EQ(run.code, 0) << run.err;
  for (const std::string part :
       {"model.layers.{l}.mlp.down_proj.weight", "attention pre, MLP pre", "added as it is", "Feed-forward",
        "an edit of one fact", "statistics of all layers", "Not supported", "finite"})
    EXPECT_THAT(run.out, HasSubstr(part));
  const auto json = read_json(folder / "check.json");
  EXPECT_EQ(json["passed"], true);
  EXPECT_EQ(json["format"], "safetensors");
  EXPECT_EQ(json["norms"][0]["mlp"], "pre");
  EXPECT_EQ(json["memory"][0]["work"], "loading");
  EXPECT_FALSE(json["unsupported"].empty());
  std::int64_t tensors = 0;
  for (const auto& role : json["roles"]) tensors += role["tensors"].get<std::int64_t>();
  EXPECT_EQ(json["tensors"], tensors);
  EXPECT_TRUE(json["model"]["fingerprint"].is_string());
}

TEST(ModelCheck, HeadersAloneLoadNothing) {
  const ScratchFolder folder;
  const Finished run =
      run_emend({"model", "check", parity_model("gpt2"), "--headers", "--json", folder / "check.json"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.out, testing::Not(HasSubstr("finite")));
  const auto json = read_json(folder / "check.json");
  EXPECT_TRUE(json["model"]["fingerprint"].is_null());
  EXPECT_EQ(json["model"]["family"], "gpt2");
}

// The config of a parity model with one pair more, or another one.
void change_config(const ScratchFolder& folder, const std::string& key, const nlohmann::json& value) {
  nlohmann::json config = read_json(folder / "config.json");
  config[key] = value;
  fs::permissions(folder / "config.json", fs::perms::owner_all);
  std::ofstream(folder / "config.json") << config.dump();
}

TEST(ModelCheck, ARefusedFamilyIsDescribedAndEndsAsBadInput) {
  const ScratchFolder folder, results;
  copy_model("llama_gqa_tied", folder);
  change_config(folder, "model_type", "mixtral");
  const Finished run =
      run_emend({"model", "check", folder.path().string(), "--json", results / "check.json"});
  EXPECT_EQ(run.code, 3);
  for (const std::string part : {"safetensors", "mixtral", "stored", "F32"})
    EXPECT_THAT(run.out, HasSubstr(part));
  EXPECT_THAT(run.err, HasSubstr("mixture of experts"));
  const auto json = read_json(results / "check.json");
  EXPECT_EQ(json["passed"], false);
  EXPECT_TRUE(json["model"].is_null());
  EXPECT_THAT(json["reason"].get<std::string>(), HasSubstr("mixture of experts"));
}

TEST(ModelCheck, QuantisedCheckpointsAreRefusedByNameByAllCommands) {
  const ScratchFolder folder;
  copy_model("llama_gqa_tied", folder);
  change_config(folder, "quantization_config", {{"quant_method", "awq"}});
  const std::string path = folder.path().string();
  for (const std::vector<std::string>& command : {std::vector<std::string>{"model", "check", path},
                                                  {"model", "info", path},
                                                  {"generate", "Hello", "--model", path}}) {
    const Finished run = run_emend(command);
    EXPECT_EQ(run.code, 3);
    EXPECT_THAT(run.err, HasSubstr("quantised as AWQ"));
    EXPECT_THAT(run.err, HasSubstr("GGUF"));
  }
}

TEST(ModelCheck, CommandsThatNeedTextSayThatThereIsNoTokenizer) {
  const Finished run = run_emend({"generate", "Hello", "--model", parity_model("llama_gqa_tied")});
  EXPECT_EQ(run.code, 3);
  EXPECT_THAT(run.err, HasSubstr("has no tokenizer; put tokenizer.json beside"));
}

TEST(ModelCheck, TellsWhatIsMissingOrBroken) {
  const ScratchFolder empty;
  const Finished nothing = run_emend({"model", "check", empty / "nothing"});
  EXPECT_EQ(nothing.code, 3);
  EXPECT_THAT(nothing.err, HasSubstr("nothing"));
  EXPECT_EQ(run_emend({"model", "check", empty.path().string()}).code, 3);
  EXPECT_EQ(run_emend({"model", "check", empty.write("x.gguf", "GGUF")}).code, 3);
}

TEST(ModelCheck, TellsOfATruncatedFile) {
  const ScratchFolder folder;
  copy_model("gpt2", folder);
  const fs::path weights = folder.path() / "model.safetensors";
  fs::permissions(weights, fs::perms::owner_all);
  fs::resize_file(weights, fs::file_size(weights) - 100);
  const Finished run = run_emend({"model", "check", folder.path().string()});
  EXPECT_EQ(run.code, 3);
  EXPECT_THAT(run.err, HasSubstr("model.safetensors"));
}

TEST(ModelCheck, TellsOfWeightsThatAreNotFinite) {
  const ScratchFolder folder;
  copy_model("gpt2", folder);
  const fs::path weights = folder.path() / "model.safetensors";
  fs::permissions(weights, fs::perms::owner_all);
  std::fstream file(weights, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-4, std::ios::end);
  file.write("\x00\x00\xC0\x7F", 4);  // a quiet NaN
  file.close();
  const Finished run = run_emend({"model", "check", folder.path().string()});
  EXPECT_EQ(run.code, 3);
  EXPECT_THAT(run.err, HasSubstr("NaN"));
}

}  // namespace
}  // namespace emend
