// A model that Python holds, with the edits that lie on it. One call at a time uses it.
#pragma once

#include <c10/core/GradMode.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "bindings/python/bind.h"
#include "emend/edit_stack.h"
#include "emend/model.h"
#include "emend/patch_run.h"

namespace emend::python {

struct Session {
  Session(Model loaded, ModelOptions how) : model(std::move(loaded)), loading(std::move(how)), stack(model) {}

  Model model;
  const ModelOptions loading;  // how it was loaded
  EditStack stack;
  std::map<std::uint64_t, NamedPatch> laid;  // by their numbers in the stack

  std::mutex use;                          // held by the call that runs
  std::atomic<std::thread::id> user = {};  // its thread
};
using SessionPtr = std::shared_ptr<Session>;

// A call's turn with a model: releases the GIL, then waits for other threads' calls. Throws Error(kUsage) in
// a progress callback of the model's own call, which would wait for itself.
class Turn {
 public:
  explicit Turn(Session& session);
  ~Turn();
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  Session& session_;
  nb::gil_scoped_release gil_;
  std::unique_lock<std::mutex> turn_;  // given up before the GIL is taken again
};

// The turn of a call that only reads: no gradients, and with the edits that lie on the model.
class ReadingTurn {
 public:
  explicit ReadingTurn(Session& session) : turn_(session) {}

 private:
  Turn turn_;
  c10::NoGradGuard no_gradients_;
};

// The turn of a run on the model as it was loaded: edits are off until the end, and gradients on, whatever
// the calling thread has set.
class BaseTurn {
 public:
  explicit BaseTurn(Session& session) : turn_(session), gradients_(true), base_(session.stack) {}

 private:
  Turn turn_;
  c10::AutoGradMode gradients_;
  EditStack::Lifted base_;
};

}  // namespace emend::python
