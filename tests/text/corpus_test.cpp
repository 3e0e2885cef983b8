#include "text/corpus.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "tests/base/expect_error.h"
#include "tests/base/temp_folder.h"

namespace emend {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> documents_of(const std::filesystem::path& file, const std::string& field = "text") {
  DocumentReader reader(file, field);
  std::vector<std::string> texts;
  for (Document document; reader.next(document);) texts.push_back(document.text);
  return texts;
}

std::string lines(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += "document number " + std::to_string(i) + "\n";
  return text;
}

CorpusIndex scan(const std::vector<std::filesystem::path>& paths, std::uint64_t seed = 0) {
  SilentProgress silent;
  return scan_corpus(paths, "text", seed, silent);
}

std::vector<std::string> sample(const CorpusIndex& index, std::size_t count) {
  std::vector<std::string> texts;
  for (const SampledDocument& document : read_documents(index, 0, count)) texts.push_back(document.text);
  return texts;
}

TEST(DocumentReader, CutsPlainTextAtEmptyLines) {
  const test::TempFolder folder;
  EXPECT_THAT(documents_of(folder.write("a.txt", "\xEF\xBB\xBFone\ntwo\n\n \t\nthree\r\n\nfour")),
              ElementsAre("one\ntwo", "three", "four"));
  EXPECT_THAT(documents_of(folder.write("b.txt", "one\ntwo\nthree\n")), ElementsAre("one", "two", "three"));
  EXPECT_THAT(documents_of(folder.write("c.txt", "")), ElementsAre());
}

TEST(DocumentReader, ReadsJsonLines) {
  const test::TempFolder folder;
  const auto file = folder.write(
      "a.jsonl", "{\"text\": \"one\\n\\ntwo\", \"id\": 1}\n\n{\"text\": \"\"}\n{\"text\": \"three\"}");
  EXPECT_THAT(documents_of(file), ElementsAre("one\n\ntwo", "three"));
}

TEST(DocumentReader, NamesTheLineThatIsWrong) {
  const test::TempFolder folder;
  const auto refusal = [&](const std::string& line, const std::string& field = "text") {
    const auto file = folder.write("a.jsonl", "{\"text\": \"one\"}\n" + line + "\n");
    return test::error_of(ErrorKind::kFormat, [&] { documents_of(file, field); });
  };
  EXPECT_THAT(refusal("{\"text\": "), HasSubstr("a.jsonl:2"));
  EXPECT_THAT(refusal("[1]"), AllOf(HasSubstr("a.jsonl:2"), HasSubstr("object")));
  EXPECT_THAT(refusal("{\"body\": \"x\", \"title\": \"y\"}"),
              AllOf(HasSubstr("a.jsonl:2"), HasSubstr("body, title"), HasSubstr("option text-field")));
  EXPECT_THAT(refusal("{\"text\": 7}"), AllOf(HasSubstr("a.jsonl:2"), HasSubstr("number")));
}

TEST(DocumentReader, ReplacesAndCountsWhatIsNotUtf8) {
  const test::TempFolder folder;
  DocumentReader reader(folder.write("a.txt", "caf\xE9 au lait\n\x80\x80 b\xE2\x82\n\xF0\x9F\x98\x80\n"),
                        "text");
  std::vector<std::string> texts;
  for (Document document; reader.next(document);) texts.push_back(document.text);
  EXPECT_THAT(texts,
              ElementsAre("caf\xEF\xBF\xBD au lait", "\xEF\xBF\xBD b\xEF\xBF\xBD", "\xF0\x9F\x98\x80"));
  EXPECT_EQ(reader.repaired(), 3);
}

TEST(DocumentReader, CutsAVeryLongLineBetweenCharacters) {
  const test::TempFolder folder;
  std::string text = "x";
  for (int i = 0; i < 1'000'000; ++i) text += "\xC3\xA9";
  DocumentReader reader(folder.write("a.txt", text), "text");
  std::string joined;
  int count = 0;
  for (Document document; reader.next(document); ++count) joined += document.text;
  EXPECT_EQ(joined, text);
  EXPECT_EQ(count, 2);
  EXPECT_EQ(reader.repaired(), 0);
}

TEST(Corpus, OrderIsOfSeedAndTextAloneNotOfFiles) {
  const test::TempFolder folder;
  const auto whole = folder.write("whole.txt", lines(100));
  folder.write("parts/b.txt", lines(60));
  folder.write("parts/deep/a.jsonl", [] {
    std::string text;
    for (int i = 60; i < 100; ++i) text += "{\"text\": \"document number " + std::to_string(i) + "\"}\n";
    return text;
  }());
  folder.write("parts/.hidden", "not this");
  const auto one = sample(scan({whole}), 100), other = sample(scan({folder / "parts"}), 100);
  EXPECT_EQ(one, other);
  EXPECT_NE(one, sample(scan({whole}, 1), 100));
  EXPECT_NE(one.front(), "document number 0");
  EXPECT_EQ(std::set<std::string>(one.begin(), one.end()).size(), 100u);
}

TEST(Corpus, ASampleOfAPartIsThePartOfTheSample) {
  const test::TempFolder folder;
  const auto all = sample(scan({folder.write("all.txt", lines(100))}), 100);
  const auto part = sample(scan({folder.write("part.txt", lines(30))}), 30);
  std::vector<std::string> kept;
  for (const std::string& text : all)
    if (std::find(part.begin(), part.end(), text) != part.end()) kept.push_back(text);
  EXPECT_EQ(kept, part);
}

TEST(Corpus, WhatStandsThereTwiceCountsOnce) {
  const test::TempFolder folder;
  const CorpusIndex index = scan({folder.write("a.txt", lines(10)), folder.write("b.txt", lines(12))});
  EXPECT_EQ(index.documents.size(), 12u);
  EXPECT_EQ(index.repeated, 10);
  EXPECT_EQ(index.description(), "2 files, 206 bytes");
}

TEST(Corpus, BinaryFilesAreRefusedByNameAndPassedOverInFolders) {
  const test::TempFolder folder;
  const auto binary = folder.write("f/a.bin", std::string("ELF\0\0\0", 6));
  EXPECT_THAT(test::error_of(ErrorKind::kFormat, [&] { scan({binary}); }),
              AllOf(HasSubstr("a.bin"), HasSubstr("not text")));
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { scan({folder / "f"}); }), HasSubstr("no text"));
  folder.write("f/b.txt", lines(3));
  const CorpusIndex index = scan({folder / "f"});
  EXPECT_EQ(index.documents.size(), 3u);
  EXPECT_THAT(index.binary_files, ElementsAre(binary.string()));
}

