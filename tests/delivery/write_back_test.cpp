#include "emend/write_back.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "emend/edit.h"
#include "emend/error.h"
#include "io/block_format.h"
#include "io/half.h"
#include "io/imatrix.h"
#include "tests/base/expect_error.h"
#include "tests/delivery/tiny_edit.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using namespace test;
using testing::HasSubstr;
using testing::Pair;

fs::path parity(const std::string& name) {
  return data_path("parity/" + name);
}

at::Tensor down(const Model& model, int block) {
  return model.weights().blocks[static_cast<std::size_t>(block)].mlp_down;
}

// Every tensor but `changed` has the same bytes, type and shape in both.
void expect_others_equal(const fs::path& before, const fs::path& after, const std::string& changed) {
  const auto old_file = open_checkpoint(before), new_file = open_checkpoint(after);
  ASSERT_EQ(old_file->tensors().size(), new_file->tensors().size());
  for (std::size_t i = 0; i < old_file->tensors().size(); ++i) {
    const TensorInfo& a = old_file->tensors()[i];
    const TensorInfo& b = new_file->tensors()[i];
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(a.shape, b.shape);
    const auto x = old_file->bytes(a), y = new_file->bytes(b);
    const bool equal = x.size() == y.size() && std::equal(x.begin(), x.end(), y.begin());
    if (a.name == changed)
      EXPECT_FALSE(equal) << a.name;
    else
      EXPECT_TRUE(equal && a.type == b.type) << a.name;
  }
  EXPECT_EQ(old_file->metadata(), new_file->metadata());
  EXPECT_EQ(old_file->gguf_metadata(), new_file->gguf_metadata());
}

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

TEST(PlanWrite, SaysWhatArrives) {
  const TempFolder folder;
  const Model base = load_quietly(folder.write("m.gguf", tiny_gguf("llama", GgufType::kQ8_0).bytes()));
  const Patch patch = tiny_patch(base, 1, 2, 2.0);
  const WritePlan exact = plan_write(base, {patch}, "F32");
  ASSERT_EQ(exact.facts.size(), 1U);
  EXPECT_EQ(exact.facts[0].id, "fact-1");
  EXPECT_NEAR(exact.facts[0].wanted, 2.0, 1e-5);
  EXPECT_NEAR(exact.facts[0].arrived, 2.0, 1e-4);
  EXPECT_NEAR(exact.facts[0].share, 1, 1e-5);
  EXPECT_LT(exact.facts[0].error, 1e-4);
  EXPECT_NEAR(exact.tensors[0].share, 1, 1e-5);
  // The coarser the type, the more rounding; measured here by hand.
  double last = exact.facts[0].error;
  for (const std::string type : {"F16", "Q8_0", "Q4_0"}) {
    const WritePlan plan = plan_write(base, {patch}, type);
    EXPECT_GT(plan.facts[0].error, last) << type;
    last = plan.facts[0].error;
    write_new(plan, folder / ("n-" + type));
    const Model written = load_quietly(folder / ("n-" + type));
    const at::Tensor key = patch.edit.facts[0].parts[0].keys[0];
    const at::Tensor moved = at::mv(down(written, 1) - down(base, 1), key);
    EXPECT_NEAR(plan.facts[0].arrived, moved.norm().item<double>(), 1e-4) << type;
    EXPECT_NEAR(plan.facts[0].error,
                ((moved - patch.edit.facts[0].parts[0].residual).norm() / 2).item<double>(), 1e-4);
  }
}

