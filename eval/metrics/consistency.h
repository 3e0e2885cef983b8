// Consistency of generated text with reference texts about things that have the new answer: RS of Meng et al.
// 2022 (ROME, section 3.3), the cosine of two TF-IDF vectors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace emend {

// Lower-cased runs of two and more word characters (letters, marks, digits, `_`), as scikit-learn's
// TfidfVectorizer splits.
std::vector<std::string> tfidf_words(std::string_view text);

// Words and their weights. An unknown word weighs 0.
class Idf {
 public:
  Idf() = default;
  // Each text is one document: idf = ln((1 + N) / (1 + df)) + 1 (scikit-learn's smooth_idf).
  static Idf of(const std::vector<std::string>& documents);
  // Weights of another collection.
  explicit Idf(const std::map<std::string, double>& weights);

  std::size_t size() const { return weights_.size(); }
  // 0 for an unknown word.
  double weight(const std::string& word) const;

 private:
  std::unordered_map<std::string, double> weights_;
};

// Cosine, in 0..1, of the vectors count x idf of both texts (L2 norms; scikit-learn's defaults). Returns
// std::nullopt if one of them has no known word, where the papers' code gives NaN.
std::optional<double> tfidf_cosine(const Idf& idf, std::string_view a, std::string_view b);

// Reference texts by relation and target, in the form of the papers' attribute_snippets.json: a list of
// {"relation_id": "P103", "target_id": "Q1860", "samples": [{"name": "...", "text": "..."}]}.
class Snippets {
 public:
  // Vocabulary and idf are those of the file itself, each sample's text a document, unless given: the papers
  // take theirs from another, larger collection (idf.npy, tfidf_vocab.json), so that figures are comparable
  // within one file only. Throws Error(kIo) if the file cannot be read, and Error(kFormat) naming file,
  // record (from 0) and field if it has another form, or no text at all.
  explicit Snippets(const std::filesystem::path& file, std::optional<Idf> idf = std::nullopt);

  const Idf& idf() const { return idf_; }
  // SHA-256 of the file.
  const std::string& fingerprint() const { return fingerprint_; }
  std::size_t samples() const { return samples_; }
  bool has(const std::string& relation, const std::string& target_id) const;

  // RS: all generated texts joined by spaces against all samples of (relation, target_id) joined by spaces.
  // Returns std::nullopt if the file has no samples of that pair, or if tfidf_cosine() does.
  std::optional<double> consistency(const std::vector<std::string>& generated, const std::string& relation,
                                    const std::string& target_id) const;

 private:
  using Key = std::pair<std::string, std::string>;

  Idf idf_;
  std::string fingerprint_;
  std::size_t samples_ = 0;
  std::map<Key, std::string> texts_;  // joined
};

struct IdfFiles {
  Idf idf;
  std::string fingerprint;  // SHA-256 over both files
};

// `folder`/idf.npy holds the weights: one row of float32 or float64. `folder`/tfidf_vocab.json holds an
// object of words and their places in that row. Throws Error(kIo) if one cannot be read, and Error(kFormat)
// naming the file for an array of another type or shape, and naming the word if its place is not in the row.
IdfFiles read_idf(const std::filesystem::path& folder);

}  // namespace emend
