#include "text/tokenizer_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/json.h"
#include "base/random.h"
#include "base/strings.h"
#include "emend/error.h"
#include "text/gguf_pre_rule.h"
#include "text/unicode.h"

namespace emend::text {
namespace {

constexpr const char* kSpace = "\u2581";  // SentencePiece's

// Texts by which tokenizers are compared whose rules are written in another way.
constexpr std::size_t kProbeTexts = 4000;
constexpr std::uint64_t kMostTokens = 8;  // of such a text
constexpr double kMostDifferent = 0.005;  // share of them that may get other ids, with a warning

[[noreturn]] void refuse(const TokenizerGguf& source, const std::string& why) {
  throw Error(ErrorKind::kModel,
              fmt::format("{}: its tokenizer cannot be written as tokenizer.json: {}", source.where, why));
}

using IdOf = std::unordered_map<std::string, std::int64_t>;

IdOf ids_of_tokens(const TokenizerGguf& source) {
  IdOf ids;
  for (std::size_t id = 0; id < source.tokens.size(); ++id)
    if (!ids.emplace(source.tokens[id], static_cast<std::int64_t>(id)).second)
      refuse(source, fmt::format("the tokens {} and {} are both spelled {}", ids.at(source.tokens[id]), id,
                                 quote(source.tokens[id], 60)));
  return ids;
}

ResultJson added_tokens(const TokenizerGguf& source) {
  ResultJson list = ResultJson::array();
  for (std::size_t id = 0; id < source.tokens.size(); ++id)
    if (is_added_token(source, id))
      list.push_back({{"id", id},
                      {"content", source.tokens[id]},
                      {"single_word", false},
                      {"lstrip", false},
                      {"rstrip", false},
                      {"normalized", false},
                      {"special", is_control_token(source, id)}});
  return list;
}

ResultJson bpe(const TokenizerGguf& source, const ResultJson& merges) {
  ResultJson vocab = ResultJson::object();
  // Filled as a list of pairs: an ordered object looks each new key up among all.
  auto& pairs = vocab.get_ref<ResultJson::object_t&>();
  for (std::size_t id = 0; id < source.tokens.size(); ++id)
    static_cast<std::vector<ResultJson::object_t::value_type>&>(pairs).emplace_back(source.tokens[id], id);
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", false},
          {"vocab", vocab},
          {"merges", merges}};
}

// Merges as the file lists them: "left right".
ResultJson listed_merges(const TokenizerGguf& source) {
  ResultJson merges = ResultJson::array();
  for (const std::string& merge : source.merges) {
    const std::size_t space = merge.find(' ', 1);
    merges.push_back({merge.substr(0, space), merge.substr(space + 1)});
  }
  return merges;
}

struct ScoredMerge {
  double score;
  std::int64_t merged;
  std::string left, right;
};

// Every way to make a token of two others, best score first; of one token the way with the longer left half
// first, which is the leftmost one in a run of the same character.
ResultJson merges_by_score(const TokenizerGguf& source, const IdOf& ids) {
  std::vector<ScoredMerge> found;
  for (std::size_t id = 0; id < source.tokens.size(); ++id) {
    const std::string& token = source.tokens[id];
    if (is_added_token(source, id) || token.empty()) continue;
    for (std::size_t at = code_point_at(token, 0).length; at < token.size();
         at += code_point_at(token, at).length) {
      const std::string left = token.substr(0, at), right = token.substr(at);
      if (ids.contains(left) && ids.contains(right))
        found.push_back({source.scores[id], static_cast<std::int64_t>(id), left, right});
    }
  }
  std::stable_sort(found.begin(), found.end(), [](const ScoredMerge& a, const ScoredMerge& b) {
    if (a.score != b.score) return a.score > b.score;
    if (a.merged != b.merged) return a.merged < b.merged;
    return a.left.size() > b.left.size();
  });
  ResultJson merges = ResultJson::array();
  for (const ScoredMerge& merge : found) merges.push_back({merge.left, merge.right});
  return merges;
}

ResultJson pre_tokenizer_of(const PreRule& rule) {
  const ResultJson byte_level = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};
  ResultJson steps = ResultJson::array();
  bool is_spelled = false;
  for (const std::string_view pattern : rule.patterns) {
    if (pattern.empty()) break;
    if (pattern == kSpelled)
      steps.push_back(byte_level);
    else if (pattern == kEachDigit || pattern == kNumberRuns)
      steps.push_back({{"type", "Digits"}, {"individual_digits", pattern == kEachDigit}});
    else
      steps.push_back({{"type", "Split"},
                       {"pattern", {{"Regex", pattern}}},
                       {"behavior", "Isolated"},
                       {"invert", false}});
    is_spelled = is_spelled || pattern == kSpelled;
  }
  if (!is_spelled) steps.push_back(byte_level);
  return {{"type", "Sequence"}, {"pretokenizers", steps}};
}

