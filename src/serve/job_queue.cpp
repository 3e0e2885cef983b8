#include "serve/job_queue.h"

#include <algorithm>
#include <utility>

namespace emend {

class JobQueue::Job {
 public:
  explicit Job(Work work) : work_(std::move(work)) {}

 private:
  friend class JobQueue;
  struct Dropped {};

  Work work_;
  std::atomic<bool> dropped_ = false;
  bool ended_ = false;  // these two under the queue's mutex
  std::exception_ptr error_;
};

std::shared_ptr<JobQueue::Job> JobQueue::add(Work work) {
  const std::lock_guard lock(mutex_);
  if (closed_ || waiting_.size() >= most_) return nullptr;
  waiting_.push_back(std::make_shared<Job>(std::move(work)));
  came_.notify_one();
  return waiting_.back();
}

bool JobQueue::wait(const std::shared_ptr<Job>& job, std::chrono::milliseconds at_most) {
  std::unique_lock lock(mutex_);
  if (!ended_.wait_for(lock, at_most, [&] { return job->ended_; })) return false;
  if (job->error_) std::rethrow_exception(job->error_);
  return true;
}

void JobQueue::drop(const std::shared_ptr<Job>& job) {
  const std::lock_guard lock(mutex_);
  job->dropped_ = true;
  waiting_.erase(std::remove(waiting_.begin(), waiting_.end(), job), waiting_.end());
}

bool JobQueue::do_next(std::chrono::milliseconds at_most, const std::function<void()>& watch) {
  std::shared_ptr<Job> job;
  {
    std::unique_lock lock(mutex_);
    if (!came_.wait_for(lock, at_most, [&] { return !waiting_.empty(); })) return false;
    job = std::move(waiting_.front());
    waiting_.pop_front();
  }
  std::exception_ptr error;
  try {
    job->work_([&] {
      watch();
      if (job->dropped_) throw Job::Dropped();
    });
  } catch (const Job::Dropped&) {  // nobody waits
  } catch (...) {
    error = std::current_exception();
  }
  {
    const std::lock_guard lock(mutex_);
    job->ended_ = true;
    job->error_ = error;
    job->work_ = nullptr;
  }
  ended_.notify_all();
  return true;
}

void JobQueue::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
}

void JobQueue::abandon(const std::exception_ptr& error) {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    for (const auto& job : waiting_) {
      job->ended_ = true;
      job->error_ = error;
      job->work_ = nullptr;
    }
    waiting_.clear();
  }
  ended_.notify_all();
}

bool JobQueue::is_closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

std::size_t JobQueue::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

}  // namespace emend
