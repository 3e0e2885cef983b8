#include "bindings/python/named_patches.h"

namespace emend::python {

std::vector<NamedPatch> copies_of(const Named& given) {
  std::vector<NamedPatch> patches;
  for (const auto& [name, patch] : given) patches.push_back({name, *patch});
  return patches;
}

std::vector<std::string> names_of(const Named& given) {
  std::vector<std::string> names;
  for (const auto& [name, patch] : given) names.push_back(name);
  return names;
}

}  // namespace emend::python
