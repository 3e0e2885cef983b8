// Work that many threads hand in and one thread does, in the order in which it came.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>

namespace emend {

// Any thread may call any method. What the work refers to must live until it is done or dropped work has
// ended, so it had better own it.
class JobQueue {
 public:
  // Calls `poll` now and then, which throws once nobody wants the result any more.
  using Work = std::function<void(const std::function<void()>& poll)>;
  class Job;

  // `most`: jobs that may wait while one is done.
  explicit JobQueue(std::size_t most) : most_(most) {}

  // nullptr where the queue is full or closed.
  std::shared_ptr<Job> add(Work work);
  // Waits for the end of the job, at most so long; whether it has ended. Throws what the work threw.
  bool wait(const std::shared_ptr<Job>& job, std::chrono::milliseconds at_most);
  // A waiting job is not done, and one that is being done ends at its next poll.
  void drop(const std::shared_ptr<Job>& job);

  // Does the next job; waits for one, at most so long. Whether there was one. `watch` is called at every poll
  // of the job. For one thread.
  bool do_next(
      std::chrono::milliseconds at_most, const std::function<void()>& watch = [] {});
  // No job is taken any more; those that wait are still done.
  void close();
  // The same, but those that wait are not done: whoever waits for one gets `error`.
  void abandon(const std::exception_ptr& error);
  bool is_closed() const;
  std::size_t waiting() const;

 private:
  const std::size_t most_;
  mutable std::mutex mutex_;
  std::condition_variable came_, ended_;
  std::deque<std::shared_ptr<Job>> waiting_;
  bool closed_ = false;
};

}  // namespace emend
