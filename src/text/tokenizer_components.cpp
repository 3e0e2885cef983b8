#include "text/tokenizer_components.h"

#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "emend/error.h"

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

// Steps of a pre-tokenizer in the order in which they run, and whether ByteLevel has come.
struct PreTokenizerSteps {
  std::vector<std::unique_ptr<PreTokenizer>> steps;
  bool byte_level = false;
};

void read_byte_level(const JsonView& component, PreTokenizerSteps& result) {
  if (component.bool_or("add_prefix_space", true)) result.steps.push_back(make_prefix_space());
  if (component.bool_or("use_regex", true)) {
    Regex regex(std::string(kGpt2Pattern), where_is(component));
    result.steps.push_back(make_split(std::move(regex), SplitBehavior::kIsolated, SplitOn::kMatches));
  }
  result.byte_level = true;
}

void read_steps(const JsonView& component, PreTokenizerSteps& result) {
  const JsonView type = component.at("type");
  const std::string& name = type.as_string();
  if (name == "Sequence") {
    for (const JsonView& part : component.at("pretokenizers").elements()) read_steps(part, result);
    return;
  }
  if (result.byte_level) type.refuse("in front of ByteLevel, which has to be the last step");
  if (name == "ByteLevel") {
    read_byte_level(component, result);
  } else if (name == "Split") {
    const SplitOn on = component.bool_or("invert", false) ? SplitOn::kGaps : SplitOn::kMatches;
    result.steps.push_back(
        make_split(read_pattern(component.at("pattern")), read_behavior(component.at("behavior")), on));
  } else if (name == "Digits") {
    const bool each = component.bool_or("individual_digits", false);
    result.steps.push_back(make_digits(each ? DigitRuns::kEachDigit : DigitRuns::kWholeRun));
  } else {
    type.refuse("one of Sequence, Split, Digits, ByteLevel (emend reads byte-level BPE)");
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
  type.refuse("one of Sequence, NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Strip, Prepend, Replace");
}

std::unique_ptr<PreTokenizer> read_pre_tokenizer(const JsonView& component) {
  PreTokenizerSteps result;
  read_steps(component, result);
  if (!result.byte_level)
    component.refuse("a pre-tokenizer with ByteLevel as its last step (emend reads byte-level BPE)");
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

void check_decoder(const JsonView& component) {
  const JsonView type = component.at("type");
  const std::string& name = type.as_string();
  if (name == "Sequence") {
    for (const JsonView& part : component.at("decoders").elements()) check_decoder(part);
  } else if (name != "ByteLevel" && name != "Fuse") {
    type.refuse("ByteLevel (emend reads byte-level BPE)");
  }
}

}  // namespace emend::text
