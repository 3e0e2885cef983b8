// emend eval kl, eval survive and reproduce, on the invented world.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "base/files.h"
#include "support/world_gguf.h"
#include "world_edit.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

std::string test_data(const std::string& name) {
  return std::string(EMEND_TEST_DATA) + "/" + name;
}

using ProofCommands = OnEditedWorld;

// ---- eval kl

TEST_F(ProofCommands, KlComparesAnEditWithItsBase) {
  const std::string base = folder_ / "b.kld";
  const Finished written =
      run_emend({"eval", "kl", "--model", world_model("gpt2"), "--write-base", base, "--text",
                 test_data("kl/text.txt"), "--context", "16", "--chunks", "6"});
  ASSERT_EQ(written.code, 0) << written.err;
  EXPECT_THAT(written.out, HasSubstr("6 chunks of 16 tokens, 42 positions; perplexity "));
  const std::string quantised = folder_.write("q.gguf", test::world_gguf("Q4_0"));
  const Finished run = run_emend({"eval", "kl", "--model", world_model("gpt2"), "--base", base, "--text",
                                  test_data("kl/text.txt"), "--patch", patch(), "--quantised", quantised,
                                  "--json", folder_ / "j"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("edited against quantised: "));
  const auto json = read_json(folder_ / "j");
  ASSERT_EQ(json["models"].size(), 4u);
  EXPECT_EQ(json["base"]["positions"], 42);
  // Against its own file a model shows the rounding to 16 bits alone; the edit shows more.
  EXPECT_LT(std::abs(json["models"][0]["kl"]["mean"].get<double>()), 1e-5);
  EXPECT_EQ(json["models"][0]["same_top"]["mean"], 1.0);
  const auto mean_kl = [&](std::size_t model) { return json["models"][model]["kl"]["mean"].get<double>(); };
  EXPECT_GT(mean_kl(1), 1e-5);
  // Four bits move this model by more than two facts do, and the edit moves the quantised model, too.
  EXPECT_GT(mean_kl(2), mean_kl(1));
  EXPECT_NE(mean_kl(3), mean_kl(2));
  EXPECT_EQ(json["comparisons"][0]["a"], "quantised");
  EXPECT_EQ(json["comparisons"][0]["b"], "edited");
  EXPECT_NEAR(json["comparisons"][0]["difference"].get<double>(), mean_kl(1) - mean_kl(2), 1e-9);
  EXPECT_NEAR(json["comparisons"][1]["difference"].get<double>(), mean_kl(3) - mean_kl(2), 1e-9);
  // The file that stood for the quantised model says the same when it is the model itself.
  const Finished alone =
      run_emend({"eval", "kl", "--model", quantised, "--base", base, "--json", folder_ / "alone"});
  ASSERT_EQ(alone.code, 0) << alone.err;
  EXPECT_EQ(read_json(folder_ / "alone")["models"][0]["kl"], json["models"][2]["kl"]);
}

// Behind a GGUF file in eight bits, which is nearer to its base than one in four.
TEST_F(ProofCommands, KlTellsFinerBitsFromCoarserOnes) {
  const std::string base = folder_ / "b.kld";
  ASSERT_EQ(run_emend({"eval", "kl", "--model", world_model("gpt2"), "--write-base", base, "--text",
                       test_data("kl/text.txt"), "--context", "16", "--chunks", "6"})
                .code,
            0);
  std::map<std::string, double> kl;
  for (const std::string type : {"Q8_0", "Q4_0"}) {
    const std::string quantised = folder_.write(type + ".gguf", test::world_gguf(type));
    const Finished run = run_emend({"eval", "kl", "--model", world_model("gpt2"), "--base", base,
                                    "--quantised", quantised, "--json", folder_ / "j"});
    ASSERT_EQ(run.code, 0) << run.err;
    kl[type] = read_json(folder_ / "j")["models"][1]["kl"]["mean"];
  }
  EXPECT_GT(kl["Q8_0"], 1e-6);
  EXPECT_GT(kl["Q4_0"], 10 * kl["Q8_0"]);
}

TEST_F(ProofCommands, KlRefusesWhatDoesNotGoTogether) {
  const auto code = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"eval", "kl", "--model", world_model("gpt2")});
    return run_emend(more).code;
  };
  EXPECT_EQ(code({}), 2);
  const Finished both = run_emend(
      {"eval", "kl", "--model", world_model("gpt2"), "--base", "b", "--write-base", "c", "--text", "t"});
  EXPECT_EQ(both.code, 2);
  EXPECT_THAT(both.err, HasSubstr("give one of them"));
  EXPECT_EQ(code({"--write-base", folder_ / "c"}), 2);
  folder_.write("short.kld", read_text_file(test_data("kl/base.kld")).substr(0, 9999));
  const Finished cut =
      run_emend({"eval", "kl", "--model", world_model("gpt2"), "--base", folder_ / "short.kld"});
  EXPECT_EQ(cut.code, 3);
  EXPECT_THAT(cut.err, HasSubstr("short.kld: the file is cut short: 9999 of 351260 bytes"));
  EXPECT_EQ(code({"--base", test_data("kl/base.kld"), "--edited-quantised", "x"}), 2);
  EXPECT_EQ(code({"--base", "b", "--questions", "q", "--patch", "p"}), 2);
  EXPECT_EQ(code({"--base", "b", "--answer-tokens", "3"}), 2);
  EXPECT_EQ(code({"--questions", "q"}), 2);  // nothing to compare with
  EXPECT_EQ(code({"--questions", "q", "--patch", "p", "--quantised", "x"}), 2);
}

