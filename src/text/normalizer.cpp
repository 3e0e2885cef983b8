#include "text/normalizer.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <array>
#include <cstdlib>
#include <new>
#include <utility>

#include "base/strings.h"
#include "text/unicode.h"

namespace emend::text {
namespace {

bool is_mark(utf8proc_int32_t code_point) {
  const utf8proc_category_t category = utf8proc_category(code_point);
  return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC ||
         category == UTF8PROC_CATEGORY_ME;
}

class UnicodeNormalizer : public Normalizer {
 public:
  explicit UnicodeNormalizer(UnicodeForm form) : form_(form) {}

  // Works on units that do not interact with their neighbours: a character and the marks that follow it. A
  // unit that changes has each new byte stand for the whole unit.
  AlignedText normalize(const AlignedText& source, Position) const override {
    const std::string_view text = source.text();
    if (is_stable(text)) return source;
    AlignedTextBuilder builder(source);
    for (std::size_t begin = 0; begin < text.size();) {
      std::size_t end = begin + code_point_at(text, begin).length;
      while (end < text.size() && !begins_unit(code_point_at(text, end).code_point)) {
        end += code_point_at(text, end).length;
      }
      const std::string_view unit = text.substr(begin, end - begin);
      const std::string mapped = is_stable(unit) ? std::string(unit) : map(unit);
      if (mapped == unit) {
        builder.keep(begin, end);
      } else {
        builder.replace(mapped, begin, end);
      }
      begin = end;
    }
    return builder.finish();
  }

  std::string describe() const override {
    switch (form_) {
      case UnicodeForm::kNfc:
        return "NFC";
      case UnicodeForm::kNfd:
        return "NFD";
      case UnicodeForm::kNfkc:
        return "NFKC";
      case UnicodeForm::kNfkd:
        return "NFKD";
    }
    return "";
  }

 private:
  bool compatibility() const { return form_ == UnicodeForm::kNfkc || form_ == UnicodeForm::kNfkd; }
  bool composes() const { return form_ == UnicodeForm::kNfc || form_ == UnicodeForm::kNfkc; }

  // Quick and on the safe side: ASCII in every form, characters below U+0300 in NFC.
  bool is_stable(std::string_view text) const {
    const unsigned char first_unsure = form_ == UnicodeForm::kNfc ? 0xCC : 0x80;
    for (const char c : text) {
      if (static_cast<unsigned char>(c) >= first_unsure) return false;
    }
    return true;
  }

  int options() const {
    return UTF8PROC_STABLE | (composes() ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) |
           (compatibility() ? UTF8PROC_COMPAT : 0);
  }

  // Nothing before such a character composes or changes places with it. All characters that combine with one
  // before them are marks or Hangul vowels and finals.
  bool begins_unit(char32_t code_point) const {
    if (code_point < 0x300) return true;
    std::array<utf8proc_int32_t, 32> parts{};
    int last_boundary = 0;
    const auto decompose =
        static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | (compatibility() ? UTF8PROC_COMPAT : 0));
    const utf8proc_ssize_t count = utf8proc_decompose_char(
        static_cast<utf8proc_int32_t>(code_point), parts.data(), parts.size(), decompose, &last_boundary);
    const utf8proc_int32_t first = count > 0 ? parts[0] : static_cast<utf8proc_int32_t>(code_point);
    if (first >= 0x1160 && first <= 0x11FF) return false;
    return !is_mark(first);
  }

  std::string map(std::string_view unit) const {
    utf8proc_uint8_t* mapped = nullptr;
    const utf8proc_ssize_t length = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(unit.data()),
                                                 static_cast<utf8proc_ssize_t>(unit.size()), &mapped,
                                                 static_cast<utf8proc_option_t>(options()));
    const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(mapped, &std::free);
    if (length < 0) {
      if (length == UTF8PROC_ERROR_NOMEM) throw std::bad_alloc();
      return std::string(unit);
    }
    return std::string(reinterpret_cast<const char*>(mapped), static_cast<std::size_t>(length));
  }

  UnicodeForm form_;
};

// What each character becomes on its own.
class CharacterNormalizer : public Normalizer {
 public:
  AlignedText normalize(const AlignedText& source, Position) const override {
    const std::string_view text = source.text();
    AlignedTextBuilder builder(source);
    std::string mapped;
    for (std::size_t i = 0; i < text.size();) {
      const CodePoint next = code_point_at(text, i);
      const std::string_view character = text.substr(i, next.length);
      mapped.clear();
      map(next.code_point, mapped);
      if (mapped == character) {
        builder.keep(i, i + next.length);
      } else {
        builder.replace(mapped, i, i + next.length);
      }
      i += next.length;
    }
    return builder.finish();
  }

 private:
  virtual void map(char32_t code_point, std::string& mapped) const = 0;
};

class Lowercase : public CharacterNormalizer {
 public:
  std::string describe() const override { return "Lowercase"; }