TEST(Corpus, EmptyOnesAreRefused) {
  const test::TempFolder folder;
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { scan({folder.write("e.txt", " \n\n")}); }),
              HasSubstr("no text"));
  std::filesystem::create_directory(folder / "empty");
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { scan({folder / "empty"}); }), HasSubstr("no files"));
  EXPECT_THAT(test::error_of(ErrorKind::kIo, [&] { scan({folder / "absent.txt"}); }),
              HasSubstr("absent.txt"));
}

TEST(Corpus, AFileThatVanishesOrChangesIsNamed) {
  const test::TempFolder folder;
  const auto file = folder.write("a.txt", lines(20));
  const CorpusIndex index = scan({file});
  folder.write("a.txt", lines(5));
  EXPECT_THAT(test::error_of(ErrorKind::kIo, [&] { read_documents(index, 0, 20); }),
              AllOf(HasSubstr("a.txt"), HasSubstr("changed")));
  std::filesystem::remove(file);
  EXPECT_THAT(test::error_of(ErrorKind::kIo, [&] { read_documents(index, 0, 20); }), HasSubstr("a.txt"));
}

TEST(Corpus, RowsAreWindowsOfADocument) {
  std::vector<std::int64_t> ids(45);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int64_t>(i);
  const auto rows = document_rows(ids, {7}, 21);
  ASSERT_EQ(rows.size(), 2u) << "the last five ids are too few";
  EXPECT_EQ(rows[1].size(), 21u);
  EXPECT_EQ(rows[1][0], 7);
  EXPECT_EQ(rows[1][1], 20);
}

}  // namespace
}  // namespace emend
