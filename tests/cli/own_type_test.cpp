// patch apply --type own on a quantised GGUF model, with statistics, an importance matrix, and without.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/files.h"
#include "io/imatrix.h"
#include "program.h"
#include "scratch_folder.h"
#include "support/world_gguf.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// The world model in Q4_0, a patch of it, its statistics in stats/ and their importance matrix; made once.
struct QuantisedWorld {
  ScratchFolder folder;
  Finished edit, exported;

  QuantisedWorld() {
    if (!has_world_models()) return;
    folder.write("m.gguf", test::world_gguf("Q4_0"));
    folder.write("a.yaml",
                 "model: m.gguf\nlayer: 2\nstatistics: stats\n"
                 "checks: {efficacy: 0, paraphrase: 0, neighbourhood: 0, drift: 1000}\n" +
                     world_edits(0, 1));
    edit = run_emend({"edit", folder / "a.yaml", "--quiet"});
    exported = run_emend({"stats", "export", folder / "stats", "--out", folder / "i.gguf"});
  }
  static const QuantisedWorld& shared() {
    static const QuantisedWorld world;
    return world;
  }
};

class OwnType : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_world_models()) GTEST_SKIP() << "no models of the invented world";
    ASSERT_EQ(world().edit.code, 0) << world().edit.err;
    ASSERT_EQ(world().exported.code, 0) << world().exported.err;
  }
  static const QuantisedWorld& world() { return QuantisedWorld::shared(); }
  Finished apply(const std::vector<std::string>& more) const {
    std::vector<std::string> all = {"patch",   "apply",
                                    "--model", world().folder / "m.gguf",
                                    "--patch", world().folder / "a.safetensors",
                                    "--out",   folder_ / "o.gguf",
                                    "--json",  folder_ / "j"};
    all.insert(all.end(), more.begin(), more.end());
    return run_emend(all);
  }
  nlohmann::json feedback() const { return read_json(folder_ / "j")["tensors"][0]["feedback"]; }
  const ScratchFolder folder_;
};

TEST_F(OwnType, IsRoundedUnderTheIdentityByDefault) {
  const Finished run = apply({"--type", "own"});
  ASSERT_EQ(run.code, 0) << run.out << run.err;
  EXPECT_THAT(run.out, AllOf(HasSubstr("Rounded to the base's own type with error feedback"),
                             HasSubstr("blk.2.ffn_down.weight"), HasSubstr("identity"),
                             HasSubstr("second moments"), HasSubstr("importance matrix")));
  EXPECT_EQ(feedback()["statistics"], false);
  EXPECT_EQ(feedback()["diagonal"], false);
  EXPECT_GT(feedback()["share_worst"], 0.9);
}

TEST_F(OwnType, StatisticsWeightTheRounding) {
  ASSERT_EQ(apply({"--type", "own"}).code, 0);
  const std::string plain = read_text_file(folder_ / "o.gguf");
  const Finished run = apply({"--type", "own", "--statistics", world().folder / "stats"});
  ASSERT_EQ(run.code, 0) << run.out << run.err;
  EXPECT_THAT(run.out, AllOf(HasSubstr("blocks changed"), HasSubstr("statistics"),
                             Not(HasSubstr("weighted by the identity"))));
  EXPECT_EQ(feedback()["statistics"], true);
  EXPECT_EQ(feedback()["diagonal"], false);
  EXPECT_GT(feedback()["share_worst"], 0.9);
  EXPECT_GT(feedback()["blocks_changed"], 0);
  EXPECT_NE(read_text_file(folder_ / "o.gguf"), plain);
  EXPECT_EQ(read_text_file(folder_ / "o.gguf").size(), plain.size());
}

TEST_F(OwnType, StatisticsThatLackTheLayerAreRefusedBeforeAnythingIsWritten) {
  const Finished run = apply({"--type", "own", "--statistics", folder_ / "none"});
  EXPECT_EQ(run.code, 3);
  EXPECT_THAT(run.err, HasSubstr("no statistics of layer 2"));
  EXPECT_FALSE(fs::exists(folder_ / "o.gguf"));
}

TEST_F(OwnType, AnImportanceMatrixWeightsTheRounding) {
  const Finished run = apply({"--type", "own", "--imatrix", world().folder / "i.gguf"});
  ASSERT_EQ(run.code, 0) << run.out << run.err;
  EXPECT_THAT(run.out, AllOf(HasSubstr("diagonal"), Not(HasSubstr("weighted by the identity"))));
  EXPECT_EQ(feedback()["statistics"], true);
  EXPECT_EQ(feedback()["diagonal"], true);
  EXPECT_GT(feedback()["share_worst"], 0.9);
  // It steps in for statistics that are not there, and stays behind those that are.
  ASSERT_EQ(
      apply({"--type", "own", "--statistics", folder_ / "none", "--imatrix", world().folder / "i.gguf"}).code,
      0);
  EXPECT_EQ(feedback()["diagonal"], true);
  ASSERT_EQ(apply({"--type", "own", "--statistics", world().folder / "stats", "--imatrix",
                   world().folder / "i.gguf"})
                .code,
            0);
  EXPECT_EQ(feedback()["diagonal"], false);
}

