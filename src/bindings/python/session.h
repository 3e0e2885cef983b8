// A model that Python holds, with the edits that lie on it. One call at a time uses it.
#pragma once

#include <c10/core/GradMode.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
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

// A model in the use of one call, for whose time the GIL is released: waits for other threads' calls. Throws
// Error(kUsage) in a progress callback of the model's own call, which would wait for itself.
class HeldModel {
 public:
  explicit HeldModel(Session& session);
  ~HeldModel();
  HeldModel(const HeldModel&) = delete;
  HeldModel& operator=(const HeldModel&) = delete;

 private:
  Session& session_;
  std::unique_lock<std::mutex> turn_;
};

// A call's turn with a model. Throws as HeldModel does.
class Turn {
 public:
  explicit Turn(Session& session) : held_(session) {}

 private:
  nb::gil_scoped_release gil_;
  HeldModel held_;  // given up before the GIL is taken again
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

// The same with two models, which may be one. They are taken in the order of their addresses, so that no two
// calls wait for each other.
class BasePairTurn {
 public:
  BasePairTurn(Session& one, Session& other);

 private:
  nb::gil_scoped_release gil_;
  std::optional<HeldModel> low_, high_;
  c10::AutoGradMode gradients_;
  std::optional<EditStack::Lifted> low_base_, high_base_;
};

}  // namespace emend::python
