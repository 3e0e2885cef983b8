// Word weights as the papers publish them: idf.npy and tfidf_vocab.json.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "eval/metrics/consistency.h"

namespace emend {

// The numbers of a NumPy file (format 1.0 to 3.0): one dimension, or two of which one is 1; little-endian
// float32 or float64. Throws Error(kFormat) naming `source` for anything else.
std::vector<double> parse_npy(std::string_view bytes, const std::string& source);

struct IdfFiles {
  Idf idf;
  std::string fingerprint;  // SHA-256 over both files
};

// `folder`/idf.npy holds the weights, `folder`/tfidf_vocab.json an object of words and their places in it.
// Throws Error(kIo) when one cannot be read, Error(kFormat) naming file and word for a place that is not
// there.
IdfFiles read_idf(const std::filesystem::path& folder);

}  // namespace emend
