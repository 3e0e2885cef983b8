#include "bindings/python/session.h"

#include <functional>

#include "emend/error.h"

namespace emend::python {
namespace {

std::unique_lock<std::mutex> take_turn(Session& session) {
  if (session.user.load() == std::this_thread::get_id())
    throw Error(ErrorKind::kUsage, "a progress callback may not use the model that it is called for");
  return std::unique_lock(session.use);
}

}  // namespace

HeldModel::HeldModel(Session& session) : session_(session), turn_(take_turn(session)) {
  session_.user = std::this_thread::get_id();
}

HeldModel::~HeldModel() {
  session_.user = std::thread::id();
}

BasePairTurn::BasePairTurn(Session& one, Session& other) : gradients_(true) {
  const bool ordered = std::less<>{}(&one, &other);
  Session &low = ordered ? one : other, &high = ordered ? other : one;
  low_.emplace(low);
  if (&one != &other) high_.emplace(high);
  low_base_.emplace(low.stack);
  if (&one != &other) high_base_.emplace(high.stack);
}

}  // namespace emend::python