TEST_F(ProofCommands, KlOfAnswersTellsEachContentToken) {
  const std::string questions =
      folder_.write("q.txt", "Workis Tellond was trained as a\n\nThe firm of Grilmigco Works\n");
  const Finished run =
      run_emend({"eval", "kl", "--model", world_model("gpt2"), "--patch", patch(), "--questions", questions,
                 "--answer-tokens", "3", "--form", "raw", "--json", folder_ / "j"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("content token"));
  EXPECT_THAT(run.out, HasSubstr("2 questions in the raw form"));
  const auto json = read_json(folder_ / "j");
  EXPECT_EQ(json["answer_tokens"], 3);
  EXPECT_EQ(json["form"], "raw");
  ASSERT_EQ(json["questions"].size(), 2u);
  ASSERT_EQ(json["by_token"].size(), 3u);
  double sum = 0, n = 0;
  for (const auto& question : json["questions"])
    for (const auto& token : question["tokens"]) sum += token["kl"].get<double>(), n += 1;
  EXPECT_EQ(json["all"]["n"], n);
  EXPECT_NEAR(json["all"]["mean"].get<double>(), sum / n, 1e-9);
  // The first question is an edited prompt: there the answer's first token is another one now.
  EXPECT_GT(json["questions"][0]["tokens"][0]["kl"].get<double>(), 1);
  EXPECT_FALSE(json["questions"][0]["tokens"][0]["same_top"].get<bool>());
  EXPECT_GT(json["questions"][0]["tokens"][0]["kl"].get<double>(),
            json["questions"][1]["tokens"][0]["kl"].get<double>());
  // No chat template: said before anything is measured.
  const Finished chat =
      run_emend({"eval", "kl", "--model", world_model("gpt2"), "--patch", patch(), "--questions", questions});
  EXPECT_EQ(chat.code, 3);
  EXPECT_THAT(chat.err, HasSubstr("chat template"));
}

// ---- eval survive

// Rows of the table by weights and condition.
std::map<std::string, nlohmann::json> rows_of(const nlohmann::json& json) {
  std::map<std::string, nlohmann::json> rows;
  for (const auto& row : json["rows"])
    rows[row["weights"].get<std::string>() + " " + row["condition"].get<std::string>()] = row;
  return rows;
}

TEST_F(ProofCommands, SurvivalIsThatOfTheWrittenFile) {
  const Finished run = run_emend({"eval", "survive", "--model", world_model("gpt2"), "--patch", patch(),
                                  "--types", "f16", "Q8_0", "q4_0", "Q2_K", "--later", patch(), "--json",
                                  folder_ / "j", "--report", folder_ / "p.html"});
  ASSERT_TRUE(run.code == 0 || run.code == 4) << run.err;
  EXPECT_EQ(read_json(folder_ / "j")["passed"], run.code == 0);
  EXPECT_EQ(run.out.find("FAILED") == std::string::npos, run.code == 0);
  EXPECT_THAT(run.out, HasSubstr("by the keys"));
  EXPECT_THAT(read_text_file(folder_ / "p.html"), HasSubstr("Q4_0"));
  auto rows = rows_of(read_json(folder_ / "j"));
  ASSERT_EQ(rows.size(), 1u + 2 + 3 + 3 + 3 + 1);
  // The edit alone is what the edit measured.
  const auto edited = read_json(world().folder / "a.json");
  for (std::size_t c = 0; c < 4; ++c)
    EXPECT_NEAR(rows["as edited "]["checks"][c]["value"].get<double>(),
                edited["checks"][c]["value"].get<double>(), 1e-4);
  // F16 in memory keeps what F16 in a file keeps.
  ASSERT_EQ(run_emend({"patch", "apply", "--model", world_model("gpt2"), "--patch", patch(), "--out",
                       folder_ / "written", "--type", "F16", "--json", folder_ / "w"})
                .code,
            0);
  double worst = 2;  // of the facts; that of a fact is the worst over its keys, as survive's
  const auto applied = read_json(folder_ / "w");
  for (const auto& fact : applied["patches"][0]["stored"])
    worst = std::min(worst, fact["share"].get<double>());
  EXPECT_NEAR(rows["stored F16"]["worst_share"].get<double>(), worst, 1e-6);
  EXPECT_NEAR(rows["everywhere F16"]["share"].get<double>(), 1, 0.01);
  // Rounding by the keys keeps what rounding to nearest loses.
  const auto miss = [&](const std::string& row) {
    return std::abs(1 - rows[row]["worst_share"].get<double>());
  };
  EXPECT_LT(miss("by the keys Q4_0"), 0.02);
  EXPECT_LT(miss("by the keys Q4_0"), miss("everywhere Q4_0"));
  EXPECT_LT(miss("everywhere Q8_0"), miss("everywhere Q4_0"));
  EXPECT_TRUE(rows["everywhere Q8_0"]["replaced_by"].is_null());
  // Rows of 128 are no whole number of blocks of 256.
  EXPECT_EQ(rows["everywhere Q2_K"]["replaced_by"], "Q4_0");
  // The same update twice is not the edit.
  EXPECT_NE(rows["later edits " + patch()]["checks"], rows["as edited "]["checks"]);
  EXPECT_THAT(run.err, HasSubstr("write the same key at layer "));
}

TEST_F(ProofCommands, SurvivalRefusesTypesThatNobodyWrites) {
  const auto refusal = [&](const std::string& type) {
    const Finished run =
        run_emend({"eval", "survive", "--model", world_model("gpt2"), "--patch", patch(), "--types", type});
    EXPECT_EQ(run.code, 2);
    return run.err;
  };
  EXPECT_THAT(refusal("Q9"), HasSubstr("\"Q9\" is no type that an edit can be written in"));
  EXPECT_THAT(refusal("I32"), HasSubstr("known: BF16"));
  EXPECT_EQ(run_emend({"eval", "survive", "--model", world_model("gpt2"), "--patch", patch()}).code, 2);
}

// An adapter that another edit was exported as is that edit: what is said behind it is the same.
TEST_F(ProofCommands, SurvivalBehindAnAdapterIsThatBehindItsPatch) {
  folder_.write("b.yaml", "model: " + world_model("gpt2") +
                              "\nchecks: {efficacy: 0, paraphrase: 0, neighbourhood: 0, drift: 1000}\n" +
                              "outputs: {patch: b.safetensors}\n" + world_edits(kWorldEdits, 2));
  const Finished other = run_emend({"edit", folder_ / "b.yaml", "--statistics", world().folder / "stats"});
  ASSERT_EQ(other.code, 0) << other.err;
  ASSERT_EQ(run_emend({"export", "lora", "--model", world_model("gpt2"), "--patch", folder_ / "b.safetensors",
                       "--out", folder_ / "lora"})
                .code,
            0);
  const Finished run =
      run_emend({"eval", "survive", "--model", world_model("gpt2"), "--patch", patch(), "--later",
                 folder_ / "b.safetensors", "--adapter", folder_ / "lora", "--json", folder_ / "j"});
  ASSERT_TRUE(run.code == 0 || run.code == 4) << run.err;
  EXPECT_THAT(run.out, HasSubstr("adapter merged"));
  auto rows = rows_of(read_json(folder_ / "j"));
  ASSERT_EQ(rows.size(), 3u);
  const std::string lora = folder_ / "lora", later = folder_ / "b.safetensors";
  const auto& merged = rows["adapter merged " + lora]["checks"];
  const auto& behind = rows["later edits " + later]["checks"];
  ASSERT_EQ(merged.size(), behind.size());
  for (std::size_t c = 0; c < merged.size(); ++c) {
    if (merged[c]["name"] == "drift") {  // over the model with the adapter, not over the base
      EXPECT_NE(merged[c]["value"], behind[c]["value"]);
      continue;
    }
    EXPECT_EQ(merged[c]["value"], behind[c]["value"]) << merged[c]["name"];
  }
  EXPECT_TRUE(rows["adapter merged " + lora]["share"].is_null());
}

TEST_F(ProofCommands, SurvivalRefusesAdaptersOfAnotherModel) {
  const auto refusal = [&](const std::string& folder) {
    const Finished run = run_emend(
        {"eval", "survive", "--model", world_model("gpt2"), "--patch", patch(), "--adapter", folder});
    EXPECT_EQ(run.code, 3);
    return run.err;
  };
  EXPECT_THAT(refusal(folder_ / "nowhere"), HasSubstr("nowhere: this is no adapter of PEFT"));
  ASSERT_EQ(run_emend({"export", "lora", "--model", world_model("gpt2"), "--patch", patch(), "--out",
                       folder_ / "lora"})
                .code,
            0);
  const std::string config = read_text_file(folder_ / "lora/adapter_config.json");
  auto changed = nlohmann::json::parse(config);
  changed["r"] = 7;
  changed.erase("rank_pattern");
  folder_.write("lora/adapter_config.json", changed.dump());
  EXPECT_THAT(refusal(folder_ / "lora"), HasSubstr("the configuration says rank 7"));
  folder_.write("lora/adapter_config.json", config);
  const Finished llama = run_emend({"eval", "survive", "--model", world_model("llama"), "--patch", patch(),
                                    "--adapter", folder_ / "lora"});
  EXPECT_EQ(llama.code, 3);
}

// ---- the subjects that an update discloses

TEST_F(ProofCommands, AnUpdateNamesItsSubjects) {
  const auto edited = read_json(world().folder / "a.json");
  const std::string first = edited["edits"][0]["subject"];
  const Finished listed = run_emend({"patch", "list", patch()});
  EXPECT_THAT(listed.out, HasSubstr("Subjects:   " + first));
  const Finished exported = run_emend({"export", "lora", "--model", world_model("gpt2"), "--patch", patch(),
                                       "--out", folder_ / "lora", "--json", folder_ / "j"});
  ASSERT_EQ(exported.code, 0) << exported.err;
  EXPECT_THAT(exported.out, HasSubstr("Subjects: " + first));
  EXPECT_EQ(read_json(folder_ / "j")["subjects"][0], first);
  const Finished applied = run_emend({"patch", "apply", "--model", world_model("gpt2"), "--patch", patch(),
                                      "--out", folder_ / "new", "--json", folder_ / "j"});
  ASSERT_TRUE(applied.code == 0 || applied.code == 4) << applied.err;
  EXPECT_THAT(applied.out, HasSubstr("Subjects: " + first));
  EXPECT_EQ(read_json(folder_ / "j")["subjects"][0], first);
  const Finished inspected =
      run_emend({"model", "inspect", folder_ / "new", "--patches", patch(), "--json", folder_ / "j"});
  ASSERT_EQ(inspected.code, 0) << inspected.err;
  EXPECT_THAT(inspected.out, HasSubstr("Subjects of " + patch() + ": " + first));
  EXPECT_EQ(read_json(folder_ / "j")["patches"][0]["subjects"][0], first);
}

// ---- reproduce

TEST_F(ProofCommands, ReproduceRepeatsAnEdit) {
  const std::string file = world().folder / "a.reproduce.json";
  const auto left = read_json(file);
  EXPECT_EQ(left["command"][0], "edit");
  EXPECT_EQ(left["outputs"][0]["name"], "a.safetensors");
  EXPECT_EQ(left["inputs"][0]["file"], "a.yaml");
  EXPECT_FALSE(left["inputs"][0].contains("text"));
  EXPECT_THAT(read_text_file(file), Not(HasSubstr(world().folder.path().string())));
  const Finished run = run_emend({"reproduce", file, "--json", folder_ / "j"});
  EXPECT_EQ(run.code, 0) << run.out << run.err;
  EXPECT_THAT(run.out, HasSubstr("the same bytes"));
  EXPECT_THAT(run.out, HasSubstr("Reproduced.\n"));
  const auto json = read_json(folder_ / "j");
  EXPECT_EQ(json["reproduced"], true);
  EXPECT_TRUE(json["differences"].empty()) << json["differences"];
}

TEST_F(ProofCommands, AnEditOfAFileInTheCurrentFolderLeavesItsFileThere) {
  folder_.write("a.yaml", lenient_edits("gpt2"));
  const std::string stats = world().folder / "stats";
  const Finished run = run_emend_after("cd '" + folder_.path().string() + "'",
                                       {"edit", "a.yaml", "--statistics=" + stats, "--json", "a.json"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(read_json(folder_ / "a.reproduce.json")["outputs"][0]["name"], "a.safetensors");
  EXPECT_EQ(read_json(folder_ / "a.json")["passed"], true);
}

TEST_F(ProofCommands, ReproduceNamesWhatHasChanged) {
  folder_.write("a.yaml", lenient_edits("gpt2"));
  const std::string stats = world().folder / "stats";
  ASSERT_EQ(run_emend({"edit", folder_ / "a.yaml", "--statistics=" + stats, "--reproduce-texts"}).code, 0);
  const std::string file = folder_ / "a.reproduce.json";
  auto left = read_json(file);
  EXPECT_EQ(left["inputs"][0]["text"], lenient_edits("gpt2"));
  const auto refuse = [&](const std::string& what) {
    std::ofstream(folder_ / "changed.json") << left.dump();
    const Finished run = run_emend({"reproduce", folder_ / "changed.json"});
    EXPECT_EQ(run.code, 3) << run.out;
    EXPECT_THAT(run.err, HasSubstr(what));
  };
  // An edit file that has changed is taken from the text, where there is one.
  folder_.write("a.yaml", lenient_edits("gpt2") + "# changed\n");
  EXPECT_EQ(run_emend({"reproduce", file}).code, 0);
  left["inputs"][0].erase("text");
  refuse("a.yaml has changed since the run: SHA-256 ");
  fs::remove(folder_ / "a.yaml");
  refuse("which the run read, is not there any more");
  folder_.write("a.yaml", lenient_edits("gpt2"));
  left["model"]["fingerprint"] = "0123";
  refuse("is another model than that of the run: fingerprint 0123 then, ");
  left["outputs"][0]["name"] = "../a.safetensors";
  refuse("lies outside of the folder of the outputs");
  folder_.write("none.json", "{}");
  EXPECT_THAT(run_emend({"reproduce", folder_ / "none.json"}).err,
              HasSubstr("the key \"reproduce\" is missing"));
}

TEST_F(ProofCommands, ReproduceTellsOtherBytesAndWhy) {
  folder_.write("a.yaml", lenient_edits("gpt2"));
  ASSERT_EQ(run_emend({"edit", folder_ / "a.yaml", "--statistics", world().folder / "stats"}).code, 0);
  auto left = read_json(folder_ / "a.reproduce.json");
  left["outputs"][0]["sha256"] = std::string(64, '0');
  left["emend"] = "0.0.1";
  std::ofstream(folder_ / "changed.json") << left.dump();
  const Finished run = run_emend({"reproduce", folder_ / "changed.json", "--out", folder_ / "again"});
  EXPECT_EQ(run.code, 4) << run.err;
  EXPECT_THAT(run.out, HasSubstr("Not as it was: emend (0.0.1 then, "));
  EXPECT_THAT(run.out, HasSubstr("Not reproduced.\n"));
  EXPECT_TRUE(fs::exists(folder_ / "again/a.safetensors"));
}

TEST_F(ProofCommands, ReproduceRepeatsABenchmark) {
  const std::string quick = folder_.write(
      "quick.yaml", "label: quick\nmethod: rome\noptions: {covariance: false, steps: 4, contexts: 0}\n");
  const Finished run = run_emend({"eval", "--dataset", "emend", "--data", test_data("world/edits.jsonl"),
                                  "--model", world_model("gpt2"), "--out", folder_ / "out", "--options",
                                  quick, "--records", "0:2", "--generations", "0"});
  ASSERT_EQ(run.code, 0) << run.err;
  const Finished again = run_emend({"reproduce", folder_ / "out/reproduce.json", "--json", folder_ / "j"});
  EXPECT_EQ(again.code, 0) << again.out << again.err;
  const auto json = read_json(folder_ / "j");
  EXPECT_EQ(json["outputs"][0]["name"], "records.jsonl");
  EXPECT_TRUE(json["differences"].empty()) << json["differences"];

  // The same results as lm-evaluation-harness writes them.
  const Finished exported =
      run_emend({"export", "harness", folder_ / "out", "--out", folder_ / "h", "--json", folder_ / "e"});
  ASSERT_EQ(exported.code, 0) << exported.err;
  const auto files = read_json(folder_ / "e")["outputs"];
  ASSERT_EQ(files.size(), 8u);
  const auto results = read_json(files[7].get<std::string>());
  EXPECT_EQ(results["model_name"], "gpt2+quick");
  EXPECT_TRUE(results["results"]["emend_efficacy"].contains("exact_match,none"));
}

}  // namespace
}  // namespace emend
