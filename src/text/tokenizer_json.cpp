#include "text/tokenizer_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/json.h"
#include "base/strings.h"
#include "emend/error.h"
#include "text/model_json.h"
#include "text/special_tokens.h"
#include "text/tokenizer_components.h"

namespace emend::text {
namespace {

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
      if (!added && !parts.vocabulary->contains(id))
        throw Error(ErrorKind::kFormat,
                    fmt::format("{}: {}: the id {} is no token", field.source(), quote(field.path()), id));
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
  parts.named_special_tokens = named.contents;
  if (!parts.bos && parts.automatic.prefix.size() == 1) parts.bos = parts.automatic.prefix.front();
  parts.added_tokens = tokens.take();
  parts.chat_template = chat_template_of(source);
}

TokenizerParts read_tokenizer_json(const TokenizerJson& source) {
  if (source.tokenizer_json.empty() && !source.vocab_json.empty()) return read_vocab_and_merges(source);
  const Json document = parse_json(source.tokenizer_json, source.where);
  const JsonView root(document, source.where);
  TokenizerParts parts;
  const auto pre_tokenizer = root.find("pre_tokenizer");
  const Spelling spelling =
      pre_tokenizer && has_byte_level(*pre_tokenizer) ? Spelling::kByteAlphabet : Spelling::kPlain;
  read_model(root.at("model"), spelling, parts);
  if (const auto normalizer = root.find("normalizer")) parts.normalizer = read_normalizer(*normalizer);
  if (pre_tokenizer) parts.pre_tokenizer = read_pre_tokenizer(*pre_tokenizer);
  const auto post_processor = root.find("post_processor");
  if (post_processor) parts.automatic = read_post_processor(*post_processor);
  if (spelling == Spelling::kPlain)
    parts.decoder = read_decoder(root.at("decoder"));
  else if (const auto decoder = root.find("decoder"))
    check_decoder(*decoder);
  AddedTokenList tokens(*parts.vocabulary);
  if (const auto added = root.find("added_tokens")) read_added_tokens(*added, tokens);
  read_files_beside(source, {}, std::move(tokens), parts);
  if (post_processor) check_automatic(*post_processor, parts);
  return parts;
}

}  // namespace emend::text

namespace emend {

std::unique_ptr<Tokenizer> make_tokenizer(const TokenizerJson& source) {
  return text::make_pipeline_tokenizer(text::read_tokenizer_json(source));
}

}  // namespace emend
