#include "text/byte_alphabet.h"

#include <array>

#include "text/unicode.h"

namespace emend::text {
namespace {

constexpr char32_t kFirstExtra = 0x100;

constexpr bool stands_for_itself(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

struct Alphabet {
  std::array<char32_t, 256> character{};
  std::array<int, kFirstExtra + 68> byte{};  // by character; -1 for none
};

constexpr Alphabet make_alphabet() {
  Alphabet alphabet;
  alphabet.byte.fill(-1);
  char32_t extra = kFirstExtra;
  for (int byte = 0; byte < 256; ++byte) {
    const char32_t character = stands_for_itself(byte) ? static_cast<char32_t>(byte) : extra++;
    alphabet.character[byte] = character;
    alphabet.byte[character] = byte;
  }
  return alphabet;
}

constexpr Alphabet kAlphabet = make_alphabet();

}  // namespace

std::optional<std::string> bytes_of_spelling(std::string_view spelling) {
  std::string bytes;
  bytes.reserve(spelling.size());
  for (std::size_t i = 0; i < spelling.size();) {
    const CodePoint next = code_point_at(spelling, i);
    if (next.code_point >= kAlphabet.byte.size() || kAlphabet.byte[next.code_point] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(kAlphabet.byte[next.code_point]));
    i += next.length;
  }
  return bytes;
}

std::string spelling_of_bytes(std::string_view bytes) {
  std::string spelling;
  for (const char byte : bytes) append_utf8(spelling, kAlphabet.character[static_cast<unsigned char>(byte)]);
  return spelling;
}

}  // namespace emend::text
