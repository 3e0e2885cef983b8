// Plain text files as documents and token rows.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "emend/tokenizer.h"

namespace emend {

struct CorpusText {
  std::vector<std::string> documents;
  std::string description;  // "3 files, 1.2 MB"
  std::string fingerprint;  // SHA-256 over all documents in order
};

// Each file is cut into documents at empty lines; a file without any is one document a line. Paths in order. Throws
// Error(kIo) for what cannot be read, Error(kConfig) when there is no text at all.
CorpusText read_corpus(const std::vector<std::filesystem::path>& files);

// Documents in file order as rows of prefix + ids, cut into windows of at most `width` tokens, until `tokens` ids are there.
// Windows of fewer than 8 ids are left out.
std::vector<std::vector<std::int64_t>> corpus_rows(const CorpusText& corpus, const Tokenizer& tokenizer,
                                                   const std::vector<std::int64_t>& prefix, std::int64_t width,
                                                   std::int64_t tokens);

}  // namespace emend
