#include "linalg/key_constraints.h"

#include <ATen/ATen.h>

#include <cstdint>
#include <map>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace emend {

namespace {

// The keys of all constraints side by side, then `last` (undefined: none) [F, n].
at::Tensor side_by_side(const std::vector<KeyConstraint>& each, const at::Tensor& last) {
  std::vector<at::Tensor> keys;
  keys.reserve(each.size() + 1);
  for (const KeyConstraint& constraint : each) keys.push_back(constraint.K);
  if (last.defined()) keys.push_back(last.unsqueeze(1));
  return at::cat(keys, 1);
}

// Numbers the columns of K [F, n] by their values: equal columns have equal numbers, and a new one gets the
// next number.
std::vector<std::int64_t> number_columns(const at::Tensor& K) {
  const at::Tensor rows = at::add(K.t(), 0.0).contiguous();  // -0 becomes 0: equal values have equal bytes
  const auto* const bytes = static_cast<const char*>(rows.const_data_ptr());
  const std::size_t size = static_cast<std::size_t>(rows.size(1)) * sizeof(double);
  std::unordered_map<std::string_view, std::int64_t> known;
  std::vector<std::int64_t> numbers;
  for (std::size_t j = 0; j < static_cast<std::size_t>(rows.size(0)); ++j) {
    const std::string_view column(bytes + j * size, size);
    numbers.push_back(known.emplace(column, static_cast<std::int64_t>(known.size())).first->second);
  }
  return numbers;
}

// The columns that have a number for the first time.
std::vector<std::int64_t> first_of_each(const std::vector<std::int64_t>& numbers) {
  std::vector<std::int64_t> first;
  for (std::size_t j = 0; j < numbers.size(); ++j)
    if (numbers[j] == static_cast<std::int64_t>(first.size())) first.push_back(static_cast<std::int64_t>(j));
  return first;
}

// Fills Y, whose rows are numbered as `numbers` says, and tells whether two constraints meet in a row.
bool fill_answers(const at::Tensor& Y, const std::vector<KeyConstraint>& each,
                  const std::vector<std::int64_t>& numbers) {
  const std::int64_t q = Y.size(1);
  auto* const answers = Y.data_ptr<double>();
  std::vector<std::int64_t> answered_by(static_cast<std::size_t>(Y.size(0)), -1);
  bool contested = false;
  std::size_t column = 0;
  for (std::int64_t g = 0; g < q; ++g) {
    const at::Tensor y = each[static_cast<std::size_t>(g)].y.contiguous();
    for (std::int64_t j = 0; j < y.size(0); ++j, ++column) {
      const double answer = y.const_data_ptr<double>()[j];
      if (answer == 0) continue;
      const std::int64_t row = numbers[column];
      std::int64_t& owner = answered_by[static_cast<std::size_t>(row)];
      contested = contested || (owner >= 0 && owner != g);
      owner = g;
      answers[row * q + g] = answer;
    }
  }
  return contested;
}

}  // namespace

KeyConstraint with_protected(const KeyConstraint& constraint, const at::Tensor& key) {
  if (!key.defined()) return constraint;
  return {side_by_side({constraint}, key), at::cat({constraint.y, at::zeros({1}, at::kDouble)})};
}

JointConstraints join_constraints(const std::vector<KeyConstraint>& each, const at::Tensor& protected_key) {
  JointConstraints joint;
  joint.K = side_by_side(each, protected_key);
  const std::vector<std::int64_t> numbers = number_columns(joint.K), first = first_of_each(numbers);
  if (first.size() < numbers.size()) joint.K = joint.K.index_select(1, at::tensor(first, at::kLong));
  joint.Y = at::zeros({joint.K.size(1), static_cast<std::int64_t>(each.size())}, at::kDouble);
  joint.contested = fill_answers(joint.Y, each, numbers);
  return joint;
}

std::vector<std::size_t> group_equal(const std::vector<KeyConstraint>& each) {
  if (each.empty()) return {};
  const std::vector<std::int64_t> numbers = number_columns(side_by_side(each, {}));
  std::map<std::pair<std::vector<std::int64_t>, std::vector<double>>, std::size_t> known;
  std::vector<std::size_t> groups;
  auto next = numbers.begin();
  for (const KeyConstraint& constraint : each) {
    const at::Tensor y = constraint.y.contiguous();
    const auto* const answers = y.const_data_ptr<double>();
    const auto end = next + y.size(0);
    groups.push_back(known
                         .emplace(std::pair(std::vector<std::int64_t>(next, end),
                                            std::vector<double>(answers, answers + y.size(0))),
                                  known.size())
                         .first->second);
    next = end;
  }
  return groups;
}

}  // namespace emend
