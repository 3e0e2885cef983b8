#include <fmt/format.h>

#include "base/nearest.h"
#include "base/strings.h"
#include "emend/error.h"
#include "model/families/family.h"

namespace emend {

namespace {

const std::vector<const Family*>& families() {
  static const std::vector<const Family*> all = {&gpt2_family(), &gptj_family(), &llama_family()};
  return all;
}

}  // namespace

std::vector<std::string> known_families() {
  std::vector<std::string> names;
  for (const Family* family : families()) names.push_back(family->name);
  return names;
}

const Family& find_family(const ConfigValues& values) {
  const std::string name = values.text({"model_type", "general.architecture"});
  for (const Family* family : families())
    if (!name.empty() && name == (values.is_gguf() ? family->gguf_architecture : family->name))
      return *family;
  throw Error(ErrorKind::kModel,
              fmt::format("{}: the architecture {} is not supported; known ones: {}. A family needs a table "
                          "of its settings and tensor names (CONTRIBUTING.md)",
                          values.where(), quote(name), join(known_families())));
}

const Family& find_family(const std::string& name) {
  for (const Family* family : families())
    if (family->name == name) return *family;
  throw Error(ErrorKind::kModel, fmt::format("there is no model family {}{}", quote(name),
                                             did_you_mean(name, known_families())));
}

const TensorName& role_tensor(const Family& family, Role role) {
  for (const TensorName& tensor : family.tensors)
    if (tensor.role == role) return tensor;
  throw Error(ErrorKind::kModel, fmt::format("the family {} has no {}", family.name, role_name(role)));
}

}  // namespace emend
