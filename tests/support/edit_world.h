// A world model with the statistics of its default layer, made once a program, and what an edit did to it.
#pragma once

#include <c10/core/GradMode.h>

#include "analysis/prompt_rows.h"
#include "emend/checks.h"
#include "emend/editor.h"
#include "emend/locate.h"
#include "support/tiny_models.h"
#include "support/world.h"

namespace emend::test {

class EditWorld {
 public:
  static EditWorld& of(const std::string& shape) {
    static std::map<std::string, std::unique_ptr<EditWorld>> worlds;
    auto& world = worlds[shape];
    if (!world) world.reset(new EditWorld(shape));
    return *world;
  }

  Model model;
  Statistics statistics;
  EditorContext context;  // with the automatic prefix
  RowForm form;

  Edit edit(const std::vector<EditRequest>& requests,
            const std::map<std::string, std::string>& options = {}) const {
    SilentProgress silent;
    return editor(options)->edit(model, requests, context, silent);
  }
  std::vector<Edit> edit_each(const std::vector<EditRequest>& requests,
                              const std::map<std::string, std::string>& options = {}) const {
    SilentProgress silent;
    return editor(options)->edit_each(model, requests, context, silent);
  }
  static std::unique_ptr<Editor> editor(const std::map<std::string, std::string>& options) {
    std::map<std::string, OptionText> texts;
    for (const auto& [name, value] : options) texts[name] = {value, "test"};
    return make_editor("rome", texts);
  }

  // The one that the edits write.
  int layer() const { return context.layers.front(); }

  // The key at a token of a row, on the model as it is, from a plain pass. float32 [F]
  at::Tensor key_at(const TokenIds& ids, std::size_t token) const {
    const TokenIds upto(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(token) + 1);
    return plain_vectors(model, upto, Site::kKey, layer())[static_cast<std::int64_t>(token)];
  }
  at::Tensor bare_key(const EditRequest& request) const {
    const PromptRow row = bare_row(model.tokenizer(), request, form);
    return key_at(row.ids, row.lookup);
  }
  // One key a context row.
  std::vector<at::Tensor> context_keys(const EditRequest& request, const Edit& edit) const {
    std::vector<at::Tensor> keys;
    for (const TokenIds& ids : edit.context_ids) {
      const PromptRow row = context_row(model.tokenizer(), request, ids, form);
      keys.push_back(key_at(row.ids, row.lookup));
    }
    return keys;
  }
  at::Tensor weight() const { return model.weight({layer(), Role::kMlpDown}); }

  // (W + Delta) k - W k in float32, with the weight really written.
  at::Tensor moved(const Edit& edit, const at::Tensor& k) {
    const at::Tensor before = at::mv(weight(), k);
    const ScopedEdit scope(model, edit.changes);
    return at::mv(weight(), k) - before;
  }

  bool holds(const EditRequest& request) const {
    const auto ids = prompt_ids(model.tokenizer(), request.prompt, form);
    return score_continuations(model, {ids}, {{0, target_ids(model.tokenizer(), request.target, form)}})[0]
        .argmax;
  }

 private:
  explicit EditWorld(const std::string& shape) : model(load_world(shape)) {
    context.layers = {default_layer(model.config())};
    context.prefix = model.tokenizer().automatic_prefix();
    form.prefix = context.prefix;
    statistics = world_statistics(model, layer());
    context.statistics = &statistics;
  }
};

}  // namespace emend::test
