// Checkpoints written anew and in place: what changes, what stays, what is refused.
#include "emend/write_back.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "emend/edit.h"
#include "emend/error.h"
#include "tests/base/expect_error.h"
#include "tests/delivery/written_files.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using namespace test;
using testing::HasSubstr;

TEST(WriteNew, WritesTheWeightsOfAScopedEdit) {
  const TempFolder folder;
  for (const std::string name : {"gpt2", "gpt2_no_prefix", "llama_gqa_tied"}) {
    Model base = load_quietly(parity(name));
    const std::vector<Patch> patches = {tiny_patch(base, 1, 2, 0.5), tiny_patch(base, 1, 3, 0.5)};
    const WritePlan plan = plan_write(base, patches, "");
    EXPECT_EQ(write_new(plan, folder / name), folder / name);
    const Model written = load_quietly(folder / name);
    EXPECT_NE(written.fingerprint(), base.fingerprint());
    const ScopedEdit first(base, patches[0].edit.changes), second(base, patches[1].edit.changes);
    EXPECT_TRUE(at::equal(down(written, 1), down(base, 1))) << name;  // float32: the very numbers
    EXPECT_TRUE(at::equal(down(written, 0), down(base, 0)));
  }
}

TEST(WriteNew, WritesTwoLayersAndDenseChanges) {
  const TempFolder folder;
  Model base = load_quietly(parity("gpt2"));
  const std::vector<Patch> patches = {two_layer_patch(base), dense_patch(base, 1, 5, 0.5)};
  const WritePlan plan = plan_write(base, patches, "");
  ASSERT_EQ(plan.tensors.size(), 2U);
  ASSERT_EQ(plan.facts.size(), 3U);  // one for each weight that a fact writes
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(plan.tensors[i].weight.block, static_cast<int>(i));
    EXPECT_NEAR(plan.tensors[i].share, 1, 1e-5);
    EXPECT_EQ(plan.facts[i].id, "fact-0");
    EXPECT_EQ(plan.facts[i].weight.block, static_cast<int>(i));
  }
  EXPECT_EQ(plan.facts[2].patch, 1U);
  for (const RealisedFact& fact : plan.facts) EXPECT_NEAR(fact.share, 1, 1e-4);
  EXPECT_NO_THROW(require_holds(plan));
  write_new(plan, folder / "new");
  const Model written = load_quietly(folder / "new");
  const ScopedEdit first(base, patches[0].edit.changes), second(base, patches[1].edit.changes);
  for (const int block : {0, 1}) EXPECT_TRUE(at::equal(down(written, block), down(base, block))) << block;
}

TEST(WriteNew, LeavesAllElseOfAFolderAsItWas) {
  const TempFolder folder;
  const auto source = folder / "source";
  copy_folder(parity("gpt2"), source);
  fs::create_directories(source / "sub");
  folder.write("source/sub/note.txt", "kept");
  folder.write("source/.hidden", "left out");
  fs::permissions(source / "config.json", fs::perms::owner_read);
  const Model base = load_quietly(source);
  write_new(plan_write(base, {tiny_patch(base, 0, 2, 0.5)}, ""), folder / "new");
  auto before = snapshot(source), after = snapshot(folder / "new");
  before.erase(".hidden");
  const std::string old_bytes = before.at("model.safetensors"), new_bytes = after.at("model.safetensors");
  before.erase("model.safetensors");
  after.erase("model.safetensors");
  EXPECT_EQ(before, after);
  EXPECT_EQ(fs::status(folder / "new/config.json").permissions(), fs::perms::owner_read);
  // The header, and all but one tensor: the same bytes at the same places.
  expect_others_equal(source, folder / "new", "transformer.h.0.mlp.c_proj.weight");
  ASSERT_EQ(old_bytes.size(), new_bytes.size());
  EXPECT_EQ(old_bytes.substr(0, 1000), new_bytes.substr(0, 1000));
}

TEST(WriteNew, KeepsShards) {
  const TempFolder folder;
  const Model base = load_quietly(parity("llama_sharded"));
  write_new(plan_write(base, {tiny_patch(base, 1, 2, 0.5)}, ""), folder / "new");
  auto before = snapshot(parity("llama_sharded")), after = snapshot(folder / "new");
  std::size_t changed = 0;
  for (const auto& [name, bytes] : before) changed += after.at(name) != bytes ? 1 : 0;
  EXPECT_EQ(changed, 1U);
  EXPECT_EQ(before.size(), after.size());
  expect_others_equal(parity("llama_sharded"), folder / "new", "model.layers.1.mlp.down_proj.weight");
}

