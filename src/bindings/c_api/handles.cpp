#include "bindings/c_api/handles.h"

namespace emend::c_api {
namespace {

// Odd multiples of a large number: not what a pointer, a small number or a handle plus one looks like.
constexpr std::uintptr_t kStep = 0x9E3779B97F4A7C15u;
constexpr std::uintptr_t kInverse = 0xF1DE83E19937733Du;  // kStep * kInverse = 1 modulo 2^64
static_assert(sizeof(std::uintptr_t) == 8 && kStep * kInverse == 1);

const char* name_of(HandleKind kind) {
  switch (kind) {
    case HandleKind::kModel:
      return "model";
    case HandleKind::kPatch:
      return "patch";
    case HandleKind::kText:
      return "text";
  }
  return "handle";
}

}  // namespace

std::uintptr_t HandleTable::add(HandleKind kind, std::shared_ptr<void> object) {
  const std::lock_guard lock(mutex_);
  const std::uintptr_t handle = (last_ + 1) * kStep;
  entries_.emplace(handle, Entry{kind, std::move(object)});
  ++last_;
  return handle;
}

const HandleTable::Entry& HandleTable::entry(HandleKind kind, std::uintptr_t handle,
                                             const char* argument) const {
  const std::string what = std::string(argument) + ": ";
  if (handle == 0) throw BadHandle{what + "the handle is NULL; a " + name_of(kind) + " is expected"};
  const auto found = entries_.find(handle);
  if (found == entries_.end()) {
    const std::uintptr_t index = handle * kInverse;
    throw BadHandle{what + (index <= last_ ? "this handle was freed already" : "this is no handle of emend") +
                    "; a " + name_of(kind) + " is expected"};
  }
  if (found->second.kind != kind)
    throw BadHandle{what + "this is the handle of a " + name_of(found->second.kind) + "; a " + name_of(kind) +
                    " is expected"};
  return found->second;
}

std::shared_ptr<void> HandleTable::find(HandleKind kind, std::uintptr_t handle, const char* argument) const {
  const std::lock_guard lock(mutex_);
  return entry(kind, handle, argument).object;
}

void HandleTable::remove(HandleKind kind, std::uintptr_t handle, const char* argument) {
  std::shared_ptr<void> object;  // ends outside the lock
  const std::lock_guard lock(mutex_);
  object = entry(kind, handle, argument).object;
  entries_.erase(handle);
}

HandleTable& HandleTable::shared() {
  static HandleTable table;
  return table;
}

}  // namespace emend::c_api
