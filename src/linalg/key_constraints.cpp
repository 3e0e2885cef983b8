#include "linalg/key_constraints.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <unordered_map>
#include <utility>

namespace emend {

namespace {

// The keys of all constraints side by side, then `last` (undefined: none) [F, n]; each lies in memory as a
// whole, so that it is copied and compared without strides.
at::Tensor side_by_side(const std::vector<KeyConstraint>& each, const at::Tensor& last) {
  std::vector<at::Tensor> keys;
  keys.reserve(each.size() + 1);
  for (const KeyConstraint& constraint : each) keys.push_back(constraint.K.t());
  if (last.defined()) keys.push_back(last.unsqueeze(0));
  return at::cat(keys, 0).t();
}

// A hash of some elements of a key, evenly spread: equal keys have equal ones, and few others do.
std::uint64_t hash_of_some(std::span<const double> key) {
  constexpr std::size_t kSome = 64;
  const std::size_t step = std::max<std::size_t>(key.size() / kSome, 1);
  std::uint64_t hash = 0;
  for (std::size_t i = 0; i < key.size(); i += step)
    hash = (hash ^ std::bit_cast<std::uint64_t>(key[i] + 0.0)) * 0x9E3779B97F4A7C15U;  // -0 becomes 0
  return hash ^ (hash >> 32);
}

// Numbers the columns of K [F, n] by their values: equal columns have equal numbers, and a new one gets the
// next number.
std::vector<std::int64_t> number_columns(const at::Tensor& K) {
  const at::Tensor rows = K.t().contiguous();
  const auto size = static_cast<std::size_t>(rows.size(1));
  const auto column = [&](std::size_t j) {
    return std::span(rows.const_data_ptr<double>() + j * size, size);
  };
  std::unordered_multimap<std::uint64_t, std::size_t> known;  // the first column of each number, by its hash
  std::vector<std::int64_t> numbers;
  for (std::size_t j = 0; j < static_cast<std::size_t>(rows.size(0)); ++j) {
    const std::uint64_t hash = hash_of_some(column(j));
    const auto [begin, end] = known.equal_range(hash);
    const auto same = std::find_if(
        begin, end, [&](const auto& other) { return std::ranges::equal(column(other.second), column(j)); });
    const bool fresh = same == end;
    numbers.push_back(fresh ? static_cast<std::int64_t>(known.size()) : numbers[same->second]);
    if (fresh) known.emplace(hash, j);
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

// The answers other than 0, one an element of Y.
struct Answers {
  std::vector<std::int64_t> rows, columns;
  std::vector<double> values;
  bool contested = false;
};

// `numbers` says which row each key of the constraints is, of `size` ones. Tells whether two constraints meet
// in a row.
Answers collect_answers(const std::vector<KeyConstraint>& each, const std::vector<std::int64_t>& numbers,
                        std::int64_t size) {
  Answers answers;
  std::vector<std::size_t> last_of_row(static_cast<std::size_t>(size), SIZE_MAX);  // its place in `answers`
  std::size_t column = 0;
  for (std::size_t g = 0; g < each.size(); ++g) {
    const at::Tensor y = each[g].y.contiguous();
    for (std::int64_t j = 0; j < y.size(0); ++j, ++column) {
      const double answer = y.const_data_ptr<double>()[j];
      if (answer == 0) continue;
      std::size_t& last = last_of_row[static_cast<std::size_t>(numbers[column])];
      const bool taken = last != SIZE_MAX,
                 own = taken && answers.columns[last] == static_cast<std::int64_t>(g);
      answers.contested = answers.contested || (taken && !own);
      if (own) {
        answers.values[last] = answer;
        continue;
      }
      last = answers.rows.size();
      answers.rows.push_back(numbers[column]);
      answers.columns.push_back(static_cast<std::int64_t>(g));
      answers.values.push_back(answer);
    }
  }
  return answers;
}

// [rows, columns]
at::Tensor matrix_of(const Answers& answers, std::int64_t rows, std::int64_t columns) {
  const at::Tensor places =
      at::stack({at::tensor(answers.rows, at::kLong), at::tensor(answers.columns, at::kLong)});
  const at::Tensor values = at::tensor(answers.values, at::kDouble);
  if (rows * columns > kMostDenseAnswers) return at::sparse_coo_tensor(places, values, {rows, columns});
  return at::zeros({rows, columns}, at::kDouble).index_put_({places[0], places[1]}, values);
}

at::Tensor slack_of(const KeyConstraint& constraint) {
  return constraint.slack.defined() ? constraint.slack : at::zeros_like(constraint.y);
}

// The smallest slack of the keys that are one column, with exact keys behind those of the constraints.
at::Tensor join_slack(const std::vector<KeyConstraint>& each, const std::vector<std::int64_t>& numbers,
                      std::int64_t size) {
  bool any = false;
  std::vector<at::Tensor> slacks;
  for (const KeyConstraint& constraint : each) {
    any = any || constraint.slack.defined();
    slacks.push_back(slack_of(constraint));
  }
  if (!any) return {};
  at::Tensor all = at::cat(slacks);
  const auto rest = static_cast<std::int64_t>(numbers.size()) - all.size(0);
  all = at::cat({all, at::zeros({rest}, at::kDouble)});
  const at::Tensor begin = at::full({size}, std::numeric_limits<double>::infinity(), at::kDouble);
  return begin.scatter_reduce(0, at::tensor(numbers, at::kLong), all, "amin");
}

}  // namespace

KeyConstraint with_protected(const KeyConstraint& constraint, const at::Tensor& key) {
  if (!key.defined()) return constraint;
  return with_protected(constraint, key.unsqueeze(1), at::zeros({1}, at::kDouble));
}

KeyConstraint with_protected(const KeyConstraint& constraint, const at::Tensor& keys,
                             const at::Tensor& slack) {
  KeyConstraint more{at::cat({constraint.K, keys}, 1), at::cat({constraint.y, at::zeros_like(slack)})};
  if (constraint.slack.defined() || slack.any().item<bool>())
    more.slack = at::cat({slack_of(constraint), slack});
  return more;
}

JointConstraints join_constraints(const std::vector<KeyConstraint>& each, const at::Tensor& protected_key) {
  JointConstraints joint;
  joint.K = side_by_side(each, protected_key);
  const std::vector<std::int64_t> numbers = number_columns(joint.K), first = first_of_each(numbers);
  if (first.size() < numbers.size()) joint.K = joint.K.t().index_select(0, at::tensor(first, at::kLong)).t();
  const Answers answers = collect_answers(each, numbers, joint.K.size(1));
  joint.Y = matrix_of(answers, joint.K.size(1), static_cast<std::int64_t>(each.size()));
  joint.slack = join_slack(each, numbers, joint.K.size(1));
  auto next = numbers.begin();
  for (const KeyConstraint& constraint : each) {
    joint.first.push_back(*next);
    next += constraint.K.size(1);
  }
  joint.contested = answers.contested;
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
