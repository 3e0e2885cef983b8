#include "eval/metrics/idf_file.h"

#include <bit>
#include <cctype>
#include <cstdint>
#include <cstring>
#include <map>

#include "base/fingerprint.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/text_file.h"
#include "emend/error.h"

namespace emend {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are read as they lie in the file");

[[noreturn]] void refuse(const std::string& source, const std::string& why) {
  throw Error(ErrorKind::kFormat,
              source + ": " + why + "; expected a NumPy file with one row of float32 or float64");
}

template <typename Number>
std::vector<double> numbers(std::string_view bytes) {
  std::vector<double> values;
  for (std::size_t at = 0; at + sizeof(Number) <= bytes.size(); at += sizeof(Number)) {
    Number number;
    std::memcpy(&number, bytes.data() + at, sizeof number);
    values.push_back(static_cast<double>(number));
  }
  return values;
}

// The text between the quotes or brackets behind 'key': in the header, a Python dictionary.
std::string header_value(std::string_view header, std::string_view key, char open, char close) {
  const std::size_t place = header.find(key);
  if (place == std::string_view::npos) return "";
  const std::size_t begin = header.find(open, header.find(':', place));
  if (begin == std::string_view::npos) return "";
  const std::size_t end = header.find(close, begin + 1);
  return end == std::string_view::npos ? "" : std::string(header.substr(begin + 1, end - begin - 1));
}

// Product of the sizes in "1, 20"; 0 when more than one of them is not 1, or for what is no number.
std::uint64_t count_of(const std::string& shape) {
  std::uint64_t count = 1;
  bool any = false;
  for (std::size_t at = 0; at < shape.size();) {
    if (std::isdigit(static_cast<unsigned char>(shape[at])) == 0) {
      ++at;
      continue;
    }
    std::uint64_t size = 0;
    for (; at < shape.size() && std::isdigit(static_cast<unsigned char>(shape[at])) != 0; ++at) {
      if (size > (std::uint64_t{1} << 40)) return 0;
      size = 10 * size + static_cast<std::uint64_t>(shape[at] - '0');
    }
    if (size != 1 && count != 1) return 0;
    count *= size;
    any = true;
  }
  return any ? count : 0;
}

}  // namespace

std::vector<double> parse_npy(std::string_view bytes, const std::string& source) {
  constexpr std::string_view kMagic = "\x93NUMPY";
  if (bytes.size() < 12 || !bytes.starts_with(kMagic)) refuse(source, "this is not a NumPy file");
  const bool short_length = bytes[6] == 1;
  const std::size_t length_bytes = short_length ? 2 : 4;
  std::size_t length = 0;
  for (std::size_t i = 0; i < length_bytes; ++i)
    length |= static_cast<std::size_t>(static_cast<unsigned char>(bytes[8 + i])) << (8 * i);
  const std::size_t data = 8 + length_bytes + length;
  if (data > bytes.size()) refuse(source, "the header is longer than the file");
  const std::string_view header = bytes.substr(8 + length_bytes, length);
  const std::string type = header_value(header, "'descr'", '\'', '\'');
  if (type != "<f4" && type != "<f8") refuse(source, "its type is " + quote(type));
  const std::uint64_t count = count_of(header_value(header, "'shape'", '(', ')'));
  const std::size_t size = type == "<f4" ? 4 : 8;
  if (count == 0) refuse(source, "its shape is not that of one row");
  if (bytes.size() - data != count * size)
    refuse(source, "it holds " + std::to_string(bytes.size() - data) +
                       " bytes of numbers where its shape needs " + std::to_string(count * size));
  return size == 4 ? numbers<float>(bytes.substr(data)) : numbers<double>(bytes.substr(data));
}

IdfFiles read_idf(const std::filesystem::path& folder) {
  const auto weights_file = folder / "idf.npy", words_file = folder / "tfidf_vocab.json";
  const std::string weights_text = read_text_file(weights_file), words_text = read_text_file(words_file);
  const std::vector<double> weights = parse_npy(weights_text, weights_file.string());
  const Json document = parse_json(words_text, words_file.string());
  const JsonView words(document, words_file.string());
  std::map<std::string, double> by_word;
  for (const std::string& word : words.keys()) {
    const std::int64_t place = words.at(word).as_non_negative_integer();
    if (place >= static_cast<std::int64_t>(weights.size()))
      throw Error(ErrorKind::kFormat, words_file.string() + ": the word " + quote(word) + " is at place " +
                                          std::to_string(place) + ", and " + weights_file.string() +
                                          " holds " + std::to_string(weights.size()) + " weights");
    by_word[word] = weights[static_cast<std::size_t>(place)];
  }
  Sha256 hash;
  hash.update_field(weights_text);
  hash.update_field(words_text);
  return {Idf(by_word), hash.hex()};
}

}  // namespace emend
