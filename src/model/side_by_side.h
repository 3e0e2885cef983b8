// Independent pieces of work on threads of their own, each of which computes on one thread alone.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace emend {

// A product of few rows spends more time on dividing itself among threads than two such products take that
// run beside each other. What a piece computes does not depend on how many threads there are, because no
// operation in it is divided. Made and used by one thread; while work runs, that thread waits without using
// the processor.
class SideBySide {
 public:
  // `most` threads, but no more than at::get_num_threads() of the calling thread; at least one.
  explicit SideBySide(std::int64_t most);
  ~SideBySide();
  SideBySide(const SideBySide&) = delete;
  SideBySide& operator=(const SideBySide&) = delete;

  int threads() const { return static_cast<int>(threads_.size()); }

  // work(0) to work(count - 1), in any order, without gradients. Comes back when all have ended; if some
  // threw, with the exception of the lowest of them.
  void run(std::int64_t count, const std::function<void(std::int64_t)>& work);

 private:
  void serve();
  void take_pieces(std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  std::condition_variable begun_, ended_;
  const std::function<void(std::int64_t)>* work_ = nullptr;  // nullptr: none runs
  std::int64_t count_ = 0, next_ = 0, running_ = 0;
  std::vector<std::exception_ptr> failures_;  // one a piece
  bool stops_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace emend