// Rounding to nearest would keep none of it: the change is a small part of a step.
TEST(PlanWrite, AQuantisedTypeThatIsKeptHoldsAFaintEdit) {
  for (const GgufType stored : {GgufType::kQ4_0, GgufType::kQ4_1, GgufType::kQ8_0}) {
    const TempFolder folder;
    const fs::path source = folder.write("m.gguf", tiny_gguf("llama", stored).bytes());
    const std::string before = read_all(source);
    const Model base = load_quietly(source);
    const double value =
        at::mv(down(base, 1), tiny_patch(base, 1, 2, 1).edit.facts[0].parts[0].keys[0]).norm().item<double>();
    const Patch patch = tiny_patch(base, 1, 2, value / 2);
    const WritePlan plan = plan_write(base, {patch}, "own");
    ASSERT_TRUE(plan.tensors[0].rounding);
    const RoundingReport& report = *plan.tensors[0].rounding;
    EXPECT_EQ(report.keys, 1);
    EXPECT_GE(report.worst_share, 0.98);
    EXPECT_DOUBLE_EQ(report.worst_share, report.mean_share);
    EXPECT_NEAR(plan.facts[0].share, report.worst_share, 1e-9);
    EXPECT_GT(report.blocks_changed, 0);
    EXPECT_LE(report.blocks_changed, report.blocks);
    EXPECT_FALSE(report.with_statistics);
    const at::Tensor C = at::eye(base.config().d_ff, at::kDouble) * 3;
    const WritePlan weighted = plan_write(base, {patch}, "own", LayerMoments{{1, C}});
    EXPECT_TRUE(weighted.tensors[0].rounding->with_statistics);
    EXPECT_NEAR(weighted.facts[0].share, 1, 0.02);
    EXPECT_FALSE(plan_write(base, {patch}, "F16").tensors[0].rounding);
    write_in_place(plan);
    EXPECT_NE(read_all(source), before);
    revert(source);
    EXPECT_EQ(read_all(source), before);
  }
}

// An importance matrix weights what statistics do not cover, and is looked at only where it is needed.
TEST(PlanWrite, AnImportanceMatrixWeightsTheRounding) {
  const TempFolder folder;
  const Model base = load_quietly(folder.write("m.gguf", tiny_gguf("llama", GgufType::kQ4_0).bytes()));
  const auto width = static_cast<std::size_t>(base.config().d_ff);
  const Patch patch = tiny_patch(base, 1, 2, 1);
  std::vector<float> sums(width);
  for (std::size_t i = 0; i < width; ++i) sums[i] = i % 5 == 0 ? 90.0F : 3.0F;
  Imatrix imatrix;
  imatrix.entries["blk.1.ffn_down.weight"] = {sums, {3}};
  write_imatrix(folder / "i.gguf", imatrix);
  RoundingWeights by_imatrix;
  by_imatrix.imatrix = folder / "i.gguf";
  const WritePlan plan = plan_write(base, {patch}, "own", by_imatrix);
  ASSERT_TRUE(plan.tensors[0].rounding);
  EXPECT_TRUE(plan.tensors[0].rounding->with_statistics);
  EXPECT_TRUE(plan.tensors[0].rounding->diagonal);
  EXPECT_NEAR(plan.facts[0].share, 1, 0.02);
  const at::Tensor diagonal = at::tensor(sums, at::kDouble) / 3;
  const WritePlan same = plan_write(base, {patch}, "own", LayerMoments{{1, at::diag(diagonal)}});
  EXPECT_EQ(plan.tensors[0].bytes, same.tensors[0].bytes);
  EXPECT_NEAR(plan.tensors[0].rounding->stray, same.tensors[0].rounding->stray, 1e-9);
  EXPECT_FALSE(same.tensors[0].rounding->diagonal);
  EXPECT_NE(plan.tensors[0].bytes, plan_write(base, {patch}, "own").tensors[0].bytes);
  // Statistics come first where there are both.
  RoundingWeights both(LayerMoments{{1, at::eye(base.config().d_ff, at::kDouble)}});
  both.imatrix = by_imatrix.imatrix;
  EXPECT_FALSE(plan_write(base, {patch}, "own", both).tensors[0].rounding->diagonal);
  EXPECT_NO_THROW(plan_write(base, {tiny_patch(base, 0, 2, 1)}, "F16", by_imatrix));
  EXPECT_THAT(
      error_of(ErrorKind::kModel, [&] { plan_write(base, {tiny_patch(base, 0, 2, 1)}, "own", by_imatrix); }),
      testing::AllOf(HasSubstr("i.gguf"), HasSubstr("no entry for \"blk.0.ffn_down.weight\"")));
  imatrix.entries["blk.9.ffn_down.weight"] = {sums, {3}};
  write_imatrix(folder / "i.gguf", imatrix);
  EXPECT_THAT(error_of(ErrorKind::kModel, [&] { plan_write(base, {patch}, "own", by_imatrix); }),
              HasSubstr("of another model"));
}

