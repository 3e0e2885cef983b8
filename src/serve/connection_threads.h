// The threads of the HTTP server: as many connections at once as there are threads; the next ones wait in the
// system.
#pragma once

#include <httplib.h>

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace emend {

class ConnectionThreads : public httplib::TaskQueue {
 public:
  // Of the library's versions some return nothing, others whether the connection is taken.
  using Enqueued = decltype(std::declval<httplib::TaskQueue&>().enqueue(std::function<void()>()));

  // Throws std::system_error if the system has no room for so many threads.
  explicit ConnectionThreads(std::size_t count);
  ~ConnectionThreads() override;
  ConnectionThreads(const ConnectionThreads&) = delete;
  ConnectionThreads& operator=(const ConnectionThreads&) = delete;

  // Waits until a thread is free.
  Enqueued enqueue(std::function<void()> connection) override;
  // Waits for the connections that were taken.
  void shutdown() override;

 private:
  void work();
  void end();

  std::mutex mutex_;
  std::condition_variable came_, freed_;
  std::deque<std::function<void()>> connections_;
  std::size_t free_;
  bool is_ending_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace emend
