// What the handles stand for.
#pragma once

#include <c10/core/GradMode.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "bindings/c_api/token_budget.h"
#include "emend/c_api.h"
#include "emend/checks.h"
#include "emend/edit_stack.h"
#include "emend/model.h"
#include "emend/patch.h"
#include "emend/patch_run.h"
#include "emend/progress.h"

namespace emend::c_api {

struct PatchObject {
  explicit PatchObject(Patch value);
  const Patch patch;
  const std::string identity;  // of what it changes: two patches with the same factors are one
};

// A new patch handle in *out; what it stands for.
std::shared_ptr<const PatchObject> give_patch(emend_patch** out, Patch patch);

// The patches of an array with the names that messages and reports give them: "patch 1", "patch 2".
std::vector<NamedPatch> named_patches(emend_patch* const* patches, std::size_t count);

// A patch that is on a model.
struct AppliedPatch {
  std::uint64_t number = 0;  // in the model's stack
  std::shared_ptr<const PatchObject> patch;
};

struct ModelObject {
  ModelObject(Model loaded, ModelOptions how, int thread_count)
      : model(std::move(loaded)), loading(std::move(how)), stack(model), threads(thread_count) {}

  Model model;
  const ModelOptions loading;  // how it was loaded
  EditStack stack;
  std::map<std::string, AppliedPatch> applied;  // by identity
  const int threads;                            // of libtorch, for calls on this model

  std::mutex use;                               // held by the call that runs
  std::atomic<std::thread::id> user{};          // its thread
  std::atomic<std::uint64_t> cancellations{0};  // calls that began at a lower count shall end
};

// The patches that are on the model, as they lie over each other: "patch 1 on the model", ...
std::vector<NamedPatch> patches_on(const ModelObject& object);

// Throws Error(kUsage) for a flag other than EMEND_FORCE.
void require_known_flags(std::uint32_t flags);

// Sets libtorch's number of threads for the calling thread, and puts it back.
class ThreadCount {
 public:
  explicit ThreadCount(int threads);
  ~ThreadCount();
  ThreadCount(const ThreadCount&) = delete;
  ThreadCount& operator=(const ThreadCount&) = delete;

 private:
  int before_;
};

// One call's turn with a model. Waits for the turn; throws Error(kUsage) in a callback of the model's own
// call.
class ModelCall {
 public:
  explicit ModelCall(const emend_model* handle, const char* argument = "model");
  ~ModelCall();
  ModelCall(const ModelCall&) = delete;
  ModelCall& operator=(const ModelCall&) = delete;

  ModelObject* operator->() const { return object_.get(); }
  // Throws Error(kInterrupted) once emend_cancel was called after this call began.
  void throw_if_cancelled() const;

 private:
  std::shared_ptr<ModelObject> object_;
  std::uint64_t begun_;
  std::unique_lock<std::mutex> turn_;
  ThreadCount threads_;
};

// The library's progress as the caller's callback. Throws Error(kInterrupted) when the callback or
// emend_cancel says so.
class CallbackProgress : public Progress {
 public:
  // `call` nullptr: while a model is being loaded, there is none yet. `other`: the call on a second model, or
  // nullptr; both can be cancelled.
  CallbackProgress(emend_progress_fn callback, void* data, const ModelCall* call,
                   const ModelCall* other = nullptr)
      : callback_(callback), data_(data), call_(call), other_(other) {}

  void begin(std::string_view stage, std::int64_t total, std::string_view unit) override;
  void update(std::int64_t done, std::string_view note) override;
  void end() override;
  void note(std::string_view text) override;
  void poll() override;

 private:
  void tell(std::int64_t done, std::string_view note);

  emend_progress_fn callback_;
  void* data_;
  const ModelCall *call_, *other_;
  std::string stage_, unit_;
  std::int64_t total_ = 0;
};

// A run on a model as it was loaded: patches that are on it are off until the end of the scope. Gradients are
// on, whatever the calling thread of the host has set.
class BaseRun {
 public:
  // `other` as CallbackProgress takes it. Throws Error(kInterrupted) if the call was cancelled while it
  // waited for its turn.
  BaseRun(const ModelCall& call, emend_progress_fn callback, void* data, const ModelCall* other = nullptr)
      : progress(callback, data, &call, other), gradients_(true), base_(call->stack) {
    progress.poll();
  }

  CallbackProgress progress;

 private:
  c10::AutoGradMode gradients_;
  EditStack::Lifted base_;
};

}  // namespace emend::c_api
