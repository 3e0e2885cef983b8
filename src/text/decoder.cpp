#include "text/decoder.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/strings.h"
#include "base/utf8.h"
#include "text/unicode.h"

namespace emend::text {
namespace {

// `text` with `content` for every `found`.
std::string replace_all(std::string_view text, std::string_view found, std::string_view content) {
  std::string result;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t at = std::min(text.find(found, i), text.size());
    result += text.substr(i, at - i);
    if (at < text.size()) result += content;
    i = at + found.size();
  }
  return result;
}

class LiteralStep : public DecoderStep {
 public:
  LiteralStep(std::string found, std::string content)
      : found_(std::move(found)), content_(std::move(content)) {}

  void decode(std::vector<std::string>& pieces, Position) const override {
    for (std::string& piece : pieces) piece = decode_inner(piece);
  }
  std::string decode_inner(std::string piece) const override {
    return found_.empty() ? piece : replace_all(piece, found_, content_);
  }

 private:
  std::string found_, content_;
};

class PatternStep : public DecoderStep {
 public:
  PatternStep(Regex pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}

  void decode(std::vector<std::string>& pieces, Position) const override {
    RegexMatcher matcher(pattern_);
    for (std::string& piece : pieces) piece = replace(matcher, lossy_utf8(piece));
  }
  std::string decode_inner(std::string piece) const override {
    RegexMatcher matcher(pattern_);
    return find_invalid_utf8(piece) ? piece : replace(matcher, piece);  // a part of a character stays
  }

 private:
  std::string replace(RegexMatcher& matcher, const std::string& piece) const {
    std::string result;
    std::size_t kept = 0;
    for (const ByteSpan& match : matcher.find_all(piece)) {
      result.append(piece, kept, match.begin - kept);
      result += content_;
      kept = match.end;
    }
    return result.append(piece, kept);
  }

  Regex pattern_;
  std::string content_;
};

// The byte of "<0x41>", or -1 if the piece is another.
int byte_of(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return -1;
  unsigned byte = 0;
  const auto [end, error] = std::from_chars(piece.data() + 3, piece.data() + 5, byte, 16);
  return error == std::errc() && end == piece.data() + 5 ? static_cast<int>(byte) : -1;
}

class ByteFallbackStep : public DecoderStep {
 public:
  void decode(std::vector<std::string>& pieces, Position) const override {
    std::vector<std::string> result;
    std::string run;
    for (std::string& piece : pieces) {
      const int byte = byte_of(piece);
      if (byte >= 0) {
        run += static_cast<char>(byte);
        continue;
      }
      finish(run, result);
      result.push_back(std::move(piece));
    }
    finish(run, result);
    pieces = std::move(result);
  }
  std::string decode_inner(std::string piece) const override {
    const int byte = byte_of(piece);
    return byte < 0 ? piece : std::string(1, static_cast<char>(byte));
  }

 private:
  static void finish(std::string& run, std::vector<std::string>& result) {
    if (run.empty()) return;
    std::string text = run;
    if (find_invalid_utf8(run)) {
      text.clear();
      for (std::size_t i = 0; i < run.size(); ++i) append_utf8(text, kReplacementCharacter);
    }
    result.push_back(std::move(text));
    run.clear();
  }
};

class FuseStep : public DecoderStep {
 public:
  void decode(std::vector<std::string>& pieces, Position) const override { pieces = {join(pieces, "")}; }
  std::string decode_inner(std::string piece) const override { return piece; }
};

class StripStep : public DecoderStep {
 public:
  StripStep(char32_t content, std::size_t begin, std::size_t end, bool fused)
      : begin_(begin), end_(end), fused_(fused) {
    append_utf8(content_, content);
  }

  void decode(std::vector<std::string>& pieces, Position position) const override {
    const bool keeps_begin = fused_ && position == Position::kContinuation;
    for (std::string& piece : pieces) strip(piece, keeps_begin ? 0 : begin_);
  }
  std::string decode_inner(std::string piece) const override {
    if (!fused_) strip(piece, begin_);
    return piece;
  }

 private:
  void strip(std::string& piece, std::size_t begin) const {
    for (std::size_t i = 0; i < begin && piece.starts_with(content_); ++i) piece.erase(0, content_.size());
    for (std::size_t i = 0; i < end_ && piece.ends_with(content_); ++i)
      piece.resize(piece.size() - content_.size());
  }

  std::string content_;
  std::size_t begin_, end_;
  bool fused_;
};

class MetaspaceStep : public DecoderStep {
 public:
  MetaspaceStep(char32_t replacement, bool prepended) : prepended_(prepended) {
    append_utf8(replacement_, replacement);
  }

  void decode(std::vector<std::string>& pieces, Position position) const override {
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      const bool dropped = i == 0 && prepended_ && position == Position::kStart;
      pieces[i] = replace_all(pieces[i], replacement_, dropped ? "" : " ");
    }
  }
  std::string decode_inner(std::string piece) const override { return replace_all(piece, replacement_, " "); }

 private:
  std::string replacement_;
  bool prepended_;
};

}  // namespace

std::unique_ptr<DecoderStep> make_replace_step(Regex pattern, std::string content) {
  return std::make_unique<PatternStep>(std::move(pattern), std::move(content));
}

std::unique_ptr<DecoderStep> make_literal_step(std::string found, std::string content) {
  return std::make_unique<LiteralStep>(std::move(found), std::move(content));
}

std::unique_ptr<DecoderStep> make_byte_fallback_step() {
  return std::make_unique<ByteFallbackStep>();
}

std::unique_ptr<DecoderStep> make_fuse_step() {
  return std::make_unique<FuseStep>();
}

std::unique_ptr<DecoderStep> make_strip_step(char32_t content, std::size_t begin, std::size_t end,
                                             bool fused) {
  return std::make_unique<StripStep>(content, begin, end, fused);
}

std::unique_ptr<DecoderStep> make_metaspace_step(char32_t replacement, bool prepended) {
  return std::make_unique<MetaspaceStep>(replacement, prepended);
}

}  // namespace emend::text
