#include "pipeline/first_word.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

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

}  // namespace

bool is_first_token(const Model& model, const EditRequest& request, const EditorContext& context) {
  return context.prefix.empty() &&
         bare_row(model.tokenizer(), request, {context.prefix, context.form}).lookup == 0;
}

std::string try_words_in_front(const Model& model, const Editor& editor, const EditRequest& request,
                               const EditorContext& context, Progress& progress) {
  std::vector<EditRequest> wordings;
  for (const char* const front : kFronts) wordings.push_back(with_front(request, front));
  CheckOptions checks;
  checks.prefix = context.prefix;
  checks.form = context.form;
  checks.token_budget = context.token_budget;
  const std::vector<FactState> states = measure_facts(model, wordings, checks);
  const auto likeliest =
      std::ranges::max_element(states, {}, [](const FactState& state) { return state.prompt.p_was; });
  const EditRequest& chosen = wordings[static_cast<std::size_t>(likeliest - states.begin())];
  EditorContext alone = context;
  alone.journal = nullptr;
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

}  // namespace emend
