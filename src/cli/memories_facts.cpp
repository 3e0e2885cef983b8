// emend memories knowledge and layers: facts, the cells that hold them, and the layers they need.
#include "cli/command.h"
#include "cli/command_frame.h"
#include "emend/memory_knowledge.h"
#include "emend/memory_layers.h"
#include "pipeline/fact_questions.h"
#include "reports/knowledge_report.h"

namespace emend {
namespace {

void add_asked_facts(CommandFrame& frame, FactQuestions& asked, std::vector<KnowledgeFact>& facts) {
  frame.options.needs_model()
      .text("prompt", asked.prompt, "P", "a prompt whose next words are the fact")
      .text("answer", asked.answer, "A", "those words (default: the likeliest next token)")
      .repeated("paraphrase", asked.paraphrases, "P",
                "another prompt with the same answer; may be given again")
      .text("facts", asked.facts, "FILE",
            "instead: an edit file, or JSON or JSON lines with prompt, answer and paraphrases; facts that "
            "the model "
            "does not answer so are left out",
            Use::kReads)
      .count("limit", asked.limit, "N", "only the first N of these")
      .check([&frame, &asked, &facts] {
        if (asked.prompt.empty() == asked.facts.empty())
          throw Error(ErrorKind::kUsage, "give --prompt P or --facts FILE; emend " +
                                             std::string(frame.syntax.command) + " --help tells more");
        if (asked.limit > 0 && asked.facts.empty())
          throw Error(ErrorKind::kUsage, "--limit goes with --facts: a prompt is one fact");
        facts = read_fact_questions(asked);
      });
}

void keep_known(CommandFrame& frame, const FactQuestions& asked, const Model& model, Console& console,
                std::vector<KnowledgeFact>& facts) {
  if (!asked.facts.empty())
    facts = known_facts(model, std::move(facts), frame.bos(), asked.limit, console.progress());
}

}  // namespace

int memories_knowledge_command(const std::vector<std::string>& arguments) {
  FactQuestions asked;
  KnowledgeOptions how;
  CommandFrame frame(
      "memories knowledge", "--model M (--prompt P [--answer A] | --facts FILE) [OPTIONS]",
      "Which feed-forward cells hold a fact: knowledge neurons by integrated gradients, what the "
      "fact loses\nwithout them or gains when they are doubled, and how widely it is spread.",
      {"token-budget"});
  add_asked_facts(frame, asked, how.facts);
  frame.options.number("steps", how.steps, "N", "steps of the integral from 0 to a layer's coefficients")
      .number("threshold", how.threshold, "T",
              "a prompt's cells: above this share of its largest attribution")
      .number("shared", how.shared, "S", "a fact's neurons: cells of more than this share of its prompts")
      .number("draws", how.draws, "N", "random sets of cells to compare with")
      .report()
      .check([&how] { check_knowledge(how); });
  return frame.run(arguments, [&](Console& console) {
    how.bos = frame.bos();
    how.seed = frame.common.seed;
    const Model model = frame.load(console);
    keep_known(frame, asked, model, console, how.facts);
    const KnowledgeOutcome outcome = find_knowledge(model, how, console.progress());
    return frame.show(console, knowledge_text(outcome, console.columns()),
                      knowledge_json(outcome, how, model),
                      {.report = [&] { return knowledge_page(outcome, how, model); }});
  });
}

int memories_layers_command(const std::vector<std::string>& arguments) {
  FactQuestions asked;
  LayerChangeOptions how;
  CommandFrame frame("memories layers", "--model M (--prompt P [--answer A] | --facts FILE) [OPTIONS]",
                     "What the model says to prompts with one layer left out, two neighbours swapped, or "
                     "feed-forward networks\nor attention of one layer or of a window put out of action.",
                     {"seed"});
  add_asked_facts(frame, asked, how.facts);
  frame.options.count("window", how.window, "N", "layers of a window").report();
  return frame.run(arguments, [&](Console& console) {
    how.bos = frame.bos();
    const Model model = frame.load(console);
    how.token_budget = frame.common.token_budget;
    keep_known(frame, asked, model, console, how.facts);
    const LayerChangeOutcome outcome = measure_layer_changes(model, how, console.progress());
    return frame.show(console, layer_changes_text(outcome, console.columns()),
                      layer_changes_json(outcome, how, model),
                      {.report = [&] { return layer_changes_page(outcome, how, model); }});
  });
}

}  // namespace emend
