// emend stats under mpirun, where the build has MPI.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <span>

#include "emend/tensor_file.h"
#include "mpirun.h"
#include "program.h"
#include "scratch_folder.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class StatsMpi : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_mpi()) GTEST_SKIP() << "built without MPI";
    if (!has_world_models()) GTEST_SKIP() << "no models of the invented world";
  }
  std::vector<std::string> arguments(const std::string& out, const std::string& tokens = "4000") const {
    return {"stats",
            "--model",
            world_model("gpt2"),
            "--corpus",
            std::string(EMEND_TEST_DATA) + "/world/text.txt",
            "--layers",
            "1,3",
            "--tokens",
            tokens,
            "--block",
            "300",
            "--threads",
            "1",
            "--out",
            folder_ / out};
  }
  const ScratchFolder folder_;
};

std::vector<float> read_floats(const TensorFile& file, const std::string& name) {
  const TensorInfo* const info = file.find(name);
  if (!info || info->type->name != "F32") {
    ADD_FAILURE() << file.path() << ": " << name << " is missing, or not float32";
    return {};
  }
  const std::span<const std::byte> bytes = file.bytes(*info);
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

// Float64 sums in another order, rounded to float32 at the end: an element moves by its last bit at most, or,
// where its sum cancels, by the rounding of what was added.
void expect_same_layer(const fs::path& found, const fs::path& wanted, int layer) {
  const std::string file = "layer_" + std::to_string(layer) + ".safetensors";
  const auto found_file = open_safetensors(found / file), wanted_file = open_safetensors(wanted / file);
  EXPECT_EQ(found_file->metadata().at("emend.tokens"), wanted_file->metadata().at("emend.tokens"));
  const std::string name = "model.layers." + std::to_string(layer) + ".C";
  const std::vector<float> a = read_floats(*found_file, name), b = read_floats(*wanted_file, name);
  ASSERT_EQ(a.size(), b.size());
  ASSERT_GT(a.size(), 10000u);
  double largest = 0;
  for (const float value : b) largest = std::max(largest, std::abs(static_cast<double>(value)));
  std::size_t apart = 0;
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double gap = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    const double size = std::abs(static_cast<double>(b[i]));
    worst = std::max(worst, size > 0 ? gap / size : gap);
    apart += gap <= 2e-7 * size + 1e-14 * largest ? 0 : 1;
  }
  EXPECT_EQ(apart, 0u) << "of " << a.size() << " elements of " << found_file->path() << "; the worst by "
                       << worst;
}

TEST_F(StatsMpi, TheResultDoesNotDependOnTheNumberOfProcesses) {
  std::vector<std::string> alone = arguments("alone");
  alone.insert(alone.end(), {"--json", folder_ / "alone.json"});
  ASSERT_EQ(run_emend(alone).code, 0);
  const auto wanted = read_json(folder_ / "alone.json");
  for (const int processes : {1, 2, 4}) {
    std::vector<std::string> shared = arguments("shared" + std::to_string(processes));
    shared.insert(shared.end(), {"--json", folder_ / "shared.json"});
    const Finished run = run_emend_many(processes, shared);
    ASSERT_EQ(run.code, 0) << run.err;
    const auto found = read_json(folder_ / "shared.json");
    EXPECT_EQ(found["fingerprint"], wanted["fingerprint"]);
    for (std::size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(found["layers"][i]["tokens"], 4000);
      for (const char* key : {"trace", "effective_rank", "error_estimate"})
        EXPECT_NEAR(found["layers"][i][key].get<double>() / wanted["layers"][i][key].get<double>(), 1, 1e-5)
            << key;
    }
    for (const int layer : {1, 3})
      expect_same_layer(folder_.path() / ("shared" + std::to_string(processes)), folder_.path() / "alone",
                        layer);
    EXPECT_FALSE(fs::exists(folder_ / ("shared" + std::to_string(processes) + "/checkpoint_1-3_shard_0_of_" +
                                       std::to_string(processes) + ".safetensors")));
  }
}

TEST_F(StatsMpi, ADeadProcessEndsTheRunAndItGoesOnFromItsShards) {
  // Rank 1 is killed once it has left a checkpoint.
  const std::string checkpoint = folder_ / "run/checkpoint_1-3_shard_1_of_2.safetensors";
  const std::string killer = "(for i in $(seq 3000); do [ -e '" + checkpoint +
                             "' ] && break; sleep 0.02; done; for p in $(pgrep -P $$ -x emend); do "
                             "grep -qz '^OMPI_COMM_WORLD_RANK=1$' /proc/$p/environ && kill -9 $p; done) &";
  const Finished run = run_emend_many(2, arguments("run", "all"), killer + " true");
  ASSERT_NE(run.code, 0);
  EXPECT_THAT(run.err, HasSubstr("signal 9"));
  ASSERT_TRUE(fs::exists(checkpoint));
  EXPECT_FALSE(fs::exists(folder_ / "run/layer_1.safetensors"));
  std::vector<std::string> again = arguments("run", "all");
  again.push_back("--resume");
  const Finished resumed = run_emend_many(2, again);
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_THAT(resumed.out, HasSubstr("Taken up after"));
  EXPECT_TRUE(fs::exists(folder_ / "run/layer_3.safetensors"));
}

TEST_F(StatsMpi, AnErrorOfOneProcessIsToldAndEndsAll) {
  std::vector<std::string> refused = arguments("run");
  refused.insert(refused.end(), {"--shard", "0/2"});
  const Finished run = run_emend_many(2, refused);
  EXPECT_EQ(run.code, 2) << run.err;
  EXPECT_THAT(run.err, HasSubstr("mpirun makes the shards"));
}

}  // namespace
}  // namespace emend