TEST(WriteNew, AnotherTypeInAShardChangesTheIndex) {
  const TempFolder folder;
  const Model base = load_quietly(parity("llama_sharded"));
  const Patch patch = tiny_patch(base, 1, 2, 0.5);
  write_new(plan_write(base, {patch}, "F16"), folder / "new");
  const auto total = [](const fs::path& path) {
    return nlohmann::json::parse(read_all(path / "model.safetensors.index.json"))["metadata"]["total_size"]
        .get<std::int64_t>();
  };
  EXPECT_EQ(total(folder / "new"), total(parity("llama_sharded")) - 2 * 32 * 80);
  const Model written = load_quietly(folder / "new");
  EXPECT_EQ(open_checkpoint(folder / "new")->find("model.layers.1.mlp.down_proj.weight")->type->name, "F16");
}

// llama_sharded with one tensor in both of its shards.
fs::path with_a_tensor_twice(const fs::path& folder, const std::string& name) {
  copy_folder(parity("llama_sharded"), folder);
  const auto whole = open_checkpoint(folder);
  const TensorInfo& repeated = *whole->find(name);
  const fs::path other = folder / (repeated.file.filename() == "model-00001-of-00002.safetensors"
                                       ? "model-00002-of-00002.safetensors"
                                       : "model-00001-of-00002.safetensors");
  const auto old = open_safetensors(other);
  std::vector<TensorToWrite> tensors;
  const auto add = [&](const TensorFile& file, const TensorInfo& tensor) {
    tensors.push_back({tensor.name, std::string(tensor.type->name), tensor.shape, file.bytes(tensor)});
  };
  for (const TensorInfo& tensor : old->tensors()) add(*old, tensor);
  add(*whole, repeated);
  write_safetensors(other, tensors, old->metadata());  // both stay mapped: the file is replaced, not altered
  return folder;
}

TEST(Writing, ATensorThatTwoShardsStoreChangesInBoth) {
  const TempFolder folder;
  const std::string name = "model.layers.1.mlp.down_proj.weight";
  const fs::path source = with_a_tensor_twice(folder / "m", name);
  const auto before = snapshot(source);
  const Model base = load_quietly(source);
  const WritePlan plan = plan_write(base, {tiny_patch(base, 1, 2, 0.5)}, "");
  const Model written = load_quietly(write_new(plan, folder / "new"));
  EXPECT_FALSE(at::equal(down(written, 1), down(base, 1)));
  for (const char* const shard : {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}) {
    const auto file = open_safetensors(folder / "new" / shard);
    const TensorInfo* const tensor = file->find(name);
    ASSERT_NE(tensor, nullptr) << shard;
    const auto bytes = file->bytes(*tensor);
    EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), plan.tensors[0].bytes.begin())) << shard;
  }
  write_in_place(plan);
  EXPECT_EQ(load_quietly(source).fingerprint(), written.fingerprint());
  EXPECT_EQ(revert(source).size(), 2U);
  EXPECT_EQ(snapshot(source), before);
}

TEST(WriteNew, TakesASingleFile) {
  const TempFolder folder;
  copy_folder(parity("gpt2"), folder / "source");
  const auto file = folder / "source/model.safetensors";
  const Model base = load_quietly(file);
  const auto written = write_new(plan_write(base, {tiny_patch(base, 0, 2, 0.5)}, ""), folder / "new");
  EXPECT_EQ(written, folder / "new/model.safetensors");
  EXPECT_EQ(snapshot(folder / "new").size(), 2U);  // with config.json; not the recorded logits
  EXPECT_NO_THROW(load_quietly(written));
}

