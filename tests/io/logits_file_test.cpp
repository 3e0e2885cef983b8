#include "io/logits_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "../base/expect_error.h"
#include "../base/temp_folder.h"
#include "base/files.h"

namespace emend {
namespace {

using test::TempFolder;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;

// Two chunks of 5 tokens, told at positions 2 and 3; a vocabulary of 3, so that one code is padding.
LogitsOutline small_outline() {
  return {5, 3, {0, 1, 2, 1, 0, 2, 2, 1, 0, 1}};
}

const std::vector<std::vector<float>> kLogits = {{0, 1, -1}, {5, 5, 5}, {-30, 0, -8}, {2, -2, 0}};

std::string written(const TempFolder& folder) {
  LogitsWriter writer(folder / "b.kld", small_outline());
  for (const std::vector<float>& logits : kLogits) writer.add(logits);
  writer.commit();
  return read_text_file(folder / "b.kld");
}

std::string logits_refusal(const std::string& bytes) {
  const TempFolder folder;
  return test::error_of(ErrorKind::kFormat, [&] { LogitsFile(folder.write("x.kld", bytes)); });
}

template <typename Number>
std::string with_number(std::string bytes, std::size_t at, Number number) {
  std::memcpy(bytes.data() + at, &number, sizeof number);
  return bytes;
}

TEST(LogitsFile, HasTheLayoutOfLlamaPerplexity) {
  const TempFolder folder;
  const std::string bytes = written(folder);
  // 8 + 3 * 4, 10 ids, and 4 positions of two floats and four codes.
  ASSERT_EQ(bytes.size(), 20u + 40 + 4 * 16);
  EXPECT_EQ(bytes.substr(0, 8), "_logits_");
  std::int32_t sizes[3];
  std::memcpy(sizes, bytes.data() + 8, sizeof sizes);
  EXPECT_THAT(sizes, testing::ElementsAre(5, 3, 2));
  float scale = 0, least = 0;
  std::uint16_t codes[4];
  std::memcpy(&scale, bytes.data() + 60, 4);
  std::memcpy(&least, bytes.data() + 64, 4);
  std::memcpy(codes, bytes.data() + 68, 8);
  const double sum = std::log(std::exp(-1.0) + 1 + std::exp(-2.0));
  EXPECT_NEAR(scale, 2 / 65535.0, 1e-10);
  EXPECT_NEAR(least, -2 - sum, 1e-6);
  EXPECT_THAT(codes, testing::ElementsAre(32768, 65535, 0, 0));
}

TEST(LogitsFile, ReadsWhatWasWritten) {
  const TempFolder folder;
  written(folder);
  const LogitsFile file(folder / "b.kld");
  EXPECT_EQ(file.outline().chunks(), 2);
  EXPECT_EQ(file.outline().first(), 2);
  EXPECT_EQ(file.outline().positions(), 2);
  EXPECT_EQ(file.outline().ids, small_outline().ids);
  std::vector<float> row(3);
  for (std::size_t i = 0; i < kLogits.size(); ++i) {
    file.read(static_cast<std::int64_t>(i / 2), static_cast<std::int64_t>(i % 2), row);
    double sum = 0;
    for (const float logit : kLogits[i]) sum += std::exp(logit);
    for (std::size_t t = 0; t < 3; ++t) {
      const double kept =
          std::max(kLogits[i][t], *std::max_element(kLogits[i].begin(), kLogits[i].end()) - 16);
      EXPECT_NEAR(row[t], kept - std::log(sum), 16 / 65535.0) << i << " " << t;
    }
  }
}

TEST(LogitsFile, RefusesWhatIsCutShortAndWhatIsTooLong) {
  const TempFolder folder;
  const std::string bytes = written(folder);
  for (std::size_t length = 1; length < bytes.size(); ++length) logits_refusal(bytes.substr(0, length));
  EXPECT_THAT(
      logits_refusal(bytes.substr(0, bytes.size() - 1)),
      HasSubstr(
          "x.kld: the file is cut short: 123 of 124 bytes; llama-perplexity does not notice a full disk"));
  EXPECT_THAT(logits_refusal(bytes + "x"),
              HasSubstr("125 bytes, where its context of 5, vocabulary of 3 and 2 chunks make 124"));
}

TEST(LogitsFile, RefusesSizesAndNumbersThatCannotBe) {
  const TempFolder folder;
  const std::string bytes = written(folder);
  EXPECT_THAT(logits_refusal("GGUF" + bytes.substr(4)),
              HasSubstr("no file of llama-perplexity --kl-divergence-base"));
  EXPECT_THAT(logits_refusal(with_number(bytes, 8, 3)), EndsWith("context 3, vocabulary 3, chunks 2"));
  EXPECT_THAT(logits_refusal(with_number(bytes, 12, -1)), HasSubstr("sizes that cannot be"));
  EXPECT_THAT(logits_refusal(with_number(bytes, 16, 0)), HasSubstr("sizes that cannot be"));
  EXPECT_THAT(logits_refusal(with_number(bytes, 16, std::numeric_limits<std::int32_t>::max())),
              HasSubstr("the token ids"));
  EXPECT_THAT(logits_refusal(with_number(bytes, 24, 3)),
              HasSubstr("token 1 has id 3, outside of the vocabulary of 3"));
  const LogitsFile file(folder.write("y.kld", with_number(bytes, 92, std::nanf(""))));
  std::vector<float> row(3);
  file.read(0, 0, row);
  EXPECT_THAT(test::error_of(ErrorKind::kFormat, [&] { file.read(1, 0, row); }),
              EndsWith("chunk 1, position 2: numbers that are not finite"));
}

// A file of the right length whose numbers are no distribution would give figures without a word.
TEST(LogitsFile, RefusesWhatIsNoDistribution) {
  const TempFolder folder;
  const std::string bytes = written(folder);
  std::vector<float> row(3);
  for (const auto& [at, number] :
       {std::pair<std::size_t, float>(60, 1e30F), {60, 0.0F}, {60, -1e-3F}, {64, 5.0F}}) {
    const LogitsFile file(folder.write("z.kld", with_number(bytes, at, number)));
    EXPECT_THAT(test::error_of(ErrorKind::kFormat, [&] { file.read(0, 0, row); }),
                AllOf(HasSubstr("chunk 0, position 2: probabilities that sum to"), HasSubstr("damaged")))
        << at << " " << number;
  }
}

TEST(LogitsWriter, LeavesNothingBehindWithoutACommit) {
  const TempFolder folder;
  {
    LogitsWriter writer(folder / "b.kld", small_outline());
    writer.add(kLogits[0]);
    EXPECT_THROW(writer.commit(), std::logic_error);
    EXPECT_THROW(writer.add(std::vector<float>{1, 2}), std::invalid_argument);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace emend
