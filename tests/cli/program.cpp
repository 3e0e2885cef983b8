#include "program.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace emend {
namespace {

namespace fs = std::filesystem;

// In the child: both streams into files of `folder`, then the program.
[[noreturn]] void become(const std::vector<std::string>& words, const std::string& folder) {
  const auto redirect = [](const std::string& file, int descriptor) {
    dup2(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), descriptor);
  };
  redirect(folder + "/out", STDOUT_FILENO);
  redirect(folder + "/err", STDERR_FILENO);
  setenv("OMP_NUM_THREADS", "1", 0);  // small models gain nothing from threads, and tests run side by side
  std::vector<char*> pointers;
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  execv(pointers[0], pointers.data());
  _exit(127);
}

std::string make_folder() {
  std::string name = (fs::temp_directory_path() / "emend_run.XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no scratch folder at " + name);
  return name;
}

pid_t start(const std::vector<std::string>& words, const std::string& folder) {
  const pid_t pid = fork();
  if (pid < 0) throw std::runtime_error("fork failed");
  if (pid == 0) become(words, folder);
  return pid;
}

Finished collect(int status, const std::string& folder) {
  Finished run;
  run.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  run.out = read_all(folder + "/out");
  run.err = read_all(folder + "/err");
  fs::remove_all(folder);
  return run;
}

Finished run_words(const std::vector<std::string>& words) {
  const std::string folder = make_folder();
  const pid_t pid = start(words, folder);
  int status = 0;
  waitpid(pid, &status, 0);
  return collect(status, folder);
}

std::vector<std::string> with_program(std::vector<std::string> words,
                                      const std::vector<std::string>& arguments) {
  words.emplace_back(EMEND_PROGRAM);
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

}  // namespace

std::string read_all(const std::string& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

Finished run_emend(const std::vector<std::string>& arguments) {
  return run_words(with_program({}, arguments));
}

Finished run_emend_after(const std::string& shell_command, const std::vector<std::string>& arguments) {
  return run_words(with_program({"/bin/sh", "-c", shell_command + "; exec \"$@\"", "sh"}, arguments));
}

RunningEmend::RunningEmend(const std::vector<std::string>& arguments)
    : folder_(make_folder()), pid_(start(with_program({}, arguments), folder_)) {}

bool RunningEmend::wait_for_stderr(const std::string& text) {
  const auto begin = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - begin < std::chrono::minutes(1)) {
    ended_ = ended_ || waitpid(pid_, &status_, WNOHANG) == pid_;
    if (read_all(folder_ + "/err").find(text) != std::string::npos) return true;
    if (ended_) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

void RunningEmend::send(int signal) const {
  if (!ended_) ::kill(pid_, signal);
}

Finished RunningEmend::wait() {
  if (!ended_) waitpid(pid_, &status_, 0);
  ended_ = true;
  return collect(status_, folder_);
}

nlohmann::json read_json(const std::string& file) {
  return nlohmann::json::parse(read_all(file));
}

std::string world_model(const std::string& family) {
  return std::string(EMEND_TEST_DATA) + "/world/" + family;
}

bool has_world_models() {
  return fs::exists(world_model("gpt2") + "/tokenizer.json") &&
         fs::exists(world_model("llama") + "/tokenizer.json");
}

std::string parity_model(const std::string& name) {
  return std::string(EMEND_TEST_DATA) + "/parity/" + name;
}

std::string world_edits(std::size_t first, std::size_t count) {
  std::ifstream records(std::string(EMEND_TEST_DATA) + "/world/edits.jsonl");
  std::string text = "edits:\n";
  std::string line;
  for (std::size_t i = 0; std::getline(records, line) && i < first + count; ++i) {
    if (i < first) continue;
    const nlohmann::json record = nlohmann::json::parse(line);
    nlohmann::json entry;
    for (const char* const key : {"id", "prompt", "subject", "target", "was", "paraphrases", "neighbours"})
      entry[key] = record.at(key);
    text += "  - " + entry.dump() + "\n";  // JSON is YAML
  }
  return text;
}

}  // namespace emend
