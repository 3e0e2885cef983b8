// The built program as a child process.
#pragma once

#include <sys/types.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace emend {

struct Finished {
  int code = -1;  // exit code, or 128 + signal
  std::string out, err;
};

// Runs `emend ARGUMENTS...` to its end.
Finished run_emend(const std::vector<std::string>& arguments);

// The same with a shell command in front, such as "ulimit -f 8".
Finished run_emend_after(const std::string& shell_command, const std::vector<std::string>& arguments);

// A run that is still going on.
class RunningEmend {
 public:
  explicit RunningEmend(const std::vector<std::string>& arguments);
  // Waits until stderr holds `text`; false when the program ends before or a minute passes.
  bool wait_for_stderr(const std::string& text);
  void send(int signal) const;
  Finished wait();

 private:
  std::string folder_;
  pid_t pid_ = -1;
  int status_ = 0;
  bool ended_ = false;
};

std::string read_all(const std::string& file);  // its bytes; empty if it is not there
nlohmann::json read_json(const std::string& file);

// Checkpoints in tests/data. The models of the invented world come with a tokenizer, those for parity
// without.
std::string world_model(const std::string& family);
bool has_world_models();
std::string parity_model(const std::string& name);

// An edit file for facts of the invented world (tests/data/world/edits.jsonl), entries [first, first +
// count).
std::string world_edits(std::size_t first, std::size_t count);

}  // namespace emend
