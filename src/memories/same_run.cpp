#include "memories/same_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/fingerprint.h"
#include "emend/error.h"

namespace emend {

void require_same_run(ShardGroup& group, const std::string& run, const std::string& command) {
  constexpr std::size_t kDigits = 16;  // of 4 bits each
  Sha256 hash;
  hash.update_field(run);
  const std::uint64_t own = std::stoull(hash.hex().substr(0, kDigits), nullptr, 16);
  const std::vector<std::uint64_t> all = group.gather_to_first({own});
  if (group.rank() != 0) return;
  const auto other = std::find_if(all.begin(), all.end(), [&](std::uint64_t one) { return one != own; });
  if (other != all.end())
    throw Error(ErrorKind::kConfig,
                fmt::format("{}: process {} of the group has another text, model or option than process 0; "
                            "give all of them the same files and options",
                            command, other - all.begin()));
}

}  // namespace emend
