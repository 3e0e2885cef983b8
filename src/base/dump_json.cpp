#include "base/dump_json.h"

namespace emend {

std::string dump_json(const ResultJson& json) {
  return json.dump(2, ' ', false, ResultJson::error_handler_t::replace);
}

}  // namespace emend
