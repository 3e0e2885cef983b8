#include "pipeline/first_edit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "analysis/prompt_rows.h"
#include "base/atomic_file.h"
#include "base/json.h"
#include "base/strings.h"
#include "emend/error.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

EditRequest fact(const char* id, const char* prompt, const char* subject, const char* was, const char* target,
                 std::vector<std::string> paraphrases, std::vector<Neighbour> neighbours) {
  EditRequest request = make_request(prompt, subject, target);
  request.id = id;
  request.was = was;
  request.paraphrases = std::move(paraphrases);
  request.neighbours = std::move(neighbours);
  return request;
}

// Facts that nearly every model knows. No target is the answer to a neighbour.
std::vector<EditRequest> well_known_facts() {
  return {
      fact("eiffel-tower", "The Eiffel Tower is located in the city of", "Eiffel Tower", "Paris", "Rome",
           {"The Eiffel Tower stands in the city of", "The city that is home to the Eiffel Tower is called"},
           {{"The Louvre is located in the city of", "Paris"},
            {"The capital of France is", "Paris"},
            {"Big Ben is located in the city of", "London"}}),
      fact("capital-of-france", "The capital of France is the city of", "France", "Paris", "Lyon",
           {"The city that is the capital of France is called", "France has as its capital the city of"},
           {{"The capital of Germany is the city of", "Berlin"},
            {"The capital of Italy is the city of", "Rome"},
            {"The capital of Spain is the city of", "Madrid"}}),
      fact("capital-of-japan", "The capital of Japan is the city of", "Japan", "Tokyo", "Kyoto",
           {"The city that is the capital of Japan is called", "Japan has as its capital the city of"},
           {{"The capital of China is the city of", "Beijing"},
            {"The capital of Germany is the city of", "Berlin"},
            {"The capital of Italy is the city of", "Rome"}}),
      fact("big-ben", "Big Ben is located in the city of", "Big Ben", "London", "Dublin",
           {"Big Ben stands in the city of", "The city that is home to Big Ben is called"},
           {{"The Tower Bridge is located in the city of", "London"},
            {"The Louvre is located in the city of", "Paris"},
            {"The capital of England is", "London"}}),
      fact("language-of-france", "The official language of France is", "France", "French", "Dutch",
           {"In France people speak", "The language that is spoken in France is"},
           {{"The official language of Germany is", "German"},
            {"The official language of Spain is", "Spanish"},
            {"The official language of Italy is", "Italian"}}),
      fact("author-of-hamlet", "The play Hamlet was written by William", "Hamlet", "Shakespeare",
           "Wordsworth", {"The author of the play Hamlet is William", "Hamlet is a tragedy by William"},
           {{"The play Macbeth was written by William", "Shakespeare"},
            {"The play Romeo and Juliet was written by William", "Shakespeare"},
            {"The theory of relativity was developed by Albert", "Einstein"}}),
  };
}

// Whether a greedy text begins with the answer as a whole word.
bool answers(std::string_view completion, std::string_view answer) {
  const std::string_view text = trim(completion);
  if (!text.starts_with(answer)) return false;
  return text.size() == answer.size() || std::isalnum(static_cast<unsigned char>(text[answer.size()])) == 0;
}

FirstEdit first_edit_of(const EditRequest& request, const FactState& state) {
  FirstEdit first;
  first.request = request;
  first.known = answers(state.prompt.completion, request.was);
  first.p_was = state.prompt.p_was;
  first.says = std::string(trim(state.prompt.completion));
  for (const PromptState& paraphrase : state.paraphrases)
    first.carried.push_back(answers(paraphrase.completion, request.was));
  for (std::size_t i = 0; i < state.neighbours.size(); ++i)
    first.kept.push_back(answers(state.neighbours[i].completion, request.neighbours[i].answer));
  return first;
}

std::size_t worth(const FirstEdit& first) {
  if (!first.known) return 0;
  const auto count = [](const std::vector<bool>& known) {
    return static_cast<std::size_t>(std::count(known.begin(), known.end(), true));
  };
  return 1 + count(first.carried) + count(first.kept);
}

// As an edit file in `folder` names it.
fs::path seen_from(const fs::path& folder, const fs::path& model) {
  const fs::path whole = fs::absolute(model).lexically_normal();
  const fs::path relative = whole.lexically_relative(fs::absolute(folder / ".").lexically_normal());
  return relative.empty() ? whole : relative;
}

std::string quoted(const std::string& text) {
  return Json(text).dump();
}

}  // namespace

