#include "bindings/python/tensors.h"

#include <ATen/DLConvertor.h>

namespace emend::python {
namespace {

using Exchange = at::DLPackTraits<DLManagedTensor>;

// Of a capsule that nobody took over.
void free_capsule(PyObject* capsule) {
  if (PyCapsule_IsValid(capsule, Exchange::capsule) == 0) return;
  auto* const managed = static_cast<DLManagedTensor*>(PyCapsule_GetPointer(capsule, Exchange::capsule));
  managed->deleter(managed);
}

nb::object dlpack() {
  return nb::module_::import_("torch.utils.dlpack");
}

}  // namespace

nb::object to_python(const at::Tensor& tensor) {
  DLManagedTensor* const managed = at::toDLPack(tensor);
  PyObject* const capsule = PyCapsule_New(managed, Exchange::capsule, free_capsule);
  if (capsule == nullptr) {
    managed->deleter(managed);
    throw nb::python_error();
  }
  return dlpack().attr("from_dlpack")(nb::steal(capsule));
}

at::Tensor from_python(nb::handle tensor) {
  const nb::object capsule = dlpack().attr("to_dlpack")(tensor);
  void* const managed = PyCapsule_GetPointer(capsule.ptr(), Exchange::capsule);
  if (managed == nullptr) throw nb::python_error();
  at::Tensor shared = at::fromDLPack(static_cast<DLManagedTensor*>(managed));
  PyCapsule_SetName(capsule.ptr(), Exchange::used);  // the tensor frees it from here on
  return shared;
}

}  // namespace emend::python
