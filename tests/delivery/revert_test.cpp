#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "emend/error.h"
#include "emend/write_back.h"
#include "tests/base/expect_error.h"
#include "tests/delivery/written_files.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using namespace test;
using testing::AllOf;
using testing::HasSubstr;

// A copy of a checkpoint that a test may edit in place.
struct Copied {
  TempFolder folder;
  fs::path model;
  std::map<std::string, std::string> before;

  explicit Copied(const std::string& name) : model(folder / "m") {
    copy_folder(parity(name), model);
    before = snapshot(model);
  }
  fs::path apply(double seed = 2, const std::string& type = "") const {
    const Model base = load_quietly(model);
    return write_in_place(
        plan_write(base, {tiny_patch(base, 0, seed, 0.5), tiny_patch(base, 1, seed, 0.5)}, type));
  }
};

void flip_byte(const fs::path& file, std::size_t at) {
  std::string bytes = read_all(file);
  bytes[at] = static_cast<char>(bytes[at] ^ 1);
  std::ofstream(file, std::ios::binary) << bytes;
}

TEST(Revert, GivesTheBaseBackByteForByte) {
  for (const std::string name : {"gpt2", "gpt2_f16", "llama_bf16", "llama_sharded"})
    for (const std::string type : {"", "F32", "F16"}) {
      const Copied copy(name);
      const std::string fingerprint = load_quietly(copy.model).fingerprint();
      const fs::path undo = copy.apply(2, type);
      EXPECT_EQ(undo, copy.model / "emend.undo");
      EXPECT_NE(snapshot(copy.model), copy.before);
      EXPECT_NE(load_quietly(copy.model).fingerprint(), fingerprint);
      EXPECT_FALSE(revert(copy.model).empty());
      EXPECT_EQ(snapshot(copy.model), copy.before) << name << " " << type;
    }
}

TEST(Revert, TakesBackOneWriteAfterTheOther) {
  const Copied copy("gpt2");
  copy.apply(2);
  const auto between = snapshot(copy.model);
  EXPECT_EQ(copy.apply(3), copy.model / "emend.undo.2");
  revert(copy.model);
  EXPECT_EQ(snapshot(copy.model), between);
  revert(copy.model);
  EXPECT_EQ(snapshot(copy.model), copy.before);
  EXPECT_THAT(error_of(ErrorKind::kIo, [&] { revert(copy.model); }), HasSubstr("there is no undo file"));
}

TEST(Revert, MendsAWriteThatStoppedBetweenShards) {
  const Copied copy("llama_sharded");
  copy.apply();
  // As if only one of the two shards had been replaced.
  std::string restored;
  for (const auto& [name, bytes] : copy.before)
    if (restored.empty() && read_all(copy.model / name) != bytes) {
      std::ofstream(copy.model / name, std::ios::binary) << bytes;
      restored = name;
    }
  ASSERT_FALSE(restored.empty());
  EXPECT_EQ(revert(copy.model).size(), 1U);
  EXPECT_EQ(snapshot(copy.model), copy.before);
}

TEST(Revert, ALeftOverUndoFileDoesNoHarm) {
  const Copied copy("gpt2");
  const fs::path undo = copy.apply();
  const std::string kept = read_all(undo);
  revert(copy.model);
  std::ofstream(undo, std::ios::binary) << kept;  // a stop before the undo file was removed
  EXPECT_TRUE(revert(copy.model).empty());
  EXPECT_EQ(snapshot(copy.model), copy.before);
}

TEST(Revert, RefusesFilesThatChangedSince) {
  const Copied copy("gpt2");
  copy.apply();
  flip_byte(copy.model / "model.safetensors", 5000);
  const auto now = snapshot(copy.model);
  EXPECT_THAT(error_of(ErrorKind::kModel, [&] { revert(copy.model); }),
              AllOf(HasSubstr("model.safetensors"), HasSubstr("neither as before nor as after")));
  EXPECT_EQ(snapshot(copy.model), now);
}

TEST(Revert, RefusesAnAlteredUndoFile) {
  const Copied copy("gpt2");
  const fs::path undo = copy.apply();
  const std::string good = read_all(undo);
  const auto now = snapshot(copy.model / "model.safetensors");
  flip_byte(undo, good.size() - 9);  // one of the kept bytes
  EXPECT_THAT(error_of(ErrorKind::kFormat, [&] { revert(copy.model); }),
              HasSubstr("the undo file was altered"));
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    std::ofstream(undo, std::ios::binary) << text;
    return error_of(ErrorKind::kFormat, [&] { revert(copy.model); });
  };
  EXPECT_THAT(with("emend.undo\":\"1", "emend.undo\":\"2"), HasSubstr("use a newer one"));
  EXPECT_THAT(with("emend.undo", "emend.undx"), HasSubstr("not an undo file of emend"));
  EXPECT_THAT(with("model.safetensors", "../el.safetensor"), HasSubstr(""));
  EXPECT_THAT(with("[\\\"new\\\",0", "[\\\"new\\\",9"), HasSubstr(""));
  std::ofstream(undo, std::ios::binary) << good.substr(0, good.size() / 2);
  EXPECT_THROW(revert(copy.model), Error);
  EXPECT_EQ(snapshot(copy.model / "model.safetensors"), now);
}

