#include "model/weight_filling.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>
#include <span>
#include <system_error>
#include <thread>

#include "base/fingerprint.h"
#include "emend/error.h"
#include "io/half.h"
#include "io/mapped_file.h"

namespace emend {

namespace {

constexpr std::size_t kPortion = std::size_t{1} << 18;  // elements that a thread reads at a time
constexpr std::size_t kStep = std::size_t{1} << 14;     // of which so many stay in its cache until checked
constexpr std::size_t kHugePage = std::size_t{1} << 21;

// Written in place: in the order of the pass, on the CPU, in a type that is made here.
bool is_direct(const WeightFilling& filling) {
  const at::Tensor& target = filling.target;
  const bool known = target.scalar_type() == at::kFloat || target.scalar_type() == at::kBFloat16;
  return target.is_cpu() && known && target.is_contiguous() && filling.form == StoredForm::kPlain;
}

// Whether none is NaN or infinite. Integers, since their maximum is a vector operation.
bool all_finite(const float* values, std::size_t count) {
  std::int32_t largest = 0;
  for (std::size_t i = 0; i < count; ++i)
    largest = std::max(largest, std::bit_cast<std::int32_t>(values[i]) & 0x7FFFFFFF);
  return largest < 0x7F800000;
}

void add_one(float* values, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) values[i] += 1.0F;
}

void to_bfloat16(const float* values, std::uint16_t* to, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) to[i] = float_to_bfloat16(values[i]);
}

// Stored blocks [begin, end) of a tensor into its weight. Returns whether all numbers are finite.
bool fill_portion(const WeightFilling& filling, std::span<const std::byte> bytes, std::size_t begin,
                  std::size_t end) {
  const ElementType& type = *filling.tensor->type;
  const bool narrow = filling.target.scalar_type() == at::kBFloat16;
  const std::size_t step = std::max<std::size_t>(kStep / type.block_elements, 1);
  const auto room = narrow ? std::make_unique_for_overwrite<float[]>(step * type.block_elements) : nullptr;
  void* const target = filling.target.data_ptr();
  bool finite = true;
  for (std::size_t block = begin; block < end; block += step) {
    const std::size_t blocks = std::min(step, end - block);
    const std::size_t first = block * type.block_elements, count = blocks * type.block_elements;
    float* const values = narrow ? room.get() : static_cast<float*>(target) + first;
    type.read(bytes.data() + block * type.block_bytes, values, blocks);
    if (filling.from_zero) add_one(values, count);
    finite = all_finite(values, count) && finite;
    if (narrow) to_bfloat16(values, static_cast<std::uint16_t*>(target) + first, count);
  }
  return finite;
}

// Rows by key/value head (its queries, its key, its value) as all queries, all keys, all values.
at::Tensor ungrouped(const at::Tensor& rows, const ModelConfig& c) {
  const std::int64_t group = c.heads / c.kv_heads;
  std::vector<std::int64_t> sizes = rows.sizes().vec(), grouped = {c.kv_heads, group + 2, c.head_dim};
  sizes[0] = -1;
  grouped.insert(grouped.end(), sizes.begin() + 1, sizes.end());
  const auto parts = rows.view(grouped).split_with_sizes({group, 1, 1}, 1);
  return at::cat({parts[0].reshape(sizes), parts[1].reshape(sizes), parts[2].reshape(sizes)}, 0);
}

}  // namespace

at::Tensor in_order_of_pass(const at::Tensor& stored, StoredForm form, const ModelConfig& config) {
  switch (form) {
    case StoredForm::kPlain:
      return stored;
    case StoredForm::kConv1d:
      return stored.t();
    case StoredForm::kGroupedQkv:
      return ungrouped(stored, config);
  }
  return stored;
}

namespace {

// By way of a float32 copy. Returns whether all numbers are finite.
bool fill_through_copy(const TensorFile& file, const WeightFilling& filling, const ModelConfig& config,
                       int threads) {
  const auto count = static_cast<std::size_t>(filling.tensor->elements());
  at::Tensor staged = at::empty(filling.tensor->shape, at::kFloat);
  read_as_float32(file, *filling.tensor, {staged.data_ptr<float>(), count}, threads);
  if (filling.from_zero) add_one(staged.data_ptr<float>(), count);
  filling.target.copy_(in_order_of_pass(staged, filling.form, config));
  drop_pages(file.bytes(*filling.tensor));
  return all_finite(staged.const_data_ptr<float>(), count);
}

// Large pages where the system has them: memory that is written for the first time costs a page fault a page.
void prefer_huge_pages(const at::Tensor& target) {
#ifdef MADV_HUGEPAGE
  const auto begin = reinterpret_cast<std::uintptr_t>(target.data_ptr()), end = begin + target.nbytes();
  const std::uintptr_t first = (begin + kHugePage - 1) / kHugePage * kHugePage;
  const std::uintptr_t last = end / kHugePage * kHugePage;
  if (first < last) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#endif
}

// The work of all tensors as one list of jobs, from which threads take the next one: portions of tensors, and
// the digest of each.
class FillingJobs {
 public:
  FillingJobs(const TensorFile& file, const std::vector<WeightFilling>& fillings, Digests digests)
      : file_(file), fillings_(fillings), states_(fillings.size()), digests_(fillings.size()) {
    for (std::size_t i = 0; i < fillings.size(); ++i) add_jobs(i, digests);
  }

