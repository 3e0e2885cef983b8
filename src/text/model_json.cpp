#include "text/model_json.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "emend/error.h"
#include "text/unigram.h"

namespace emend::text {
namespace {

[[noreturn]] void fail(const JsonView& view, const std::string& what) {
  throw Error(ErrorKind::kFormat, fmt::format("{}: {}: {}", view.source(), quote(view.path()), what));
}

// Ids may leave holes, but not so large that a damaged number would take all memory.
std::int64_t highest_sensible_id(std::size_t entries) {
  return static_cast<std::int64_t>(4 * entries + 65536);
}

}  // namespace

std::unique_ptr<Vocabulary> read_vocabulary(const JsonView& vocab, Spelling spelling) {
  if (!vocab.is_object()) vocab.refuse("an object");
  const auto& entries = vocab.json().get_ref<const Json::object_t&>();
  if (entries.empty()) vocab.refuse("an object with at least one token");
  auto vocabulary = std::make_unique<Vocabulary>(entries.size(), spelling);
  const std::int64_t highest = highest_sensible_id(entries.size());
  for (const auto& [token, id] : entries) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() > static_cast<std::uint64_t>(highest)) {
      fail(vocab, fmt::format("the id of {} must be an integer from 0 to {}, found {}", quote(token), highest,
                              quote(id.dump())));
    }
    if (!vocabulary->add(id.get<std::int64_t>(), token)) {
      fail(vocab,
           fmt::format("the id of {}, {}, is given to another token as well", quote(token), id.dump()));
    }
  }
  return vocabulary;
}

namespace {

// "a b", or ["a", "b"] where the parts may hold spaces.
std::pair<std::string, std::string> split_merge(const JsonView& merges, const Json& merge,
                                                std::size_t index) {
  if (merge.is_string()) {
    const auto& text = merge.get_ref<const std::string&>();
    const std::size_t space = text.find(' ');
    if (space != std::string::npos && text.find(' ', space + 1) == std::string::npos) {
      return {text.substr(0, space), text.substr(space + 1)};
    }
  }
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
    return {merge[0].get<std::string>(), merge[1].get<std::string>()};
  }
  fail(merges,
       fmt::format("merge {} must be \"a b\" or [\"a\", \"b\"], found {}", index, quote(merge.dump(), 60)));
}

std::vector<Merge> read_merges(const JsonView& merges, const Vocabulary& vocabulary) {
  if (!merges.is_array()) merges.refuse("an array");
  std::vector<Merge> result;
  result.reserve(merges.json().size());
  std::size_t index = 0;
  for (const Json& merge : merges.json()) {
    const bool is_comment = merge.is_string() && merge.get_ref<const std::string&>().starts_with("#version");
    if (!is_comment) {
      const auto parts = split_merge(merges, merge, index);
      const auto& left = parts.first;
      const auto& right = parts.second;
      const auto id_of = [&](const std::string& token) {
        if (const auto id = vocabulary.find(token)) return *id;
        fail(merges, fmt::format("merge {} ({} and {}) needs {}, which is not in the vocabulary", index,
                                 quote(left, 60), quote(right, 60), quote(token, 60)));
      };
      result.push_back({id_of(left), id_of(right), id_of(left + right)});
    }
    ++index;
  }
  return result;
}

// With every byte in the vocabulary an unknown token can never come up.
void check_unknown_token(const JsonView& model, const Bpe& bpe) {
  if (model.string_or("unk_token", "").empty()) return;
  const std::vector<unsigned char> missing = bpe.missing_bytes();
  if (missing.empty()) return;
  fail(model.at("unk_token"),
       fmt::format("not supported, and the vocabulary has no token for the byte 0x{:02X}", missing.front()));
}

std::unique_ptr<TokenModel> read_byte_level_bpe(const JsonView& model, const Vocabulary& vocabulary,
                                                WholePieces whole_pieces) {
  if (model.bool_or("byte_fallback", false))
    model.at("byte_fallback").refuse("false, since the pre-tokenizer cuts texts into bytes");
  auto bpe = std::make_unique<Bpe>(vocabulary, read_merges(model.at("merges"), vocabulary), whole_pieces);
  check_unknown_token(model, *bpe);
  return bpe;
}

std::unique_ptr<TokenModel> read_character_bpe(const JsonView& model, const Vocabulary& vocabulary,
                                               WholePieces whole_pieces) {
  CharacterFallback fallback;
  fallback.to_bytes = model.bool_or("byte_fallback", false);
  fallback.fuse_unknown = model.bool_or("fuse_unk", false);
  const std::string unknown = model.string_or("unk_token", "");
  if (!unknown.empty()) {
    fallback.unknown = vocabulary.find(unknown);
    if (!fallback.unknown) model.at("unk_token").refuse("a token of the vocabulary");
  }
  return std::make_unique<Bpe>(vocabulary, read_merges(model.at("merges"), vocabulary), whole_pieces,
                               fallback);
}

void read_bpe(const JsonView& model, Spelling spelling, TokenizerParts& parts) {
  for (const std::string_view key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!model.string_or(key, "").empty()) model.at(key).refuse("null or empty");
  }
  parts.vocabulary = read_vocabulary(model.at("vocab"), spelling);
  const WholePieces whole_pieces =
      model.bool_or("ignore_merges", false) ? WholePieces::kTakeAsToken : WholePieces::kMerge;
  parts.model = spelling == Spelling::kByteAlphabet
                    ? read_byte_level_bpe(model, *parts.vocabulary, whole_pieces)
                    : read_character_bpe(model, *parts.vocabulary, whole_pieces);
}

// A list of [piece, log-probability]; the ids are the places in the list.
void read_unigram(const JsonView& model, TokenizerParts& parts) {
  const JsonView vocab = model.at("vocab");
  if (!vocab.is_array() || vocab.json().empty()) vocab.refuse("an array with at least one token");
  parts.vocabulary = std::make_unique<Vocabulary>(vocab.json().size(), Spelling::kPlain);
  std::vector<double> scores;
  for (const Json& entry : vocab.json()) {
    const auto id = static_cast<std::int64_t>(scores.size());
    const bool sound = entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_number();
    if (!sound)
      fail(vocab, fmt::format("entry {} must be [piece, score], found {}", id, quote(entry.dump(), 60)));
    if (!parts.vocabulary->add(id, entry[0].get_ref<const std::string&>()))
      fail(vocab, fmt::format("entry {}, {}, is there twice", id, quote(entry[0].dump(), 60)));
    scores.push_back(entry[1].get<double>());
  }
  CharacterFallback fallback;
  fallback.fuse_unknown = true;
  fallback.to_bytes = model.bool_or("byte_fallback", false);
  if (const auto unknown = model.find("unk_id")) {
    fallback.unknown = static_cast<std::int32_t>(unknown->as_non_negative_integer());
    if (!parts.vocabulary->contains(*fallback.unknown)) unknown->refuse("an id of the vocabulary");
  }
  parts.model = std::make_unique<Unigram>(*parts.vocabulary, std::move(scores), fallback);
}

}  // namespace

void read_model(const JsonView& model, Spelling spelling, TokenizerParts& parts) {
  const std::string type = model.string_or("type", "BPE");
  if (type == "BPE")
    read_bpe(model, spelling, parts);
  else if (type == "Unigram" && spelling == Spelling::kPlain)
    read_unigram(model, parts);
  else
    model.at("type").refuse(spelling == Spelling::kPlain ? "BPE or Unigram" : "BPE");
}

}  // namespace emend::text
