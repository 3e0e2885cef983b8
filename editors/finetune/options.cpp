#include "editors/finetune/options.h"

#include <utility>

namespace emend::editors {

FinetuneOptionTable::FinetuneOptionTable(FinetuneMethod method,
                                         const std::map<std::string, OptionText>& given)
    : FinetuneOptionTable(std::move(method)) {
  std::map<std::string, OptionText> rest = given;
  if (const auto preset = rest.extract("preset"))
    apply_options(method_.name, bindings(), {{"preset", preset.mapped()}});
  apply_options(method_.name, bindings(), rest);
}

std::vector<OptionBinding> FinetuneOptionTable::bindings() {
  std::vector<OptionBinding> all = {preset_option(
      published_, [this] { value_ = published_ ? method_.published : method_.own; },
      "paper: the constants as published; other options still override them")};
  append(all, training_bindings(value_));
  return all;
}

}  // namespace emend::editors
