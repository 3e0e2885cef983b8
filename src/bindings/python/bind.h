// The parts of the extension module _core: each file declares to Python what it has.
#pragma once

#include <nanobind/nanobind.h>

namespace emend::python {

namespace nb = nanobind;

void bind_errors(nb::module_& module);
void bind_report(nb::module_& module);
void bind_patch(nb::module_& module);
void bind_model(nb::module_& module);
void bind_memory_calls(nb::module_& module);

// Methods of the class Model, which bind_model makes.
struct Session;
using ModelClass = nb::class_<Session>;
void bind_text_calls(ModelClass& model);
void bind_edit_calls(ModelClass& model);
void bind_patch_calls(ModelClass& model);
void bind_study_calls(ModelClass& model);
void bind_benchmark_calls(ModelClass& model);

// Both: some of their calls take files instead of a model.
void bind_effect_calls(nb::module_& module, ModelClass& model);
void bind_kl_calls(nb::module_& module, ModelClass& model);
void bind_statistics_calls(nb::module_& module, ModelClass& model);
void bind_file_calls(nb::module_& module, ModelClass& model);
void bind_checkpoint_calls(nb::module_& module, ModelClass& model);

}  // namespace emend::python
