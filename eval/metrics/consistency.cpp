#include "eval/metrics/consistency.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <set>

#include "base/files.h"
#include "base/fingerprint.h"
#include "base/json.h"
#include "base/strings.h"
#include "emend/error.h"
#include "io/npy.h"
#include "text/normalizer.h"
#include "text/unicode.h"

namespace emend {
namespace {

using Vector = std::map<std::string, double>;

Vector tfidf_vector(const Idf& idf, std::string_view text) {
  Vector vector;
  for (std::string& word : tfidf_words(text)) {
    const double weight = idf.weight(word);
    if (weight != 0) vector[std::move(word)] += weight;
  }
  return vector;
}

double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (const auto& [word, value] : a)
    if (const auto other = b.find(word); other != b.end()) sum += value * other->second;
  return sum;
}

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) {
    if (!all.empty()) all += ' ';
    all += text;
  }
  return all;
}

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

std::vector<std::string> tfidf_words(std::string_view text) {
  const std::string lower = text::lower_case(text);
  std::vector<std::string> words;
  std::size_t begin = 0, letters = 0;
  const auto end_word = [&](std::size_t end) {
    if (letters >= 2) words.push_back(lower.substr(begin, end - begin));
    letters = 0;
  };
  for (std::size_t at = 0; at < lower.size();) {
    const text::CodePoint c = text::code_point_at(lower, at);
    if (!text::is_word(c.code_point)) {
      end_word(at);
    } else if (letters++ == 0) {
      begin = at;
    }
    at += c.length;
  }
  end_word(lower.size());
  return words;
}

Idf::Idf(const std::map<std::string, double>& weights) : weights_(weights.begin(), weights.end()) {}

Idf Idf::of(const std::vector<std::string>& documents) {
  Idf idf;
  for (const std::string& document : documents) {
    const std::vector<std::string> words = tfidf_words(document);
    for (const std::string& word : std::set<std::string>(words.begin(), words.end())) idf.weights_[word] += 1;
  }
  const auto n = static_cast<double>(documents.size());
  for (auto& [word, weight] : idf.weights_) weight = std::log((1 + n) / (1 + weight)) + 1;
  return idf;
}

double Idf::weight(const std::string& word) const {
  const auto found = weights_.find(word);
  return found == weights_.end() ? 0 : found->second;
}

std::optional<double> tfidf_cosine(const Idf& idf, std::string_view a, std::string_view b) {
  const Vector x = tfidf_vector(idf, a), y = tfidf_vector(idf, b);
  if (x.empty() || y.empty()) return std::nullopt;
  return dot(x, y) / std::sqrt(dot(x, x) * dot(y, y));
}

Snippets::Snippets(const std::filesystem::path& file, std::optional<Idf> idf) {
  const std::string content = read_text_file(file);
  fingerprint_ = sha256_hex(content);
  const Json document = parse_json(content, file.string());
  std::vector<std::string> documents;
  std::map<Key, std::vector<std::string>> texts;
  for (const JsonView& record : JsonView(document, file.string()).elements()) {
    std::vector<std::string>& own = texts[{record.string("relation_id"), record.string("target_id")}];
    for (const JsonView& sample : record.at("samples").elements()) {
      own.push_back(sample.string("text"));
      documents.push_back(sample.string("text"));
    }
  }
  if (documents.empty())
    throw Error(ErrorKind::kFormat, file.string() +
                                        ": there is no text in it; expected a list of {\"relation_id\", "
                                        "\"target_id\", \"samples\": [{\"name\", \"text\"}]}");
  samples_ = documents.size();
  for (const auto& [key, own] : texts)
    if (!own.empty()) texts_[key] = joined(own);
  idf_ = idf ? std::move(*idf) : Idf::of(documents);
}

bool Snippets::has(const std::string& relation, const std::string& target_id) const {
  return texts_.contains({relation, target_id});
}

std::optional<double> Snippets::consistency(const std::vector<std::string>& generated,
                                            const std::string& relation, const std::string& target_id) const {
  const auto reference = texts_.find({relation, target_id});
  if (reference == texts_.end()) return std::nullopt;
  return tfidf_cosine(idf_, joined(generated), reference->second);
}

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
