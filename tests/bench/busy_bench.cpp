// A command on a quiet machine and beside busy processes, with threads that wait in three ways.
//
//   busy_bench PROCESSES_A_CORE REPEATS COMMAND [ARGUMENT...]
//
// PROCESSES_A_CORE busy processes a core are started, then COMMAND REPEATS times with each way in turn:
//   own      as it is: emend watches how long its threads have to wait, and lets idle ones sleep then
//   active   GOMP_SPINCOUNT=300000, what GNU OpenMP does by itself
//   passive  GOMP_SPINCOUNT=0
// Prints one JSON object: medians of wall-clock and processor seconds of each way, ratios to `active`, and
// `fair_seconds`: what a process would take that needs the processor time of `passive` and gets as much of
// the processors as each of the busy ones for each of its threads.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "bench/stopwatch.h"

using emend::bench::median;
using emend::bench::Seconds;

namespace {

struct Way {
  const char* name;
  const char* spins;  // nullptr: the variable is not set
};
constexpr Way kWays[] = {{"own", nullptr}, {"active", "300000"}, {"passive", "0"}};

// They end with this program.
std::vector<pid_t> start_busy_processes(int count) {
  std::vector<pid_t> processes;
  for (int i = 0; i < count; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      volatile unsigned long turns = 0;
      for (;;) turns = turns + 1;
    }
    processes.push_back(child);
  }
  return processes;
}

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
}

// Runs the command with its output thrown away. Ends the program if it fails.
Seconds run(char** command, const Way& way) {
  const auto began = std::chrono::steady_clock::now();
  const pid_t child = fork();
  if (child == 0) {
    unsetenv("OMP_WAIT_POLICY");
    unsetenv("GOMP_SPINCOUNT");
    if (way.spins != nullptr) setenv("GOMP_SPINCOUNT", way.spins, 1);
    const int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDOUT_FILENO);
    dup2(nowhere, STDERR_FILENO);
    execvp(command[0], command);
    _exit(127);
  }
  int status = 0;
  rusage usage{};
  wait4(child, &status, 0, &usage);
  const double wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    std::fprintf(stderr, "busy_bench: the command failed\n");
    std::exit(1);
  }
  return {wall, seconds(usage.ru_utime) + seconds(usage.ru_stime)};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::puts("busy_bench PROCESSES_A_CORE REPEATS COMMAND [ARGUMENT...]");
    return 2;
  }
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  const int busy = std::atoi(argv[1]) * cores, repeats = std::atoi(argv[2]);
  const std::vector<pid_t> others = start_busy_processes(busy);
  std::map<std::string, std::vector<double>> wall, processor;
  for (int i = 0; i < repeats; ++i)
    for (const Way& way : kWays) {
      const Seconds took = run(argv + 3, way);
      wall[way.name].push_back(took.wall);
      processor[way.name].push_back(took.processor);
    }
  for (const pid_t other : others) kill(other, SIGKILL);
  nlohmann::json result = {{"cores", cores}, {"busy_processes", busy}, {"repeats", repeats}};
  for (const Way& way : kWays)
    result[way.name] = {{"seconds", median(wall[way.name])},
                        {"processor_seconds", median(processor[way.name])},
                        {"ratio", median(wall[way.name]) / median(wall["active"])},
                        {"processor_ratio", median(processor[way.name]) / median(processor["active"])}};
  const double share = static_cast<double>(cores) * cores / (busy + cores);  // of `cores` threads
  result["fair_seconds"] = median(processor["passive"]) / share;
  std::printf("%s\n", result.dump(2).c_str());
  return 0;
}