TEST(WriteNew, WritesEveryTypeOfGguf) {
  for (const std::string family : {"gpt2", "llama"}) {
    for (const GgufType stored : {GgufType::kF32, GgufType::kF16, GgufType::kBF16, GgufType::kQ4_0,
                                  GgufType::kQ4_1, GgufType::kQ8_0}) {
      const TempFolder folder;
      const auto source = folder.write("m.gguf", tiny_gguf(family, stored).bytes());
      Model base = load_quietly(source);
      const Patch patch = tiny_patch(base, 1, 2, 2.0);
      for (const std::string type :
           {"", "own", "F32", "F16", "BF16", "Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0", "IQ4_NL"}) {
        const WritePlan plan = plan_write(base, {patch}, type);
        const auto out = folder / ("new-" + type + ".gguf");
        write_new(plan, out);
        expect_others_equal(source, out, "blk.1.ffn_down.weight");
        const Model written = load_quietly(out);
        const ScopedEdit scope(base, patch.edit.changes);
        const double error =
            ((down(written, 1) - down(base, 1)).norm() / down(base, 1).norm()).item<double>();
        const double most = type == "F32" || (stored == GgufType::kF32 && type.empty()) ? 0 : 0.1;
        EXPECT_LE(error, most) << family << ", " << type;
        if (type.empty()) {
          EXPECT_EQ(plan.tensors[0].new_type, stored == GgufType::kF32 ? "F32" : "F16");
        }
        if (type == "own") {
          EXPECT_EQ(plan.tensors[0].new_type, plan.tensors[0].old_type);
        }
      }
    }
  }
}

// All tensors lie in the first file; the second has none.
fs::path split_model(const TempFolder& folder) {
  GgufCheckpoint first = tiny_gguf("llama", GgufType::kQ8_0);
  first.add_integer("split.no", 0);
  first.add_integer("split.count", 2);
  GgufFile second;
  second.pairs = {gguf_pair("split.no", 4, u32(1)), gguf_pair("split.count", 4, u32(2))};
  folder.write("m/m-00002-of-00002.gguf", second.bytes());
  return folder.write("m/m-00001-of-00002.gguf", first.bytes());
}

TEST(WriteNew, ASplitModelComesWithAllItsFiles) {
  const TempFolder folder;
  const fs::path source = split_model(folder), other = source.parent_path() / "m-00002-of-00002.gguf";
  const Model base = load_quietly(other);  // any of its files names the model
  const fs::path out = write_new(plan_write(base, {tiny_patch(base, 1, 2, 2.0)}, "F16"), folder / "new");
  EXPECT_EQ(out, folder / "new" / other.filename());
  EXPECT_EQ(read_all(out), read_all(other));
  expect_others_equal(source, out, "blk.1.ffn_down.weight");
  EXPECT_NE(load_quietly(out).fingerprint(), base.fingerprint());
}

TEST(WriteInPlace, OfASplitModelOnlyTheFileThatChangesIsReplaced) {
  const TempFolder folder;
  const fs::path source = split_model(folder), other = source.parent_path() / "m-00002-of-00002.gguf";
  const std::string before = read_all(source), untouched = read_all(other);
  const auto time = fs::last_write_time(other);
  const Model base = load_quietly(source);
  write_in_place(plan_write(base, {tiny_patch(base, 1, 2, 2.0)}, "own"));
  EXPECT_NE(read_all(source), before);
  EXPECT_EQ(read_all(other), untouched);
  EXPECT_EQ(fs::last_write_time(other), time);
  revert(source);
  EXPECT_EQ(read_all(source), before);
}

TEST(WriteInPlace, OfASplitModelAnyFileThatNamesItTakesTheWriteBack) {
  const TempFolder folder;
  const fs::path source = split_model(folder), other = source.parent_path() / "m-00002-of-00002.gguf";
  const std::string before = read_all(source);
  write_in_place(plan_write(load_quietly(other), {tiny_patch(load_quietly(other), 1, 2, 2.0)}, "own"));
  EXPECT_NE(read_all(source), before);
  EXPECT_EQ(revert(other), std::vector<fs::path>{source});
  EXPECT_EQ(read_all(source), before);
}

TEST(Writing, ABaseThatChangedSinceThePlanIsRefused) {
  const TempFolder folder;
  const auto file = folder.write("m.gguf", tiny_gguf("llama", GgufType::kF16).bytes());
  const Model base = load_quietly(file);
  const WritePlan plan = plan_write(base, {tiny_patch(base, 1, 3, 1)}, "own");
  write_in_place(plan_write(base, {tiny_patch(base, 1, 2, 1)}, "own"));
  const std::string other = read_all(file);
  for (const auto& write : std::vector<std::function<void()>>{[&] { write_in_place(plan); },
                                                              [&] { write_new(plan, folder / "new"); }})
    EXPECT_THAT(error_of(ErrorKind::kModel, write), HasSubstr("the file changed while it was in use"));
  EXPECT_EQ(read_all(file), other);
  EXPECT_FALSE(fs::exists(folder / "m.gguf.undo.2"));
  EXPECT_FALSE(fs::exists(folder / "new"));
}

