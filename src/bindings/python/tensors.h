// Tensors between Python and the library, without a copy: as DLPack, a stable protocol that torch speaks on
// both sides (Python: torch.utils.dlpack; C++: ATen/DLConvertor.h). The other way, THPVariable_Wrap, would
// link libtorch_python and compile the headers of torch's own bindings (pybind11 and CPython's internals)
// into every file here; what it has on top, gradients that cross the border, is not wanted: weights never
// take part in them.
#pragma once

#include <ATen/core/Tensor.h>

#include "bindings/python/bind.h"

namespace emend::python {

// A torch.Tensor over the same memory, which lives as long as either of the two.
nb::object to_python(const at::Tensor& tensor);

// The same the other way round, for a torch.Tensor that does not require a gradient.
at::Tensor from_python(nb::handle tensor);

}  // namespace emend::python
