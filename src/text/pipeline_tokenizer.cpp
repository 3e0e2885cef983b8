#include "text/pipeline_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/strings.h"
#include "emend/error.h"
#include "text/aligned_text.h"
#include "text/unicode.h"

namespace emend::text {
namespace {

class PipelineTokenizer : public Tokenizer {
 public:
  explicit PipelineTokenizer(TokenizerParts parts) : parts_(std::move(parts)) {
    size_ = parts_.vocabulary->size();
    for (const AddedToken& token : parts_.added_tokens) {
      added_by_id_[token.id] = {&token, pattern_of(token)};
      added_by_content_[token.content] = &token;
      size_ = std::max(size_, token.id + 1);
    }
    make_matchers();
    fingerprint_ = make_fingerprint();
  }

  Encoding encode(std::string_view text, SpecialTokens specials, Position position) const override {
    Encoding encoding;
    TokenBuffers buffers;
    if (specials == SpecialTokens::kAuto) append_automatic(parts_.automatic.prefix, 0, encoding);
    split_added(read_utf8(text), raw_matcher_, encoding, [&](const AlignedText& between) {
      const bool first = between.origin(0, 0).begin == 0;
      const Place place = !first                         ? Place::kInside
                          : position == Position::kStart ? Place::kBeginsText
                                                         : Place::kContinuesText;
      encode_between(between, place, buffers, encoding);
    });
    if (specials == SpecialTokens::kAuto) append_automatic(parts_.automatic.suffix, text.size(), encoding);
    return encoding;
  }

  std::string decode(std::span<const std::int64_t> ids, bool skip_special, Position position) const override {
    std::vector<std::string> pieces;
    for (const std::int64_t id : ids) {
      const std::string& token = spelling_of(id);
      if (!skip_special || !is_special(id)) pieces.push_back(token);
    }
    if (!parts_.decoder) return lossy_utf8(join(pieces, ""));
    for (const auto& step : *parts_.decoder) step->decode(pieces, position);
    return lossy_utf8(join(pieces, ""));
  }

  std::string token_bytes(std::int64_t id) const override {
    std::string bytes = spelling_of(id);
    if (parts_.decoder)
      for (const auto& step : *parts_.decoder) bytes = step->decode_inner(std::move(bytes));
    return bytes;
  }

  std::int64_t size() const override { return size_; }

  std::optional<std::int64_t> find(std::string_view content) const override {
    const auto added = added_by_content_.find(content);
    if (added != added_by_content_.end()) return added->second->id;
    return parts_.vocabulary->find(content);
  }

  bool is_special(std::int64_t id) const override {
    const auto added = added_by_id_.find(id);
    return added != added_by_id_.end() && added->second.token->special;
  }

  std::optional<std::int64_t> bos() const override { return parts_.bos; }
  std::optional<std::int64_t> eos() const override { return parts_.eos; }
  const std::vector<std::int64_t>& automatic_prefix() const override { return parts_.automatic.prefix; }
  const std::vector<std::pair<std::string, std::string>>& named_special_tokens() const override {
    return parts_.named_special_tokens;
  }
  const std::string& chat_template() const override { return parts_.chat_template; }
  const std::vector<std::string>& warnings() const override { return parts_.warnings; }
  const std::string& fingerprint() const override { return fingerprint_; }

 private:
  // What to look for in the text, and what the token decodes to.
  std::string pattern_of(const AddedToken& token) const {
    if (!token.normalized || !parts_.normalizer) return token.content;
    return std::string(parts_.normalizer->normalize(AlignedText(token.content)).text());
  }

  void make_matchers() {
    std::vector<std::pair<const AddedToken*, std::string>> raw, normalized;
    for (const AddedToken& token : parts_.added_tokens) {
      (token.normalized ? normalized : raw).emplace_back(&token, pattern_of(token));
    }
    raw_matcher_ = AddedTokenMatcher(raw);
    normalized_matcher_ = AddedTokenMatcher(normalized);
  }

  // Emits the added tokens in `text` and hands what lies between them to `between`, in order.
  template <typename Between>
  static void split_added(const AlignedText& text, const AddedTokenMatcher& matcher, Encoding& encoding,
                          const Between& between) {
    std::size_t done = 0;
    for (const AddedTokenMatcher::Match& match : matcher.find_all(text.text())) {
      if (match.span.begin > done) between(text.slice(done, match.span.begin));
      encoding.ids.push_back(match.token->id);
      encoding.spans.push_back(text.origin(match.span.begin, match.span.end));
      done = match.span.end;
    }
    if (done < text.text().size()) between(text.slice(done, text.text().size()));
  }