TEST_F(OwnType, AnImportanceMatrixThatIsNotUsedOrDoesNotFitIsNamed) {
  const Finished unused = apply({"--type", "F16", "--imatrix", world().folder / "i.gguf"});
  ASSERT_EQ(unused.code, 0) << unused.err;
  EXPECT_THAT(unused.err, AllOf(HasSubstr("i.gguf"), HasSubstr("was not used")));
  Imatrix other;
  other.entries["blk.2.ffn_down.weight"] = {std::vector<float>(96, 1.0F), {4}};
  write_imatrix(folder_ / "other.gguf", other);
  fs::remove(folder_ / "o.gguf");
  for (const auto& [file, reason] : std::vector<std::pair<std::string, std::string>>{
           {folder_ / "other.gguf", "96 channels"},
           {world().folder / "m.gguf", "no imatrix"},
           {folder_.write("old.dat", std::string("\1\0\0\0\4\0\0\0abcd", 12)), "old format"},
           {folder_ / "missing.gguf", "missing.gguf"}}) {
    const Finished run = apply({"--type", "own", "--imatrix", file});
    EXPECT_EQ(run.code, 3) << file;
    EXPECT_THAT(run.err, HasSubstr(reason));
    EXPECT_FALSE(fs::exists(folder_ / "o.gguf"));
  }
}

// --- the same file as statistics

TEST_F(OwnType, AnImportanceMatrixIsImportedAsDiagonals) {
  // Of all layers: an import takes them all.
  ASSERT_EQ(run_emend({"stats", "--model", world().folder / "m.gguf", "--out", folder_ / "all", "--tokens",
                       "1600", "--quiet"})
                .code,
            0);
  ASSERT_EQ(run_emend({"stats", "export", folder_ / "all", "--out", folder_ / "all.gguf"}).code, 0);
  const auto import = [&](const std::string& file, const std::vector<std::string>& more) {
    std::vector<std::string> all = {"stats", "import",     file, "--model", world().folder / "m.gguf",
                                    "--out", folder_ / "d"};
    all.insert(all.end(), more.begin(), more.end());
    return run_emend(all);
  };
  EXPECT_THAT(import(folder_ / "all.gguf", {}).err,
              AllOf(HasSubstr("does not say of which model"), HasSubstr("--trust-model-name")));
  const Finished partial = import(world().folder / "i.gguf", {"--trust-model-name"});
  EXPECT_EQ(partial.code, 3);
  EXPECT_THAT(partial.err, HasSubstr("no entry for \"blk.0.ffn_down.weight\""));
  EXPECT_FALSE(fs::exists(folder_ / "d"));
  const Finished run = import(folder_ / "all.gguf", {"--trust-model-name"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("Only the diagonal of C is known"));
  const Finished shown = run_emend({"stats", "show", folder_ / "d", "--model", world().folder / "m.gguf",
                                    "--json", folder_ / "s", "--report", folder_ / "s.html"});
  ASSERT_EQ(shown.code, 0) << shown.err;
  EXPECT_THAT(shown.out, AllOf(HasSubstr("Only the diagonal of C is known"), HasSubstr("imported: imatrix")));
  EXPECT_EQ(read_json(folder_ / "s")["layers"][2]["diagonal"], true);
  EXPECT_THAT(read_text_file(folder_ / "s.html"), HasSubstr("Only the diagonal of C is known"));

  // An edit says it once, and so does its patch.
  const std::string file = folder_.write(
      "b.yaml",
      "layer: 2\nstatistics: d\nchecks: {efficacy: 0, paraphrase: 0, neighbourhood: 0, drift: 1000}\n" +
          world_edits(0, 2));
  const Finished edit = run_emend({"edit", file, "--model", world().folder / "m.gguf"});
  ASSERT_EQ(edit.code, 0) << edit.err;
  const std::string warning = "only the diagonal of C is known at layer 2";
  EXPECT_THAT(edit.err, HasSubstr(warning));
  EXPECT_EQ(edit.err.find(warning), edit.err.rfind(warning));
  EXPECT_THAT(run_emend({"patch", "list", folder_ / "b.safetensors"}).out, HasSubstr(warning));
}

TEST_F(OwnType, ExportRefusesFoldersOfOtherThingsAndWritesNothing) {
  const Finished none = run_emend({"stats", "export", folder_ / "none", "--out", folder_ / "x.gguf"});
  EXPECT_EQ(none.code, 3);
  EXPECT_THAT(none.err, HasSubstr("no such folder"));
  EXPECT_EQ(run_emend({"stats", "export", folder_.path().string(), "--out", folder_ / "x.gguf"}).code, 3);
  EXPECT_EQ(run_emend({"stats", "export", world().folder / "stats"}).code, 2);
  EXPECT_EQ(run_emend({"stats", "export", world().folder / "stats", "--out",
                       world().folder / "stats/layer_2.safetensors"})
                .code,
            2);
  EXPECT_FALSE(fs::exists(folder_ / "x.gguf"));
}

}  // namespace
}  // namespace emend