ResultJson post_processor(const TokenizerGguf& source) {
  const TextEnds ends = ends_of_texts(source);
  if (ends.bos < 0 && ends.eos < 0) return nullptr;
  ResultJson specials = ResultJson::object();
  const auto special = [&](std::int64_t id) -> ResultJson {
    const std::string& token = source.tokens[static_cast<std::size_t>(id)];
    specials[token] = {{"id", token}, {"ids", {id}}, {"tokens", {token}}};
    return {{"SpecialToken", {{"id", token}, {"type_id", 0}}}};
  };
  const auto text = [&](const char* name, int type) {
    ResultJson parts = ResultJson::array();
    if (ends.bos >= 0) parts.push_back(special(ends.bos));
    parts.push_back({{"Sequence", {{"id", name}, {"type_id", type}}}});
    if (ends.eos >= 0) parts.push_back(special(ends.eos));
    return parts;
  };
  const ResultJson single = text("A", 0);
  ResultJson pair = single;
  for (const ResultJson& part : text("B", 1)) pair.push_back(part);
  return {{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", specials}};
}

ResultJson sequence(const char* type, const char* members, const ResultJson& steps) {
  return {{"type", type}, {members, steps}};
}

void add_byte_level(const TokenizerGguf& source, ResultJson& root) {
  const PreRule& rule = find_pre_rule(source);
  if (rule.form == NormalForm::kNfc) root["normalizer"] = {{"type", "NFC"}};
  root["pre_tokenizer"] = pre_tokenizer_of(rule);
  root["decoder"] = {
      {"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}};
  root["model"] = bpe(source, listed_merges(source));
  root["model"]["ignore_merges"] = rule.whole_pieces == WholePieces::kTakeAsToken;
}

void add_scored(const TokenizerGguf& source, const IdOf& ids, ResultJson& root) {
  const bool prefix = source.add_space_prefix.value_or(true);
  const ResultJson blank = {{"String", " "}}, mark = {{"String", kSpace}};
  ResultJson normal = ResultJson::array(), decode = ResultJson::array();
  if (prefix) normal.push_back({{"type", "Prepend"}, {"prepend", kSpace}});
  normal.push_back({{"type", "Replace"}, {"pattern", blank}, {"content", kSpace}});
  decode.push_back({{"type", "Replace"}, {"pattern", mark}, {"content", " "}});
  decode.push_back({{"type", "ByteFallback"}});
  decode.push_back({{"type", "Fuse"}});
  if (prefix) decode.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  root["normalizer"] = sequence("Sequence", "normalizers", normal);
  root["decoder"] = sequence("Sequence", "decoders", decode);
  root["model"] = bpe(source, merges_by_score(source, ids));
  root["model"]["byte_fallback"] = true;
  if (source.unknown_id)
    root["model"]["unk_token"] = source.tokens[static_cast<std::size_t>(*source.unknown_id)];
}

std::string tokenizer_json_of(const TokenizerGguf& source) {
  const IdOf ids = ids_of_tokens(source);
  ResultJson root = {{"version", "1.0"},
                     {"truncation", nullptr},
                     {"padding", nullptr},
                     {"added_tokens", added_tokens(source)},
                     {"normalizer", nullptr},
                     {"pre_tokenizer", nullptr},
                     {"post_processor", post_processor(source)},
                     {"decoder", nullptr},
                     {"model", nullptr}};
  if (source.model == "llama")
    add_scored(source, ids, root);
  else
    add_byte_level(source, root);
  return root.dump(1) + "\n";
}

std::string tokenizer_config_of(const TokenizerGguf& source) {
  ResultJson root = {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"clean_up_tokenization_spaces", false}};
  const auto name = [&](const char* key, std::optional<std::int64_t> id) {
    if (id) root[key] = source.tokens[static_cast<std::size_t>(*id)];
  };
  name("bos_token", source.bos_id);
  name("eos_token", source.eos_id);
  name("unk_token", source.unknown_id);
  if (!source.chat_template.empty()) root["chat_template"] = source.chat_template;
  return root.dump(2) + "\n";
}

// Texts made of the vocabulary's own tokens, some with a space between: runs that a model meets, and
// boundaries that it does not.
std::vector<std::string> probe_texts(const Tokenizer& tokenizer, std::size_t count) {
  std::vector<std::string> texts = {
      "", " ", "  a", "The quick brown fox", "12345 6.78", "na\u00efve \u4f60\u597d"};
  const Random random(0, 0);
  for (std::uint64_t draw = 0; texts.size() < count;) {
    std::vector<std::int64_t> ids;
    const std::uint64_t length = 1 + random.below(draw++, kMostTokens);
    for (std::uint64_t i = 0; i < length; ++i)
      ids.push_back(
          static_cast<std::int64_t>(random.below(draw++, static_cast<std::uint64_t>(tokenizer.size()))));
    texts.push_back(tokenizer.decode(ids, true));
  }
  return texts;
}

struct Differences {
  std::size_t count = 0;
  std::string first;  // the text
};

Differences compare_ids(const Tokenizer& gguf, const Tokenizer& written,
                        const std::vector<std::string>& texts) {
  Differences differences;
  for (const std::string& text : texts) {
    if (gguf.encode(text, SpecialTokens::kAuto).ids == written.encode(text, SpecialTokens::kAuto).ids)
      continue;
    if (differences.count++ == 0) differences.first = text;
  }
  return differences;
}

void require_same_names(const TokenizerGguf& source, const Tokenizer& gguf, const Tokenizer& written) {
  if (gguf.size() != written.size())
    refuse(source, fmt::format("it would have {} ids instead of {}", written.size(), gguf.size()));
  if (gguf.bos() != written.bos() || gguf.eos() != written.eos())
    refuse(source, "the tokens that begin and end texts would be others");
  for (std::int64_t id = 0; id < gguf.size(); ++id)
    if (gguf.token_bytes(id) != written.token_bytes(id))
      refuse(source, fmt::format("token {}, {}, would stand for {}", id, quote(gguf.token_bytes(id), 60),
                                 quote(written.token_bytes(id), 60)));
}

// Equal tokenizers have equal fingerprints. Where the rules are written in another way, as scores are, texts
// decide.
void compare(const TokenizerGguf& source, const Tokenizer& gguf, TokenizerFiles& files) {
  TokenizerJson json;
  json.tokenizer_json = files.tokenizer_json;
  json.tokenizer_config_json = files.tokenizer_config_json;
  json.where = source.where + " as tokenizer.json";
  const std::unique_ptr<Tokenizer> written = make_tokenizer(json);
  require_same_names(source, gguf, *written);
  if (gguf.fingerprint() == written->fingerprint()) return;
  const std::vector<std::string> texts = probe_texts(gguf, kProbeTexts);
  const Differences differences = compare_ids(gguf, *written, texts);
  if (differences.count == 0) return;
  const std::string text = fmt::format("{} of {} texts made of its tokens get other ids, such as {}",
                                       differences.count, texts.size(), quote(differences.first, 60));
  if (static_cast<double>(differences.count) > kMostDifferent * static_cast<double>(texts.size()))
    refuse(source, text);
  files.warnings.push_back(
      "The tokenizer.json that is written differs from the GGUF file in rare texts: " + text + ".");
}

}  // namespace

TokenizerFiles tokenizer_files_of(const TokenizerGguf& source) {
  const std::unique_ptr<Tokenizer> gguf = make_tokenizer(source);  // what is broken is told as ever
  TokenizerFiles files;
  files.tokenizer_json =
      source.huggingface_json.empty() ? tokenizer_json_of(source) : source.huggingface_json;
  files.tokenizer_config_json = tokenizer_config_of(source);
  compare(source, *gguf, files);
  return files;
}

}  // namespace emend::text
