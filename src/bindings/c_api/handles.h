// Live handles: numbers that are never followed and never given out twice, so that a wrong one is told and
// not obeyed.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace emend::c_api {

struct ModelObject;
struct PatchObject;

enum class HandleKind { kModel, kPatch, kText };

// A call with a handle that is NULL, freed, or of another kind. Its text names function and handle.
struct BadHandle {
  std::string message;
};

class HandleTable {
 public:
  // The number under which `object` is found from now on.
  std::uintptr_t add(HandleKind kind, std::shared_ptr<void> object);
  // Throws BadHandle. The object lives as long as the result, also when another thread frees the handle.
  std::shared_ptr<void> find(HandleKind kind, std::uintptr_t handle, const char* argument) const;
  // The object goes away with the last call that uses it. Throws BadHandle.
  void remove(HandleKind kind, std::uintptr_t handle, const char* argument);

  // Of this process.
  static HandleTable& shared();

 private:
  struct Entry {
    HandleKind kind;
    std::shared_ptr<void> object;
  };
  const Entry& entry(HandleKind kind, std::uintptr_t handle, const char* argument) const;

  mutable std::mutex mutex_;
  std::map<std::uintptr_t, Entry> entries_;
  std::uintptr_t last_ = 0;
};

// The handle's C type for each kind of object is given by its maker: Handle is emend_model, emend_patch or
// emend_text.
template <typename Handle>
Handle* as_handle(std::uintptr_t number) {
  return reinterpret_cast<Handle*>(number);
}
template <typename Handle>
std::uintptr_t as_number(const Handle* handle) {
  return reinterpret_cast<std::uintptr_t>(handle);
}

template <typename Object, typename Handle>
std::shared_ptr<Object> find_object(HandleKind kind, const Handle* handle, const char* argument) {
  return std::static_pointer_cast<Object>(HandleTable::shared().find(kind, as_number(handle), argument));
}

}  // namespace emend::c_api
