#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "world_edit.h"

namespace emend {
namespace {

using testing::HasSubstr;

class PatchCommand : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_world_models()) GTEST_SKIP() << "no models of the invented world";
    ASSERT_EQ(EditedWorld::shared().run.code, 0) << EditedWorld::shared().run.err;
  }
  static std::string patch() { return EditedWorld::shared().folder / "a.safetensors"; }
  const ScratchFolder folder_;
};

TEST_F(PatchCommand, ListsWhatAPatchHolds) {
  const Finished run = run_emend({"patch", "list", patch(), "--json", folder_ / "j"});
  ASSERT_EQ(run.code, 0) << run.err;
  for (const std::string word : {"update norm", "efficacy", "Base:", "Passed:     yes", "objective"})
    EXPECT_THAT(run.out, HasSubstr(word));
  const auto json = read_json(folder_ / "j");
  EXPECT_EQ(json["edits"].size(), kWorldEdits);
  EXPECT_EQ(json["passed"], true);
}

TEST_F(PatchCommand, SaysWhetherItIsForAModel) {
  EXPECT_EQ(run_emend({"patch", "list", patch(), "--model", world_model("gpt2")}).code, 0);
  const Finished other = run_emend({"patch", "list", patch(), "--model", world_model("llama")});
  EXPECT_EQ(other.code, 3);
  EXPECT_THAT(other.err, HasSubstr("made for another model"));
}

TEST_F(PatchCommand, VerifiesWithTheStoredNumbers) {
  const Finished run = run_emend({"patch", "verify", "--model", world_model("gpt2"), "--patch", patch(),
                                  "--json", folder_ / "j", "--quiet"});
  ASSERT_EQ(run.code, 0) << run.out << run.err;
  EXPECT_THAT(run.out, HasSubstr("Verified: yes"));
  const auto verified = read_json(folder_ / "j")["patches"][0];
  EXPECT_LT(verified["difference"], 1e-3);
  const auto edited = read_json(EditedWorld::shared().folder / "a.json");
  for (std::size_t i = 0; i < edited["checks"].size(); ++i) {
    EXPECT_EQ(verified["checks"][i]["name"], edited["checks"][i]["name"]);
    EXPECT_EQ(verified["checks"][i]["n"], edited["checks"][i]["n"]);
  }
}

TEST_F(PatchCommand, MeasuresAStackOfPatches) {
  // The same change twice is one of double strength.
  const Finished run = run_emend({"patch", "verify", "--model", world_model("gpt2"), "--patch", patch(),
                                  patch(), "--json", folder_ / "j"});
  EXPECT_TRUE(run.code == 0 || run.code == 4) << run.err;
  EXPECT_EQ(read_json(folder_ / "j")["patches"].size(), 2U);
  EXPECT_GT(read_json(folder_ / "j")["patches"][0]["difference"], 0);
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
