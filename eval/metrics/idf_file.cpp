#include "eval/metrics/idf_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <map>

#include "base/files.h"
#include "base/fingerprint.h"
#include "base/json.h"
#include "base/strings.h"
#include "emend/error.h"
#include "io/npy.h"

namespace emend {
namespace {

// One dimension, or several of which all but one are 1; not empty.
bool is_row(const std::vector<std::int64_t>& shape) {
  const auto longer = std::count_if(shape.begin(), shape.end(), [](std::int64_t size) { return size != 1; });
  const bool has_none = std::count(shape.begin(), shape.end(), 0) > 0;
  return !shape.empty() && longer <= 1 && !has_none;
}

std::vector<double> weights_of(const std::string& bytes, const std::string& source) {
  const NpyArray array = parse_npy(bytes, source);
  const auto refuse = [&](const std::string& why) {
    throw Error(ErrorKind::kFormat,
                fmt::format("{}: {}; expected one row of float32 or float64", source, why));
  };
  if (array.type != "<f4" && array.type != "<f8") refuse("its type is " + quote(array.type));
  if (!is_row(array.shape)) refuse("its shape is not that of one row");
  return npy_numbers(array, source);
}

}  // namespace

IdfFiles read_idf(const std::filesystem::path& folder) {
  const auto weights_file = folder / "idf.npy", words_file = folder / "tfidf_vocab.json";
  const std::string weights_text = read_text_file(weights_file), words_text = read_text_file(words_file);
  const std::vector<double> weights = weights_of(weights_text, weights_file.string());
  const Json document = parse_json(words_text, words_file.string());
  const JsonView words(document, words_file.string());
  std::map<std::string, double> by_word;
  for (const std::string& word : words.keys()) {
    const std::int64_t place = words.at(word).as_non_negative_integer();
    if (place >= static_cast<std::int64_t>(weights.size()))
      throw Error(ErrorKind::kFormat,
                  fmt::format("{}: the word {} is at place {}, and {} holds {} weights", words_file.string(),
                              quote(word), place, weights_file.string(), weights.size()));
    by_word[word] = weights[static_cast<std::size_t>(place)];
  }
  Sha256 hash;
  hash.update_field(weights_text);
  hash.update_field(words_text);
  return {Idf(by_word), hash.hex()};
}

}  // namespace emend
