// vocab.json and merges.txt: byte-level BPE as the slow tokenizers of GPT-2 and its kin saved it. The files
// do not say how a text is cut; that follows from the tokenizer's class, as in transformers 5.

#include <fmt/format.h>

#include <array>
#include <string>
#include <utility>

#include "base/strings.h"
#include "emend/error.h"
#include "text/model_json.h"
#include "text/patterns.h"
#include "text/tokenizer_json.h"

namespace emend::text {
namespace {

struct SlowClass {
  std::string_view name;  // of the class, without "Fast"
  std::string_view pattern;
  bool nfc = false;
  std::string_view bos, eos, unk, pad;          // where no file names them; empty: none
  std::array<std::string_view, 8> model_types;  // whose tokenizer this is where no class is named
};

constexpr std::string_view kEnd = "<|endoftext|>";

constexpr std::array kSlowClasses = std::to_array<SlowClass>({
    {"GPT2Tokenizer",
     kGpt2Pattern,
     false,
     kEnd,
     kEnd,
     kEnd,
     "",
     {"gpt2", "gptj", "gpt_neo", "codegen", "opt", "phi", "starcoder2"}},
    {"CodeGenTokenizer", kGpt2Pattern, false, kEnd, kEnd, kEnd, "", {}},
    {"GPTNeoXTokenizer", kGpt2Pattern, true, kEnd, kEnd, kEnd, "<|padding|>", {"gpt_neox", "olmo"}},
    {"Qwen2Tokenizer", kQwen2Pattern, true, "", kEnd, kEnd, kEnd, {"qwen2", "qwen3"}},
});

[[noreturn]] void fail(const TokenizerJson& source, const std::string& what) {
  throw Error(ErrorKind::kFormat, source.where + ": " + what);
}

const SlowClass& find_class(const TokenizerJson& source, const JsonView& config) {
  std::string name = config.string_or("tokenizer_class", "");
  if (name.ends_with("Fast")) name.resize(name.size() - 4);
  std::vector<std::string> known;
  for (const SlowClass& kind : kSlowClasses) {
    known.emplace_back(kind.name);
    if (kind.name == name) return kind;
    for (const std::string_view type : kind.model_types)
      if (name.empty() && !type.empty() && type == source.model_type) return kind;
  }
  if (name.empty() && source.model_type.empty()) return kSlowClasses.front();
  const std::string found =
      name.empty() ? fmt::format(
                         "no file names the tokenizer's class (\"tokenizer_class\" in "
                         "tokenizer_config.json) of this {} model",
                         quote(source.model_type))
                   : fmt::format("the tokenizer's class {} is not supported with vocab.json", quote(name));
  fail(source, fmt::format("{}; known: {}", found, join(known)));
}

// A merge a line: two tokens with a space between. Lines that begin with #version are comments.
std::vector<Merge> read_merge_lines(const TokenizerJson& source, const Vocabulary& vocabulary) {
  std::vector<Merge> merges;
  std::int64_t number = 0;
  for (std::size_t begin = 0; begin < source.merges_txt.size();) {
    const std::size_t end = std::min(source.merges_txt.find('\n', begin), source.merges_txt.size());
    std::string line = source.merges_txt.substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty() || line.starts_with("#version")) continue;
    const auto refuse = [&](const std::string& why) {
      throw Error(ErrorKind::kFormat, fmt::format("{}:{}: {} {}", path_beside(source, "merges.txt"), number,
                                                  quote(line, 60), why));
    };
    const std::size_t space = line.find(' ');
    if (space == std::string::npos || line.find(' ', space + 1) != std::string::npos)
      refuse("must be two tokens with a space between");
    const std::string left = line.substr(0, space), right = line.substr(space + 1);
    const auto id_of = [&](const std::string& token) {
      const auto id = vocabulary.find(token);
      if (!id) refuse(fmt::format("needs {}, which is not in vocab.json", quote(token, 60)));
      return *id;
    };
    merges.push_back({id_of(left), id_of(right), id_of(left + right)});
  }
  return merges;
}

// Without a tokenizer.json the class adds BOS and EOS where tokenizer_config.json says so.
void add_automatic(const TokenizerJson& source, const JsonView& config, TokenizerParts& parts) {
  if (config.bool_or("add_bos_token", false)) {
    if (!parts.bos) fail(source, "texts begin with a BOS token, but no file names it");
    parts.automatic.prefix = {*parts.bos};
  }
  if (config.bool_or("add_eos_token", false)) {
    if (!parts.eos) fail(source, "texts end with an EOS token, but no file names it");
    parts.automatic.suffix = {*parts.eos};
  }
}

NamedDefaults defaults_of(const SlowClass& kind) {
  NamedDefaults defaults;
  for (const auto& [key, content] : {std::pair("bos_token", kind.bos), std::pair("eos_token", kind.eos),
                                     std::pair("unk_token", kind.unk), std::pair("pad_token", kind.pad)})
    if (!content.empty()) defaults.emplace_back(key, content);
  return defaults;
}

std::unique_ptr<PreTokenizer> make_slow_pre_tokenizer(const SlowClass& kind, bool prefix_space) {
  std::vector<std::unique_ptr<PreTokenizer>> steps;
  if (prefix_space) steps.push_back(make_prefix_space());
  Regex regex(std::string(kind.pattern), "pre-tokenizer of " + std::string(kind.name));
  steps.push_back(make_split(std::move(regex), SplitBehavior::kIsolated, SplitOn::kMatches));
  return make_pre_tokenizer_sequence(std::move(steps));
}

}  // namespace

TokenizerParts read_vocab_and_merges(const TokenizerJson& source) {
  if (source.merges_txt.empty()) fail(source, "there is no merges.txt beside it, which holds its merges");
  const std::string config_path = path_beside(source, "tokenizer_config.json");
  const Json config_document = source.tokenizer_config_json.empty()
                                   ? Json(Json::object())
                                   : parse_json(source.tokenizer_config_json, config_path);
  const JsonView config(config_document, config_path);
  const SlowClass& kind = find_class(source, config);
  const Json document = parse_json(source.vocab_json, source.where);
  TokenizerParts parts;
  parts.vocabulary = read_vocabulary(JsonView(document, source.where), Spelling::kByteAlphabet);
  parts.model = std::make_unique<Bpe>(*parts.vocabulary, read_merge_lines(source, *parts.vocabulary),
                                      WholePieces::kMerge);
  if (kind.nfc) parts.normalizer = make_unicode_normalizer(UnicodeForm::kNfc);
  parts.pre_tokenizer = make_slow_pre_tokenizer(kind, config.bool_or("add_prefix_space", false));
  read_files_beside(source, defaults_of(kind), AddedTokenList(*parts.vocabulary), parts);
  add_automatic(source, config, parts);
  return parts;
}

}  // namespace emend::text
