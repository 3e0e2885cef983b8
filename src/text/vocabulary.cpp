#include "text/vocabulary.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <utility>

#include "text/byte_alphabet.h"

namespace emend::text {

Vocabulary::Vocabulary(std::size_t expected_tokens, Spelling spelling)
    : spelling_(spelling), slots_(std::bit_ceil(2 * expected_tokens + 16), -1) {
  tokens_.reserve(expected_tokens);
}

Vocabulary::Token Vocabulary::read_spelling(std::string_view spelling) const {
  if (spelling_ == Spelling::kPlain) return {std::string(spelling), Kind::kBytes};
  std::optional<std::string> bytes = bytes_of_spelling(spelling);
  return bytes ? Token{std::move(*bytes), Kind::kBytes} : Token{std::string(spelling), Kind::kVerbatim};
}

std::size_t Vocabulary::slot_of(std::string_view bytes, Kind kind) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = std::hash<std::string_view>{}(bytes)&mask;
  while (slots_[slot] >= 0) {
    const Token& token = tokens_[static_cast<std::size_t>(slots_[slot])];
    if (token.kind == kind && token.bytes == bytes) break;
    slot = (slot + 1) & mask;
  }
  return slot;
}

void Vocabulary::grow() {
  std::vector<std::int32_t> old(2 * slots_.size(), -1);
  old.swap(slots_);
  for (const std::int32_t id : old) {
    if (id < 0) continue;
    const Token& token = tokens_[static_cast<std::size_t>(id)];
    slots_[slot_of(token.bytes, token.kind)] = id;
  }
}

bool Vocabulary::add(std::int64_t id, std::string_view spelling) {
  if (contains(id)) return false;
  Token token = read_spelling(spelling);
  if (2 * (count_ + 1) > slots_.size()) grow();
  const std::size_t slot = slot_of(token.bytes, token.kind);
  if (slots_[slot] >= 0) return false;
  if (id >= size()) tokens_.resize(static_cast<std::size_t>(id) + 1);
  tokens_[static_cast<std::size_t>(id)] = std::move(token);
  slots_[slot] = static_cast<std::int32_t>(id);
  ++count_;
  return true;
}

void Vocabulary::prepare(std::string_view spelling) const {
  if (spelling_ != Spelling::kPlain) return;  // the bytes are another text, which costs more than it saves
  __builtin_prefetch(&slots_[std::hash<std::string_view>{}(spelling) & (slots_.size() - 1)]);
}

std::optional<std::int32_t> Vocabulary::look_up(std::string_view bytes, Kind kind) const {
  const std::int32_t id = slots_[slot_of(bytes, kind)];
  return id < 0 ? std::nullopt : std::optional(id);
}

std::optional<std::int32_t> Vocabulary::find(std::string_view spelling) const {
  const Token token = read_spelling(spelling);
  return look_up(token.bytes, token.kind);
}

std::optional<std::int32_t> Vocabulary::find_bytes(std::string_view bytes) const {
  return look_up(bytes, Kind::kBytes);
}

bool Vocabulary::contains(std::int64_t id) const {
  return id >= 0 && id < size() && tokens_[static_cast<std::size_t>(id)].kind != Kind::kHole;
}

std::string Vocabulary::spelling(std::int64_t id) const {
  const Token& token = tokens_[static_cast<std::size_t>(id)];
  const bool spelled = token.kind == Kind::kBytes && spelling_ == Spelling::kByteAlphabet;
  return spelled ? spelling_of_bytes(token.bytes) : token.bytes;
}

}  // namespace emend::text
