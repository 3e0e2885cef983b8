#include "model/processor_share.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <sched.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <memory>

#include "base/cpu_quota.h"

namespace emend {

namespace {

namespace fs = std::filesystem;

constexpr double kCrowdedShare = 0.2, kQuietShare = 0.05;  // of the time that threads could have run
constexpr double kQuietSeconds = 2;
constexpr double kEnough = 1e7;  // nanoseconds that say something
constexpr std::chrono::milliseconds kBetweenLooks{50};
constexpr std::int64_t kDivided = 1 << 17;  // elements of which an operation is divided among threads

// The processors that GNU OpenMP counts.
int processors() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
}

bool is_set(const char* variable) {
  const char* const value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

}  // namespace

std::optional<RunTimes> run_times(const fs::path& root) {
  RunTimes sum;
  bool any = false;
  std::error_code error;
  for (fs::directory_iterator task(root / "proc/self/task", error), end; !error && task != end;
       task.increment(error)) {
    std::ifstream file(task->path() / "schedstat");
    RunTimes one;
    if (!(file >> one.run >> one.delay)) continue;  // it has ended meanwhile
    sum.run += one.run;
    sum.delay += one.delay;
    any = true;
  }
  return any ? std::optional(sum) : std::nullopt;
}

bool Crowding::look(const RunTimes& now, double seconds) {
  const auto run = static_cast<double>(now.run - last_.run),
             delay = static_cast<double>(now.delay - last_.delay);
  last_ = now;
  if (run < 0 || delay < 0) return crowded_;   // threads have ended: their times are gone
  if (run + delay < kEnough) return crowded_;  // it waits for something else
  const double share = delay / (run + delay);
  quiet_seconds_ = share < kQuietShare ? quiet_seconds_ + seconds : 0;
  if (share >= kCrowdedShare) crowded_ = true;
  if (quiet_seconds_ >= kQuietSeconds) crowded_ = false;
  return crowded_;
}

// Teams of T threads, T - 1 of which come with the team: so many that they alone are as many as the
// processors.
IdleTeams::IdleTeams() {
  const int threads = at::get_num_threads();
  if (threads < 2) return;
  const int teams = (processors() + threads - 2) / (threads - 1);
  for (int i = 0; i < teams; ++i)
    masters_.emplace_back([this] {
      at::zeros({kDivided}).exp_();  // an operation that is divided makes the team
      std::unique_lock lock(mutex_);
      ++ready_;
      changed_.notify_all();
      changed_.wait(lock, [this] { return ends_; });
    });
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return ready_ == static_cast<int>(masters_.size()); });
}

IdleTeams::~IdleTeams() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  changed_.notify_all();
  for (std::thread& master : masters_) master.join();
}

ProcessorShare::ProcessorShare() {
  if (const auto quota = cpu_quota(); quota && !is_set("OMP_NUM_THREADS"))
    if (const int threads = threads_of_quota(*quota); threads < at::get_num_threads())
      at::set_num_threads(threads);
  if (is_set("OMP_WAIT_POLICY") || is_set("GOMP_SPINCOUNT") || !run_times()) return;
  watcher_ = std::thread([this] { watch(); });
}

ProcessorShare::~ProcessorShare() {
  if (!watcher_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  changed_.notify_all();
  watcher_.join();
}

void ProcessorShare::watch() {
  Crowding crowding;
  std::unique_ptr<IdleTeams> teams;
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, kBetweenLooks, [this] { return ends_; })) {
    const auto now = run_times();
    const bool crowded = now && crowding.look(*now, std::chrono::duration<double>(kBetweenLooks).count());
    if (crowded && !teams) teams = std::make_unique<IdleTeams>();
    if (!crowded) teams.reset();
  }
}

}  // namespace emend
