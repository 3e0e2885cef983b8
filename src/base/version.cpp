#include "emend/version.h"

namespace emend {

std::string emend_version() {
  return EMEND_VERSION;
}

}  // namespace emend