TEST(WriteInPlace, NeverReplacesAFileByItsUndoFile) {
  const TempFolder folder;
  const auto file = folder.write("m.gguf", tiny_gguf("llama", GgufType::kF16).bytes());
  const auto other = folder.write("other", "all that is left of something");
  const auto before = snapshot(folder.path());
  const Model base = load_quietly(file);
  const WritePlan plan = plan_write(base, {tiny_patch(base, 1, 3, 1)}, "own");
  for (const fs::path& undo : {file, other})
    EXPECT_THAT(error_of(ErrorKind::kIo, [&] { write_in_place(plan, undo); }),
                HasSubstr("cannot write the undo file " + undo.string()));
  EXPECT_EQ(snapshot(folder.path()), before);
}

TEST(WriteNew, RefusesToTouchTheBaseAndWhatIsThere) {
  const TempFolder folder;
  copy_folder(parity("gpt2"), folder / "m");
  const auto before = snapshot(folder / "m");
  const Model base = load_quietly(folder / "m");
  const WritePlan plan = plan_write(base, {tiny_patch(base, 0, 2, 1)}, "");
  for (const char* const out : {"m", "m/new", "m/../m", ""}) {
    EXPECT_THAT(error_of(ErrorKind::kIo, [&] { write_new(plan, folder / out); }),
                HasSubstr("belongs to the base"));
    EXPECT_THAT(error_of(ErrorKind::kIo, [&] { require_new_place(folder / "m", folder / out); }),
                HasSubstr("belongs to the base"));
  }
  EXPECT_THAT(error_of(ErrorKind::kIo, [&] { write_new(plan, ""); }), HasSubstr("the path is empty"));
  folder.write("full/x", "x");
  EXPECT_THAT(error_of(ErrorKind::kIo, [&] { write_new(plan, folder / "full"); }),
              HasSubstr("in this folder already"));
  EXPECT_EQ(snapshot(folder / "m"), before);
  EXPECT_THAT(error_of(ErrorKind::kIo, [&] { require_new_place(folder / "m", folder / "full"); }),
              HasSubstr("in this folder already"));
  EXPECT_THAT(error_of(ErrorKind::kIo, [&] { require_new_place(folder / "m", folder / "full/x/y"); }),
              HasSubstr("is not a folder"));
  EXPECT_EQ(snapshot(folder / "full").size(), 1U);
  EXPECT_NO_THROW(require_new_place(folder / "m", folder / "deep/new"));
  EXPECT_FALSE(fs::exists(folder / "deep"));
  fs::create_directory(folder / "empty");
  EXPECT_NO_THROW(write_new(plan, folder / "empty"));
}

// What is written follows from the base; the name must not say otherwise.
TEST(WriteNew, RefusesANameOfAnotherForm) {
  const TempFolder folder;
  const fs::path gguf = folder.write("m/blob", tiny_gguf("llama", GgufType::kF32).bytes());
  for (const fs::path& base : {gguf, parity("gpt2")}) {
    const Model model = load_quietly(base);
    const WritePlan plan = plan_write(model, {tiny_patch(model, 0, 2, 1)}, "");
    const std::string form = base == gguf ? "a GGUF file" : "a folder";
    for (const std::string ending : {".safetensors", ".gguf", ".npz"}) {
      if (base == gguf && ending == ".gguf") continue;
      const fs::path out = folder / ("new" + ending);
      for (const std::string& message : {error_of(ErrorKind::kUsage, [&] { require_new_place(base, out); }),
                                         error_of(ErrorKind::kUsage, [&] { write_new(plan, out); })})
        EXPECT_THAT(message, HasSubstr("new" + ending + ": what is written here is " + form +
                                       ", and the name ends in " + ending));
      EXPECT_FALSE(fs::exists(out));
    }
    EXPECT_NO_THROW(write_new(plan, folder / (base == gguf ? "v0.5.gguf" : "v0.5")));
  }
}

}  // namespace
}  // namespace emend
