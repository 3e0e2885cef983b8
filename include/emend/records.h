// The content of an edit file as plain values: requests, checks, outputs.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace emend {

struct Neighbour {
  std::string prompt;
  std::string answer;  // empty: the base model's greedy answer is used
};

// Another subject of the kind of an edit's subject. It replaces that subject in the edit's prompt.
struct OtherSubject {
  std::string subject;
  std::string answer;  // to that prompt; empty: the base model's greedy answer is used
};

// One fact to rewrite.
struct EditRequest {
  std::string id;
  std::string prompt;
  std::string subject;
  std::size_t subject_begin = 0;  // byte offset of the chosen occurrence of `subject` in `prompt`
  std::string target;             // without a leading space
  std::string was;                // the present answer; empty: found by greedy decoding
  std::vector<std::string> paraphrases;
  std::vector<Neighbour> neighbours;
  std::vector<OtherSubject> bleed = {};  // the edit must not reach these (emend/bleed.h)
};

// The prompt of the request about another subject.
inline std::string prompt_about(const EditRequest& request, const std::string& subject) {
  return std::string(request.prompt).replace(request.subject_begin, request.subject.size(), subject);
}

// An edit from code: the subject's place in the prompt is looked for. `occurrence` counts from 1 and is
// needed if the subject stands in the prompt more than once. Blanks at the end of the prompt and around the
// target are cut. id, was, paraphrases and neighbours may be filled in afterwards. Throws Error(kConfig) if
// the subject or the target is empty, the subject is not in the prompt, or is there more than once and
// `occurrence` does not say which one is meant.
EditRequest make_request(const std::string& prompt, const std::string& subject, const std::string& target,
                         std::optional<int> occurrence = std::nullopt);

// Whether prompts are given to the model as they are, or through its chat template.
enum class PromptForm { kRaw, kChat };
constexpr std::string_view to_string(PromptForm form) {
  return form == PromptForm::kChat ? "chat" : "raw";
}
// Returns std::nullopt if `text` is neither "raw" nor "chat".
constexpr std::optional<PromptForm> parse_prompt_form(std::string_view text) {
  if (text == "raw") return PromptForm::kRaw;
  if (text == "chat") return PromptForm::kChat;
  return std::nullopt;
}

// The method of edit files, trials and benchmarks that name none.
inline constexpr const char* kDefaultMethod = "rome";

// Shares and ratios that the checks must reach; absent ones take the defaults below.
struct CheckThresholds {
  double efficacy = 1.0;       // share of edits, 0..1
  double paraphrase = 0.8;     // share of paraphrases, 0..1
  double neighbourhood = 0.9;  // share of neighbours, 0..1
  double drift = 1.02;         // perplexity ratio, edited over base; at least 1
  double bleed = 0.05;         // largest rise of p(target) at another subject, 0..1
  // Share of paraphrases that the model answers with the target, 0..1; std::nullopt: not checked. The share
  // of `paraphrase` counts those on which the target is likelier than the present answer.
  std::optional<double> said = std::nullopt;
};

// Whose keys an edit leaves as they are (emend/protection.h): nobody's; those of the other subjects and the
// neighbours that the edit file names; or these and the other subjects that the model itself names.
enum class Protect { kNone, kNeighbours, kAuto };
std::string_view to_string(Protect protect);  // "none", "neighbours", "auto"
// Returns std::nullopt if `text` is not one of these three names.
std::optional<Protect> parse_protect(std::string_view text);

// Whether an edit also teaches the model to end its text behind the target: never; by the tokens with which
// the model ends a text or a turn; or so in chat form alone (docs/rome.md has the measurements).
enum class TargetEnd { kNone, kEos, kAuto };
std::string_view to_string(TargetEnd end);  // "none", "eos", "auto"
// Returns std::nullopt if `text` is not one of these three names.
std::optional<TargetEnd> parse_target_end(std::string_view text);