TEST(UndoFile, OfASplitModelIsTheSameWhicheverShardIsNamed) {
  const TempFolder folder;
  const fs::path first = folder / "m-00001-of-00003.gguf", second = folder / "m-00002-of-00003.gguf";
  EXPECT_EQ(next_undo_file(first), folder / "m-00001-of-00003.gguf.undo");
  EXPECT_EQ(next_undo_file(second), next_undo_file(first));
  folder.write("m-00001-of-00003.gguf.undo", "");
  EXPECT_EQ(last_undo_file(second), folder / "m-00001-of-00003.gguf.undo");
  EXPECT_EQ(next_undo_file(second), folder / "m-00001-of-00003.gguf.undo.2");
  EXPECT_EQ(next_undo_file(folder / "m-2-of-3.gguf"), folder / "m-2-of-3.gguf.undo");
  EXPECT_EQ(next_undo_file("m.gguf"), "m.gguf.undo");
}

TEST(WriteInPlace, RefusesWhatItShouldNotReplace) {
  const Copied copy("gpt2");
  const Model base = load_quietly(copy.model);
  const WritePlan plan = plan_write(base, {tiny_patch(base, 0, 2, 0.5)}, "");
  const fs::path file = copy.model / "model.safetensors";
  const std::vector<Patch> patches = {tiny_patch(base, 0, 2, 0.5)};
  const auto ask = [&] { require_in_place(base, patches); };
  EXPECT_NO_THROW(ask());
  EXPECT_THAT(error_of(ErrorKind::kIo, [&] { require_in_place(base, patches, file); }),
              HasSubstr("there is such a file already"));
  EXPECT_THAT(error_of(ErrorKind::kIo, [&] { require_in_place(base, patches, file / "x.undo"); }),
              HasSubstr("model.safetensors"));
  fs::permissions(file, fs::perms::owner_read);
  EXPECT_THAT(error_of(ErrorKind::kIo, [&] { write_in_place(plan); }), HasSubstr("it is write-protected"));
  EXPECT_THAT(error_of(ErrorKind::kIo, ask), HasSubstr("it is write-protected"));
  fs::permissions(file, fs::perms::owner_all);
  fs::rename(file, copy.folder / "elsewhere");
  fs::create_symlink(copy.folder / "elsewhere", file);
  EXPECT_THAT(error_of(ErrorKind::kIo, [&] { write_in_place(plan); }), HasSubstr("it is a symbolic link"));
  EXPECT_THAT(error_of(ErrorKind::kIo, ask), HasSubstr("it is a symbolic link"));
  EXPECT_EQ(read_all(copy.folder / "elsewhere"), copy.before.at("model.safetensors"));
  EXPECT_FALSE(fs::exists(copy.model / "emend.undo"));
}

// Both families, every writable type, random places and sizes: apply, look that something changed, revert.
TEST(Revert, ManyRoundsLeaveTheBaseUntouched) {
  const char* const asked = std::getenv("EMEND_REVERT_ROUNDS");
  const int rounds = asked == nullptr ? 240 : std::atoi(asked);
  const TempFolder folder;
  std::vector<std::pair<fs::path, std::vector<std::string>>> bases;
  for (const std::string name : {"gpt2", "gpt2_f16", "llama_bf16", "llama_sharded"}) {
    copy_folder(parity(name), folder / name);
    bases.push_back({folder / name, {"", "own", "F32", "F16", "BF16"}});
  }
  for (const std::string family : {"gpt2", "llama"})
    for (const GgufType type : {GgufType::kF32, GgufType::kF16, GgufType::kBF16, GgufType::kQ4_0,
                                GgufType::kQ4_1, GgufType::kQ8_0}) {
      const std::string name = family + std::to_string(static_cast<int>(type)) + ".gguf";
      bases.push_back({folder.write("gguf/" + name, tiny_gguf(family, type).bytes()),
                       {"", "own", "F32", "F16", "BF16", "Q4_0", "Q4_1", "Q8_0"}});
    }
  std::vector<Model> models;
  std::vector<std::map<std::string, std::string>> before;
  for (const auto& [path, types] : bases) {
    models.push_back(load_quietly(path));
    before.push_back(snapshot(path));
  }
  std::uint64_t state = 12345;
  const auto draw = [&](std::size_t below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::size_t>((state >> 33) % below);
  };
  for (int round = 0; round < rounds; ++round) {
    const std::size_t b = draw(bases.size());
    const auto& [path, types] = bases[b];
    const Model& model = models[b];
    std::vector<Patch> patches;
    for (std::size_t i = 0; i <= draw(2); ++i)
      patches.push_back(tiny_patch(model, static_cast<int>(draw(2)), static_cast<double>(draw(1000)),
                                   0.5 + static_cast<double>(draw(100)) / 50));
    const std::string& type = types[draw(types.size())];
    const WritePlan plan = plan_write(model, patches, type);
    write_in_place(plan);
    ASSERT_NE(snapshot(path), before[b]) << path << " " << type;
    revert(path);
    ASSERT_EQ(snapshot(path), before[b]) << "round " << round << ", " << path << ", type " << type;
  }
}

}  // namespace
}  // namespace emend
