#include "editors/in_context/in_context.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "analysis/prompt_rows.h"
#include "editors/common/edit_parts.h"
#include "editors/common/options.h"

namespace emend::editors {

namespace {

enum class Wording {
  kStatement,  // "{prompt} {target}. " (the form of CounterFact+, Hoelscher-Obermaier et al. 2023)
  kNewFact     // "New Fact: {prompt} {target}\nPrompt: " (IKE of Zheng et al. 2023, without demonstrations)
};

// In the order of the enum.
const std::vector<std::string> kWordingWords = {"statement", "new-fact"};

class InContext : public Editor {
 public:
  explicit InContext(const std::map<std::string, OptionText>& given) {
    std::map<std::string, OptionText> rest = given;
    if (const auto preset = rest.extract("preset"))
      apply_options(name(), bindings(), {{"preset", preset.mapped()}});
    apply_options(name(), bindings(), rest);
    names_and_values_ = option_values(bindings());
  }

  std::string name() const override { return "in-context"; }
  bool needs_statistics() const override { return false; }
  std::map<std::string, std::string> options() const override { return names_and_values_; }
  Objective objective() const override { return Objective::kNone; }
  LayerUse layer_use() const override { return LayerUse::kNone; }
  std::vector<int> layers_around(int /*layer*/, const ModelConfig& /*config*/) const override { return {}; }

  std::string text_in_front(const std::vector<EditRequest>& facts) const override {
    std::string text;
    for (const EditRequest& fact : facts)
      text += wording_ == Wording::kStatement ? fmt::format("{} {}. ", fact.prompt, fact.target)
                                              : fmt::format("New Fact: {} {}\n", fact.prompt, fact.target);
    return text.empty() || wording_ == Wording::kStatement ? text : text + "Prompt: ";
  }

  EditPlan plan(const Model& model, const std::vector<EditRequest>& requests,
                const EditorContext& context) const override {
    EditPlan plan;
    for (const EditRequest& request : requests) {
      const auto tokens = target_ids(model.tokenizer(), request.target, {context.prefix, context.form});
      plan.entries.push_back({request.id, {}, static_cast<std::int64_t>(tokens.size()), 0, {}, 0, 0});
    }
    return plan;
  }

  Edit edit(const Model& model, const std::vector<EditRequest>& requests, const EditorContext& /*context*/,
            Progress& /*progress*/) const override {
    Edit edit;
    for (const EditRequest& request : requests) {
      FactRecord fact;
      fact.request = request;
      edit.facts.push_back(std::move(fact));
    }
    sign(edit, *this, model);
    return edit;
  }

  std::vector<Edit> edit_each(const Model& model, const std::vector<EditRequest>& requests,
                              const EditorContext& context, Progress& progress) const override {
    std::vector<Edit> edits;
    for (const EditRequest& request : requests) edits.push_back(edit(model, {request}, context, progress));
    return edits;
  }

  std::vector<OptionBinding> bindings() {
    return {
        preset_option(
            published_, [this] { wording_ = published_ ? Wording::kNewFact : Wording::kStatement; },
            "paper: the wording as published; other options still override it"),
        word_option("wording", kWordingWords, wording_,
                    "of a fact in front of a prompt; statement: \"{prompt} {target}. \"; new-fact: \"New "
                    "Fact: {prompt} {target}\" on a line of its own, and \"Prompt: \" before the prompt")};
  }

 private:
  Wording wording_ = Wording::kStatement;
  bool published_ = false;  // preset: paper
  std::map<std::string, std::string> names_and_values_;
};

}  // namespace

EditorEntry in_context_editor() {
  return {[] {
            return EditorHelp{"in-context",
                              "changes no weights: the facts stand in front of every prompt (Zheng et al. "
                              "2023, IKE without demonstrations)",
                              true, option_help(InContext({}).bindings())};
          },
          [](const std::map<std::string, OptionText>& given) { return std::make_unique<InContext>(given); }};
}

}  // namespace emend::editors
