// Names that look like given ones and are not among them: what subjects are compared with that may have been
// edited (emend/edited_subjects.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "emend/edited_subjects.h"
#include "emend/tokenizer.h"

namespace emend {

// At most `count` names, each once, in an order that depends on nothing but the arguments. For a candidate of
// several words: the words of another one but its last, and this one's last word; for one of several tokens
// in one word: the first half of another one's tokens, and the second half of this one's; for one of a single
// token: another word of the vocabulary that begins with a capital letter. The last token of a name, which
// its key tells most, is thus one of the candidates' where they have several. A name stands in the
// candidate's prompt in place of its subject. Fewer where the candidates give no more.
std::vector<CandidateSubject> control_names(const Tokenizer& tokenizer,
                                            const std::vector<CandidateSubject>& candidates,
                                            std::size_t count, std::uint64_t seed = 0);

}  // namespace emend
