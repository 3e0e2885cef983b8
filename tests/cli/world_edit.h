// Edits of the invented world, run by the program once and shared by the tests of a file.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "program.h"
#include "scratch_folder.h"

namespace emend {

inline constexpr std::size_t kWorldEdits = 2;

// The GPT-2 of the invented world, whose tokenizer is not told of a token that ends a text.
inline std::string model_without_end(const ScratchFolder& folder) {
  const std::filesystem::path copy = folder.path() / "endless";
  std::filesystem::copy(world_model("gpt2"), copy);
  for (const char* const name : {"config.json", "tokenizer_config.json"}) {
    nlohmann::json settings = read_json(copy / name);
    settings.erase("eos_token");
    settings.erase("eos_token_id");
    std::filesystem::remove(copy / name);
    folder.write(std::string("endless/") + name, settings.dump());
  }
  return copy.string();
}

// An edit file of two facts without limits on what may be lost, statistics in `stats` beside it.
inline std::string lenient_edits(const std::string& family) {
  return "model: " + world_model(family) + "\nstatistics: stats\n" +
         "checks: {efficacy: 0, paraphrase: 0, neighbourhood: 0, drift: 1000}\n" +
         world_edits(0, kWorldEdits);
}

// The same with a check that no edit passes.
inline std::string impossible_edits(const std::string& family) {
  return "model: " + world_model(family) + "\nstatistics: stats\n" +
         "checks: {drift: 1.0, neighbourhood: 1.0, paraphrase: 1.0}\n" +
         "drift_text: \"Workis Tellond was trained as a stone cutter. Workis Tellond was trained as a stone "
         "cutter.\"\n" +
         world_edits(0, kWorldEdits);
}

// A folder with a.yaml, its patch a.safetensors, its results a.json, a.xml and pages/a.html, and stats/.
struct EditedWorld {
  ScratchFolder folder;
  Finished run;

  EditedWorld() {
    if (!has_world_models()) return;
    folder.write("a.yaml", lenient_edits("gpt2"));
    run = run_emend({"edit", folder / "a.yaml", "--json", folder / "a.json", "--junit", folder / "a.xml",
                     "--report", folder / "pages/a.html"});
  }
  static const EditedWorld& shared() {
    static const EditedWorld world;
    return world;
  }
};

// Tests that start from that edit.
class OnEditedWorld : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_world_models()) GTEST_SKIP() << "no models of the invented world";
    ASSERT_EQ(world().run.code, 0) << world().run.err;
  }
  static const EditedWorld& world() { return EditedWorld::shared(); }
  static std::string patch() { return world().folder / "a.safetensors"; }
  const ScratchFolder folder_;
};

}  // namespace emend
