// Word weights as the papers publish them: idf.npy and tfidf_vocab.json.
#pragma once

#include <filesystem>
#include <string>

#include "eval/metrics/consistency.h"

namespace emend {

struct IdfFiles {
  Idf idf;
  std::string fingerprint;  // SHA-256 over both files
};

// `folder`/idf.npy holds the weights: one row of float32 or float64. `folder`/tfidf_vocab.json holds an
// object of words and their places in that row. Throws Error(kIo) if one cannot be read, and Error(kFormat)
// naming the file for an array of another type or shape, and naming the word if its place is not in the row.
IdfFiles read_idf(const std::filesystem::path& folder);

}  // namespace emend
