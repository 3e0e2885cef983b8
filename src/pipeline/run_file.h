// The values that a run's searches have found, in a file beside its output until the run has ended
// (docs/formats.md). The file is written whole or not at all, so it stays good when the run is killed.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "emend/search_journal.h"

namespace emend {

class RunFile : public SearchJournal {
 public:
  // The file is written when so many `seconds` have passed, and then so that writing takes at most a
  // twentieth of the time. With `resume`, reads what the file holds; without a file there, the run begins at
  // its first value. Throws Error: kConfig if the file is there and `resume` is false, kFormat naming the
  // file if it is broken, kIo if it cannot be written there.
  RunFile(std::filesystem::path path, bool resume, double seconds);
  // Writes what is not in the file yet, if the run went on for as long as the first write waits: for a run
  // that ends by an exception. Errors are ignored: what was written before stays.
  ~RunFile() override;
  RunFile(const RunFile&) = delete;
  RunFile& operator=(const RunFile&) = delete;

  // One thing that the values depend on, such as ("seed", "0"). All of them come before the first search.
  // Throws Error(kConfig), naming both values, if that of the file is another.
  void identify(const std::string& what, const std::string& value);

  FoundValues begin(std::int64_t values) override;
  void add(const FoundValues& found) override;

  // Whether there was a file to resume.
  bool is_stored() const { return is_stored_; }
  // How many values came from the file so far.
  std::int64_t taken() const { return taken_; }

 private:
  struct Search {
    std::int64_t values = 0;         // that it looks for
    std::vector<FoundValues> found;  // in order
  };
  using Clock = std::chrono::steady_clock;

  void read();
  void write();
  void write_if_due();

  std::filesystem::path path_;
  double seconds_;
  std::map<std::string, std::string> identity_, stored_identity_;
  bool is_stored_ = false;  // there was a file
  std::vector<Search> searches_;
  std::size_t next_ = 0;  // the search that begins next
  std::int64_t taken_ = 0;
  bool is_written_ = true;  // all that was found
  Clock::time_point began_ = Clock::now(), next_write_;
};

}  // namespace emend