TEST(PlanWrite, ATypeThatLosesTheEditIsNamedWithTheLoss) {
  const Model base = load_quietly(parity("llama_bf16"));
  const Patch faint = tiny_patch(base, 1, 2, 1e-4);  // below half a unit of bfloat16
  const WritePlan plan = plan_write(base, {faint}, "own");
  EXPECT_LT(plan.facts[0].share, 0.5);
  EXPECT_THAT(error_of(ErrorKind::kModel, [&] { require_holds(plan); }),
              testing::AllOf(HasSubstr("BF16 does not hold the edit \"fact-1\""),
                             HasSubstr("% of its update"), HasSubstr("F32")));
  EXPECT_NO_THROW(require_holds(plan_write(base, {faint}, "F32")));
}

TEST(PlanWrite, OverflowIsRefused) {
  const Model base = load_quietly(parity("gpt2_f16"));
  const Patch huge = tiny_patch(base, 0, 2, 1e6);
  EXPECT_THAT(error_of(ErrorKind::kModel, [&] { plan_write(base, {huge}, "own"); }),
              testing::AllOf(HasSubstr("transformer.h.0.mlp.c_proj.weight"),
                             HasSubstr("F16 cannot hold the edited weights"), HasSubstr("F32")));
  EXPECT_NO_THROW(plan_write(base, {huge}, "F32"));
}

// Random codes and modest scales: weights that lie on the grid of `type`.
StoredDown on_grid(const std::string& name) {
  const ElementType& type = element_type(name);
  std::mt19937 random(3);
  std::string bytes(32 * 256 / type.block_elements * type.block_bytes, '\0');
  for (std::size_t at = 0; at < bytes.size(); at += type.block_bytes) {
    BlockScales scales;
    scales.d = name == "MXFP4" ? 121 : float_to_half(0.01F);
    scales.dmin = float_to_half(0.002F);
    for (std::size_t g = 0; g < kMostBlockGroups; ++g) {
      scales.scale_code[g] = static_cast<std::int16_t>(1 + random() % 8);
      scales.minimum_code[g] = static_cast<std::int16_t>(random() % 8);
    }
    BlockCodes codes{};
    const unsigned count = std::min(type.format->code_count, name == "TQ2_0" ? 3U : 256U);
    for (std::size_t i = 0; i < type.block_elements; ++i)
      codes[i] = static_cast<std::uint8_t>(random() % count);
    type.format->pack(scales, codes, reinterpret_cast<std::byte*>(&bytes[at]));
  }
  return {&type, bytes};
}

class OwnType : public testing::TestWithParam<const char*> {};

// What the plan says is measured again on the file that was written, by hand.
TEST_P(OwnType, TheReportedShareIsThatOfTheBytesInTheFile) {
  const TempFolder folder;
  const fs::path source =
      folder.write("m.gguf", tiny_gguf("llama", GgufType::kF32, on_grid(GetParam())).bytes());
  const Model base = load_quietly(source);
  const at::Tensor key = tiny_patch(base, 1, 2, 1).edit.facts[0].parts[0].keys[0];
  const double value = at::mv(down(base, 1), key).norm().item<double>();
  const Patch patch = tiny_patch(base, 1, 2, value / 2);
  const WritePlan plan = plan_write(base, {patch}, "own");
  EXPECT_EQ(plan.tensors[0].new_type, GetParam());
  ASSERT_TRUE(plan.tensors[0].rounding);
  const RoundingReport& report = *plan.tensors[0].rounding;
  EXPECT_GE(report.worst_share, 0.98);
  write_new(plan, folder / "new.gguf");
  expect_others_equal(source, folder / "new.gguf", "blk.1.ffn_down.weight");
  const at::Tensor moved = down(load_quietly(folder / "new.gguf"), 1).to(at::kDouble) - down(base, 1);
  const at::Tensor k = key.to(at::kDouble);
  const at::Tensor wanted = at::mv(patch.edit.changes[0].delta(at::kDouble), k);
  const double share = (at::mv(moved, k).dot(wanted) / wanted.dot(wanted)).item<double>();
  EXPECT_NEAR(report.worst_share, share, 1e-6);
  EXPECT_NEAR(plan.facts[0].share, share, 1e-6);
  EXPECT_NEAR(plan.facts[0].arrived, at::mv(moved, k).norm().item<double>(), 1e-6 * value);
}

