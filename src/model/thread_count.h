// The number of threads that the calling thread divides its operations among.
#pragma once

#include <ATen/Parallel.h>

namespace emend {

// The number that is common to all threads is taken over by each when it first divides work: by libtorch's
// own operations, and once more by at::parallel_for of this library, whose note of it is another one. From
// here on neither happens in this thread, so that what another thread sets for itself changes nothing here.
inline void keep_thread_count() {
  at::get_num_threads();
  at::internal::lazy_init_num_threads();
}

inline void set_thread_count(int threads) {
  keep_thread_count();
  at::set_num_threads(threads);
}

// The same; what it was before.
inline int exchange_thread_count(int threads) {
  keep_thread_count();  // first: it may change the number, to one that another thread has just set
  const int before = at::get_num_threads();
  if (threads != before) at::set_num_threads(threads);
  return before;
}

}  // namespace emend
