// The C interface where it reads and writes files of a model: in place and back, adapters, imported
// statistics.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/temp_folder.h"
#include "c_handles.h"
#include "support/npz_builder.h"
#include "support/world_gguf.h"

namespace emend::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using Json = nlohmann::json;

std::string bytes_in(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

std::map<std::string, std::string> files_in(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(folder))
    files[entry.path().filename().string()] = bytes_in(entry.path());
  return files;
}

class Files : public testing::Test {
 protected:
  Files() : base_(folder_ / "base") {
    fs::copy(std::string(EMEND_TEST_DATA) + "/world/gpt2", base_, fs::copy_options::recursive);
    for (const auto& entry : fs::directory_iterator(base_))  // a checkout may be read-only
      fs::permissions(entry.path(), fs::perms::owner_write, fs::perm_options::add);
    model_ = load_model(base_.string(), 1);
    patch_ = make_patch(model_, painter_edit());
  }

  TempFolder folder_;
  fs::path base_;
  OwnedModel model_;
  OwnedPatch patch_;
};

TEST_F(Files, AreWrittenInPlaceAndRestoredByteForByte) {
  const auto before = files_in(base_);
  EXPECT_EQ(emend_write_in_place(model_, nullptr, nullptr, nullptr), EMEND_BAD_INPUT);
  EXPECT_THAT(emend_last_error(), HasSubstr("no patch is on the model"));
  must(emend_apply(model_, patch_, 0));
  const std::string edited = digest(model_);
  emend_write_options how = EMEND_WRITE_OPTIONS_INIT;
  how.type = "F32";
  emend_text* text = nullptr;
  must(emend_write_in_place(model_, nullptr, &how, &text));
  const Json report = Json::parse(taken(text));
  EXPECT_EQ(report.at("written"), base_.string());
  EXPECT_EQ(report.at("undo"), (base_ / "emend.undo").string());
  EXPECT_EQ(report.at("passed"), true);
  EXPECT_TRUE(fs::exists(base_ / "emend.undo"));
  EXPECT_NE(bytes_in(base_ / "model.safetensors"), before.at("model.safetensors"));
  EXPECT_EQ(digest(model_), edited);  // what is in memory stays
  EXPECT_EQ(digest(load_model(base_.string(), 1)), edited);
  // The files are not those that were loaded any more: the edit is not added to itself.
  EXPECT_EQ(emend_write_in_place(model_, nullptr, &how, nullptr), EMEND_BAD_INPUT);
  EXPECT_THAT(emend_last_error(), HasSubstr("changed while it was in use"));

  must(emend_restore(base_.c_str(), nullptr, &text));
  const Json restored = Json::parse(taken(text));
  EXPECT_EQ(restored.at("undo"), report.at("undo"));
  EXPECT_FALSE(restored.at("restored").empty());
  EXPECT_EQ(files_in(base_), before);
  EXPECT_EQ(emend_restore(base_.c_str(), nullptr, &text), EMEND_BAD_INPUT);
  EXPECT_EQ(text, nullptr);
}

TEST_F(Files, AnUndoFileThatIsThereIsNotReplaced) {
  must(emend_apply(model_, patch_, 0));
  const fs::path undo = folder_ / "my.undo";
  std::ofstream(undo) << "mine";
  const auto before = files_in(base_);
  EXPECT_EQ(emend_write_in_place(model_, undo.c_str(), nullptr, nullptr), EMEND_BAD_INPUT);
  EXPECT_EQ(bytes_in(undo), "mine");
  EXPECT_EQ(files_in(base_), before);
}

TEST_F(Files, AnUncheckedWriteHasNotPassed) {
  must(emend_apply(model_, patch_, 0));
  emend_write_options how = EMEND_WRITE_OPTIONS_INIT;
  how.check = 0;
  emend_text* text = nullptr;
  must(emend_write_in_place(model_, (folder_ / "x.undo").c_str(), &how, &text));
  const Json report = Json::parse(taken(text));
  EXPECT_TRUE(report.at("passed").is_null());
  EXPECT_EQ(report.at("undo"), (folder_ / "x.undo").string());
  must(emend_restore(base_.c_str(), (folder_ / "x.undo").c_str(), nullptr));
}

TEST_F(Files, AdaptersHoldThePatchOfBothForms) {
  emend_export_options how = EMEND_EXPORT_OPTIONS_INIT;
  how.base_name = "world";
  emend_patch* const patches[] = {patch_};
  emend_text* text = nullptr;
  must(emend_export(model_, patches, 1, (folder_ / "lora").c_str(), &how, &text));
  const Json report = Json::parse(taken(text));
  ASSERT_EQ(report.at("modules").size(), 1U);
  EXPECT_EQ(report.at("modules")[0].at("difference"), 0);
  EXPECT_EQ(report.at("passed"), true);
  EXPECT_EQ(Json::parse(bytes_in(folder_ / "lora/adapter_config.json")).at("base_model_name_or_path"),
            "world");
  EXPECT_EQ(emend_export(model_, patches, 1, (folder_ / "lora").c_str(), &how, nullptr), EMEND_BAD_INPUT);
  how.format = "gguf-lora";
  must(emend_export(model_, patches, 1, (folder_ / "a.gguf").c_str(), &how, nullptr));
  EXPECT_EQ(bytes_in(folder_ / "a.gguf").substr(0, 4), "GGUF");
}

