// Fluency of generated text: the entropy of its n-grams, which falls when a damaged model repeats itself.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace emend {

// Splits a text into words as the Treebank tokenizer of NLTK does, with no trained data (NLTK asks its Punkt
// model where sentences end; here rules do, so figures differ a little from NLTK's):
//   - white space separates; brackets, quotes, `; @ # $ % & ? ! *`, `--` and runs of dots stand alone;
//   - commas and colons stand alone unless a digit follows;
//   - 's 'm 'd 'll 're 've and n't are words of their own ("don't" -> do n't), "cannot" and its like are
//     parted ("can not");
//   - a full stop stands alone where a sentence ends: at the end of the text, or before white space and an
//     upper-case letter, digit or opening quote; not after a single letter ("J.", "U.S.") or a common
//     abbreviation ("Mr.", "St.", "etc."), save at the end of the text. Elsewhere it stays with its word.
// Double quotes become `` and '' as in the Treebank. Case is kept. Scripts without spaces are not parted.
std::vector<std::string> treebank_words(std::string_view text);

// Entropy in bits of the n-gram frequencies: -sum f log2 f. n is at least 1. Returns
// std::nullopt if there are fewer than n words.
std::optional<double> ngram_entropy(const std::vector<std::string>& words, std::size_t n);

// GE of Meng et al. 2022 (ROME, section 3.3; there after Zhang et al. 2018): H_2 / 3 + 2 H_3 / 3, the mean of
// 2/3 H_2 and 4/3 H_3, in bits (the papers print it times 100: about 6.26 here is 626 there). As in the
// papers the caller gives the whole text with its prompt. Returns std::nullopt if there are fewer than 3
// words.
std::optional<double> fluency(std::string_view text);

// The mean over the texts that have a value. Returns std::nullopt if none has.
std::optional<double> mean_fluency(const std::vector<std::string>& texts);

}  // namespace emend
