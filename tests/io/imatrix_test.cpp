#include "io/imatrix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "emend/tensor_file.h"
#include "tests/base/expect_error.h"
#include "tests/base/temp_folder.h"
#include "tests/io/byte_builder.h"

namespace emend {
namespace {

using namespace test;  // builders only
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::string floats(const std::vector<float>& numbers) {
  std::string bytes;
  for (const float number : numbers) bytes += little(number);
  return bytes;
}

std::string strings(const std::vector<std::string>& texts) {
  std::string bytes = u32(8) + u64(texts.size());
  for (const std::string& text : texts) bytes += gguf_string(text);
  return bytes;
}

// An imatrix byte by byte, as llama-imatrix writes it: one dense weight and one of two experts.
class ImatrixBuilder {
 public:
  std::vector<std::string> pairs = {gguf_pair("general.type", 8, gguf_string("imatrix")),
                                    gguf_pair("imatrix.datasets", 9, strings({"wiki.txt", "code.txt"})),
                                    gguf_pair("imatrix.chunk_count", 4, u32(3)),
                                    gguf_pair("imatrix.chunk_size", 4, u32(512))};

  void add(const std::string& name, const std::vector<std::uint64_t>& ne, const std::vector<float>& numbers,
           std::uint32_t type = 0) {
    tensors_.push_back(gguf_tensor(name, ne, type, data_.size()));
    data_ += floats(numbers);
    data_.append((32 - data_.size() % 32) % 32, '\0');
  }
  void add_weight(const std::string& name, const std::vector<float>& sums, float count) {
    add(name + ".in_sum2", {sums.size(), 1}, sums);
    add(name + ".counts", {1, 1}, {count});
  }
  std::string bytes() const { return GgufFile{pairs, tensors_, data_}.bytes(); }

