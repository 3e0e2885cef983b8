#include "bindings/c_api/objects.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <span>

#include "base/fingerprint.h"
#include "bindings/c_api/call.h"
#include "bindings/c_api/handles.h"
#include "emend/error.h"
#include "model/thread_count.h"

namespace emend::c_api {
namespace {

std::string identity_of(const Edit& edit) {
  Sha256 hash;
  for (const WeightChange& change : edit.changes) {
    for (const int part : {change.weight.block, static_cast<int>(change.weight.role), change.weight.expert})
      hash.update_number(static_cast<std::uint64_t>(part));
    const auto [A, B] = change.factors();
    for (const at::Tensor& factor : {A, B}) {
      const at::Tensor stored = factor.contiguous().cpu();
      hash.update_number(static_cast<std::uint64_t>(stored.size(0)));
      hash.update_field({static_cast<const char*>(stored.const_data_ptr()), stored.nbytes()});
    }
  }
  return hash.hex();
}

std::unique_lock<std::mutex> take_turn(ModelObject& object) {
  if (object.user.load() == std::this_thread::get_id())
    throw Error(ErrorKind::kUsage, "a progress callback may not use the model that it is called for");
  return std::unique_lock(object.use);
}

[[noreturn]] void cancel() {
  throw Error(ErrorKind::kInterrupted, "cancelled");
}

}  // namespace

PatchObject::PatchObject(Patch value) : patch(std::move(value)), identity(identity_of(patch.edit)) {}

std::shared_ptr<const PatchObject> give_patch(emend_patch** out, Patch patch) {
  const auto object = std::make_shared<PatchObject>(std::move(patch));
  *out = as_handle<emend_patch>(HandleTable::shared().add(HandleKind::kPatch, object));
  return object;
}

std::vector<NamedPatch> named_patches(emend_patch* const* patches, std::size_t count) {
  if (count > 0) require_given(patches, "patches");
  std::vector<NamedPatch> named;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string argument = "patches[" + std::to_string(i) + "]";
    const auto object = find_object<PatchObject>(HandleKind::kPatch, patches[i], argument.c_str());
    named.push_back({"patch " + std::to_string(i + 1), object->patch});
  }
  return named;
}

std::vector<NamedPatch> patches_on(const ModelObject& object) {
  std::map<std::uint64_t, const Patch*> order;
  for (const auto& [identity, applied] : object.applied) order.emplace(applied.number, &applied.patch->patch);
  std::vector<NamedPatch> patches;
  for (const auto& [number, patch] : order)
    patches.push_back({"patch " + std::to_string(patches.size() + 1) + " on the model", *patch});
  return patches;
}

void require_known_flags(std::uint32_t flags) {
  if ((flags & ~static_cast<std::uint32_t>(EMEND_FORCE)) != 0)
    throw Error(ErrorKind::kUsage, "flags: only EMEND_FORCE is known, found " + std::to_string(flags));
}

ThreadCount::ThreadCount(int threads) : before_(exchange_thread_count(threads)) {}

ThreadCount::~ThreadCount() {
  if (at::get_num_threads() != before_) at::set_num_threads(before_);
}

ModelCall::ModelCall(const emend_model* handle, const char* argument)
    : object_(find_object<ModelObject>(HandleKind::kModel, handle, argument)),
      begun_(object_->cancellations.load()),
      turn_(take_turn(*object_)),
      threads_(object_->threads) {
  object_->user = std::this_thread::get_id();
}

ModelCall::~ModelCall() {
  object_->user = std::thread::id();
}

void ModelCall::throw_if_cancelled() const {
  if (object_->cancellations.load() != begun_) cancel();
}

void CallbackProgress::begin(std::string_view stage, std::int64_t total, std::string_view unit) {
  stage_ = stage;
  unit_ = unit;
  total_ = total;
  tell(0, "");
}

void CallbackProgress::update(std::int64_t done, std::string_view note) {
  tell(done, note);
}

void CallbackProgress::end() {
  tell(total_, "");
  stage_.clear();
  unit_.clear();
  total_ = 0;
}

void CallbackProgress::note(std::string_view text) {
  tell(0, text);
}

void CallbackProgress::poll() {
  if (call_ != nullptr) call_->throw_if_cancelled();
  if (other_ != nullptr) other_->throw_if_cancelled();
}

void CallbackProgress::tell(std::int64_t done, std::string_view note) {
  poll();
  if (callback_ == nullptr) return;
  const std::string text(note);
  if (callback_(data_, stage_.c_str(), done, total_, unit_.c_str(), text.c_str()) != 0) cancel();
}

}  // namespace emend::c_api
