#include "text/tokenizer_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <unordered_map>
#include <utility>

#include "base/json.h"
#include "base/strings.h"
#include "emend/error.h"
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

// The vocabulary's id wins over the recorded one; a new token follows the highest id so far.
std::vector<AddedToken> read_added_tokens(const JsonView& list, const Vocabulary& vocabulary) {
  std::vector<AddedToken> tokens;
  std::unordered_map<std::string, std::size_t> index_of;
  std::int64_t next_id = static_cast<std::int64_t>(vocabulary.count());
  for (const JsonView& entry : list.elements()) {
    AddedToken token;
    token.content = entry.string("content");
    token.single_word = entry.bool_or("single_word", false);
    token.lstrip = entry.bool_or("lstrip", false);
    token.rstrip = entry.bool_or("rstrip", false);
    token.special = entry.bool_or("special", false);
    token.normalized = entry.bool_or("normalized", !token.special);
    if (token.content.empty()) continue;
    const auto known = index_of.find(token.content);
    if (known != index_of.end()) {
      token.id = tokens[known->second].id;
      token.special = token.special || tokens[known->second].special;
      tokens[known->second] = std::move(token);
      continue;
    }
    const auto in_vocabulary = vocabulary.find(token.content);
    token.id = in_vocabulary ? *in_vocabulary : next_id;
    if (token.id >= next_id) next_id = token.id + 1;
    index_of.emplace(token.content, tokens.size());
    tokens.push_back(std::move(token));
  }
  return tokens;
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

// "<s>", {"content": "<s>"} or null.
std::optional<std::string> token_content(const JsonView& config, std::string_view key) {
  const auto token = config.find(key);
  if (!token) return std::nullopt;
  return token->is_object() ? token->string("content") : token->as_string();
}

std::optional<std::int64_t> find_content(const TokenizerParts& parts,
                                         const std::optional<std::string>& content) {
  if (!content) return std::nullopt;
  for (const AddedToken& token : parts.added_tokens) {
    if (token.content == *content) return token.id;
  }
  return parts.vocabulary->find(*content);
}

// The names that transformers gives to a chat template as variables.
std::vector<std::pair<std::string, std::string>> read_named_special_tokens(const JsonView& config) {
  std::vector<std::pair<std::string, std::string>> tokens;
  for (const std::string_view name :
       {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"})
    if (auto content = token_content(config, name)) tokens.emplace_back(name, std::move(*content));
  return tokens;
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

void read_tokenizer_config(const TokenizerJson& source, TokenizerParts& parts) {
  if (!source.tokenizer_config_json.empty()) {
    const std::string path =
        (std::filesystem::path(source.where).parent_path() / "tokenizer_config.json").string();
    const Json document = parse_json(source.tokenizer_config_json, path);
    const JsonView config(document, path);
    parts.bos = find_content(parts, token_content(config, "bos_token"));
    parts.eos = find_content(parts, token_content(config, "eos_token"));
    parts.named_special_tokens = read_named_special_tokens(config);
    parts.chat_template = read_chat_template(config);
  }
  if (!parts.bos && parts.automatic.prefix.size() == 1) parts.bos = parts.automatic.prefix.front();
  if (!source.chat_template_jinja.empty()) parts.chat_template = source.chat_template_jinja;
}

}  // namespace

TokenizerParts read_tokenizer_json(const TokenizerJson& source) {
  const Json document = parse_json(source.tokenizer_json, source.where);
  const JsonView root(document, source.where);
  TokenizerParts parts;
  const JsonView model = root.at("model");
  check_model(model);
  parts.vocabulary = read_vocabulary(model.at("vocab"));
  parts.merges = read_merges(model.at("merges"), *parts.vocabulary);
  check_unknown_token(model, *parts.vocabulary, parts.merges);
  if (model.bool_or("ignore_merges", false)) parts.whole_pieces = WholePieces::kTakeAsToken;
  if (const auto added = root.find("added_tokens"))
    parts.added_tokens = read_added_tokens(*added, *parts.vocabulary);
  if (const auto normalizer = root.find("normalizer")) parts.normalizer = read_normalizer(*normalizer);
  parts.pre_tokenizer = read_pre_tokenizer(root.at("pre_tokenizer"));
  if (const auto post_processor = root.find("post_processor")) {
    parts.automatic = read_post_processor(*post_processor);
    check_automatic(*post_processor, parts);
  }
  if (const auto decoder = root.find("decoder")) check_decoder(*decoder);
  read_tokenizer_config(source, parts);
  return parts;
}

}  // namespace emend::text

namespace emend {

std::unique_ptr<Tokenizer> make_tokenizer(const TokenizerJson& source) {
  return text::make_byte_level_tokenizer(text::read_tokenizer_json(source));
}

}  // namespace emend
