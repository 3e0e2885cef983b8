#include "bindings/python/session.h"

#include "emend/error.h"

namespace emend::python {
namespace {

std::unique_lock<std::mutex> take_turn(Session& session) {
  if (session.user.load() == std::this_thread::get_id())
    throw Error(ErrorKind::kUsage, "a progress callback may not use the model that it is called for");
  return std::unique_lock(session.use);
}

}  // namespace

Turn::Turn(Session& session) : session_(session), turn_(take_turn(session)) {
  session_.user = std::this_thread::get_id();
}

Turn::~Turn() {
  session_.user = std::thread::id();
}

}  // namespace emend::python