 private:
  // With the letters that Unicode 16 added, which utf8proc may not know yet.
  static char32_t lower(char32_t code_point) {
    if (code_point == 0x1C89 || code_point == 0xA7CC || code_point == 0xA7DA) return code_point + 1;
    if (code_point == 0xA7CB) return 0x264;
    if (code_point == 0xA7DC) return 0x19B;
    if (code_point >= 0x10D50 && code_point <= 0x10D65) return code_point + 0x20;
    return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code_point)));
  }

  void map(char32_t code_point, std::string& mapped) const override {
    // The one character whose lower case is two: i and a dot above.
    if (code_point == 0x130) {
      mapped = "i";
      append_utf8(mapped, 0x307);
      return;
    }
    append_utf8(mapped, lower(code_point));
  }
};

class StripAccents : public CharacterNormalizer {
 public:
  std::string describe() const override { return "StripAccents"; }

 private:
  void map(char32_t code_point, std::string& mapped) const override {
    if (!is_mark(static_cast<utf8proc_int32_t>(code_point))) append_utf8(mapped, code_point);
  }
};

class Strip : public Normalizer {
 public:
  Strip(bool left, bool right) : left_(left), right_(right) {}

  AlignedText normalize(const AlignedText& source, Position) const override {
    const std::string_view text = source.text();
    const std::size_t begin = left_ ? leading_white_space(text) : 0;
    const std::size_t end = right_ ? trailing_white_space(text) : text.size();
    return source.slice(begin, std::max(begin, end));
  }

  std::string describe() const override {
    return fmt::format("Strip({},{})", left_ ? "left" : "", right_ ? "right" : "");
  }

 private:
  bool left_, right_;
};

class Prepend : public Normalizer {
 public:
  explicit Prepend(std::string prefix) : prefix_(std::move(prefix)) {}

  AlignedText normalize(const AlignedText& source, Position position) const override {
    if (source.text().empty() || position == Position::kContinuation) return source;
    AlignedTextBuilder builder(source);
    builder.replace(prefix_, 0, 0);
    builder.keep(0, source.text().size());
    return builder.finish();
  }

  std::string describe() const override { return fmt::format("Prepend({})", quote(prefix_, prefix_.size())); }

 private:
  std::string prefix_;
};

class Replace : public Normalizer {
 public:
  Replace(Regex pattern, std::string content) : pattern_(std::move(pattern)), content_(std::move(content)) {}

  AlignedText normalize(const AlignedText& source, Position) const override {
    RegexMatcher matcher(pattern_);
    const std::vector<ByteSpan>& matches = matcher.find_all(source.text());
    if (matches.empty()) return source;
    AlignedTextBuilder builder(source);
    std::size_t kept = 0;
    for (const ByteSpan& match : matches) {
      builder.keep(kept, match.begin);
      builder.replace(content_, match.begin, match.end);
      kept = match.end;
    }
    builder.keep(kept, source.text().size());
    return builder.finish();
  }

  std::string describe() const override {
    return fmt::format("Replace({},{})", quote(pattern_.pattern(), pattern_.pattern().size()),
                       quote(content_, content_.size()));
  }

 private:
  Regex pattern_;
  std::string content_;
};

class NormalizerSequence : public Normalizer {
 public:
  explicit NormalizerSequence(std::vector<std::unique_ptr<Normalizer>> parts) : parts_(std::move(parts)) {}

  AlignedText normalize(const AlignedText& source, Position position) const override {
    AlignedText text = source;
    for (const auto& part : parts_) text = part->normalize(text, position);
    return text;
  }

  std::string describe() const override {
    std::vector<std::string> parts;
    for (const auto& part : parts_) parts.push_back(part->describe());
    return "[" + join(parts, ",") + "]";
  }

 private:
  std::vector<std::unique_ptr<Normalizer>> parts_;
};

}  // namespace

std::unique_ptr<Normalizer> make_unicode_normalizer(UnicodeForm form) {
  return std::make_unique<UnicodeNormalizer>(form);
}

std::unique_ptr<Normalizer> make_lowercase() {
  return std::make_unique<Lowercase>();
}

std::unique_ptr<Normalizer> make_strip_accents() {
  return std::make_unique<StripAccents>();
}

std::unique_ptr<Normalizer> make_strip(bool left, bool right) {
  return std::make_unique<Strip>(left, right);
}

std::unique_ptr<Normalizer> make_prepend(std::string prefix) {
  return std::make_unique<Prepend>(std::move(prefix));
}

std::unique_ptr<Normalizer> make_replace(Regex pattern, std::string content) {
  return std::make_unique<Replace>(std::move(pattern), std::move(content));
}

std::unique_ptr<Normalizer> make_normalizer_sequence(std::vector<std::unique_ptr<Normalizer>> parts) {
  return std::make_unique<NormalizerSequence>(std::move(parts));
}

std::string lower_case(std::string_view text) {
  const std::string well_formed = lossy_utf8(text);
  return std::string(make_lowercase()->normalize(AlignedText(well_formed)).text());
}

}  // namespace emend::text
