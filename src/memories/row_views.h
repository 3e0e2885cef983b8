// The tokens of a portion that count, as tensors: rows of one length behind each other are a view of what a
// pass computed, [rows, length, F]; what is left of rows is copied, [1, tokens, F].
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "memories/counted_rows.h"

namespace emend {

// Numbers of the host to a device, behind what that does already.
template <typename Value>
at::Tensor upload(const std::vector<Value>& values, at::ScalarType type, const at::Device& device) {
  at::Tensor tensor = at::empty({static_cast<std::int64_t>(values.size())}, type);
  std::copy(values.begin(), values.end(), static_cast<Value*>(tensor.data_ptr()));
  if (device.is_cpu() || values.empty()) return tensor.to(device);
  return tensor.pin_memory().to(device, /*non_blocking=*/true);
}

class RowViews {
 public:
  RowViews() = default;
  // Puts `rows` into the order in which they stand in the views.
  RowViews(std::vector<CountedRow>& rows, const at::Device& device) {
    constexpr std::int64_t kRows = 4;  // of a view, which costs some calls of the device
    std::vector<CountedRow> in_views, others;
    for (std::size_t first = 0; first < rows.size();) {
      const Group group = group_from(rows, first);
      auto& to = group.rows >= kRows ? in_views : others;
      if (group.rows >= kRows) groups_.push_back(group);
      const auto begin = rows.begin() + static_cast<std::ptrdiff_t>(first);
      to.insert(to.end(), begin, begin + group.rows);
      first += static_cast<std::size_t>(group.rows);
    }
    std::vector<std::int64_t> tokens, lengths;
    for (const CountedRow& row : others) {
      lengths.push_back(row.length);
      for (std::int64_t j = 0; j < row.length; ++j) tokens.push_back(row.begin + j);
    }
    rows = std::move(in_views);
    rows.insert(rows.end(), others.begin(), others.end());
    if (tokens.empty()) return;
    copied_ = upload(tokens, at::kLong, device);
    copied_lengths_ = upload(lengths, at::kLong, device);
  }

  // The copy, if there is one, comes last.
  std::vector<at::Tensor> of(const at::Tensor& scores) const {
    std::vector<at::Tensor> views;
    for (const Group& group : groups_)
      views.push_back(
          scores.as_strided({group.rows, group.length, scores.size(1)},
                            {group.distance * scores.stride(0), scores.stride(0), scores.stride(1)},
                            scores.storage_offset() + group.begin * scores.stride(0)));
    if (copied_.defined()) views.push_back(scores.index_select(0, copied_).unsqueeze(0));
    return views;
  }

  // Least and largest of each row, [R, F], of what of() gave.
  std::pair<at::Tensor, at::Tensor> extremes(const std::vector<at::Tensor>& views) const {
    std::vector<at::Tensor> least, most;
    for (std::size_t i = 0; i < groups_.size(); ++i) {
      const auto [low, high] = at::aminmax(views[i], 1);
      least.push_back(low);
      most.push_back(high);
    }
    if (copied_.defined())
      for (const auto& [to, way] : {std::pair(&least, "min"), std::pair(&most, "max")})
        to->push_back(at::segment_reduce(views.back().squeeze(0), way, copied_lengths_, std::nullopt,
                                         std::nullopt, 0, /*unsafe=*/true));
    return {at::cat(least), at::cat(most)};
  }

 private:
  struct Group {
    std::int64_t begin, length, distance, rows;
  };

  // As many rows from there on as have one length and one distance.
  static Group group_from(const std::vector<CountedRow>& rows, std::size_t first) {
    Group group{rows[first].begin, rows[first].length, rows[first].length, 1};
    for (std::size_t next = first + 1; next < rows.size(); ++next, ++group.rows) {
      const std::int64_t distance = rows[next].begin - rows[next - 1].begin;
      if (rows[next].length != group.length || (group.rows > 1 && distance != group.distance)) break;
      group.distance = distance;
    }
    return group;
  }

  std::vector<Group> groups_;
  at::Tensor copied_, copied_lengths_;  // tokens; lengths of their rows
};

}  // namespace emend
