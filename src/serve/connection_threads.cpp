#include "serve/connection_threads.h"

namespace emend {

ConnectionThreads::ConnectionThreads(std::size_t count) : free_(count) {
  try {
    while (threads_.size() < count) threads_.emplace_back([this] { work(); });
  } catch (...) {
    end();
    throw;
  }
}

ConnectionThreads::~ConnectionThreads() {
  end();
}

ConnectionThreads::Enqueued ConnectionThreads::enqueue(std::function<void()> connection) {
  std::unique_lock lock(mutex_);
  freed_.wait(lock, [&] { return free_ > 0; });
  --free_;
  connections_.push_back(std::move(connection));
  came_.notify_one();
  return Enqueued(true);
}

void ConnectionThreads::shutdown() {
  end();
}

void ConnectionThreads::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    came_.wait(lock, [&] { return is_ending_ || !connections_.empty(); });
    if (connections_.empty()) return;
    std::function<void()> connection = std::move(connections_.front());
    connections_.pop_front();
    lock.unlock();
    connection();
    connection = nullptr;
    lock.lock();
    ++free_;
    freed_.notify_one();
  }
}

void ConnectionThreads::end() {
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  came_.notify_all();
  for (std::thread& thread : threads_)
    if (thread.joinable()) thread.join();
}

}  // namespace emend
