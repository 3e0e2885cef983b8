// A build with MPI.
#include <mpi.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "base/process_group.h"
#include "emend/error.h"

namespace emend {

namespace {

// mpirun and similar launchers say so in the environment. Starting MPI without them would only cost time.
bool started_together() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK"})
    if (std::getenv(name) != nullptr) return true;
  return false;
}

class MpiGroup : public ProcessGroup {
 public:
  MpiGroup() {
    int provided = 0;
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &size_);
    MPI_Comm host = MPI_COMM_NULL;
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &host);
    MPI_Comm_rank(host, &local_rank_);
    MPI_Comm_free(&host);
  }
  ~MpiGroup() override { MPI_Finalize(); }
  MpiGroup(const MpiGroup&) = delete;
  MpiGroup& operator=(const MpiGroup&) = delete;

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  int local_rank() const override { return local_rank_; }

  void sum_to_first(double* numbers, std::int64_t count) override {
    constexpr std::int64_t kMost = 1 << 26;  // MPI counts in int
    for (std::int64_t at = 0; at < count; at += kMost) {
      const int n = static_cast<int>(std::min(kMost, count - at));
      if (rank_ == 0)
        MPI_Reduce(MPI_IN_PLACE, numbers + at, n, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD);
      else
        MPI_Reduce(numbers + at, nullptr, n, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD);
    }
  }

  std::vector<std::uint64_t> gather_to_first(const std::vector<std::uint64_t>& numbers) override {
    const int mine = static_cast<int>(numbers.size());
    std::vector<int> counts(static_cast<std::size_t>(size_)), offsets(static_cast<std::size_t>(size_));
    MPI_Gather(&mine, 1, MPI_INT, counts.data(), 1, MPI_INT, 0, MPI_COMM_WORLD);
    int total = 0;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      offsets[i] = total;
      total += counts[i];
    }
    std::vector<std::uint64_t> all(rank_ == 0 ? static_cast<std::size_t>(total) : 0);
    MPI_Gatherv(numbers.data(), mine, MPI_UINT64_T, all.data(), counts.data(), offsets.data(), MPI_UINT64_T,
                0, MPI_COMM_WORLD);
    return rank_ == 0 ? all : numbers;
  }

  std::vector<std::uint64_t> gather_to_all(const std::vector<std::uint64_t>& numbers) override {
    const int mine = static_cast<int>(numbers.size());
    std::vector<int> counts(static_cast<std::size_t>(size_)), offsets(static_cast<std::size_t>(size_));
    MPI_Allgather(&mine, 1, MPI_INT, counts.data(), 1, MPI_INT, MPI_COMM_WORLD);
    std::exclusive_scan(counts.begin(), counts.end(), offsets.begin(), 0);
    std::vector<std::uint64_t> all(static_cast<std::size_t>(offsets.back() + counts.back()));
    MPI_Allgatherv(numbers.data(), mine, MPI_UINT64_T, all.data(), counts.data(), offsets.data(),
                   MPI_UINT64_T, MPI_COMM_WORLD);
    return all;
  }

  std::int64_t least(std::int64_t number) override {
    std::int64_t all = number;
    MPI_Allreduce(&number, &all, 1, MPI_INT64_T, MPI_MIN, MPI_COMM_WORLD);
    return all;
  }

  void wait_for_all() override { MPI_Barrier(MPI_COMM_WORLD); }

  [[noreturn]] void abort(int exit_code) override {
    MPI_Abort(MPI_COMM_WORLD, exit_code);
    std::abort();
  }

 private:
  int rank_ = 0, size_ = 1, local_rank_ = 0;
};

}  // namespace

std::unique_ptr<ProcessGroup> ProcessGroup::join() {
  if (!started_together()) return nullptr;
  auto group = std::make_unique<MpiGroup>();
  if (group->size() == 1 && launched_with_others())
    throw Error(
        ErrorKind::kConfig,
        "several processes were started together, but this one finds no other: the mpirun is not that "
        "of the MPI which emend was built with");
  return group;
}

}  // namespace emend