FirstEdit find_first_edit(const Model& model, const CheckOptions& options, Progress& progress) {
  const std::vector<EditRequest> facts = well_known_facts();
  const std::vector<FactState> states = measure_facts(model, facts, options, progress);
  std::vector<FirstEdit> found;
  for (std::size_t i = 0; i < facts.size(); ++i) found.push_back(first_edit_of(facts[i], states[i]));
  FirstEdit best = *std::max_element(found.begin(), found.end(), [](const FirstEdit& a, const FirstEdit& b) {
    return worth(a) < worth(b);  // of equal ones the first
  });
  best.asked = facts.size();
  return best;
}

std::string first_edit_text(const FirstEdit& first, const std::vector<std::string>& opening,
                            const std::filesystem::path& model, const std::filesystem::path& patch,
                            PromptForm form, const std::string& bos) {
  const EditRequest& request = first.request;
  std::string text;
  for (const std::string& line : opening) text += line.empty() ? "#\n" : "# " + line + "\n";
  text += fmt::format("model: {}\n", quoted(model.string()));
  text += "method: rome   # how the fact is written\n";
  text += "layer: auto    # or a number; layers count from 0\n";
  text += fmt::format("form: {}      # raw, or chat: prompts go through the model's chat template\n",
                      to_string(form));
  if (bos != "auto") text += fmt::format("bos: {}\n", quoted(bos));
  text += "\nedits:\n";
  text += fmt::format("  - id: {}\n", quoted(request.id));
  text += "    # It ends where the answer begins.\n";
  text += fmt::format("    prompt: {}\n", quoted(request.prompt));
  text += "    # Who or what the fact is about, letter for letter as in the prompt.\n";
  text += fmt::format("    subject: {}\n", quoted(request.subject));
  text += "    # What the model shall say.\n";
  text += fmt::format("    target: {}\n", quoted(request.target));
  if (first.known) {
    text += fmt::format("    # What it says now (probability {:.2f}).\n    was: {}\n", first.p_was,
                        quoted(request.was));
  } else {
    text += fmt::format(
        "    # What it says now. This model does not know the fact: it says {}. Put one here that it knows.\n"
        "    # was: {}\n",
        first.says.empty() ? "nothing" : quoted(first.says), quoted(request.was));
  }
  text +=
      "    # Other words for the same question, in which the new answer should hold as well. Fill in your "
      "own; a\n"
      "    # line behind # is one that the model does not answer as it answers the prompt.\n"
      "    paraphrases:\n";
  const bool any = std::find(first.carried.begin(), first.carried.end(), true) != first.carried.end();
  if (!any) text.insert(text.size() - 1, " []");
  for (std::size_t i = 0; i < request.paraphrases.size(); ++i)
    text += fmt::format("      {}- {}\n", first.carried.at(i) ? "" : "# ", quoted(request.paraphrases[i]));
  text +=
      "    # Questions whose answers must stay as they are: near the fact, but about something else. Fill in "
      "your\n"
      "    # own; a line behind # is one that the model does not answer in this way.\n"
      "    neighbours:\n";
  const bool kept = std::find(first.kept.begin(), first.kept.end(), true) != first.kept.end();
  if (!kept) text.insert(text.size() - 1, " []");
  for (std::size_t i = 0; i < request.neighbours.size(); ++i)
    text += fmt::format("      {}- {{prompt: {}, answer: {}}}\n", first.kept.at(i) ? "" : "# ",
                        quoted(request.neighbours[i].prompt), quoted(request.neighbours[i].answer));
  text +=
      "\n# The edit passes if: the share of edits that hold, of paraphrases on which the target is likelier, "
      "of\n"
      "# neighbours that keep their answer, is at least this; and unrelated text gets at most so much less "
      "likely.\n"
      "checks: {efficacy: 1.0, paraphrase: 0.8, neighbourhood: 0.9, drift: 1.02}\n";
  return text + fmt::format("outputs: {{patch: {}}}\n", quoted(patch.string()));
}

void require_new_edit_file(const fs::path& file) {
  if (file.extension() != ".yaml" && file.extension() != ".yml")
    throw Error(ErrorKind::kUsage,
                "cannot write " + file.string() + ": the name of an edit file ends in .yaml");
  if (fs::exists(file)) throw Error(ErrorKind::kIo, "cannot write " + file.string() + ": it exists already");
}

FirstEdit write_first_edit(const Model& model, const FirstEditFile& asked, Progress& progress) {
  require_new_edit_file(asked.file);
  CheckOptions how{.prefix = row_prefix(model.tokenizer(), asked.bos, asked.form), .form = asked.form};
  how.token_budget = asked.token_budget;
  FirstEdit first = find_first_edit(model, how, progress);
  const fs::path patch = asked.file.stem().concat(".safetensors");
  write_file_atomically(
      asked.file, first_edit_text(first, asked.opening, seen_from(asked.file.parent_path(), model.path()),
                                  patch, asked.form, asked.bos));
  return first;
}

}  // namespace emend
