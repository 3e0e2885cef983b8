// A corpus as a seeded order of its documents, and documents as rows of tokens.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "emend/progress.h"
#include "emend/tokenizer.h"
#include "text/document_reader.h"

namespace emend {

// One document by what it holds and where it lies.
struct DocumentEntry {
  std::uint64_t fingerprint = 0;  // first half of the text's XXH3-128
  std::uint64_t rank = 0;         // random, of seed and fingerprint alone: where it stands in the sample
  std::uint32_t file = 0;
  std::uint32_t bytes = 0;
  std::int64_t ordinal = 0;  // documents before it in its file
};

// All documents of a corpus by rank: a prefix of the list is a random sample, the same whatever the order of
// the files, and a sample of a part of the corpus is the part of the sample. Documents that stand there twice
// count once.
struct CorpusIndex {
  std::vector<CorpusFile> files;
  std::string text_field;
  std::vector<DocumentEntry> documents;
  std::vector<std::int64_t> documents_before;  // by file: documents of the files before it, repeated ones too
  std::uint64_t bytes = 0;                     // of all documents
  std::int64_t repaired = 0;                   // pieces that were not UTF-8
  std::int64_t repeated = 0;                   // documents left out because they stand there already
  std::vector<std::string> binary_files;       // passed over in folders
  std::string description() const;             // "3 files, 1.2 MB"
  // Its number in the corpus in the order given, from 0; repeated documents count.
  std::int64_t number(const DocumentEntry& entry) const {
    return documents_before[entry.file] + entry.ordinal;
  }
};

// Reads everything once. Throws as corpus_files and DocumentReader do, and Error(kConfig) when there is no
// text at all.
CorpusIndex scan_corpus(const std::vector<std::filesystem::path>& paths, const std::string& text_field,
                        std::uint64_t seed, Progress& progress);

// The documents index.documents[begin, end) in that order: the files that hold them are read once more.
// Throws Error(kIo) naming file and document if one was removed or changed meanwhile.
struct SampledDocument {
  std::string text;
  std::string where;  // "FILE:LINE"
};
std::vector<SampledDocument> read_documents(const CorpusIndex& index, std::size_t begin, std::size_t end);

// ids of one document as rows of prefix + ids with at most `width` tokens; windows of fewer than `shortest`
// ids are left out.
inline constexpr std::size_t kShortestWindow = 8;
std::vector<std::vector<std::int64_t>> document_rows(const std::vector<std::int64_t>& ids,
                                                     const std::vector<std::int64_t>& prefix,
                                                     std::int64_t width,
                                                     std::size_t shortest = kShortestWindow);

}  // namespace emend
