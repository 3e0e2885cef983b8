// The tokenizer.ggml.* keys of a GGUF file into the parts of a tokenizer. GGUF names the pre-tokenizer
// instead of spelling it out; only names whose rules are known here to be those of the model's own
// tokenizer.json are accepted.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "base/nearest.h"
#include "base/strings.h"
#include "emend/error.h"
#include "text/bpe.h"
#include "text/gguf_pre_rule.h"
#include "text/pipeline_tokenizer.h"
#include "text/tokenizer_json.h"

namespace emend {
namespace text {
namespace {

constexpr auto kWhole = WholePieces::kTakeAsToken;

// The models' own tokenizer.json where it is known, else the patterns of llama.cpp (ggml-org/llama.cpp:
// src/llama-vocab.cpp).
constexpr std::array kPreRules = std::to_array<PreRule>({
    {"gpt-2", {kGpt2Pattern}},
    {"phi-2", {kGpt2Pattern}},
    {"mpt", {kGpt2Pattern}, NormalForm::kNfc},   // the tokenizer of GPT-NeoX
    {"olmo", {kGpt2Pattern}, NormalForm::kNfc},  // GPT-NeoX and OLMo
    {"smollm", {kEachDigit, kGpt2Pattern}},
    {"starcoder", {kEachDigit, kGpt2Pattern}},  // StarCoder 2
    {"refact", {kEachDigit, kGpt2Pattern}},     // Granite
    {"codeshell", {kEachDigit, kGpt2Pattern}},
    {"llama-bpe", {kLlama3Pattern}, NormalForm::kAsIs, kWhole, true},
    {"llama3", {kLlama3Pattern}, NormalForm::kAsIs, kWhole, true},
    {"llama-v3", {kLlama3Pattern}, NormalForm::kAsIs, kWhole, true},
    {"falcon3", {kLlama3Pattern}, NormalForm::kAsIs, kWhole, true},
    {"falcon-h1", {kLlama3Pattern}, NormalForm::kAsIs, kWhole, true},
    {"dbrx", {kLlama3Pattern}},       // OLMo 2, Phi-4 and others with the vocabulary of GPT-4
    {"smaug-bpe", {kLlama3Pattern}},  // SmolLM3
    {"gpt-4o", {kGpt4oPattern}},      // Phi-4-mini
    {"qwen2", {kQwen2Pattern}, NormalForm::kNfc},
    {"deepseek-r1-qwen", {kQwen2Pattern}, NormalForm::kNfc},
    {"stablelm2", {kQwen2Pattern}, NormalForm::kNfc},
    {"tekken", {kTekkenPattern}, NormalForm::kAsIs, kWhole, true},
    {"falcon", {R"([\p{P}$+<=>^~|`]+)", kGpt2Pattern, kSpelled, kNumberRuns, "[0-9][0-9][0-9]"}},
    {"default", {R"([\p{P}$+<=>^~|]+)", kGpt2Pattern, R"(\p{N}+)", "[0-9][0-9][0-9]"}},
});

// Values of tokenizer.ggml.token_type.
constexpr std::int64_t kUnknown = 2;
constexpr std::int64_t kControl = 3;
constexpr std::int64_t kUserDefined = 4;

[[noreturn]] void fail(const TokenizerGguf& source, std::string_view key, const std::string& what) {
  throw Error(ErrorKind::kFormat, fmt::format("{}: {}: {}", source.where, quote(key), what));
}

}  // namespace

const PreRule& find_pre_rule(const TokenizerGguf& source) {
  const std::string_view wanted = source.pre.empty() ? "default" : std::string_view(source.pre);
  std::vector<std::string> names;
  for (const PreRule& rule : kPreRules) {
    if (rule.name == wanted) return rule;
    names.emplace_back(rule.name);
  }
  fail(source, "tokenizer.ggml.pre",
       fmt::format("the pre-tokenizer {} is not supported; known: {}", quote(source.pre), join(names)));
}

bool is_added_token(const TokenizerGguf& source, std::size_t id) {
  return is_control_token(source, id) ||
         (!source.token_type.empty() && source.token_type[id] == kUserDefined);
}

bool is_control_token(const TokenizerGguf& source, std::size_t id) {
  if (source.token_type.empty()) return false;
  return source.token_type[id] == kControl || source.token_type[id] == kUnknown;
}

TextEnds ends_of_texts(const TokenizerGguf& source) {
  TextEnds ends;
  const bool usual = source.model == "llama" || find_pre_rule(source).add_bos;
  if (source.add_bos.value_or(usual)) {
    if (!source.bos_id) fail(source, "tokenizer.ggml.bos_token_id", "missing, though texts begin with it");
    ends.bos = *source.bos_id;
  }
  if (source.add_eos.value_or(false)) {
    if (!source.eos_id) fail(source, "tokenizer.ggml.eos_token_id", "missing, though texts end with it");
    ends.eos = *source.eos_id;
  }
  return ends;
}

namespace {

std::unique_ptr<PreTokenizer> make_step(std::string_view pattern, std::string_view rule) {
  if (pattern == kEachDigit) return make_digits(DigitRuns::kEachDigit);
  if (pattern == kNumberRuns) return make_digits(DigitRuns::kWholeRun);
  Regex regex(std::string(pattern), "pre-tokenizer " + std::string(rule));
  return make_split(std::move(regex), SplitBehavior::kIsolated, SplitOn::kMatches);
}

std::unique_ptr<PreTokenizer> make_pre_tokenizer(const PreRule& rule) {
  std::vector<std::unique_ptr<PreTokenizer>> steps, spelled;
  bool behind_byte_level = false;
  for (const std::string_view pattern : rule.patterns) {
    if (pattern.empty()) break;
    if (pattern == kSpelled)
      behind_byte_level = true;
    else
      (behind_byte_level ? spelled : steps).push_back(make_step(pattern, rule.name));
  }
  if (!spelled.empty()) steps.push_back(make_spelled_steps(make_pre_tokenizer_sequence(std::move(spelled))));
  return make_pre_tokenizer_sequence(std::move(steps));
}

void check_tokens(const TokenizerGguf& source) {
  if (source.tokens.empty()) fail(source, "tokenizer.ggml.tokens", "missing or empty");
  if (!source.token_type.empty() && source.token_type.size() != source.tokens.size()) {
    fail(source, "tokenizer.ggml.token_type",
         fmt::format("has {} entries for {} tokens", source.token_type.size(), source.tokens.size()));
  }
}

constexpr std::size_t kAhead = 16;  // tokens whose places in the vocabulary are on their way

void read_tokens(const TokenizerGguf& source, Spelling spelling, TokenizerParts& parts) {
  check_tokens(source);
  parts.vocabulary = std::make_unique<Vocabulary>(source.tokens.size(), spelling);
  for (std::size_t id = 0; id < source.tokens.size(); ++id) {
    if (id + kAhead < source.tokens.size()) parts.vocabulary->prepare(source.tokens[id + kAhead]);
    if (is_added_token(source, id)) continue;
    if (!parts.vocabulary->add(static_cast<std::int64_t>(id), source.tokens[id])) {
      fail(source, "tokenizer.ggml.tokens",
           fmt::format("token {}, {}, is there twice", id, quote(source.tokens[id], 60)));
    }
  }
  // Added tokens may take part in merges as well. They are raw text here, so that one may look like another
  // token's spelling: that one then stays.
  for (std::size_t id = 0; id < source.tokens.size(); ++id) {
    if (!is_added_token(source, id)) continue;
    parts.vocabulary->add(static_cast<std::int64_t>(id), source.tokens[id]);
    AddedToken token;
    token.id = static_cast<std::int64_t>(id);
    token.content = source.tokens[id];
    token.special = is_control_token(source, id);
    parts.added_tokens.push_back(std::move(token));
  }
}

std::vector<Merge> read_merges(const TokenizerGguf& source, const Vocabulary& vocabulary) {
  if (source.merges.empty()) fail(source, "tokenizer.ggml.merges", "missing or empty");
  std::vector<Merge> merges;
  merges.reserve(source.merges.size());
  for (const std::string& merge : source.merges) {
    const std::size_t space = merge.find(' ', 1);
    const auto refuse = [&](const std::string& why) {
      fail(source, "tokenizer.ggml.merges",
           fmt::format("merge {}, {}, {}", merges.size(), quote(merge, 60), why));
    };
    if (space == std::string::npos) refuse("must be two tokens with a space between");
    const std::string left = merge.substr(0, space), right = merge.substr(space + 1);
    const auto id_of = [&](const std::string& token) {
      const auto id = vocabulary.find(token);
      if (!id) refuse(fmt::format("needs {}, which is not in the vocabulary", quote(token, 60)));
      return *id;
    };
    merges.push_back({id_of(left), id_of(right), id_of(left + right)});
  }
  return merges;
}

void check_id(const TokenizerGguf& source, std::string_view key, std::optional<std::int64_t> id) {
  const auto size = static_cast<std::int64_t>(source.tokens.size());
  if (id && (*id < 0 || *id >= size)) {
    fail(source, key, fmt::format("{} is not one of the {} tokens", *id, size));
  }
}

void read_byte_level(const TokenizerGguf& source, const PreRule& rule, TokenizerParts& parts) {
  read_tokens(source, Spelling::kByteAlphabet, parts);
  parts.model =
      std::make_unique<Bpe>(*parts.vocabulary, read_merges(source, *parts.vocabulary), rule.whole_pieces);
  if (rule.form == NormalForm::kNfc) parts.normalizer = make_unicode_normalizer(UnicodeForm::kNfc);
  parts.pre_tokenizer = make_pre_tokenizer(rule);
  if (source.pre.empty())
    parts.warnings.push_back(
        source.where +
        ": \"tokenizer.ggml.pre\" is missing; texts are cut by the default rule, as "
        "llama.cpp does. Ids differ from those of a model that was trained with another");
}

// The space of SentencePiece.
constexpr const char* kSpace = "\u2581";

// Spaces to kSpace, after one in front of every text where the file says so.
std::unique_ptr<Normalizer> make_space_normalizer(const TokenizerGguf& source) {
  std::vector<std::unique_ptr<Normalizer>> steps;
  if (source.add_space_prefix.value_or(true)) steps.push_back(make_prepend(kSpace));
  steps.push_back(make_replace(Regex::literal(" ", source.where), kSpace));
  return make_normalizer_sequence(std::move(steps));
}

Decoder make_space_decoder(const TokenizerGguf& source) {
  Decoder steps;
  steps.push_back(make_literal_step(kSpace, " "));
  steps.push_back(make_byte_fallback_step());
  steps.push_back(make_fuse_step());
  if (source.add_space_prefix.value_or(true)) steps.push_back(make_strip_step(U' ', 1, 0, true));
  return steps;
}

// SentencePiece's BPE: Llama 2, Mistral, Gemma.
void read_scored(const TokenizerGguf& source, TokenizerParts& parts) {
  read_tokens(source, Spelling::kPlain, parts);
  if (source.scores.size() != source.tokens.size()) {
    fail(source, "tokenizer.ggml.scores",
         fmt::format("has {} entries for {} tokens", source.scores.size(), source.tokens.size()));
  }
  if (!std::all_of(source.scores.begin(), source.scores.end(),
                   [](double score) { return std::isfinite(score); }))
    fail(source, "tokenizer.ggml.scores", "holds NaN or infinite values");
  CharacterFallback fallback;
  fallback.to_bytes = true;
  if (source.unknown_id) fallback.unknown = static_cast<std::int32_t>(*source.unknown_id);
  parts.model = std::make_unique<ScoredBpe>(*parts.vocabulary, source.scores, fallback);
  parts.normalizer = make_space_normalizer(source);
  parts.decoder = make_space_decoder(source);
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
  const bool scored = source.model == "llama";
  if (source.model != "gpt2" && !scored) {
    const std::string found = source.model.empty()
                                  ? "missing"
                                  : fmt::format("the tokenizer {} is not supported", quote(source.model));
    fail(source, "tokenizer.ggml.model",
         found + "; known: gpt2 (byte-level BPE) and llama (SentencePiece's BPE)");
  }
  check_id(source, "tokenizer.ggml.bos_token_id", source.bos_id);
  check_id(source, "tokenizer.ggml.eos_token_id", source.eos_id);
  check_id(source, "tokenizer.ggml.unknown_token_id", source.unknown_id);
  TokenizerParts parts;
  if (scored)
    read_scored(source, parts);
  else
    read_byte_level(source, find_pre_rule(source), parts);
  parts.bos = source.bos_id;
  parts.eos = source.eos_id;
  const TextEnds ends = ends_of_texts(source);
  if (ends.bos >= 0) parts.automatic.prefix = {ends.bos};
  if (ends.eos >= 0) parts.automatic.suffix = {ends.eos};
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
  return text::make_pipeline_tokenizer(has_json ? text::read_carried_json(source)
                                                : text::read_tokenizer_gguf(source));
}

}  // namespace emend
