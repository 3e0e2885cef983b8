#include "io/quantised_checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "base/json.h"
#include "base/strings.h"
#include "emend/error.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

struct MethodName {
  std::string_view quant_method, name;
};

// What config.json calls the methods, and what people call them.
constexpr std::array kMethods = {
    MethodName{"fp8", "fp8"},
    MethodName{"fbgemm_fp8", "fp8 (FBGEMM)"},
    MethodName{"compressed-tensors", "compressed-tensors"},
    MethodName{"gptq", "GPTQ"},
    MethodName{"awq", "AWQ"},
    MethodName{"bitsandbytes", "bitsandbytes"},
    MethodName{"modelopt", "ModelOpt"},
    MethodName{"mxfp4", "MXFP4"},
};

struct NameEnding {
  std::string_view ending, name;
};

// Tensors beside or in place of a weight. Of two that fit the first one counts: ".weight_scale" alone may be
// of several programs, all of which read by the same library.
constexpr std::array kEndings = {
    NameEnding{".weight_scale_inv", "fp8 in blocks"},
    NameEnding{".weight_scale_2", "ModelOpt NVFP4"},
    NameEnding{".weight_packed", "compressed-tensors"},
    NameEnding{".weight_zero_point", "compressed-tensors"},
    NameEnding{".weight_global_scale", "compressed-tensors"},
    NameEnding{".weight_g_idx", "compressed-tensors"},
    NameEnding{".weight_scale", "compressed-tensors or fp8 with scales"},
    NameEnding{".g_idx", "GPTQ"},
    NameEnding{".qweight", "AWQ or GPTQ"},
    NameEnding{".qzeros", "AWQ or GPTQ"},
    NameEnding{".weight.absmax", "bitsandbytes"},
    NameEnding{".weight.quant_map", "bitsandbytes"},
    NameEnding{".weight.quant_state.bitsandbytes__nf4", "bitsandbytes"},
    NameEnding{".weight.quant_state.bitsandbytes__fp4", "bitsandbytes"},
    NameEnding{".SCB", "bitsandbytes"},
    NameEnding{"_proj_blocks", "MXFP4"},
};

std::optional<QuantisedLayout> layout_by_tensors(const TensorFile& file) {
  for (const NameEnding& known : kEndings)
    for (const TensorInfo& tensor : file.tensors())
      if (tensor.name.ends_with(known.ending))
        return QuantisedLayout{std::string(known.name), "tensor " + tensor.name};
  return std::nullopt;
}

bool is_plain(const TensorInfo& tensor) {
  const std::string_view type = tensor.type->name;
  return type == "F32" || type == "F16" || type == "BF16" || type == "F64";
}

// The method that a "quantization_config" names. Old files of bitsandbytes name none.
std::string method_of(const JsonView& settings) {
  const auto method = settings.find("quant_method");
  if (method && method->is_string()) return method->as_string();
  const bool bitsandbytes = settings.has("load_in_4bit") || settings.has("load_in_8bit");
  return bitsandbytes ? "bitsandbytes" : "";
}

std::string method_name(const std::string& method, const JsonView& settings) {
  if (method == "fp8" && settings.has("weight_block_size")) return "fp8 in blocks";
  const auto known = std::find_if(kMethods.begin(), kMethods.end(),
                                  [&](const MethodName& m) { return m.quant_method == method; });
  if (known != kMethods.end()) return std::string(known->name);
  return method.empty() ? "a method that it does not name" : method;
}

QuantisedLayout layout_of(const JsonView& settings, const std::string& key) {
  const std::string method = method_of(settings);
  const std::string what = method.empty() ? "has " + quote(key) : "names quant_method " + quote(method);
  return {method_name(method, settings), "config.json " + what};
}

std::optional<QuantisedLayout> layout_in(const JsonView& config) {
  for (const char* const key : {"quantization_config", "compression_config"})
    if (const auto settings = config.find(key); settings && settings->is_object())
      return layout_of(*settings, key);
  return std::nullopt;
}

std::optional<QuantisedLayout> layout_by_config(const fs::path& folder) {
  std::error_code failed;
  if (fs::exists(folder / "hf_quant_config.json", failed))
    return QuantisedLayout{"ModelOpt", "there is hf_quant_config.json"};
  if (!fs::exists(folder / "config.json", failed)) return std::nullopt;
  const Json document = read_json_file(folder / "config.json");
  const JsonView config(document, (folder / "config.json").string());
  if (!config.is_object()) return std::nullopt;
  if (auto layout = layout_in(config)) return layout;
  const auto text = config.find("text_config");
  return text && text->is_object() ? layout_in(*text) : std::nullopt;
}

}  // namespace

std::optional<QuantisedLayout> find_quantised_layout(const TensorFile& file, const fs::path& folder) {
  if (file.format() == TensorFile::Format::kGguf) return std::nullopt;
  const auto by_tensors = layout_by_tensors(file);
  auto by_config = layout_by_config(folder);
  if (!by_config) return by_tensors;
  by_config->only_in_config =
      !by_tensors && std::all_of(file.tensors().begin(), file.tensors().end(), is_plain);
  return by_config;
}

std::string quantised_layout_text(const QuantisedLayout& layout) {
  const std::string text = fmt::format(
      "the weights are quantised as {} ({}), which emend does not read; give the checkpoint of "
      "this model without quantisation (BF16, F16 or F32), or a GGUF file of it",
      layout.name, layout.evidence);
  if (!layout.only_in_config) return text;
  return text +
         ". All tensors are plain floats: if this checkpoint is not quantised any more, take "
         "\"quantization_config\" out of config.json";
}

void require_plain_weights(const TensorFile& file, const fs::path& folder) {
  if (const auto layout = find_quantised_layout(file, folder))
    throw Error(ErrorKind::kModel,
                fmt::format("{}: {}", file.path().string(), quantised_layout_text(*layout)));
}

}  // namespace emend
