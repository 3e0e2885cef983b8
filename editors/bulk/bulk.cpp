#include "editors/bulk/bulk.h"

#include <c10/core/GradMode.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "editors/bulk/carried.h"
#include "editors/bulk/memory.h"
#include "editors/bulk/run.h"
#include "editors/common/edit_parts.h"

namespace emend::editors {

namespace {

class Bulk : public Editor {
 public:
  Bulk(BulkMethod method, const std::map<std::string, OptionText>& given)
      : table_(std::move(method), given),
        name_(table_.method().name),
        names_and_values_(option_values(table_.bindings())) {}

  std::string name() const override { return name_; }
  bool needs_statistics() const override { return options_in_use().preserve != PreserveStage::kIdentity; }
  std::map<std::string, std::string> options() const override { return names_and_values_; }
  Objective objective() const override { return Objective::kInjected; }
  LayerUse layer_use() const override { return LayerUse::kSeveral; }
  bool keeps_values() const override { return true; }
  bool carries_earlier() const override { return options_in_use().carry; }
  bool teaches_end() const override { return options_in_use().search.end_weight > 0; }
  // The one for a single fact, two below it and one above.
  std::vector<int> layers_around(int layer, const ModelConfig& config) const override {
    std::vector<int> layers;
    for (int l = std::max(layer - 2, 0); l <= std::min(layer + 1, config.layers - 1); ++l)
      layers.push_back(l);
    return layers;
  }

  std::optional<EditMemory> memory(const Model& model, const std::vector<EditRequest>& requests,
                                   const EditorContext& context) const override {
    return bulk_memory(model, requests, context, options_in_use());
  }

  EditPlan plan(const Model& model, const std::vector<EditRequest>& requests,
                const EditorContext& context) const override {
    const c10::NoGradGuard no_grad;
    const BulkCall call(model, context, options_in_use(), name_);
    return BulkRun(call, requests, carry_facts(call.earlier(), requests), Grouping::kShared).summary();
  }

  Edit edit(const Model& model, const std::vector<EditRequest>& requests, const EditorContext& context,
            Progress& progress) const override {
    const BulkCall call(model, context, options_in_use(), name_);
    BulkRun run(call, requests, carry_facts(call.earlier(), requests), Grouping::kShared);
    Edit edit = run.edit(std::nullopt, progress);
    sign(edit, *this, model);
    return edit;
  }

  // The searches of the first round share batches; what follows is done one after the other.
  std::vector<Edit> edit_each(const Model& model, const std::vector<EditRequest>& requests,
                              const EditorContext& context, Progress& progress) const override {
    EditorContext alone = context;
    alone.earlier = nullptr;
    alone.journal = nullptr;  // that of a run of `edit`
    const BulkCall call(model, alone, options_in_use(), name_);
    const std::vector<SearchResult> found = BulkRun(call, requests, {}, Grouping::kAlone).search(progress);
    std::vector<Edit> edits;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      BulkRun run(call, {requests[i]}, {}, Grouping::kAlone);
      edits.push_back(run.edit(std::vector{found[i]}, progress));
      sign(edits.back(), *this, model);
    }
    return edits;
  }

 private:
  const BulkOptions& options_in_use() const { return table_.value(); }

  BulkOptionTable table_;
  std::string name_;
  std::map<std::string, std::string> names_and_values_;
};

}  // namespace

EditorEntry bulk_editor(BulkMethod (*method)()) {
  return {[method] {
            BulkOptionTable defaults(method());
            return EditorHelp{defaults.method().name, defaults.method().help, true,
                              option_help(defaults.bindings())};
          },
          [method](const std::map<std::string, OptionText>& options) {
            return std::make_unique<Bulk>(method(), options);
          }};
}

}  // namespace emend::editors
