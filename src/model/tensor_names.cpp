#include "model/tensor_names.h"

#include <algorithm>

#include "base/strings.h"
#include "model/role_table.h"

namespace emend {

namespace {

bool is_split_qkv(Role role) {
  return role == Role::kQuery || role == Role::kQueryBias || role == Role::kKey || role == Role::kKeyBias ||
         role == Role::kValue || role == Role::kValueBias;
}

bool is_fused_qkv(Role role) {
  return role == Role::kQkv || role == Role::kQkvBias;
}

std::string with_number(std::string pattern, const std::string& place, std::int64_t number) {
  const auto at = pattern.find(place);
  if (at != std::string::npos) pattern.replace(at, place.size(), std::to_string(number));
  return pattern;
}

bool have_same_values(const TensorFile& file, const TensorInfo& a, const TensorInfo& b) {
  if (a.shape != b.shape) return false;
  if (a.type == b.type) {
    const auto x = file.bytes(a), y = file.bytes(b);
    return std::equal(x.begin(), x.end(), y.begin(), y.end());
  }
  std::vector<float> x(static_cast<std::size_t>(a.elements())), y(x.size());
  read_as_float32(file, a, x);
  read_as_float32(file, b, y);
  return x == y;
}

}  // namespace

TensorNames::TensorNames(const TensorFile& file, const Family& family)
    : file_(file), family_(family), gguf_(file.format() == TensorFile::Format::kGguf) {
  const std::vector<NamePrefix> prefixes = family_prefixes(family);
  prefix_ = prefixes.front();
  if (gguf_) return;
  const TensorName& down = role_tensor(family, Role::kMlpDown);
  const auto fits = std::find_if(prefixes.begin(), prefixes.end(), [&](const NamePrefix& prefix) {
    return file.find(spellings(down, 0, 0, prefix).front()) != nullptr;
  });
  if (fits != prefixes.end()) prefix_ = *fits;
}

std::vector<std::string> TensorNames::spellings(const TensorName& rule, int block, std::int64_t row,
                                                const NamePrefix& prefix) const {
  if (gguf_ && rule.gguf.empty()) return {};
  if (!gguf_ && rule.safetensors.empty()) return {};
  std::vector<std::string> names = split_at(gguf_ ? rule.gguf : rule.safetensors, '|');
  for (std::string& name : names) {
    name = with_number(with_number(name, "{l}", block), "{h}", row);
    if (gguf_) continue;
    const bool inside = !family_.prefix.empty() && name.starts_with(family_.prefix);
    name = inside ? prefix.text + name.substr(family_.prefix.size()) : prefix.head + name;
  }
  return names;
}

std::vector<TensorName> TensorNames::rules() const {
  std::vector<TensorName> rules;
  for (const TensorName& rule : family_.tensors)
    if (!(gguf_ ? rule.gguf : rule.safetensors).empty()) rules.push_back(rule);
  const auto has = [&](auto kind) {
    return std::any_of(rules.begin(), rules.end(), [&](const TensorName& rule) { return kind(rule.role); });
  };
  if (!has(is_fused_qkv) || !has(is_split_qkv)) return rules;
  const bool fused = find(role_tensor(family_, Role::kQkv), 0) != nullptr;
  std::erase_if(rules, [&](const TensorName& rule) {
    return fused ? is_split_qkv(rule.role) : is_fused_qkv(rule.role);
  });
  return rules;
}

const TensorInfo* TensorNames::find(const TensorName& rule, int block, std::int64_t row) const {
  for (const std::string& name : spellings(rule, block, row, prefix_))
    if (const TensorInfo* tensor = file_.find(name)) return tensor;
  return nullptr;
}

bool TensorNames::is_by_row(const TensorName& rule) const {
  return !gguf_ && rule.safetensors.find("{h}") != std::string::npos;
}

const TensorInfo* TensorNames::find(Role role) const {
  return find(role_tensor(family_, role), 0);
}

std::string TensorNames::expected(const TensorName& rule, int block, std::int64_t row) const {
  return spellings(rule, block, row, prefix_).front();
}

bool TensorNames::may_ignore(const std::string& name) const {
  if (prefix_.is_part && !name.starts_with(prefix_.text)) return true;
  return std::any_of(family_.ignored.begin(), family_.ignored.end(),
                     [&](const std::string& ending) { return name.ends_with(ending); });
}

bool has_tied_head(const TensorFile& file, const TensorNames& names, bool config_says) {
  if (!config_says || names.is_gguf()) return config_says;
  const TensorInfo *head = names.find(Role::kHead), *embedding = names.find(Role::kTokenEmbedding);
  return !head || !embedding || have_same_values(file, *embedding, *head);
}

}  // namespace emend