INSTANTIATE_TEST_SUITE_P(Types, OwnType,
                         testing::Values("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K",
                                         "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS", "MXFP4", "TQ1_0", "TQ2_0"),
                         [](const auto& instance) { return std::string(instance.param); });

// A scale is a half: beyond it blocks would hold infinities, or their ends would be cut off.
TEST(PlanWrite, ABlockWhoseScaleIsNoHalfIsRefusedByNameBeforeAnythingIsWritten) {
  const TempFolder folder;
  const fs::path source = folder.write("m.gguf", tiny_gguf("llama", GgufType::kQ8_0).bytes());
  const Model base = load_quietly(source);
  Patch patch = tiny_patch(base, 1, 2, 1);
  at::Tensor change = at::zeros({32, 96});
  change[5][70] = 1e9;
  patch.edit.changes[0] = WeightChange::dense(patch.edit.changes[0].weight, change);
  for (const std::string type : {"own", "F16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "IQ4_NL"})
    EXPECT_THAT(
        error_of(ErrorKind::kModel, [&] { plan_write(base, {patch}, type); }),
        testing::AllOf(HasSubstr("\"blk.1.ffn_down.weight\": "), HasSubstr("cannot hold the edited weights"),
                       HasSubstr(type == "F16" ? "row 5, column 70" : "row 5, block 2")))
        << type;
  EXPECT_NO_THROW(plan_write(base, {patch}, "BF16"));
}

TEST(PlanWrite, ATypeThatIsOnlyReadIsKeptButNotChosen) {
  const TempFolder folder;
  const Model base = load_quietly(folder.write("m.gguf", tiny_gguf("llama", GgufType::kMxfp4).bytes()));
  const Patch patch = tiny_patch(base, 1, 3, 1);
  EXPECT_EQ(plan_write(base, {patch}, "own").tensors[0].new_type, "MXFP4");
  EXPECT_THAT(error_of(ErrorKind::kConfig, [&] { plan_write(base, {patch}, "MXFP4"); }),
              HasSubstr("a GGUF file cannot store edited weights as \"MXFP4\""));
  EXPECT_EQ(plan_write(base, {patch}, "").tensors[0].new_type, "F16");
}

TEST(PlanWrite, ABaseThatChangedSinceItWasLoadedIsRefused) {
  const TempFolder folder;
  const auto file = folder.write("m.gguf", tiny_gguf("llama", GgufType::kF16).bytes());
  const Model base = load_quietly(file);
  const Patch patch = tiny_patch(base, 1, 3, 1);
  write_new(plan_write(base, {patch}, ""), folder / "edited.gguf");
  fs::rename(folder / "edited.gguf", file);
  EXPECT_THAT(
      error_of(ErrorKind::kModel, [&] { plan_write(base, {patch}, ""); }),
      testing::AllOf(HasSubstr("\"blk.1.ffn_down.weight\" is not what was loaded"), HasSubstr("m.gguf")));
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

TEST(PlanWrite, RefusesTypesThatTheFormatHasNot) {
  const TempFolder folder;
  const Model base = load_quietly(parity("gpt2"));
  const Patch patch = tiny_patch(base, 0, 2, 1);
  const auto refused = [&](const Model& model, const std::string& type) {
    return error_of(ErrorKind::kConfig, [&] { plan_write(model, {tiny_patch(model, 0, 2, 1)}, type); });
  };
  EXPECT_THAT(refused(base, "Q8_0"),
              HasSubstr("a safetensors checkpoint cannot store edited weights as \"Q8_0\""));
  EXPECT_THAT(refused(base, "F17"), HasSubstr("did you mean \"F16\"?"));
  const Model odd =
      load_quietly(folder.write("m.gguf", llama_as_gguf("llama_gqa_tied", GgufType::kF32).bytes()));
  EXPECT_THAT(refused(odd, "Q8_0"), HasSubstr("rows of 80 elements, no whole number of Q8_0 blocks of 32"));
  const Model random = Model::make_random(base.config(), 1, {});
  EXPECT_THROW(plan_write(random, {tiny_patch(random, 0, 2, 1)}, ""), Error);
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

}  // namespace
}  // namespace emend