  // Until none is left. on_job(tensors that are done) after each one that this thread did.
  template <typename OnJob>
  void run(const OnJob& on_job) {
    for (std::size_t next; (next = next_++) < jobs_.size();) {
      run_job(jobs_[next]);
      on_job(done_.load());
    }
  }
  void cancel() { next_ = jobs_.size(); }

  std::vector<std::string>& digests() { return digests_; }
  bool is_finite(std::size_t tensor) const { return !states_[tensor].damaged; }

 private:
  struct Job {
    std::size_t tensor;
    std::size_t begin, end;  // stored blocks; none: the digest
  };
  struct State {
    std::atomic<std::size_t> left = 0;  // jobs
    std::atomic<bool> damaged = false;
  };

  void add_jobs(std::size_t tensor, Digests digests) {
    const WeightFilling& filling = fillings_[tensor];
    const std::size_t first = jobs_.size();
    if (is_direct(filling)) {
      const ElementType& type = *filling.tensor->type;
      const std::size_t blocks = file_.bytes(*filling.tensor).size() / type.block_bytes;
      const std::size_t portion = std::max<std::size_t>(kPortion / type.block_elements, 1);
      for (std::size_t begin = 0; begin < blocks; begin += portion)
        jobs_.push_back({tensor, begin, std::min(begin + portion, blocks)});
      prefer_huge_pages(filling.target);
    }
    if (digests == Digests::kTake) jobs_.push_back({tensor, 0, 0});
    states_[tensor].left = jobs_.size() - first;
  }

  void run_job(const Job& job) {
    const WeightFilling& filling = fillings_[job.tensor];
    const auto bytes = file_.bytes(*filling.tensor);
    State& state = states_[job.tensor];
    if (job.begin == job.end)
      digests_[job.tensor] = xxh3_128_hex(bytes);
    else if (!fill_portion(filling, bytes, job.begin, job.end))
      state.damaged = true;
    if (--state.left > 0) return;
    if (!is_direct(filling)) return;  // its numbers are still to be read
    drop_pages(bytes);
    ++done_;
  }

  const TensorFile& file_;
  const std::vector<WeightFilling>& fillings_;
  std::vector<Job> jobs_;
  std::vector<State> states_;
  std::vector<std::string> digests_;
  std::atomic<std::size_t> next_ = 0, done_ = 0;
};

// All jobs on `threads` threads, this one among them. Where the system gives no thread, fewer do.
void run_jobs(FillingJobs& jobs, int threads, Progress& progress) {
  std::vector<std::jthread> helpers;
  try {
    for (int i = 1; i < threads; ++i) helpers.emplace_back([&jobs] { jobs.run([](std::size_t) {}); });
  } catch (const std::system_error&) {
  }
  try {
    jobs.run([&](std::size_t done) { progress.update(static_cast<std::int64_t>(done), ""); });
  } catch (...) {
    jobs.cancel();
    throw;
  }
}

[[noreturn]] void refuse_damaged(const TensorInfo& tensor) {
  throw Error(ErrorKind::kModel,
              fmt::format("{}: tensor {} holds NaN or infinite values; the model is damaged",
                          tensor.file.string(), tensor.name));
}

}  // namespace

std::vector<std::string> fill_weights(const TensorFile& file, const std::vector<WeightFilling>& fillings,
                                      const ModelConfig& config, int threads, Progress& progress,
                                      Digests digests) {
  FillingJobs jobs(file, fillings, digests);
  run_jobs(jobs, threads, progress);
  std::int64_t done = std::count_if(fillings.begin(), fillings.end(), is_direct);
  progress.update(done, "");
  for (std::size_t i = 0; i < fillings.size(); ++i) {
    const bool direct = is_direct(fillings[i]);
    if (!(direct ? jobs.is_finite(i) : fill_through_copy(file, fillings[i], config, threads)))
      refuse_damaged(*fillings[i].tensor);
    if (!direct) progress.update(++done, "");
  }
  return std::move(jobs.digests());
}

}  // namespace emend
