#include "text/tokenizer_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/json.h"
#include "base/strings.h"
#include "emend/error.h"
#include "text/special_tokens.h"
#include "text/tokenizer_components.h"

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

std::unique_ptr<Vocabulary> read_vocabulary(const JsonView& vocab) {
  if (!vocab.is_object()) vocab.refuse("an object");
  const auto& entries = vocab.json().get_ref<const Json::object_t&>();
  if (entries.empty()) vocab.refuse("an object with at least one token");
  auto vocabulary = std::make_unique<Vocabulary>(entries.size());
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

// Refuses what the byte-level model has no use for, or would change ids.
void check_model(const JsonView& model) {
  if (model.string_or("type", "BPE") != "BPE") model.at("type").refuse("BPE");
  for (const std::string_view key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!model.string_or(key, "").empty()) model.at(key).refuse("null or empty");
  }
  if (model.bool_or("byte_fallback", false))
    model.at("byte_fallback").refuse("false (emend reads byte-level BPE)");
}

// With every byte in the vocabulary an unknown token can never come up.
void check_unknown_token(const JsonView& model, const Vocabulary& vocabulary,
                         const std::vector<Merge>& merges) {
  if (model.string_or("unk_token", "").empty()) return;
  const std::vector<unsigned char> missing = Bpe(vocabulary, merges, WholePieces::kMerge).missing_bytes();
  if (missing.empty()) return;
  fail(model.at("unk_token"),
       fmt::format("not supported, and the vocabulary has no token for the byte 0x{:02X}", missing.front()));
}

void read_added_tokens(const JsonView& list, AddedTokenList& tokens) {
  for (const JsonView& entry : list.elements()) {
    AddedToken token = read_added_token(entry);
    const AddedToken* known = tokens.find(token.content);
    token.special = token.special || (known != nullptr && known->special);
    tokens.add(std::move(token));
  }
}

void check_automatic(const JsonView& field, const TokenizerParts& parts) {
  for (const auto* ids : {&parts.automatic.prefix, &parts.automatic.suffix}) {
    for (const std::int64_t id : *ids) {
      const bool added = std::any_of(parts.added_tokens.begin(), parts.added_tokens.end(),
                                     [id](const AddedToken& token) { return token.id == id; });
      if (!added && !parts.vocabulary->contains(id)) fail(field, fmt::format("the id {} is no token", id));
    }
  }
}

// A template, or a list of named ones of which "default" is meant.
std::string read_chat_template(const JsonView& config) {
  const auto field = config.find("chat_template");
  if (!field) return "";
  if (!field->is_array()) return field->as_string();
  for (const JsonView& named : field->elements()) {
    if (named.string("name") == "default") return named.string("template");
  }
  return "";
}

std::string chat_template_of(const TokenizerJson& source) {
  if (!source.chat_template_jinja.empty() || source.tokenizer_config_json.empty())
    return source.chat_template_jinja;
  const std::string path = path_beside(source, "tokenizer_config.json");
  const Json document = parse_json(source.tokenizer_config_json, path);
  return read_chat_template(JsonView(document, path));
}

}  // namespace

void read_files_beside(const TokenizerJson& source, const NamedDefaults& defaults, AddedTokenList tokens,
                       TokenizerParts& parts) {
  const NamedTokens named = read_special_tokens(source, defaults, tokens);
  const auto id_of = [&](const std::optional<std::string>& content) -> std::optional<std::int64_t> {
    const AddedToken* token = content ? tokens.find(*content) : nullptr;
    return token == nullptr ? std::nullopt : std::optional(token->id);
  };
  parts.bos = id_of(named.bos);
  parts.eos = id_of(named.eos);
  if (!parts.bos && parts.automatic.prefix.size() == 1) parts.bos = parts.automatic.prefix.front();
  parts.added_tokens = tokens.take();
  parts.chat_template = chat_template_of(source);
}

TokenizerParts read_tokenizer_json(const TokenizerJson& source) {
  if (source.tokenizer_json.empty() && !source.vocab_json.empty()) return read_vocab_and_merges(source);
  const Json document = parse_json(source.tokenizer_json, source.where);
  const JsonView root(document, source.where);
  TokenizerParts parts;
  const JsonView model = root.at("model");
  check_model(model);
  parts.vocabulary = read_vocabulary(model.at("vocab"));
  parts.merges = read_merges(model.at("merges"), *parts.vocabulary);
  check_unknown_token(model, *parts.vocabulary, parts.merges);
  if (model.bool_or("ignore_merges", false)) parts.whole_pieces = WholePieces::kTakeAsToken;
  if (const auto normalizer = root.find("normalizer")) parts.normalizer = read_normalizer(*normalizer);
  parts.pre_tokenizer = read_pre_tokenizer(root.at("pre_tokenizer"));
  const auto post_processor = root.find("post_processor");
  if (post_processor) parts.automatic = read_post_processor(*post_processor);
  if (const auto decoder = root.find("decoder")) check_decoder(*decoder);
  AddedTokenList tokens(*parts.vocabulary);
  if (const auto added = root.find("added_tokens")) read_added_tokens(*added, tokens);
  read_files_beside(source, {}, std::move(tokens), parts);
  if (post_processor) check_automatic(*post_processor, parts);
  return parts;
}

}  // namespace emend::text

namespace emend {

std::unique_ptr<Tokenizer> make_tokenizer(const TokenizerJson& source) {
  return text::make_byte_level_tokenizer(text::read_tokenizer_json(source));
}

}  // namespace emend
