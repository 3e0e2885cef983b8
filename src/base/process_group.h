// The processes that mpirun started together, where emend was built with MPI.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace emend {

class ProcessGroup {
 public:
  virtual ~ProcessGroup() = default;

  // Joins the others; returns nullptr if this process was started alone. Call once in a process. Throws
  // Error(kConfig) when mpirun started it with others but this build has no MPI, with what to do instead, or
  // when the mpirun is another MPI's, which leaves each process by itself.
  static std::unique_ptr<ProcessGroup> join();

  virtual int rank() const = 0;
  virtual int size() const = 0;
  // Rank among the processes of this host: which of its devices is mine.
  virtual int local_rank() const = 0;

  // Adds element by element into rank 0's numbers; the others' are left as they were.
  virtual void sum_to_first(double* numbers, std::int64_t count) = 0;
  // On rank 0 all numbers in order of rank; on other ranks only their own.
  virtual std::vector<std::uint64_t> gather_to_first(const std::vector<std::uint64_t>& numbers) = 0;
  // The smallest of all processes' numbers; every process gets it.
  virtual std::int64_t least(std::int64_t number) = 0;
  virtual void wait_for_all() = 0;
  // Ends all processes of the group: after an error here the others would wait forever.
  [[noreturn]] virtual void abort(int exit_code) = 0;
};

}  // namespace emend