// The model in Q4_0, its statistics, and their importance matrix as the program would write it.
TEST_F(Files, ATypeThatIsKeptIsRoundedUnderStatisticsOrAnImportanceMatrix) {
  const std::string file = folder_.write("m.gguf", world_gguf("Q4_0")).string();
  const OwnedModel model = load_model(file, 1);
  const OwnedPatch patch = make_patch(model, painter_edit());
  emend_text* text = nullptr;
  must(emend_patch_report(patch, &text));
  const int32_t layer = Json::parse(taken(text)).at("edits").at(0).at("layer");
  emend_statistics_options collecting = EMEND_STATISTICS_OPTIONS_INIT;
  collecting.layers = &layer;
  collecting.layer_count = 1;
  collecting.tokens = 1600;
  must(emend_statistics(model, (folder_ / "stats").c_str(), &collecting, nullptr));
  const std::string imatrix = (folder_ / "i.gguf").string();
  must(emend_statistics_export((folder_ / "stats").c_str(), imatrix.c_str(), &text));
  EXPECT_EQ(Json::parse(taken(text)).at("layers"), Json::array({layer}));
  must(emend_apply(model, patch, 0));
  emend_write_options how = EMEND_WRITE_OPTIONS_INIT;
  how.type = "own";
  how.check = 0;
  const auto feedback = [&](const char* statistics, const char* matrix) {
    how.statistics = statistics;
    how.imatrix = matrix;
    must(emend_write(model, (folder_ / "o.gguf").c_str(), &how, &text));
    return Json::parse(taken(text)).at("tensors").at(0).at("feedback");
  };
  const std::string stats = (folder_ / "stats").string(), none = (folder_ / "none").string();
  EXPECT_EQ(feedback(nullptr, nullptr).at("statistics"), false);
  EXPECT_EQ(feedback(stats.c_str(), nullptr).at("statistics"), true);
  EXPECT_EQ(feedback(stats.c_str(), imatrix.c_str()).at("diagonal"), false);
  EXPECT_EQ(feedback(nullptr, imatrix.c_str()).at("diagonal"), true);
  EXPECT_EQ(feedback(none.c_str(), imatrix.c_str()).at("diagonal"), true);
  how.statistics = none.c_str();
  how.imatrix = nullptr;
  EXPECT_EQ(emend_write(model, (folder_ / "p.gguf").c_str(), &how, nullptr), EMEND_BAD_INPUT);
  EXPECT_THAT(emend_last_error(), HasSubstr("no statistics of layer"));
  how.statistics = nullptr;
  how.imatrix = file.c_str();
  EXPECT_EQ(emend_write(model, (folder_ / "p.gguf").c_str(), &how, nullptr), EMEND_BAD_INPUT);
  EXPECT_THAT(emend_last_error(), HasSubstr("no imatrix"));
  EXPECT_FALSE(fs::exists(folder_ / "p.gguf"));
  // A caller that was built with the options of an older version gives no more than it knows.
  how.size = offsetof(emend_write_options, statistics);
  must(emend_write(model, (folder_ / "o.gguf").c_str(), &how, nullptr));
}

TEST_F(Files, CachedMomentsBecomeStatisticsOfTheModel) {
  emend_text* text = nullptr;
  must(emend_model_info(model_, &text));
  const std::int64_t size = Json::parse(taken(text)).at("d_ff");
  std::vector<float> sum;
  for (std::int64_t i = 0; i < size; ++i)
    for (std::int64_t j = 0; j < size; ++j) sum.push_back(i == j ? 6.0F : 0.5F);
  const std::string shape = std::to_string(size) + ", " + std::to_string(size);
  fs::create_directories(folder_ / "stats/world/text_stats");
  const fs::path file = folder_ / "stats/world/text_stats/transformer.h.2.mlp.c_proj_float32_mom2.npz";
  std::ofstream(file, std::ios::binary)
      << zip({{"mom2.constructor.npy", npy("<U4", "", std::string(16, 'x')), false, true},
              {"mom2.count.npy", npy("<i8", "", bytes_of(std::int64_t{500})), false, true},
              {"mom2.mom2.npy", npy("<f4", shape, floats(sum)), false, true},
              {"sample_size.npy", npy("<i8", "", bytes_of(std::int64_t{500})), false, true}});
  const std::string name = file.string();
  const char* const files[] = {name.c_str()};
  must(emend_statistics_import(model_, files, 1, nullptr, (folder_ / "out").c_str(), &text));
  const Json report = Json::parse(taken(text));
  ASSERT_EQ(report.at("layers").size(), 1U);
  EXPECT_EQ(report.at("layers")[0].at("layer"), 2);
  EXPECT_EQ(report.at("layers")[0].at("tokens"), 500);
  EXPECT_NEAR(report.at("layers")[0].at("trace").get<double>(), 6.0 * static_cast<double>(size) / 500, 1e-4);
  EXPECT_TRUE(fs::exists(folder_ / "out/layer_2.safetensors"));
}

}  // namespace
}  // namespace emend::test