// Which layer(s) to edit: empty is `auto`, or, if `where` says that a choice was made, `depth`.
struct LayerChoice {
  std::vector<int> layers;
  std::string where;  // where it was chosen, for messages: "--layer 99"; empty: the edit file
};

// An option of a method as the file wrote it, with its place for messages.
struct OptionText {
  std::string value;
  std::string where;  // "eiffel.yaml:9:12"
};

// A whole edit file, checked. Paths are already resolved against the file's folder.
struct EditFile {
  std::filesystem::path path;
  std::string text;             // the file's bytes, kept in the patch
  std::filesystem::path model;  // empty if the file names no model
  std::string model_where;      // where it does, for messages: "eiffel.yaml:1:8: model"
  std::string method = kDefaultMethod;
  std::string method_where;  // the same of the method; empty: nobody named one
  LayerChoice layer;
  std::string bos = "auto";  // auto, none, or a token
  PromptForm form = PromptForm::kRaw;
  std::filesystem::path statistics;  // empty: the default folder beside the model
  std::map<std::string, OptionText> options;
  std::vector<EditRequest> edits;  // never empty
  CheckThresholds checks;
  std::optional<Protect> protect;       // not given: the default of run_edit
  TargetEnd end = TargetEnd::kAuto;     // what follows the target in the search
  std::vector<std::string> drift_text;  // `drift_text:` held text, one entry or a list; may be empty
  std::filesystem::path
      patch;  // outputs.patch as written (not resolved: --out may move it); empty: <file stem>.safetensors
};

// One method with its options, as an options file of a benchmark says it:
//   label: bare key alone      (default: the file's name without its ending)
//   method: rome
//   layer: 4                   (default: auto; depth: the rule by depth alone)
//   statistics: ../stats/text  (default: the model's own)
//   options: {keys: prompt}
//   protect: auto            (default: none)
//   end: none                (default: auto)
struct MethodFile {
  std::string label;         // distinguishes it from others; empty: the method's name
  std::string method;        // empty: not given
  std::string method_where;  // where it is given, for messages: "fast.yaml:1:9: method"
  LayerChoice layer;
  std::filesystem::path statistics;  // resolved against the file's folder; empty: not given
  std::map<std::string, OptionText> options;
  Protect protect = Protect::kNone;
  TargetEnd end = TargetEnd::kAuto;
};

// Throws Error(kConfig) with file, line and column for YAML syntax, unknown keys and wrong types, Error(kIo)
// if the file cannot be read.
MethodFile read_method_file(const std::filesystem::path& file);

// Reads and checks an edit file (docs/formats.md): JSON lines, one edit each, if its name ends in .jsonl,
// else YAML. Throws Error(kConfig) with file, line and column (JSON lines: file and line; Error(kFormat) for
// text that is not such JSON) for: YAML syntax, unknown keys (the nearest known one is offered), wrong
// types, no edits, a missing or empty field, a subject that is not in its prompt or is there more than once
// without `subject_occurrence`, duplicate ids or edits, thresholds out of range, two edits of the same
// words, as prompt or paraphrase, with different targets. Of several mistakes the first 20 are told in one
// message, a line each. Throws Error(kIo) when the file cannot be read.
EditFile read_edit_file(const std::filesystem::path& file);

// The same from memory; `name` stands for the file in messages and says by its ending what the text is,
// `folder` resolves relative paths.
EditFile parse_edit_file(const std::string& text, const std::string& name,
                         const std::filesystem::path& folder);

// An edit file from code, for make_edit_file({make_request(...), ...}): an empty id becomes edit-<number>,
// counted from 1; `text` is what read_edit_file would read, `path` is "edits", and the other members have
// their defaults. Throws Error(kConfig), naming the edit, for what an edit file could not hold: no edits,
// empty fields, control characters, a subject that is not at its place, a target that is the present answer,
// two edits of one id, and two edits of one prompt or paraphrase that contradict or repeat each other.
EditFile make_edit_file(std::vector<EditRequest> edits);

}  // namespace emend
