#include "linalg/moment_sum.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

namespace emend {

namespace {

struct Panel {
  std::int64_t row, rows, columns, offset;  // of S; offset into the packed elements
};

std::vector<Panel> panels_of(std::int64_t size) {
  std::vector<Panel> panels;
  std::int64_t offset = 0;
  for (std::int64_t row = 0; row < size; row += MomentSum::kPanel) {
    const std::int64_t rows = std::min(MomentSum::kPanel, size - row);
    panels.push_back({row, rows, size - row, offset});
    offset += rows * (size - row);
  }
  return panels;
}

at::Tensor view_of(const at::Tensor& packed, const Panel& panel) {
  return packed.narrow(0, panel.offset, panel.rows * panel.columns).view({panel.rows, panel.columns});
}

// The squares on S's diagonal are finite if and only if every key of the portion is.
bool diagonal_is_finite(const at::Tensor& packed, const std::vector<Panel>& panels) {
  std::vector<at::Tensor> squares;
  for (const Panel& panel : panels) squares.push_back(view_of(packed, panel).diagonal());
  return at::isfinite(at::cat(squares)).all().item<bool>();
}

// out = a b in float32. Products of 16-bit keys are exact in float32, so a GPU's 16-bit units serve: they add
// in float32.
void product(at::Tensor out, const at::Tensor& a, const at::Tensor& b) {
  if (a.scalar_type() == at::kFloat)
    at::mm_out(out, a, b);
  else
    at::mm_out(out, a, b, at::kFloat);
}

// sum += product, without a float64 copy of the product.
void add_wide(const at::Tensor& sum, const at::Tensor& product) {
  if (!sum.is_cpu()) {
    sum.add_(product);
    return;
  }
  constexpr std::int64_t kGrain = 1 << 16;
  double* const to = sum.data_ptr<double>();
  const float* const from = product.const_data_ptr<float>();
  at::parallel_for(0, sum.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) to[i] += static_cast<double>(from[i]);
  });
}

}  // namespace

MomentSum::MomentSum(std::int64_t size)
    : size_(size), sum_(at::zeros({packed_elements(size)}, at::kDouble)) {}

MomentSum::MomentSum(const MomentSum& other)
    : size_(other.size_), count_(other.count_), sum_(other.sum_.clone()) {}

MomentSum& MomentSum::operator=(const MomentSum& other) {
  if (this != &other) *this = MomentSum(other);
  return *this;
}

bool MomentSum::add(const at::Tensor& keys, at::Tensor& scratch) {
  if (keys.size(0) == 0) return true;
  const at::Tensor across = keys.is_cuda() ? keys : keys.to(at::kFloat), down = across.t();
  place(keys.device());
  if (!scratch.defined() || scratch.numel() != sum_.numel() || scratch.device() != keys.device())
    scratch = at::empty_like(sum_, keys.options().dtype(at::kFloat));
  const std::vector<Panel> panels = panels_of(size_);
  for (const Panel& panel : panels)
    product(view_of(scratch, panel), down.narrow(0, panel.row, panel.rows),
            across.narrow(1, panel.row, panel.columns));
  if (!diagonal_is_finite(scratch, panels)) return false;
  add_wide(sum_, scratch);
  count_ += keys.size(0);
  return true;
}

void MomentSum::place(const at::Device& device) {
  sum_ = sum_.to(device);
}

void MomentSum::merge(const MomentSum& other) {
  sum_ = sum_ + other.sum_.to(sum_.device());
  count_ += other.count_;
}

at::Tensor MomentSum::value() const {
  at::Tensor full = at::empty({size_, size_}, sum_.options());
  for (const Panel& panel : panels_of(size_)) {
    const at::Tensor part = view_of(sum_, panel);
    full.narrow(0, panel.row, panel.rows).narrow(1, panel.row, panel.columns).copy_(part);
    full.narrow(1, panel.row, panel.rows).narrow(0, panel.row, panel.columns).copy_(part.t());
    // The square on the diagonal holds both of its triangles: the mean of the two is symmetric to the last
    // bit.
    const at::Tensor square = part.narrow(1, 0, panel.rows);
    full.narrow(0, panel.row, panel.rows).narrow(1, panel.row, panel.rows).copy_(0.5 * (square + square.t()));
  }
  return full;
}

at::Tensor MomentSum::packed() const {
  return sum_.cpu();
}

MomentSum MomentSum::from_packed(std::int64_t size, std::int64_t count, const at::Tensor& packed) {
  MomentSum sum(size);
  sum.sum_ = packed.to(at::kDouble).contiguous();
  sum.count_ = count;
  return sum;
}

std::int64_t MomentSum::packed_elements(std::int64_t size) {
  const std::vector<Panel> panels = panels_of(size);
  return panels.empty() ? 0 : panels.back().offset + panels.back().rows * panels.back().columns;
}

}  // namespace emend
