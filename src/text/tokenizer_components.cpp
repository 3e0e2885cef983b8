#include "text/tokenizer_components.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "emend/error.h"
#include "text/precompiled.h"
#include "text/unicode.h"

namespace emend::text {
namespace {

std::string where_is(const JsonView& view) {
  return view.source() + ": " + quote(view.path());
}

// {"String": "..."} or {"Regex": "..."}.
Regex read_pattern(const JsonView& pattern) {
  if (const auto text = pattern.find("String")) return Regex::literal(text->as_string(), where_is(*text));
  if (const auto regex = pattern.find("Regex")) return Regex(regex->as_string(), where_is(*regex));
  pattern.refuse("an object with \"String\" or \"Regex\"");
}

SplitBehavior read_behavior(const JsonView& behavior) {
  const std::string& name = behavior.as_string();
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  behavior.refuse("one of Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous");
}

// Steps of a pre-tokenizer in the order in which they run.
struct PreTokenizerSteps {
  std::vector<std::unique_ptr<PreTokenizer>> steps;
  std::vector<std::unique_ptr<PreTokenizer>> spelled;  // behind ByteLevel
  bool byte_level = false;

  void add(std::unique_ptr<PreTokenizer> step) { (byte_level ? spelled : steps).push_back(std::move(step)); }
};

void read_byte_level(const JsonView& component, PreTokenizerSteps& result) {
  if (component.bool_or("add_prefix_space", true)) result.add(make_prefix_space());
  if (component.bool_or("use_regex", true)) {
    Regex regex(std::string(kGpt2Pattern), where_is(component));
    result.add(make_split(std::move(regex), SplitBehavior::kIsolated, SplitOn::kMatches));
  }
  result.byte_level = true;
}

// The one character of a text.
char32_t read_character(const JsonView& character) {
  const std::string& text = character.as_string();
  if (text.empty() || code_point_at(text, 0).length != text.size()) character.refuse("one character");
  return code_point_at(text, 0).code_point;
}

PrependScheme read_prepend_scheme(const JsonView& component) {
  if (!component.bool_or("add_prefix_space", true)) return PrependScheme::kNever;  // an old way to say it
  const std::string scheme = component.string_or("prepend_scheme", "always");
  if (scheme == "always") return PrependScheme::kAlways;
  if (scheme == "first") return PrependScheme::kFirst;
  if (scheme == "never") return PrependScheme::kNever;
  component.at("prepend_scheme").refuse("one of always, first, never");
}

Metaspace read_metaspace(const JsonView& component) {
  return {read_character(component.at("replacement")), read_prepend_scheme(component),
          component.bool_or("split", true)};
}

std::unique_ptr<PreTokenizer> read_split(const JsonView& component) {
  const SplitOn on = component.bool_or("invert", false) ? SplitOn::kGaps : SplitOn::kMatches;
  return make_split(read_pattern(component.at("pattern")), read_behavior(component.at("behavior")), on);
}

std::unique_ptr<PreTokenizer> read_class_split(const JsonView& component, const char* pattern,
                                               SplitBehavior behavior) {
  return make_split(Regex(pattern, where_is(component)), behavior, SplitOn::kMatches);
}

// What only cuts, which may also stand behind ByteLevel; null for other kinds.
std::unique_ptr<PreTokenizer> read_cut(const JsonView& component, const std::string& name) {
  if (name == "Split") return read_split(component);
  if (name == "Digits") {
    const bool each = component.bool_or("individual_digits", false);
    return make_digits(each ? DigitRuns::kEachDigit : DigitRuns::kWholeRun);
  }
  if (name == "Punctuation") {
    const auto behavior = component.find("behavior");
    return read_class_split(component, R"([\p{P}$+<=>^`|~])",
                            behavior ? read_behavior(*behavior) : SplitBehavior::kIsolated);
  }
  if (name == "WhitespaceSplit") return read_class_split(component, R"(\s)", SplitBehavior::kRemoved);
  return nullptr;
}

void read_steps(const JsonView& component, PreTokenizerSteps& result) {
  const JsonView type = component.at("type");
  const std::string& name = type.as_string();
  if (name == "Sequence") {
    for (const JsonView& part : component.at("pretokenizers").elements()) read_steps(part, result);
  } else if (auto cut = read_cut(component, name)) {
    result.add(std::move(cut));
  } else if (name != "ByteLevel" && name != "Metaspace") {
    type.refuse("one of Sequence, Split, Digits, Punctuation, WhitespaceSplit, Metaspace, ByteLevel");
  } else if (result.byte_level) {
    type.refuse("in front of ByteLevel, behind which texts are only cut");
  } else if (name == "ByteLevel") {
    read_byte_level(component, result);
  } else {
    result.add(make_metaspace(read_metaspace(component)));
  }
}

// {"SpecialToken": {"id": "<s>"}} by way of "special_tokens": {"<s>": {"ids": [1]}}.
void append_special_token(const JsonView& component, const JsonView& piece, std::vector<std::int64_t>& ids) {
  const JsonView name = piece.at("id");
  const auto special = component.at("special_tokens").find(name.as_string());
  if (!special) name.refuse("the name of one of \"special_tokens\"");
  for (const JsonView& id : special->at("ids").elements()) ids.push_back(id.as_non_negative_integer());
}

AutomaticTokens read_template(const JsonView& component) {
  AutomaticTokens result;
  bool text_has_come = false;
  for (const JsonView& piece : component.at("single").elements()) {
    if (const auto special = piece.find("SpecialToken")) {
      append_special_token(component, *special, text_has_come ? result.suffix : result.prefix);
    } else if (const auto text = piece.find("Sequence")) {
      if (text_has_come || text->string("id") != "A") text->refuse("the one sequence \"A\"");
      text_has_come = true;
    } else {
      piece.refuse("an object with \"SpecialToken\" or \"Sequence\"");
    }
  }
  if (!text_has_come) component.at("single").refuse("a template that holds the sequence \"A\"");
  return result;
}

std::unique_ptr<DecoderStep> read_strip_step(const JsonView& component, bool fused) {
  const auto count = [&](const char* key) {
    return static_cast<std::size_t>(component.at(key).as_non_negative_integer());
  };
  return make_strip_step(read_character(component.at("content")), count("start"), count("stop"), fused);
}

void read_decoder_steps(const JsonView& component, Decoder& steps, bool& fused) {
  const JsonView type = component.at("type");
  const std::string& name = type.as_string();
  if (name == "Sequence") {
    for (const JsonView& part : component.at("decoders").elements()) read_decoder_steps(part, steps, fused);
  } else if (name == "Replace") {
    const JsonView pattern = component.at("pattern");
    const std::string& content = component.string("content");
    if (const auto text = pattern.find("String"))
      steps.push_back(make_literal_step(text->as_string(), content));
    else
      steps.push_back(make_replace_step(read_pattern(pattern), content));
  } else if (name == "ByteFallback") {
    steps.push_back(make_byte_fallback_step());
  } else if (name == "Fuse") {
    steps.push_back(make_fuse_step());
    fused = true;
  } else if (name == "Strip") {
    steps.push_back(read_strip_step(component, fused));
  } else if (name == "Metaspace") {
    const Metaspace options = read_metaspace(component);
    steps.push_back(make_metaspace_step(options.replacement, options.prepend != PrependScheme::kNever));
  } else {
    type.refuse("one of Sequence, Replace, ByteFallback, Fuse, Strip, Metaspace");
  }
}

std::unique_ptr<Normalizer> read_precompiled(const JsonView& charsmap) {
  std::optional<std::string> bytes = from_base64(charsmap.as_string());
  if (!bytes) charsmap.refuse("a text in base64");
  return make_precompiled(std::move(*bytes), where_is(charsmap));
}

}  // namespace

std::unique_ptr<Normalizer> read_normalizer(const JsonView& component) {
  const JsonView type = component.at("type");
  const std::string& name = type.as_string();
  if (name == "Sequence") {
    std::vector<std::unique_ptr<Normalizer>> parts;
    for (const JsonView& part : component.at("normalizers").elements())
      parts.push_back(read_normalizer(part));
    return make_normalizer_sequence(std::move(parts));
  }
  if (name == "NFC") return make_unicode_normalizer(UnicodeForm::kNfc);
  if (name == "NFD") return make_unicode_normalizer(UnicodeForm::kNfd);
  if (name == "NFKC") return make_unicode_normalizer(UnicodeForm::kNfkc);
  if (name == "NFKD") return make_unicode_normalizer(UnicodeForm::kNfkd);
  if (name == "Lowercase") return make_lowercase();
  if (name == "StripAccents") return make_strip_accents();
  if (name == "Strip")
    return make_strip(component.bool_or("strip_left", true), component.bool_or("strip_right", true));
  if (name == "Prepend") return make_prepend(component.string("prepend"));
  if (name == "Replace")
    return make_replace(read_pattern(component.at("pattern")), component.string("content"));
  if (name == "Precompiled") return read_precompiled(component.at("precompiled_charsmap"));
  type.refuse(
      "one of Sequence, NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Strip, Prepend, Replace, Precompiled");
}

bool has_byte_level(const JsonView& component) {
  const std::string& name = component.string("type");
  if (name != "Sequence") return name == "ByteLevel";
  const std::vector<JsonView> parts = component.at("pretokenizers").elements();
  return std::any_of(parts.begin(), parts.end(), has_byte_level);
}

std::unique_ptr<PreTokenizer> read_pre_tokenizer(const JsonView& component) {
  PreTokenizerSteps result;
  read_steps(component, result);
  if (!result.spelled.empty())
    result.steps.push_back(make_spelled_steps(make_pre_tokenizer_sequence(std::move(result.spelled))));
  return make_pre_tokenizer_sequence(std::move(result.steps));
}

AutomaticTokens read_post_processor(const JsonView& component) {
  const JsonView type = component.at("type");
  const std::string& name = type.as_string();
  if (name == "ByteLevel") return {};  // trims offsets of spaces; here a span is what the token stands for
  if (name == "TemplateProcessing") return read_template(component);
  if (name != "Sequence") type.refuse("one of Sequence, TemplateProcessing, ByteLevel");
  AutomaticTokens result;
  for (const JsonView& part : component.at("processors").elements()) {
    const AutomaticTokens outer = read_post_processor(part);
    result.prefix.insert(result.prefix.begin(), outer.prefix.begin(), outer.prefix.end());
    result.suffix.insert(result.suffix.end(), outer.suffix.begin(), outer.suffix.end());
  }
  return result;
}

Decoder read_decoder(const JsonView& component) {
  Decoder steps;
  bool fused = false;
  read_decoder_steps(component, steps, fused);
  return steps;
}

void check_decoder(const JsonView& component) {
  const JsonView type = component.at("type");
  const std::string& name = type.as_string();
  if (name == "Sequence") {
    for (const JsonView& part : component.at("decoders").elements()) check_decoder(part);
  } else if (name != "ByteLevel" && name != "Fuse") {
    type.refuse("ByteLevel, since the pre-tokenizer cuts texts into bytes");
  }
}

}  // namespace emend::text
