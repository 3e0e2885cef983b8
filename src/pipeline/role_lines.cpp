#include "pipeline/role_lines.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "base/strings.h"
#include "emend/tensor_file.h"
#include "model/role_table.h"
#include "model/spec_text.h"

namespace emend {
namespace {

// "h.3.mlp.w" with the first number that stands alone between dots and equals `number` as `place`.
std::string with_place(const std::string& name, int number, const std::string& place) {
  const std::string inside = "." + std::to_string(number) + ".", padded = "." + name;
  const auto at = padded.find(inside);
  if (at == std::string::npos) return name;
  return (padded.substr(0, at + 1) + place + padded.substr(at + inside.size() - 1)).substr(1);
}

// The last number between dots as {h}: the row of a weight that is stored row by row.
std::string with_row_place(const std::string& name) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  for (std::size_t end = name.rfind('.'); end != std::string::npos && end > 0;
       end = name.rfind('.', end - 1)) {
    const std::size_t begin = name.rfind('.', end - 1) + 1;
    if (begin > 0 && begin < end &&
        std::all_of(name.begin() + static_cast<std::ptrdiff_t>(begin),
                    name.begin() + static_cast<std::ptrdiff_t>(end), is_digit))
      return name.substr(0, begin) + "{h}" + name.substr(end);
  }
  return name;
}

std::int64_t element_count(const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return count;
}

std::int64_t stored_bytes(std::int64_t count, const std::string& type_name) {
  const ElementType* type = find_element_type(type_name);
  return type == nullptr ? 0 : count / type->block_elements * type->block_bytes;
}

// Whether the role has several tensors in a block: one for each row.
using RoleInBlock = std::pair<Role, int>;
std::map<RoleInBlock, int> tensors_by_role(const std::vector<RoleEntry>& entries) {
  std::map<RoleInBlock, int> counts;
  for (const RoleEntry& entry : entries) ++counts[{entry.role, entry.block}];
  return counts;
}

std::string pattern_of(const RoleEntry& entry, bool by_row) {
  const std::string name = entry.block < 0 ? entry.tensor : with_place(entry.tensor, entry.block, "{l}");
  return by_row ? with_row_place(name) : name;
}

void add_entry(const RoleEntry& entry, RoleLine& line) {
  const std::int64_t count = element_count(entry.stored_shape);
  ++line.tensors;
  line.parameters += count;
  line.bytes += stored_bytes(count, entry.stored_type);
  if (entry.block >= 0 && (line.blocks.empty() || line.blocks.back() != entry.block))
    line.blocks.push_back(entry.block);
}

}  // namespace

std::string ranges_text(const std::vector<int>& numbers) {
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t end = i + 1;
    while (end < numbers.size() && numbers[end] == numbers[end - 1] + 1) ++end;
    parts.push_back(std::to_string(numbers[i]));
    if (end > i + 1) parts.back() += " to " + std::to_string(numbers[end - 1]);
    i = end;
  }
  return join(parts);
}

std::vector<RoleLine> role_lines(const std::vector<RoleEntry>& entries) {
  using Key = std::tuple<Role, std::string, std::string, std::vector<std::int64_t>>;
  const std::map<RoleInBlock, int> counts = tensors_by_role(entries);
  std::vector<RoleLine> lines;
  std::map<Key, std::size_t> known;
  for (const RoleEntry& entry : entries) {
    const std::string pattern = pattern_of(entry, counts.at({entry.role, entry.block}) > 1);
    const auto [at, is_new] =
        known.emplace(Key(entry.role, pattern, entry.stored_type, entry.stored_shape), lines.size());
    if (is_new)
      lines.push_back(
          {entry.role, pattern, {}, entry.stored_type, entry.stored_shape, entry.stored_transposed});
    add_entry(entry, lines[at->second]);
  }
  return lines;
}

std::vector<NormLine> norm_lines(const ModelConfig& config) {
  std::vector<NormLine> lines;
  for (int l = 0; l < config.layers; ++l) {
    const BlockSpec& spec = config.spec(l);
    NormLine line;
    line.kind = spec.norm == NormKind::kRmsNorm ? "RMSNorm" : "LayerNorm";
    line.attention = norm_side(spec.attention_norm, spec.attention_post_norm);
    // A parallel MLP without a norm of its own reads what attention reads.
    line.mlp = norm_side(spec.mlp_norm || (spec.parallel && spec.attention_norm), spec.mlp_post_norm);
    line.value_path = value_path_text(spec);
    line.direct = is_direct_value_path(spec);
    const auto same = std::find_if(lines.begin(), lines.end(), [&](const NormLine& known) {
      return known.attention == line.attention && known.mlp == line.mlp &&
             known.value_path == line.value_path;
    });
    NormLine& to = same == lines.end() ? lines.emplace_back(std::move(line)) : *same;
    to.blocks.push_back(l);
  }
  return lines;
}

FfnShare ffn_share(const std::vector<RoleLine>& roles) {
  FfnShare share;
  for (const RoleLine& line : roles) {
    share.all_parameters += line.parameters;
    share.all_bytes += line.bytes;
    const ParameterGroup group = role_info(line.role).group;
    if (group != ParameterGroup::kMlpUp && group != ParameterGroup::kMlpDown) continue;
    share.parameters += line.parameters;
    share.bytes += line.bytes;
    if (line.role == Role::kMlpDown) share.down_parameters += line.parameters;
  }
  return share;
}

}  // namespace emend
