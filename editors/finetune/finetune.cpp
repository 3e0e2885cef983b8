#include "editors/finetune/finetune.h"

#include <c10/core/GradMode.h>

#include <memory>
#include <utility>

#include "editors/common/edit_parts.h"
#include "editors/common/trained_edit.h"
#include "editors/finetune/methods.h"

namespace emend::editors {

namespace {

class Finetune : public Editor {
 public:
  Finetune(FinetuneMethod method, const std::map<std::string, OptionText>& given)
      : table_(std::move(method), given),
        name_(table_.method().name),
        names_and_values_(option_values(table_.bindings())) {}

  std::string name() const override { return name_; }
  bool needs_statistics() const override { return false; }
  std::map<std::string, std::string> options() const override { return names_and_values_; }
  Objective objective() const override { return Objective::kWritten; }
  std::vector<int> layers_around(int layer, const ModelConfig& config) const override {
    return {layer_at_depth(table_.value(), layer, config.layers)};
  }

  EditPlan plan(const Model& model, const std::vector<EditRequest>& requests,
                const EditorContext& context) const override {
    const c10::NoGradGuard no_grad;
    return TrainedEdit(model, requests, context, table_.value()).plan();
  }

  Edit edit(const Model& model, const std::vector<EditRequest>& requests, const EditorContext& context,
            Progress& progress) const override {
    return train_together(requests, table_.value().epochs, training(model, context), progress);
  }

  std::vector<Edit> edit_each(const Model& model, const std::vector<EditRequest>& requests,
                              const EditorContext& context, Progress& progress) const override {
    return train_each(requests, training(model, context), progress);
  }

 private:
  TrainOnce training(const Model& model, const EditorContext& context) const {
    return [this, &model, &context](const std::vector<EditRequest>& requests, const EpochSeen& seen) {
      Edit edit = TrainedEdit(model, requests, context, table_.value()).edit({}, seen);
      sign(edit, *this, model);
      return edit;
    };
  }

  FinetuneOptionTable table_;
  std::string name_;
  std::map<std::string, std::string> names_and_values_;
};

}  // namespace

EditorEntry finetune_editor(FinetuneMethod (*method)()) {
  return {[method] {
            FinetuneOptionTable defaults(method());
            return EditorHelp{defaults.method().name, defaults.method().help, true,
                              option_help(defaults.bindings())};
          },
          [method](const std::map<std::string, OptionText>& options) {
            return std::make_unique<Finetune>(method(), options);
          }};
}

}  // namespace emend::editors
