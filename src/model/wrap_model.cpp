#include "emend/wrap_model.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>

#include "base/fingerprint.h"
#include "emend/error.h"
#include "model/checkpoint_outline.h"
#include "model/checkpoint_tokenizer.h"
#include "model/given_tensors.h"
#include "model/loader.h"
#include "model/role_table.h"
#include "model/weight_filling.h"
#include "model/weights.h"

namespace emend {

namespace {

void require_finite(const at::Tensor& tensor, const Assignment& from) {
  const double largest =
      at::linalg_vector_norm(tensor, std::numeric_limits<double>::infinity()).item<double>();
  if (!std::isfinite(largest))
    throw Error(ErrorKind::kModel,
                fmt::format("{}: tensor {} holds NaN or infinite values; the model is damaged",
                            from.tensor->file.string(), from.tensor->name));
}

at::Tensor& place_of(ModelWeights& weights, const RoleInfo& info, int block) {
  return info.in_model ? weights.*info.in_model
                       : weights.blocks[static_cast<std::size_t>(block)].*info.in_block;
}

// The weights by role, from tensors that are given one after the other.
class Adoption {
 public:
  Adoption(GivenTensors& given, const CheckpointOutline& outline, const WrapOptions& options)
      : given_(given), outline_(outline), options_(options) {
    const std::vector<at::Device> nowhere(static_cast<std::size_t>(outline.config.layers), at::kMeta);
    weights_ = allocate_weights(outline.config, given.options().device(at::kMeta), nowhere);
  }

  void take(const Assignment& from) {
    const at::Tensor stored = given_.tensor(*from.tensor);
    require_finite(stored, from);
    at::Tensor& place = place_of(weights_, role_info(from.entry.role), from.entry.block);
    if (from.row < 0 && view_of(from).sizes() == place.sizes())
      place = whole(from, stored);
    else
      copy_into(place, from, stored);
  }

  ModelWeights weights() {
    if (outline_.config.tied_head) weights_.head = weights_.token_embedding;
    return std::move(weights_);
  }

 private:
  // What the role names, of a weight that may hold more: queries of queries, keys and values.
  at::Tensor view_of(const Assignment& from) {
    return weight_view(weights_, outline_.config, from.entry.role, std::max(from.entry.block, 0));
  }

  bool counts_from_zero(const Assignment& from) const {
    return outline_.family->norms_from_zero && is_norm_factor(from.entry.role);
  }

  // The tensor itself wherever the pass can use it as it lies.
  at::Tensor whole(const Assignment& from, const at::Tensor& stored) const {
    const at::Tensor ordered = in_order_of_pass(stored, from.form, outline_.config);
    return counts_from_zero(from) ? ordered + 1 : ordered;
  }

  // A part of a weight that the pass needs as one tensor.
  void copy_into(at::Tensor& place, const Assignment& from, const at::Tensor& stored) {
    if (place.is_meta()) place = at::empty(place.sizes(), given_.options());
    at::Tensor part = view_of(from);
    if (from.row >= 0) part = part.select(0, from.row);
    part.copy_(in_order_of_pass(stored, from.form, outline_.config));
    if (counts_from_zero(from)) part.add_(1);
    const bool same_numbers = !counts_from_zero(from) && from.form != StoredForm::kGroupedQkv;
    if (!same_numbers || !options_.moved) return;
    options_.moved(from.tensor->name, from.form == StoredForm::kConv1d ? part.t() : part);
    given_.release(*from.tensor);
  }

  GivenTensors& given_;
  const CheckpointOutline& outline_;
  const WrapOptions& options_;
  ModelWeights weights_;
};

}  // namespace

Model wrap_model(std::vector<GivenTensor> tensors, const WrapOptions& options) {
  const c10::NoGradGuard no_gradients;
  const auto given = std::make_shared<GivenTensors>(std::move(tensors), options.path);
  tensors.clear();
  ConfigValues values = ConfigValues::from_json(options.config, options.path.string() + ": config");
  if (values.has_object("quantization_config"))
    throw Error(ErrorKind::kModel,
                options.path.string() + ": the weights are quantised; load them unquantised");
  const CheckpointOutline outline = outline_of(given, std::move(values));
  LoadedModel model;
  model.config = outline.config;
  if (!options.tokenizer.empty())
    model.tokenizer = folder_tokenizer(options.tokenizer, outline.values.text({"model_type", ""}, ""));
  Adoption adoption(*given, outline, options);
  for (const Assignment& from : outline.assignments) {
    model.roles.push_back(from.entry);
    model.roles.back().digest = xxh3_128_hex(given->bytes(*from.tensor));
    adoption.take(from);
  }
  model.weights = adoption.weights();
  return Model::adopt(std::move(model), options.path, given->options());
}

}  // namespace emend
