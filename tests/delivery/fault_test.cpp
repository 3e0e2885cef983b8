// Every writing call, stopped or failing at every step that changes the disk: the old files whole or the new
// ones whole, never anything else.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <stdexcept>

#include "emend/error.h"
#include "emend/write_back.h"
#include "support/fault_injection.h"
#include "tests/delivery/tiny_edit.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using namespace test;

constexpr int kMostSteps = 2000;

enum class Ended { kKilled, kThrew, kDone, kOtherwise };

// `work` in a child process with a fault at `step`.
Ended run_with_fault(Fault fault, int step, const std::function<void()>& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    arm_fault(fault, step);
    int code = 0;
    try {
      work();
    } catch (const Error&) {
      code = 3;
    } catch (...) {
      code = 1;
    }
    if (code == 0 && fault_steps() < step) code = 9;  // the fault was never reached
    ::_exit(code);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) return WTERMSIG(status) == SIGKILL ? Ended::kKilled : Ended::kOtherwise;
  if (WEXITSTATUS(status) == 3) return Ended::kThrew;
  return WEXITSTATUS(status) == 9   ? Ended::kDone
         : WEXITSTATUS(status) == 0 ? Ended::kKilled
                                    : Ended::kOtherwise;
}

// Runs `work` with a fault at step 1, 2, ... until it gets through; `look` is asked after each. Returns the
// steps.
int at_every_step(Fault fault, const std::function<void()>& begin, const std::function<void()>& work,
                  const std::function<void(int, Ended)>& look) {
  for (int step = 1; step < kMostSteps; ++step) {
    begin();
    const Ended ended = run_with_fault(fault, step, work);
    EXPECT_NE(ended, Ended::kOtherwise) << "step " << step;
    look(step, ended);
    if (ended == Ended::kDone || testing::Test::HasFailure()) return step - 1;
  }
  ADD_FAILURE() << "it never got through";
  return kMostSteps;
}

bool has_temporary(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".tmp") return true;
  return false;
}

void remove_temporaries(const fs::path& folder) {
  std::vector<fs::path> left;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".tmp") left.push_back(entry.path());
  for (const fs::path& path : left) fs::remove_all(path);
}

struct Case {
  TempFolder folder;
  fs::path model;
  std::map<std::string, std::string> base;
  WritePlan plan;

  explicit Case(const std::string& name) {
    if (name.ends_with("gguf")) {
      model = folder.write("m/m.gguf", tiny_gguf("llama", GgufType::kQ4_1).bytes());
    } else {
      model = folder / "m";
      copy_folder(data_path("parity/" + name), model);
    }
    base = snapshot(model);
    const Model loaded = load_quietly(model);
    plan = plan_write(loaded, {tiny_patch(loaded, 0, 2, 1), tiny_patch(loaded, 1, 3, 1)}, "");
  }
  fs::path around() const { return folder / "m"; }
};

class EveryStep : public testing::TestWithParam<const char*> {};

TEST_P(EveryStep, OfWritingANewCheckpoint) {
  const Case c(GetParam());
  const fs::path out = c.folder / "new";
  write_new(c.plan, out);
  const auto whole = snapshot(out);
  for (const Fault fault : {Fault::kKill, Fault::kNoSpace, Fault::kIoError}) {
    const int steps = at_every_step(
        fault, [&] { fs::remove_all(out); }, [&] { write_new(c.plan, out); },
        [&](int step, Ended ended) {
          EXPECT_EQ(snapshot(c.model), c.base) << "step " << step;
          const auto now = snapshot(out);
          EXPECT_TRUE(now.empty() || now == whole) << "step " << step;
          if (ended == Ended::kThrew) {
            EXPECT_FALSE(has_temporary(c.folder.path())) << "step " << step;
          }
          remove_temporaries(c.folder.path());
        });
    EXPECT_GT(steps, 4);
  }
}

TEST_P(EveryStep, OfWritingInPlaceAndReverting) {
  const Case c(GetParam());
  const auto model_now = [&] {
    auto files = snapshot(c.model);
    files.erase("emend.undo");
    return files;
  };
  write_in_place(c.plan);
  const auto edited = model_now();
  revert(c.model);
  ASSERT_EQ(snapshot(c.model), c.base);
  for (const Fault fault : {Fault::kKill, Fault::kNoSpace, Fault::kIoError}) {
    // Every file is the old or the new one, and a revert always leads back.
    const auto look = [&](int step, Ended) {
      for (const auto& [name, bytes] : model_now())
        EXPECT_TRUE(bytes == c.base.at(name) || bytes == edited.at(name)) << name << ", step " << step;
      remove_temporaries(c.around());
      if (fs::exists(next_undo_file(c.model).parent_path()) && model_now() != c.base) revert(c.model);
      EXPECT_EQ(model_now(), c.base) << "step " << step;
    };
    const auto clean = [&] {
      fs::remove(fs::is_directory(c.model) ? c.model / "emend.undo" : fs::path(c.model).concat(".undo"));
    };
    // Once the undo file is there, the error says so.
    const auto write = [&] {
      try {
        write_in_place(c.plan);
      } catch (const Error& error) {
        const std::string undo = fs::is_directory(c.model) ? "emend.undo" : "m.gguf.undo";
        const bool told = std::string(error.what()).find("the undo file " + (c.around() / undo).string()) !=
                          std::string::npos;
        if (fs::exists(c.around() / undo) != told) throw std::runtime_error("");  // Ended::kOtherwise
        throw;
      }
    };
    EXPECT_GT(at_every_step(fault, clean, write, look), 6);
    clean();
    const auto apply = [&] {
      clean();
      write_in_place(c.plan);
    };
    EXPECT_GT(at_every_step(
                  fault, apply, [&] { revert(c.model); }, look),
              4);
    clean();
  }
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, EveryStep, testing::Values("gpt2", "llama_sharded", "gguf"));

}  // namespace
}  // namespace emend
