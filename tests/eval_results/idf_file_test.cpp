#include "eval/metrics/idf_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "../cli/scratch_folder.h"
#include "emend/error.h"

namespace emend {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

template <typename Number>
std::string bytes_of(const std::vector<Number>& numbers) {
  std::string bytes(numbers.size() * sizeof(Number), '\0');
  std::memcpy(bytes.data(), numbers.data(), bytes.size());
  return bytes;
}

// A file as numpy.save writes it.
std::string npy(const std::string& type, const std::string& shape, const std::string& data,
                char version = 1) {
  std::string header = "{'descr': '" + type + "', 'fortran_order': False, 'shape': " + shape + ", }";
  header.resize((header.size() + 10) / 64 * 64 + 53, ' ');
  header += '\n';
  std::string text = std::string("\x93NUMPY") + version + '\0';
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) text += static_cast<char>(header.size() >> (8 * i) & 0xFF);
  return text + header + data;
}

TEST(Npy, OneRowOfEitherFloatType) {
  EXPECT_THAT(parse_npy(npy("<f8", "(3,)", bytes_of<double>({1.5, 0.1, -2})), "x"),
              ElementsAre(1.5, 0.1, -2));
  EXPECT_THAT(parse_npy(npy("<f4", "(1, 2)", bytes_of<float>({0.5, 3}), 2), "x"), ElementsAre(0.5, 3));
}

TEST(Npy, RefusesAllElseByName) {
  const std::string one = bytes_of<double>({1});
  const std::vector<std::pair<std::string, std::string>> broken = {
      {"", "not a NumPy file"},
      {"\x93NUMPX and more than that", "not a NumPy file"},
      {npy("<f8", "(1,)", one).substr(0, 40), "the header is longer than the file"},
      {npy("<i8", "(1,)", one), "its type is \"<i8\""},
      {npy(">f8", "(1,)", one), "its type is"},
      {npy("<f8", "(2, 2)", one + one + one + one), "its shape"},
      {npy("<f8", "()", one), "its shape"},
      {npy("<f8", "(2,)", one), "holds 8 bytes of numbers where its shape needs 16"},
      {npy("<f8", "(99999999999999999999999,)", one), "its shape"},
  };
  for (const auto& [bytes, message] : broken) try {
      parse_npy(bytes, "idf.npy");
      ADD_FAILURE() << message;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kFormat);
      EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("idf.npy"), HasSubstr(message)));
    }
}

TEST(IdfFile, GivesWordsTheirWeights) {
  const ScratchFolder folder;
  folder.write("idf.npy", npy("<f8", "(2,)", bytes_of<double>({2, 1})));
  folder.write("tfidf_vocab.json", R"({"sky": 1, "red": 0})");
  const IdfFiles files = read_idf(folder.path());
  EXPECT_EQ(files.idf.size(), 2u);
  EXPECT_EQ(files.idf.weight("red"), 2);
  EXPECT_EQ(files.idf.weight("sky"), 1);
  EXPECT_EQ(files.fingerprint.size(), 64u);
  folder.write("tfidf_vocab.json", R"({"sky": 2})");
  try {
    read_idf(folder.path());
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("the word \"sky\" is at place 2, and"));
  }
}

}  // namespace
}  // namespace emend