 private:
  std::vector<std::string> tensors_;
  std::string data_;
};

class ReadImatrix : public testing::Test {
 protected:
  Imatrix read(const ImatrixBuilder& builder) const {
    return read_imatrix(folder_.write("i.gguf", builder.bytes()));
  }
  std::string refusal(const ImatrixBuilder& builder) const {
    return error_of(ErrorKind::kFormat, [&] { read(builder); });
  }
  // The refusal of one weight with these sums and count.
  std::string refusal_of(const std::vector<float>& sums, float count) const {
    ImatrixBuilder builder;
    builder.add_weight("blk.0.ffn_down.weight", sums, count);
    return refusal(builder);
  }
  const TempFolder folder_;
};

TEST_F(ReadImatrix, GivesSumsCountsAndWhereTheyAreFrom) {
  ImatrixBuilder builder;
  builder.add_weight("blk.4.ffn_down.weight", {8, 2, 0}, 4);
  builder.add("blk.4.ffn_down_exps.weight.in_sum2", {3, 2}, {1, 2, 3, 0, 0, 0});
  builder.add("blk.4.ffn_down_exps.weight.counts", {1, 2}, {2, 0});
  builder.add("blk.4.ffn_down.weight.in_gram", {2}, {1, 2});  // of another program
  const Imatrix imatrix = read(builder);
  EXPECT_THAT(imatrix.datasets, ElementsAre("wiki.txt", "code.txt"));
  EXPECT_EQ(imatrix.chunk_count, 3);
  EXPECT_EQ(imatrix.chunk_size, 512);
  EXPECT_FALSE(imatrix.settings.has_value());
  ASSERT_EQ(imatrix.entries.size(), 2U);
  EXPECT_THAT(imatrix_diagonal(imatrix, "blk.4.ffn_down.weight", 3), ElementsAre(2, 0.5, 0));
  const ImatrixEntry& experts = imatrix.entries.at("blk.4.ffn_down_exps.weight");
  EXPECT_EQ(experts.width(), 3U);
  EXPECT_THAT(experts.counts, ElementsAre(2, 0));
  EXPECT_THAT(
      error_of(ErrorKind::kModel, [&] { imatrix_diagonal(imatrix, "blk.4.ffn_down_exps.weight", 3); }),
      HasSubstr("2 experts"));
}

TEST_F(ReadImatrix, TheKeysOfItsMakingMayBeMissing) {
  ImatrixBuilder builder;
  builder.pairs.resize(1);
  builder.add_weight("blk.0.ffn_down.weight", {1, 1}, 1);
  const Imatrix imatrix = read(builder);
  EXPECT_TRUE(imatrix.datasets.empty());
  EXPECT_EQ(imatrix.chunk_size, 0);
}

TEST_F(ReadImatrix, RefusesFilesThatAreNone) {
  ImatrixBuilder model;
  model.pairs = {gguf_pair("general.type", 8, gguf_string("model"))};
  model.add_weight("blk.0.ffn_down.weight", {1}, 1);
  EXPECT_THAT(refusal(model),
              AllOf(HasSubstr("i.gguf"), HasSubstr("no imatrix"), HasSubstr("general.type is \"model\"")));
  model.pairs.clear();
  EXPECT_THAT(refusal(model), HasSubstr("general.type is missing"));
  EXPECT_THAT(refusal(ImatrixBuilder()), HasSubstr("no entry"));
  ImatrixBuilder keys;
  keys.pairs[2] = gguf_pair("imatrix.chunk_count", 8, gguf_string("three"));
  EXPECT_THAT(refusal(keys), HasSubstr("imatrix.chunk_count must be an integer"));
  EXPECT_THAT(error_of(ErrorKind::kIo, [&] { read_imatrix(folder_ / "none.gguf"); }), HasSubstr("none.gguf"));
}

TEST_F(ReadImatrix, RefusesTheOldFormatAndSaysWhatToDo) {
  const std::string name = "blk.0.ffn_down.weight";
  const std::string old = little(std::int32_t{1}) + little(static_cast<std::int32_t>(name.size())) + name +
                          little(std::int32_t{4}) + little(std::int32_t{2}) + floats({1, 2});
  const auto path = folder_.write("imatrix.dat", old);
  EXPECT_TRUE(may_be_imatrix(path));
  EXPECT_THAT(error_of(ErrorKind::kFormat, [&] { read_imatrix(path); }),
              AllOf(HasSubstr("imatrix.dat"), HasSubstr("old format"), HasSubstr("llama-imatrix --in-file")));
  EXPECT_FALSE(may_be_imatrix(folder_.write("a.npz", "PK\x03\x04 and so on and so forth")));
  EXPECT_FALSE(may_be_imatrix(folder_.write("empty", "")));
}

TEST_F(ReadImatrix, RefusesHalvesOfAnEntry) {
  ImatrixBuilder sums, counts;
  sums.add("blk.0.ffn_down.weight.in_sum2", {2}, {1, 2});
  EXPECT_THAT(refusal(sums), HasSubstr("\"blk.0.ffn_down.weight.counts\" is missing"));
  counts.add("blk.0.ffn_down.weight.counts", {1}, {1});
  EXPECT_THAT(refusal(counts), HasSubstr("\"blk.0.ffn_down.weight.in_sum2\" is missing"));
}

TEST_F(ReadImatrix, RefusesNumbersThatAreNoSumsOrCounts) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  EXPECT_THAT(refusal_of({1, nan}, 2), AllOf(HasSubstr("in_sum2"), HasSubstr("nan")));
  EXPECT_THAT(refusal_of({1, inf}, 2), AllOf(HasSubstr("in_sum2"), HasSubstr("inf")));
  EXPECT_THAT(refusal_of({1, -1}, 2), AllOf(HasSubstr("in_sum2"), HasSubstr("-1")));
  EXPECT_THAT(refusal_of({1, 1}, 0), AllOf(HasSubstr("counts"), HasSubstr("nothing was summed")));
  for (const float count : {-1.0F, 1.5F, nan, inf})
    EXPECT_THAT(refusal_of({1, 1}, count), AllOf(HasSubstr("counts"), HasSubstr("numbers of rows"))) << count;
  EXPECT_THAT(refusal_of({}, 1), HasSubstr("0 elements"));
}

TEST_F(ReadImatrix, RefusesSizesAndTypesThatDoNotGoTogether) {
  ImatrixBuilder sizes, types;
  sizes.add("w.in_sum2", {3}, {1, 2, 3});
  sizes.add("w.counts", {2}, {1, 1});
  EXPECT_THAT(refusal(sizes), HasSubstr("3 elements, which 2 counts do not divide"));
  types.add("w.in_sum2", {4}, {1, 2}, 1);  // F16
  types.add("w.counts", {1}, {1});
  EXPECT_THAT(refusal(types), HasSubstr("must be F32, found F16"));
}

TEST_F(ReadImatrix, OfAnotherModelIsRefused) {
  ImatrixBuilder builder;
  builder.add_weight("blk.5.ffn_down.weight", {1, 2}, 1);
  builder.add_weight("output.weight", {1, 2}, 1);
  const Imatrix imatrix = read(builder);
  EXPECT_NO_THROW(require_imatrix_of(imatrix, 6));
  EXPECT_THAT(error_of(ErrorKind::kModel, [&] { require_imatrix_of(imatrix, 5); }),
              AllOf(HasSubstr("i.gguf"), HasSubstr("blk.5.ffn_down.weight"), HasSubstr("blocks 0 to 4")));
  EXPECT_THAT(error_of(ErrorKind::kModel, [&] { imatrix_diagonal(imatrix, "blk.5.ffn_down.weight", 3); }),
              HasSubstr("2 channels, and the weight has 3"));
  EXPECT_THAT(error_of(ErrorKind::kModel, [&] { imatrix_diagonal(imatrix, "blk.4.ffn_down.weight", 2); }),
              HasSubstr("no entry for \"blk.4.ffn_down.weight\""));
}

TEST_F(ReadImatrix, ReadsWhatIsWritten) {
  Imatrix made;
  made.entries["blk.0.ffn_down.weight"] = {{1.5F, 0, 3}, {7}};
  made.entries["blk.1.ffn_down.weight"] = {{1, 2, 3, 4, 5, 6}, {7, 8}};
  made.datasets = {"self, seed 0"};
  made.chunk_count = 2;
  made.chunk_size = 512;
  made.settings = "position 0 left out";
  const auto path = folder_ / "deep/made.gguf";
  write_imatrix(path, made);
  const Imatrix read = read_imatrix(path);
  EXPECT_EQ(read.datasets, made.datasets);
  EXPECT_EQ(read.chunk_count, 2);
  EXPECT_EQ(read.chunk_size, 512);
  EXPECT_EQ(read.settings, made.settings);
  ASSERT_EQ(read.entries.size(), 2U);
  for (const auto& [name, entry] : made.entries) {
    EXPECT_EQ(read.entries.at(name).sums, entry.sums) << name;
    EXPECT_EQ(read.entries.at(name).counts, entry.counts) << name;
  }
  // The shapes of llama.cpp: [experts, width] and [experts, 1].
  const auto file = open_gguf(path);
  EXPECT_THAT(file->find("blk.1.ffn_down.weight.in_sum2")->shape, ElementsAre(2, 3));
  EXPECT_THAT(file->find("blk.1.ffn_down.weight.counts")->shape, ElementsAre(2, 1));
}

}  // namespace
}  // namespace emend
