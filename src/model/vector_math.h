// Settles which kernels the vector math library runs, before several threads ask it at once.
#pragma once

namespace emend {

// MKL chooses the kernel of each vector function (exp, cos, ...) at that function's first call. When that
// call comes from several threads at once, one of them can get the low-accuracy kernel for its share
// (pytorch/pytorch#188792): rotary angles were then wrong by 1e-4 and SmolLM2's logits by 3e-3, in about one
// process of forty. One element at a time, on the calling thread, settles the choice for good. Thread-safe;
// does its work once a process; models call it when they are made.
void settle_vector_math();

}  // namespace emend
