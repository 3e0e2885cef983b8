// How the program shares the processors with others: threads for what a container allows, and threads that
// wait without using a processor while others want it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace emend {

// Nanoseconds that the threads of a process have run, and that they were ready to run while others did.
struct RunTimes {
  std::int64_t run = 0, delay = 0;
};
// Of all threads of this process; std::nullopt where the kernel does not tell (/proc/self/task/*/schedstat).
std::optional<RunTimes> run_times(const std::filesystem::path& root = "/");

// Whether others want the processors that this process runs on, from its run times over time.
class Crowding {
 public:
  // Takes the run times now, `seconds` after the last ones. Crowded from the first look on in which threads
  // had to wait a fifth of the time that they could have run, until they hardly have for two seconds.
  bool look(const RunTimes& now, double seconds);

 private:
  RunTimes last_;
  double quiet_seconds_ = 0;
  bool crowded_ = false;
};

// Threads of GNU OpenMP that wait for work use a processor for milliseconds, unless there are more of them
// than processors: then they sleep almost at once (libgomp's manual, GOMP_SPINCOUNT). While an object of
// this class lives there are more, since it keeps teams that sleep. Another OpenMP is not changed.
class IdleTeams {
 public:
  IdleTeams();
  ~IdleTeams();
  IdleTeams(const IdleTeams&) = delete;
  IdleTeams& operator=(const IdleTeams&) = delete;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int ready_ = 0;
  bool ends_ = false;
  std::vector<std::thread> masters_;
};

// Made once, at the beginning of the program; watches until it ends. Of the user's OMP_NUM_THREADS,
// OMP_WAIT_POLICY and GOMP_SPINCOUNT each stays in force.
class ProcessorShare {
 public:
  ProcessorShare();
  ~ProcessorShare();
  ProcessorShare(const ProcessorShare&) = delete;
  ProcessorShare& operator=(const ProcessorShare&) = delete;

 private:
  void watch();

  std::mutex mutex_;
  std::condition_variable changed_;
  bool ends_ = false;
  std::thread watcher_;
};

}  // namespace emend
