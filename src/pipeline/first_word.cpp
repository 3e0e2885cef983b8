#include "pipeline/first_word.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "analysis/prompt_rows.h"
#include "base/strings.h"
#include "emend/checks.h"
#include "emend/error.h"

namespace emend {
namespace {

// They go with any statement, and say nothing about it.
constexpr std::array<const char*, 3> kFronts = {"In short, ", "It is known that ", "We may note that "};

EditRequest with_front(const EditRequest& request, const std::string& front) {
  EditRequest other = request;
  other.prompt = front + request.prompt;
  other.subject_begin += front.size();
  other.paraphrases.clear();
  other.neighbours.clear();
  other.bleed.clear();
  return other;
}

CheckOptions checks_in(const EditorContext& context) {
  CheckOptions checks{.prefix = context.prefix, .form = context.form};
  checks.token_budget = context.token_budget;
  return checks;
}

// What came of one edit with words in front.
std::string try_words_in_front(const Model& model, const Editor& editor, const EditRequest& request,
                               const EditorContext& context, Progress& progress) {
  std::vector<EditRequest> wordings;
  for (const char* const front : kFronts) wordings.push_back(with_front(request, front));
  const std::vector<FactState> states = measure_facts(model, wordings, checks_in(context));
  const auto likeliest =
      std::ranges::max_element(states, {}, [](const FactState& state) { return state.prompt.p_was; });
  const EditRequest& chosen = wordings[static_cast<std::size_t>(likeliest - states.begin())];
  EditorContext alone = context;
  alone.journal = nullptr;
  alone.group = nullptr;  // errors are swallowed here: another process would wait for a search in vain
  alone.protection = nullptr;
  alone.keep_going = true;
  const FactRecord fact = editor.edit_each(model, {chosen}, alone, progress).front().facts.front();
  const std::string about = fmt::format(
      "edit {}: the subject is the first token of the text, where the key hardly depends on the word. With "
      "words in front of it, {}",
      request.id, quote(chosen.prompt, 80));
  if (fact.status == FactStatus::kFailed)
    return about + " was tried as well, and did not take hold: word the fact so that its subject comes later";
  return fmt::format("{} can be edited: tried, it took hold in {} steps (loss {:.3g})", about, fact.steps,
                     fact.loss);
}

std::vector<EditRequest> with_first_tokens(const Model& model, const std::vector<EditRequest>& requests,
                                           const EditorContext& context) {
  std::vector<EditRequest> found;
  for (const EditRequest& request : requests)
    if (is_first_token(model, request, context)) found.push_back(request);
  return found;
}

std::vector<EditRequest> that_miss(Model& model, const Edit& edit, const std::vector<EditRequest>& requests,
                                   const EditorContext& context) {
  if (requests.empty()) return {};
  std::vector<EditRequest> bare = requests, missed;
  for (EditRequest& request : bare) {
    request.paraphrases.clear();
    request.neighbours.clear();
    request.bleed.clear();
  }
  const ScopedEdit scope(model, edit.changes);
  const std::vector<FactState> states = measure_facts(model, bare, checks_in(context));
  for (std::size_t i = 0; i < requests.size(); ++i)
    if (!states[i].prompt.argmax_target) missed.push_back(requests[i]);
  return missed;
}

// Whether the id stands in the text, not as a part of a longer word or number.
bool names_id(const std::string& text, const std::string& id) {
  const auto is_part = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
  for (std::size_t at = text.find(id); at != std::string::npos; at = text.find(id, at + 1)) {
    const std::size_t end = at + id.size();
    if ((at == 0 || !is_part(text[at - 1])) && (end == text.size() || !is_part(text[end]))) return true;
  }
  return false;
}

std::vector<std::string> wordings_for(const Model& model, const Editor& editor,
                                      const std::vector<EditRequest>& failed, const EditorContext& context,
                                      Progress& progress) {
  constexpr std::size_t kMost = 3;
  std::vector<std::string> told;
  for (std::size_t i = 0; i < std::min(kMost, failed.size()); ++i) {
    try {
      told.push_back(try_words_in_front(model, editor, failed[i], context, progress));
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::kInterrupted) throw;
    }
  }
  return told;
}

}  // namespace

bool is_first_token(const Model& model, const EditRequest& request, const EditorContext& context) {
  return context.prefix.empty() &&
         bare_row(model.tokenizer(), request, {context.prefix, context.form}).lookup == 0;
}

std::vector<std::string> wordings_of_missed(Model& model, const Editor& editor, const Edit& edit,
                                            const std::vector<EditRequest>& requests,
                                            const EditorContext& context, Progress& progress) {
  const std::vector<EditRequest> missed =
      that_miss(model, edit, with_first_tokens(model, requests, context), context);
  return wordings_for(model, editor, missed, context, progress);
}

std::vector<std::string> wordings_of_named(const Model& model, const Editor& editor,
                                           const std::string& message,
                                           const std::vector<EditRequest>& requests,
                                           const EditorContext& context, Progress& progress) {
  std::vector<EditRequest> failed = with_first_tokens(model, requests, context);
  std::erase_if(failed, [&](const EditRequest& request) { return !names_id(message, request.id); });
  return wordings_for(model, editor, failed, context, progress);
}

}  // namespace emend
