#include "config/edit_file_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/json.h"
#include "base/trim.h"
#include "config/edit_entry.h"
#include "config/text_check.h"

namespace emend {
namespace {

bool is_clean(std::string_view text, TextShape shape) {
  return !find_bad_character(text, shape);
}

// The edit with its texts cut as the reader cuts them.
EditRequest cut(EditRequest request) {
  request.id = std::string(trim(request.id));
  request.prompt = std::string(trim_back(request.prompt));
  request.target = std::string(trim(request.target));
  request.was = std::string(trim(request.was));
  return request;
}

bool subject_is_in_place(const EditRequest& request) {
  return request.subject_begin <= request.prompt.size() &&
         request.prompt.compare(request.subject_begin, request.subject.size(), request.subject) == 0;
}

// Why the edit, by itself, cannot stand in an edit file; empty when it can.
std::string flaw(const EditRequest& request) {
  for (const std::string& line : {request.id, request.subject, request.target, request.was})
    if (!is_clean(line, TextShape::kLine)) return "line end or control character in a one-line field";
  if (!is_clean(request.prompt, TextShape::kLines)) return "control character in the prompt";
  if (request.id.empty() || trim(request.subject).empty() || request.target.empty()) return "empty field";
  if (!subject_is_in_place(request)) return "subject not in its prompt";
  if (request.target == request.was) return "target equals the present answer";
  return "";
}

// What an edit says about its prompt.
struct Claim {
  std::string subject;
  std::size_t subject_begin = 0;
  std::string target;
};

// Edits taken so far, by what two of them must not share.
struct Taken {
  std::unordered_set<std::string> ids;
  std::unordered_multimap<std::string, Claim> by_prompt;
};

std::string conflict(const EditRequest& request, const Taken& taken) {
  if (taken.ids.count(request.id) > 0) return "duplicate id";
  const auto [begin, end] = taken.by_prompt.equal_range(request.prompt);
  for (auto same = begin; same != end; ++same) {
    const Claim& earlier = same->second;
    if (earlier.target != request.target) return "another target for a prompt met before";
    if (earlier.subject == request.subject && earlier.subject_begin == request.subject_begin)
      return "duplicate edit";
  }
  return "";
}

// Cuts the prompt, and says why it cannot be a question; empty when it can.
std::string question_flaw(std::string& prompt, std::string_view answer) {
  prompt = std::string(trim_back(prompt));
  if (prompt.empty()) return "empty prompt";
  const bool clean = is_clean(prompt, TextShape::kLines) && is_clean(answer, TextShape::kLine);
  return clean ? "" : "control character";
}

void fit_paraphrases(FittedEdits& fitted, EditRequest& request) {
  std::erase_if(request.paraphrases, [&](std::string& prompt) {
    const std::string why = question_flaw(prompt, "");
    if (!why.empty()) ++fitted.left_out_questions[why];
    return !why.empty();
  });
}

void fit_neighbours(FittedEdits& fitted, EditRequest& request, const Taken& taken) {
  std::erase_if(request.neighbours, [&](Neighbour& neighbour) {
    neighbour.answer = std::string(trim(neighbour.answer));
    std::string why = question_flaw(neighbour.prompt, neighbour.answer);
    if (why.empty() && taken.by_prompt.count(neighbour.prompt) > 0) why = "neighbour that is edited itself";
    if (!why.empty()) ++fitted.left_out_questions[why];
    return !why.empty();
  });
}

// Text in double quotes. What JSON escapes, YAML reads in the same way.
std::string quoted(const std::string& text) {
  return Json(text).dump();
}

void append_field(std::string& out, const char* key, const std::string& value) {
  out += fmt::format("    {}: {}\n", key, value);
}

void append_subject(std::string& out, const EditRequest& request) {
  append_field(out, "subject", quoted(request.subject));
  const std::vector<std::size_t> begins = find_occurrences(request.prompt, request.subject);
  if (begins.size() < 2) return;
  const auto chosen = std::find(begins.begin(), begins.end(), request.subject_begin) - begins.begin();
  append_field(out, "subject_occurrence", std::to_string(chosen + 1));
}

std::string neighbour_item(const Neighbour& neighbour) {
  if (neighbour.answer.empty()) return quoted(neighbour.prompt);
  return "{prompt: " + quoted(neighbour.prompt) + ", answer: " + quoted(neighbour.answer) + "}";
}

void append_list(std::string& out, const char* key, const std::vector<std::string>& items) {
  if (items.empty()) return;
  out += std::string("    ") + key + ":\n";
  for (const std::string& item : items) out += "      - " + item + "\n";
}

void append_edit(std::string& out, const EditRequest& request) {
  out += fmt::format("  - id: {}\n", quoted(request.id));
  append_field(out, "prompt", quoted(request.prompt));
  append_subject(out, request);
  append_field(out, "target", quoted(request.target));
  if (!request.was.empty()) append_field(out, "was", quoted(request.was));
  std::vector<std::string> items;
  std::transform(request.paraphrases.begin(), request.paraphrases.end(), std::back_inserter(items), quoted);
  append_list(out, "paraphrases", items);
  items.clear();
  std::transform(request.neighbours.begin(), request.neighbours.end(), std::back_inserter(items),
                 neighbour_item);
  append_list(out, "neighbours", items);
}

}  // namespace

FittedEdits fit_edits(const std::vector<EditRequest>& requests, std::size_t most) {
  FittedEdits fitted;
  Taken taken;
  for (const EditRequest& original : requests) {
    if (most > 0 && fitted.edits.size() == most) {
      ++fitted.beyond;
      continue;
    }
    EditRequest request = cut(original);
    std::string why = flaw(request);
    if (why.empty()) why = conflict(request, taken);
    if (!why.empty()) {
      ++fitted.left_out[why];
      continue;
    }
    taken.ids.insert(request.id);
    taken.by_prompt.emplace(request.prompt, Claim{request.subject, request.subject_begin, request.target});
    fitted.edits.push_back(std::move(request));
  }
  for (EditRequest& request : fitted.edits) {
    fit_paraphrases(fitted, request);
    fit_neighbours(fitted, request, taken);
  }
  return fitted;
}

std::string edit_file_text(const std::vector<EditRequest>& edits, const std::vector<std::string>& comment) {
  std::string out;
  for (const std::string& line : comment) out += "# " + line + "\n";
  out += "edits:\n";
  for (const EditRequest& request : edits) append_edit(out, request);
  return out;
}

}  // namespace emend
