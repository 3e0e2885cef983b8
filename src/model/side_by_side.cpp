#include "model/side_by_side.h"

#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "model/thread_count.h"

namespace emend {

SideBySide::SideBySide(std::int64_t most) {
  const int threads = at::get_num_threads();
  std::int64_t ready = 0;
  const std::int64_t wanted = std::clamp<std::int64_t>(most, 1, threads);
  for (std::int64_t i = 0; i < wanted; ++i)
    threads_.emplace_back([this, &ready] {
      set_thread_count(1);  // of this thread, and the common number
      {
        const std::lock_guard lock(mutex_);
        ++ready;
      }
      ended_.notify_one();
      serve();
    });
  std::unique_lock lock(mutex_);
  ended_.wait(lock, [&] { return ready == wanted; });
  at::set_num_threads(threads);  // the common number, as it was
}

SideBySide::~SideBySide() {
  {
    const std::lock_guard lock(mutex_);
    stops_ = true;
  }
  begun_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void SideBySide::run(std::int64_t count, const std::function<void(std::int64_t)>& work) {
  std::unique_lock lock(mutex_);
  work_ = &work;
  count_ = count;
  next_ = 0;
  failures_.assign(static_cast<std::size_t>(count), nullptr);
  begun_.notify_all();
  ended_.wait(lock, [&] { return next_ == count_ && running_ == 0; });
  work_ = nullptr;
  for (const std::exception_ptr& failure : failures_)
    if (failure) std::rethrow_exception(failure);
}

void SideBySide::serve() {
  const c10::NoGradGuard no_gradients;
  std::unique_lock lock(mutex_);
  while (!stops_) {
    take_pieces(lock);
    begun_.wait(lock, [&] { return stops_ || (work_ != nullptr && next_ < count_); });
  }
}

void SideBySide::take_pieces(std::unique_lock<std::mutex>& lock) {
  while (work_ != nullptr && next_ < count_) {
    const std::int64_t piece = next_++;
    ++running_;
    lock.unlock();
    std::exception_ptr failure;
    try {
      (*work_)(piece);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    failures_[static_cast<std::size_t>(piece)] = failure;
    --running_;
  }
  ended_.notify_one();
}

}  // namespace emend
