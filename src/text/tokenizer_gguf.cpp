// The tokenizer.ggml.* keys of a GGUF file into the parts of a tokenizer. GGUF names the pre-tokenizer
// instead of spelling it out; only names whose rules are known here to be those of the model's own
// tokenizer.json are accepted.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "base/nearest.h"
#include "base/strings.h"
#include "emend/error.h"
#include "text/byte_level_tokenizer.h"
#include "text/tokenizer_json.h"

namespace emend {
namespace text {
namespace {

constexpr std::string_view kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kTekkenPattern =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

enum class DigitRule { kNone, kEachAlone };
enum class NormalForm { kAsIs, kNfc };

struct PreRule {
  std::string_view name;
  std::string_view pattern;
  DigitRule digits = DigitRule::kNone;  // before the pattern
  NormalForm form = NormalForm::kAsIs;
  WholePieces whole_pieces = WholePieces::kMerge;
  bool add_bos = false;  // where the file does not say
};

constexpr std::array kPreRules = std::to_array<PreRule>({
    {"gpt-2", kGpt2Pattern},
    {"phi-2", kGpt2Pattern},
    {"olmo", kGpt2Pattern, DigitRule::kNone, NormalForm::kNfc},
    {"smollm", kGpt2Pattern, DigitRule::kEachAlone},
    {"starcoder", kGpt2Pattern, DigitRule::kEachAlone},
    {"refact", kGpt2Pattern, DigitRule::kEachAlone},
    {"llama-bpe", kLlama3Pattern, DigitRule::kNone, NormalForm::kAsIs, WholePieces::kTakeAsToken, true},
    {"llama3", kLlama3Pattern, DigitRule::kNone, NormalForm::kAsIs, WholePieces::kTakeAsToken, true},
    {"llama-v3", kLlama3Pattern, DigitRule::kNone, NormalForm::kAsIs, WholePieces::kTakeAsToken, true},
    {"qwen2", kQwen2Pattern, DigitRule::kNone, NormalForm::kNfc},
    {"deepseek-r1-qwen", kQwen2Pattern, DigitRule::kNone, NormalForm::kNfc},
    {"tekken", kTekkenPattern, DigitRule::kNone, NormalForm::kAsIs, WholePieces::kTakeAsToken, true},
});

// Values of tokenizer.ggml.token_type.
constexpr std::int64_t kControl = 3;
constexpr std::int64_t kUserDefined = 4;

[[noreturn]] void fail(const TokenizerGguf& source, std::string_view key, const std::string& what) {
  throw Error(ErrorKind::kFormat, fmt::format("{}: {}: {}", source.where, quote(key), what));
}

const PreRule& find_rule(const TokenizerGguf& source) {
  std::vector<std::string> names;
  for (const PreRule& rule : kPreRules) {
    if (rule.name == source.pre) return rule;
    names.emplace_back(rule.name);
  }
  const std::string found = source.pre.empty() ? "is missing" : quote(source.pre) + " is not supported";
  fail(source, "tokenizer.ggml.pre", fmt::format("the pre-tokenizer {}; known: {}", found, join(names)));
}

std::unique_ptr<PreTokenizer> make_pre_tokenizer(const PreRule& rule) {
  std::vector<std::unique_ptr<PreTokenizer>> steps;
  if (rule.digits == DigitRule::kEachAlone) steps.push_back(make_digits(DigitRuns::kEachDigit));
  Regex regex(std::string(rule.pattern), "pre-tokenizer " + std::string(rule.name));
  steps.push_back(make_split(std::move(regex), SplitBehavior::kIsolated, SplitOn::kMatches));
  return make_pre_tokenizer_sequence(std::move(steps));
}

bool is_added(const TokenizerGguf& source, std::size_t id) {
  if (source.token_type.empty()) return false;
  return source.token_type[id] == kControl || source.token_type[id] == kUserDefined;
}

void read_tokens(const TokenizerGguf& source, TokenizerParts& parts) {
  if (source.tokens.empty()) fail(source, "tokenizer.ggml.tokens", "missing or empty");
  if (!source.token_type.empty() && source.token_type.size() != source.tokens.size()) {
    fail(source, "tokenizer.ggml.token_type",
         fmt::format("has {} entries for {} tokens", source.token_type.size(), source.tokens.size()));
  }
  parts.vocabulary = std::make_unique<Vocabulary>(source.tokens.size());
  for (std::size_t id = 0; id < source.tokens.size(); ++id) {
    if (is_added(source, id)) continue;
    if (!parts.vocabulary->add(static_cast<std::int64_t>(id), source.tokens[id])) {
      fail(source, "tokenizer.ggml.tokens",
           fmt::format("token {}, {}, is there twice", id, quote(source.tokens[id], 60)));
    }
  }
  // Added tokens may take part in merges as well. They are raw text here, so that one may look like another
  // token's spelling: that one then stays.
  for (std::size_t id = 0; id < source.tokens.size(); ++id) {
    if (!is_added(source, id)) continue;
    parts.vocabulary->add(static_cast<std::int64_t>(id), source.tokens[id]);
    AddedToken token;
    token.id = static_cast<std::int64_t>(id);
    token.content = source.tokens[id];
    token.special = source.token_type[id] == kControl;
    parts.added_tokens.push_back(std::move(token));
  }
}

void read_merges(const TokenizerGguf& source, TokenizerParts& parts) {
  if (source.merges.empty()) fail(source, "tokenizer.ggml.merges", "missing or empty");
  parts.merges.reserve(source.merges.size());
  for (const std::string& merge : source.merges) {
    const std::size_t space = merge.find(' ', 1);
    const auto refuse = [&](const std::string& why) {
      fail(source, "tokenizer.ggml.merges",
           fmt::format("merge {}, {}, {}", parts.merges.size(), quote(merge, 60), why));
    };
    if (space == std::string::npos) refuse("must be two tokens with a space between");
    const std::string left = merge.substr(0, space), right = merge.substr(space + 1);
    const auto id_of = [&](const std::string& token) {
      const auto id = parts.vocabulary->find(token);
      if (!id) refuse(fmt::format("needs {}, which is not in the vocabulary", quote(token, 60)));
      return *id;
    };
    parts.merges.push_back({id_of(left), id_of(right), id_of(left + right)});
  }
}

void check_id(const TokenizerGguf& source, std::string_view key, std::optional<std::int64_t> id) {
  const auto size = static_cast<std::int64_t>(source.tokens.size());
  if (id && (*id < 0 || *id >= size)) {
    fail(source, key, fmt::format("{} is not one of the {} tokens", *id, size));
  }
}

// What the chat template calls bos_token and eos_token.
void name_special_tokens(TokenizerParts& parts) {
  const auto add = [&](const char* name, std::optional<std::int64_t> id) {
    if (!id) return;
    const auto token = std::find_if(parts.added_tokens.begin(), parts.added_tokens.end(),
                                    [&](const AddedToken& added) { return added.id == *id; });
    if (token != parts.added_tokens.end())
      parts.named_special_tokens.emplace_back(name, token->content);
    else if (parts.vocabulary->contains(*id))
      parts.named_special_tokens.emplace_back(name, parts.vocabulary->spelling(*id));
  };
  add("bos_token", parts.bos);
  add("eos_token", parts.eos);
}

TokenizerParts read_tokenizer_gguf(const TokenizerGguf& source) {
  if (source.model != "gpt2") {
    const std::string found = source.model.empty()
                                  ? "missing"
                                  : fmt::format("the tokenizer {} is not supported", quote(source.model));
    fail(source, "tokenizer.ggml.model", found + "; known: gpt2 (byte-level BPE)");
  }
  const PreRule& rule = find_rule(source);
  TokenizerParts parts;
  read_tokens(source, parts);
  read_merges(source, parts);
  check_id(source, "tokenizer.ggml.bos_token_id", source.bos_id);
  check_id(source, "tokenizer.ggml.eos_token_id", source.eos_id);
  parts.whole_pieces = rule.whole_pieces;
  if (rule.form == NormalForm::kNfc) parts.normalizer = make_unicode_normalizer(UnicodeForm::kNfc);
  parts.pre_tokenizer = make_pre_tokenizer(rule);
  parts.bos = source.bos_id;
  parts.eos = source.eos_id;
  if (source.add_bos.value_or(rule.add_bos)) {
    if (!source.bos_id) fail(source, "tokenizer.ggml.bos_token_id", "missing, though texts begin with it");
    parts.automatic.prefix = {*source.bos_id};
  }
  name_special_tokens(parts);
  parts.chat_template = source.chat_template;
  return parts;
}

// A whole tokenizer.json that the file carries along; the ggml keys still name BOS and EOS.
TokenizerParts read_carried_json(const TokenizerGguf& source) {
  TokenizerJson json;
  json.tokenizer_json = source.huggingface_json;
  json.where = source.where + ": tokenizer.huggingface.json";
  TokenizerParts parts = read_tokenizer_json(json);
  if (source.bos_id) parts.bos = source.bos_id;
  if (source.eos_id) parts.eos = source.eos_id;
  name_special_tokens(parts);
  parts.chat_template = source.chat_template;
  return parts;
}

}  // namespace
}  // namespace text

std::unique_ptr<Tokenizer> make_tokenizer(const TokenizerGguf& source) {
  const bool has_json = !source.huggingface_json.empty();
  return text::make_byte_level_tokenizer(has_json ? text::read_carried_json(source)
                                                  : text::read_tokenizer_gguf(source));
}

}  // namespace emend