  // A part of the text between the added tokens that are looked for in it as it stands.
  void encode_between(const AlignedText& between, Place place, TokenBuffers& buffers,
                      Encoding& encoding) const {
    const Position position = place == Place::kContinuesText ? Position::kContinuation : Position::kStart;
    const AlignedText normalized =
        parts_.normalizer ? parts_.normalizer->normalize(between, position) : between;
    split_added(normalized, normalized_matcher_, encoding, [&](const AlignedText& plain) {
      const bool first = plain.text().data() == normalized.text().data();
      encode_plain(plain, first ? place : Place::kInside, buffers, encoding);
    });
  }

  void encode_plain(const AlignedText& text, Place place, TokenBuffers& buffers, Encoding& encoding) const {
    PreTokenized state{text, {{0, text.text().size()}}, place};
    if (parts_.pre_tokenizer) parts_.pre_tokenizer->refine(state);
    std::vector<PieceToken> tokens;
    for (const ByteSpan& piece : state.pieces) {
      tokens.clear();
      parts_.model->encode(state.text.text().substr(piece.begin, piece.end - piece.begin), buffers, tokens);
      for (const PieceToken& token : tokens) {
        encoding.ids.push_back(token.id);
        encoding.spans.push_back(state.text.origin(piece.begin + token.begin, piece.begin + token.end));
      }
    }
  }

  static void append_automatic(const std::vector<std::int64_t>& ids, std::size_t at, Encoding& encoding) {
    encoding.ids.insert(encoding.ids.end(), ids.begin(), ids.end());
    encoding.spans.insert(encoding.spans.end(), ids.size(), ByteSpan{at, at});
  }

  // Without a decoder its bytes, else what the decoder starts from.
  const std::string& spelling_of(std::int64_t id) const {
    const auto added = added_by_id_.find(id);
    if (added != added_by_id_.end()) return added->second.bytes;
    if (!parts_.vocabulary->contains(id)) {
      throw Error(ErrorKind::kConfig,
                  fmt::format("token id {} is not in the vocabulary (ids 0 to {})", id, size_ - 1));
    }
    return parts_.vocabulary->bytes(id);
  }

  // The same whether the parts came from tokenizer.json or from GGUF.
  std::string make_fingerprint() const {
    FieldWriter fields;
    fields.text(parts_.model->kind());
    for (std::int64_t id = 0; id < parts_.vocabulary->size(); ++id) {
      if (!parts_.vocabulary->contains(id) || added_by_id_.contains(id)) continue;
      fields.number(id);
      fields.text(parts_.vocabulary->spelling(id));
    }
    parts_.model->write_rules(fields);
    std::vector<const AddedToken*> added;
    for (const auto& [id, entry] : added_by_id_) added.push_back(entry.token);
    std::sort(added.begin(), added.end(), [](const auto* a, const auto* b) { return a->id < b->id; });
    for (const AddedToken* token : added) {
      fields.number(token->id);
      fields.text(token->content);
      for (const bool flag : {token->single_word, token->lstrip, token->rstrip, token->normalized})
        fields.number(flag);
    }
    fields.text(parts_.normalizer ? parts_.normalizer->describe() : "");
    fields.text(parts_.pre_tokenizer ? parts_.pre_tokenizer->describe() : "");
    fields.numbers(parts_.automatic.prefix);
    fields.numbers(parts_.automatic.suffix);
    return fields.sha256();
  }

  struct Added {
    const AddedToken* token = nullptr;
    std::string bytes;
  };

  TokenizerParts parts_;
  std::unordered_map<std::int64_t, Added> added_by_id_;
  std::unordered_map<std::string_view, const AddedToken*> added_by_content_;
  AddedTokenMatcher raw_matcher_;
  AddedTokenMatcher normalized_matcher_;
  std::int64_t size_ = 0;
  std::string fingerprint_;
};

}  // namespace

std::unique_ptr<Tokenizer> make_pipeline_tokenizer(TokenizerParts parts) {
  return std::make_unique<PipelineTokenizer>(std::move(parts));
}

}  // namespace emend::text
