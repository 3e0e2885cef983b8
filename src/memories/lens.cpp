#include "memories/lens.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <limits>
#include <optional>

#include "base/strings.h"
#include "emend/error.h"
#include "emend/tensor_file.h"
#include "model/layers.h"

namespace emend {
namespace {

constexpr std::string_view kMapPrefix = "map:";

at::Tensor plain(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.to(at::kCPU, at::kFloat) : tensor;
}

// The only number in a name; nothing where there are none or several.
std::optional<int> number_in(const std::string& name) {
  std::optional<int> found;
  for (const char* at = name.data(); at != name.data() + name.size();) {
    if (std::isdigit(static_cast<unsigned char>(*at)) == 0) {
      ++at;
      continue;
    }
    int number = 0;
    const auto [end, error] = std::from_chars(at, name.data() + name.size(), number);
    if (found || error != std::errc()) return std::nullopt;
    found = number;
    at = end;
  }
  return found;
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

[[noreturn]] void refuse_map(const TensorFile& file, const std::string& tensor, const std::string& reason) {
  throw Error(ErrorKind::kFormat,
              fmt::format("{}: tensor {}: {}", file.path().string(), quote(tensor), reason));
}

}  // namespace

std::string to_string(const LensOptions& lens) {
  switch (lens.kind) {
    case LensKind::kRaw:
      return "raw";
    case LensKind::kLinear:
      return "lin";
    case LensKind::kHead:
      return "head";
    case LensKind::kMap:
      return std::string(kMapPrefix) + lens.map.string();
  }
  return {};
}

LensOptions parse_lens(const std::string& text) {
  LensOptions lens;
  if (text == "raw") {
    lens.kind = LensKind::kRaw;
  } else if (text == "head") {
    lens.kind = LensKind::kHead;
  } else if (text.starts_with(kMapPrefix) && text.size() > kMapPrefix.size()) {
    lens.kind = LensKind::kMap;
    lens.map = text.substr(kMapPrefix.size());
  } else if (text != "lin") {
    throw Error(ErrorKind::kUsage,
                fmt::format("the option lens must be lin, raw, head or map:FILE, found {}", quote(text)));
  }
  return lens;
}

Lens::Lens(const Model& model, const LensOptions& options)
    : options_(options),
      spec_(model.config().block),
      gain_(plain(model.weights().final_norm)),
      bias_(plain(model.weights().final_norm_bias)) {
  const at::Tensor& head = model.weights().head;
  const std::int64_t tokens =
      model.has_tokenizer() ? std::min(head.size(0), model.tokenizer().size()) : head.size(0);
  table_ = plain(head.narrow(0, 0, tokens)).contiguous();
  if (options.kind == LensKind::kHead) {
    multiplier_ = model.config().logit_multiplier;
    soft_cap_ = model.config().logit_soft_cap;
    if (model.weights().head_bias.defined())
      offset_ = plain(model.weights().head_bias.narrow(0, 0, tokens)) * multiplier_;
  }
  if (options.mask_special && model.has_tokenizer()) mask_special(model.tokenizer());
  if (options.kind == LensKind::kMap) read_maps(model);
}

void Lens::mask_special(const Tokenizer& tokenizer) {
  std::vector<std::int64_t> ids;
  row_of_.assign(static_cast<std::size_t>(table_.size(0)), -1);
  for (std::int64_t id = 0; id < table_.size(0); ++id) {
    if (tokenizer.is_special(id)) continue;
    row_of_[static_cast<std::size_t>(id)] = static_cast<std::int64_t>(ids.size());
    ids.push_back(id);
  }
  ids_ = at::tensor(ids, at::kLong);
  table_ = table_.index_select(0, ids_);
  if (offset_.defined()) offset_ = offset_.index_select(0, ids_);
}

void Lens::read_maps(const Model& model) {
  const auto file = open_safetensors(options_.map);
  const std::int64_t width = model.config().d_model;
  for (const TensorInfo& tensor : file->tensors()) {
    const std::optional<int> layer = number_in(tensor.name);
    if (!layer || *layer >= model.config().layers)
      refuse_map(*file, tensor.name,
                 fmt::format("its name must hold one number, its layer: 0 to {}", model.config().layers - 1));
    if (tensor.shape != std::vector<std::int64_t>{width, width})
      refuse_map(
          *file, tensor.name,
          fmt::format("a lens of this model is [{0}, {0}], found {1}", width, shape_text(tensor.shape)));
    at::Tensor map = at::empty({width, width}, at::kFloat);
    read_as_float32(*file, tensor, {map.data_ptr<float>(), static_cast<std::size_t>(map.numel())});
    if (!at::isfinite(map).all().item<bool>())
      refuse_map(*file, tensor.name, "it holds a number that is NaN or infinite");
    if (!maps_.emplace(*layer, map).second)
      refuse_map(*file, tensor.name, fmt::format("layer {} has a map already", *layer));
  }
}

at::Tensor Lens::fold(const at::Tensor& h, int layer) const {
  const at::Tensor rows = plain(h);
  if (options_.kind == LensKind::kRaw) return rows.contiguous();
  if (options_.kind == LensKind::kHead)
    return (normalise(rows, gain_, bias_, spec_) * multiplier_).contiguous();
  at::Tensor seen = rows;
  if (options_.kind == LensKind::kMap) {
    const auto map = maps_.find(layer);
    if (map == maps_.end())
      throw Error(ErrorKind::kConfig, fmt::format("{} has no map of layer {}", options_.map.string(), layer));
    seen = at::matmul(rows, map->second.t());
  }
  return (centred(seen, spec_) * gain_).contiguous();
}

VocabularyResult Lens::reduce(const at::Tensor& folded, std::int64_t keep, const at::Tensor& targets,
                              const std::function<void(std::int64_t)>& on_rows) const {
  VocabularyTask task{.rows = folded, .table = table_, .offset = offset_, .soft_cap = soft_cap_};
  task.keep = std::min(keep, tokens());
  task.on_rows = on_rows;
  if (targets.defined()) {
    task.targets = targets.contiguous();
    if (ids_.defined()) {
      const at::Tensor rows = at::tensor(row_of_, at::kLong).index_select(0, targets.flatten().clamp_min(0));
      task.targets = at::where(targets < 0, targets, rows.view(targets.sizes()));
    }
  }
  VocabularyResult result = reduce_vocabulary(task);
  if (ids_.defined())
    for (at::Tensor* const found : {&result.top_ids, &result.bottom_ids})
      *found = ids_.index_select(0, found->flatten()).view(found->sizes());
  return result;
}

at::Tensor Lens::token_row(std::int64_t id) const {
  std::int64_t row = id;
  if (ids_.defined()) row = id >= 0 && id < static_cast<std::int64_t>(row_of_.size()) ? row_of_[id] : -1;
  if (row < 0 || row >= tokens())
    throw Error(ErrorKind::kConfig, fmt::format("token {} takes no part in this lens", id));
  return table_[row];
}

at::Tensor Lens::logits_of(const at::Tensor& folded, const at::Tensor& ids) const {
  const at::Tensor rows = ids_.defined() ? at::tensor(row_of_, at::kLong).index_select(0, ids) : ids;
  const at::Tensor z = (folded * table_.index_select(0, rows)).sum(1);
  return soft_capped(offset_.defined() ? z + offset_.index_select(0, rows) : z, soft_cap_);
}

at::Tensor Lens::logits(const at::Tensor& h, int layer) const {
  const at::Tensor z = at::matmul(fold(h, layer), table_.t());
  return soft_capped(offset_.defined() ? z + offset_ : z, soft_cap_);
}

}  // namespace emend
