#include "text/precompiled.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "base/fingerprint.h"
#include "base/utf8.h"
#include "emend/error.h"
#include "text/unicode.h"

namespace emend::text {
namespace {

constexpr std::size_t kLongestSequence = 5;  // bytes of a grapheme that is looked up as a whole

std::uint32_t unit_at(std::string_view bytes, std::size_t index) {
  std::uint32_t unit = 0;
  for (std::size_t i = 4; i-- > 0;) unit = unit << 8 | static_cast<unsigned char>(bytes[4 * index + i]);
  return unit;
}

// A trie as darts-clone packs it: a unit holds label, offset to the children, and whether a value follows.
class DoubleArray {
 public:
  explicit DoubleArray(std::string_view bytes) : units_(bytes.size() / 4) {
    for (std::size_t i = 0; i < units_.size(); ++i) units_[i] = unit_at(bytes, i);
  }

  // The value of the shortest key that `text` begins with, which is what `tokenizers` takes.
  std::optional<std::uint32_t> find_prefix(std::string_view text) const {
    std::size_t at = offset(units_.front());
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      at ^= byte;
      if (byte == 0 || at >= units_.size() || label(units_[at]) != byte) return std::nullopt;
      const bool has_value = (units_[at] >> 8 & 1) != 0;
      at ^= offset(units_[at]);
      if (has_value && at < units_.size()) return units_[at] & 0x7FFFFFFFu;
    }
    return std::nullopt;
  }

 private:
  static std::uint32_t label(std::uint32_t unit) { return unit & 0x800000FFu; }
  static std::size_t offset(std::uint32_t unit) {
    return static_cast<std::size_t>(unit >> 10) << ((unit & 0x200u) >> 6);
  }

  std::vector<std::uint32_t> units_;
};

// Where the grapheme that begins at `begin` ends.
std::size_t grapheme_end(std::string_view text, std::size_t begin) {
  CodePoint current = code_point_at(text, begin);
  std::size_t end = begin + current.length;
  utf8proc_int32_t state = 0;
  while (end < text.size()) {
    const CodePoint next = code_point_at(text, end);
    if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(current.code_point),
                                         static_cast<utf8proc_int32_t>(next.code_point), &state))
      break;
    current = next;
    end += next.length;
  }
  return end;
}

class Precompiled : public Normalizer {
 public:
  Precompiled(std::string_view trie, std::string replacements, std::string fingerprint)
      : trie_(trie), replacements_(std::move(replacements)), fingerprint_(std::move(fingerprint)) {}

  AlignedText normalize(const AlignedText& source, Position) const override {
    const std::string_view text = source.text();
    AlignedTextBuilder builder(source);
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = grapheme_end(text, begin);
      const bool short_enough = end - begin <= kLongestSequence;
      if (!(short_enough && rewrite(text, begin, end, builder)))
        rewrite_characters(text, begin, end, builder);
      begin = end;
    }
    return builder.finish();
  }

  std::string describe() const override { return "Precompiled(" + fingerprint_ + ")"; }

 private:
  bool rewrite(std::string_view text, std::size_t begin, std::size_t end, AlignedTextBuilder& builder) const {
    const auto value = trie_.find_prefix(text.substr(begin, end - begin));
    if (!value || *value >= replacements_.size()) return false;
    // Half a character is no text, and what comes behind needs valid UTF-8.
    if (!code_point_at(replacements_, *value).valid) return false;
    builder.replace(std::string_view(replacements_.c_str() + *value), begin, end);
    return true;
  }

  void rewrite_characters(std::string_view text, std::size_t begin, std::size_t end,
                          AlignedTextBuilder& builder) const {
    while (begin < end) {
      const std::size_t next = begin + code_point_at(text, begin).length;
      if (!rewrite(text, begin, next, builder)) builder.keep(begin, next);
      begin = next;
    }
  }

  DoubleArray trie_;
  std::string replacements_;
  std::string fingerprint_;
};

int base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

}  // namespace

std::unique_ptr<Normalizer> make_precompiled(std::string charsmap, const std::string& where) {
  const auto refuse = [&](const std::string& what) { throw Error(ErrorKind::kFormat, where + ": " + what); };
  if (charsmap.size() < 8) refuse("the table of characters is too short");
  const std::size_t trie = unit_at(charsmap, 0);
  if (trie < 4 || trie % 4 != 0 || trie > charsmap.size() - 4)
    refuse(fmt::format("the table of characters has {} bytes, but its trie {}", charsmap.size(), trie));
  std::string replacements = charsmap.substr(4 + trie);
  if (find_invalid_utf8(replacements)) refuse("the table of characters holds text that is not UTF-8");
  return std::make_unique<Precompiled>(std::string_view(charsmap).substr(4, trie), std::move(replacements),
                                       sha256_hex(charsmap));
}

std::optional<std::string> from_base64(std::string_view text) {
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const int value = base64_value(c);
    if (value < 0) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>(bits >> count & 0xFF);
  }
  return bytes;
}

}  // namespace emend::text
